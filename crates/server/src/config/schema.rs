//! All settings: key, default and secrecy.
//!
//! The file, the environment, the checks, `config show` and the suggestions for misspelled keys all
//! use this table, so they cannot disagree about the keys.

use std::fmt;

use aquaware_http::EventKind;

use self::DefaultValue::{Absent, Boolean, Integer, List, Text};
use super::source::PREFIX;

/// The default of a setting. It also determines the type of the setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DefaultValue {
    /// No default: the setting is an optional string.
    Absent,
    Text(&'static str),
    Integer(i64),
    Boolean(bool),
    List(&'static [&'static str]),
}

/// Whether a value may be displayed, and whether `file:PATH` is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secrecy {
    /// The value is displayed.
    Open,
    /// The value is displayed without passwords in it; `file:PATH` is allowed.
    Url,
    /// The value is never displayed; `file:PATH` is allowed.
    Secret,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// The path, or the name within the table of a client.
    pub(crate) path: &'static str,
    pub(crate) default: DefaultValue,
    pub(crate) secrecy: Secrecy,
}

const fn open(path: &'static str, default: DefaultValue) -> Setting {
    Setting { path, default, secrecy: Secrecy::Open }
}

const fn url(path: &'static str, default: &'static str) -> Setting {
    Setting { path, default: Text(default), secrecy: Secrecy::Url }
}

/// The settings outside `[clients]`, in display order.
pub(super) const SETTINGS: &[Setting] = &[
    open("issuer", Absent),
    open("data_dir", Text(".")),
    open("documents", Boolean(true)),
    open("pages", Boolean(true)),
    open("listen.public", Text("127.0.0.1:8080")),
    open("listen.management", Text("127.0.0.1:9090")),
    open("listen.workers", Integer(0)),
    open("listen.trusted_proxies", List(&[])),
    open("listen.idle_timeout", Text("30s")),
    open("listen.max_connections", Integer(0)),
    open("listen.tls.certificate", Absent),
    open("listen.tls.private_key", Absent),
    url("store.sessions", "sqlite:aquaware.db"),
    url("store.accounts", "sqlite:aquaware.db"),
    open("store.pool_size", Integer(16)),
    open("store.timeout", Text("2s")),
    open("store.migrate", Boolean(true)),
    open("keys.directory", Text("keys")),
    open("keys.algorithm", Text("EdDSA")),
    open("keys.rotate_every", Text("90d")),
    open("accounts.signup", Text("open")),
    open("accounts.password_min_length", Integer(8)),
    open("accounts.require_verified_email", Boolean(false)),
    open("accounts.argon2.memory_kib", Integer(19456)),
    open("accounts.argon2.iterations", Integer(2)),
    open("accounts.argon2.parallelism", Integer(1)),
    open("accounts.argon2.max_concurrent", Integer(0)),
    open("accounts.argon2.max_waiting", Integer(256)),
    open("limits.login_per_address", Text("30/1m")),
    open("limits.signup_per_address", Text("10/1h")),
    open("limits.refresh_per_session", Text("60/1m")),
    open("limits.failed_logins_per_account", Text("10/15m")),
    open("limits.messages_per_account", Text("5/1h")),
    open("limits.failed_clients_per_address", Text("30/1m")),
    open("limits.sessions_per_account", Integer(1000)),
    open("sessions.record", Text("masked")),
    url("mail.url", ""),
    open("mail.from", Text("")),
    open("mail.app_name", Text("Aquaware")),
    open("mail.link_base", Text("")),
    open("mail.templates", Text("")),
    open("mail.tls_ca", Text("")),
    open("cookies.name", Text("aquaware-refresh")),
    open("cookies.insecure", Boolean(false)),
    open("cors.allow_origins", List(&[])),
    open("compat.simplejwt.enabled", Boolean(false)),
    Setting { path: "compat.simplejwt.signing_key", default: Text(""), secrecy: Secrecy::Secret },
    open("compat.simplejwt.until", Text("")),
    open("compat.simplejwt.user_id_claim", Text("user_id")),
    open("compat.simplejwt.rotate", Boolean(true)),
    open("compat.simplejwt.reversible", Boolean(true)),
    open("log.format", Text("auto")),
    open("log.level", Text("info")),
    url("telemetry.otlp_endpoint", ""),
    url("webhook.url", ""),
    Setting { path: "webhook.secret", default: Text(""), secrecy: Secrecy::Secret },
    open("webhook.events", List(EventKind::NAMES)),
];

/// The settings of a client, with the defaults of all clients except `device`.
pub(super) const CLIENT_SETTINGS: &[Setting] = &[
    open("access_lifetime", Text("5m")),
    open("refresh_lifetime", Text("30d")),
    open("session_lifetime", Text("365d")),
    open("rotation", Text("always")),
    open("retry_window", Text("30s")),
    open("refresh_transport", Text("body")),
    open("audience", List(&[])),
    open("scopes", List(&[])),
    open("grants", List(&["login", "refresh_token"])),
    Setting { path: "secret_hash", default: Text(""), secrecy: Secrecy::Secret },
    open("status", Boolean(false)),
];

/// The settings of `device` that have other defaults.
const DEVICE_SETTINGS: &[Setting] =
    &[open("rotation", Text("never")), open("refresh_lifetime", Text("365d"))];

/// The clients that exist without configuration.
pub(super) const BUILT_IN_CLIENTS: [&str; 2] = ["web", "device"];

/// The key of a setting of the server or of a client.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    client: Option<String>,
    path: &'static str,
}

impl Key {
    /// The key of a setting outside `[clients]`.
    pub(super) const fn plain(path: &'static str) -> Self {
        Self { client: None, path }
    }

    /// The key of a client's setting.
    pub(super) fn of_client(client: &str, name: &'static str) -> Self {
        Self { client: Some(client.to_owned()), path: name }
    }

    /// The client that the setting belongs to, if any.
    pub(super) fn client(&self) -> Option<&str> {
        self.client.as_deref()
    }

    /// The names from the outermost table down to the setting.
    pub(super) fn parts(&self) -> Vec<&str> {
        let client = self.client.iter().flat_map(|id| ["clients", id]);
        client.chain(self.path.split('.')).collect()
    }

    /// The last of [`Key::parts`].
    pub(super) fn name(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }

    pub(super) fn setting(&self) -> Option<&'static Setting> {
        let (settings, special) = match self.client.as_deref() {
            None => (SETTINGS, None),
            Some("device") => (CLIENT_SETTINGS, find(DEVICE_SETTINGS, self.path)),
            Some(_) => (CLIENT_SETTINGS, None),
        };
        special.or_else(|| find(settings, self.path))
    }

    /// The environment variable that overrides the setting.
    pub(super) fn variable(&self) -> String {
        let path = self.path.to_ascii_uppercase().replace('.', "__");
        match &self.client {
            None => format!("{PREFIX}{path}"),
            Some(id) => format!("{PREFIX}CLIENTS__{}__{path}", client_in_variable(id)),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.client {
            None => f.write_str(self.path),
            Some(id) => write!(f, "clients.{}.{}", key_part(id), self.path),
        }
    }
}

/// A part of a key in TOML, quoted if necessary.
pub(super) fn key_part(name: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if !name.is_empty() && name.bytes().all(bare) {
        name.to_owned()
    } else {
        super::value::quoted(name)
    }
}

/// A client id within the name of an environment variable.
pub(super) fn client_in_variable(id: &str) -> String {
    id.to_ascii_uppercase().replace(['-', '.'], "_")
}

/// The setting with this path.
pub(super) fn find(settings: &'static [Setting], path: &str) -> Option<&'static Setting> {
    settings.iter().find(|setting| setting.path == path)
}

/// Whether there are settings below `path`.
pub(super) fn is_table(path: &str) -> bool {
    path == "clients" || SETTINGS.iter().any(|setting| below(setting.path, path).is_some())
}

/// The names in the table `path`; the empty path is the root.
pub(super) fn children(path: &str) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = SETTINGS
        .iter()
        .filter_map(|setting| below(setting.path, path))
        .map(|rest| rest.split('.').next().unwrap_or(rest))
        .collect();
    if path.is_empty() {
        names.push("clients");
    }
    names.dedup();
    names
}

/// The path of a setting called `name` in another table.
pub(super) fn elsewhere(name: &str) -> Option<String> {
    let last = |path: &'static str| path.rsplit('.').next() == Some(name);
    let plain = SETTINGS.iter().find(|setting| last(setting.path));
    let of_client = || find(CLIENT_SETTINGS, name).map(|_| format!("clients.CLIENT.{name}"));
    plain.map(|setting| setting.path.to_owned()).or_else(of_client)
}

fn below(path: &'static str, table: &str) -> Option<&'static str> {
    if table.is_empty() { Some(path) } else { path.strip_prefix(table)?.strip_prefix('.') }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_correspond_to_variables() {
        let key = Key::plain("listen.tls.certificate");
        assert_eq!(key.to_string(), "listen.tls.certificate");
        assert_eq!(key.variable(), "AQUAWARE_LISTEN__TLS__CERTIFICATE");
        let key = Key::of_client("my-app.eu", "rotation");
        assert_eq!(key.to_string(), "clients.\"my-app.eu\".rotation");
        assert_eq!(key.variable(), "AQUAWARE_CLIENTS__MY_APP_EU__ROTATION");
    }

    #[test]
    fn tables_know_their_settings() {
        assert_eq!(children("keys"), ["directory", "algorithm", "rotate_every"]);
        assert!(children("").contains(&"clients") && children("").contains(&"issuer"));
        assert!(children("listen").contains(&"tls"));
        assert!(is_table("listen.tls") && !is_table("issuer") && !is_table("lis"));
    }

    #[test]
    fn a_setting_in_the_wrong_table_is_found() {
        assert_eq!(elsewhere("pool_size").as_deref(), Some("store.pool_size"));
        assert_eq!(elsewhere("rotation").as_deref(), Some("clients.CLIENT.rotation"));
        assert_eq!(elsewhere("colour"), None);
    }
}
