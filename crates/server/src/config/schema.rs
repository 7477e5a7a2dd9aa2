//! Every setting there is: its key, its default as it would be typed, and how secret it is.
//!
//! One table serves the file, the environment, the check, `config show` and the suggestions for
//! misspelled keys, so none of them can know a key that the others don't.

use std::fmt;

use super::source::PREFIX;

/// A default, as somebody would type it. It also says which type a variable is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Initial {
    /// Nothing: the setting is a text that may be left out.
    Absent,
    /// A string.
    Text(&'static str),
    /// A whole number.
    Integer(i64),
    /// `true` or `false`.
    Boolean(bool),
    /// A list of strings.
    List(&'static [&'static str]),
}

/// How much of a value may be shown, and whether it may come from a file of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secrecy {
    /// All of it.
    Open,
    /// All but a password within; `file:PATH` is read.
    Url,
    /// Nothing; `file:PATH` is read.
    Secret,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// Its path, or its name within the table of a client.
    pub(crate) path: &'static str,
    /// Its default.
    pub(crate) initial: Initial,
    /// How secret it is.
    pub(crate) secrecy: Secrecy,
}

const fn open(path: &'static str, initial: Initial) -> Setting {
    Setting { path, initial, secrecy: Secrecy::Open }
}

const fn absent(path: &'static str) -> Setting {
    open(path, Initial::Absent)
}

const fn text(path: &'static str, initial: &'static str) -> Setting {
    open(path, Initial::Text(initial))
}

const fn whole(path: &'static str, initial: i64) -> Setting {
    open(path, Initial::Integer(initial))
}

const fn flag(path: &'static str) -> Setting {
    open(path, Initial::Boolean(false))
}

const fn on(path: &'static str) -> Setting {
    open(path, Initial::Boolean(true))
}

const fn list(path: &'static str, initial: &'static [&'static str]) -> Setting {
    open(path, Initial::List(initial))
}

const fn url(path: &'static str, initial: &'static str) -> Setting {
    Setting { path, initial: Initial::Text(initial), secrecy: Secrecy::Url }
}

const fn secret(path: &'static str) -> Setting {
    Setting { path, initial: Initial::Text(""), secrecy: Secrecy::Secret }
}

/// The settings outside `[clients]`, in the order in which they are shown.
pub(super) const SETTINGS: &[Setting] = &[
    absent("issuer"),
    text("data_dir", "."),
    text("listen.public", "127.0.0.1:8080"),
    text("listen.management", "127.0.0.1:9090"),
    whole("listen.workers", 0),
    list("listen.trusted_proxies", &[]),
    absent("listen.tls.certificate"),
    absent("listen.tls.private_key"),
    url("store.sessions", "sqlite:aquaware.db"),
    url("store.accounts", "sqlite:aquaware.db"),
    whole("store.pool_size", 16),
    text("store.timeout", "2s"),
    on("store.migrate"),
    text("keys.directory", "keys"),
    text("keys.algorithm", "EdDSA"),
    text("keys.rotate_every", "90d"),
    text("accounts.signup", "open"),
    whole("accounts.password_min_length", 8),
    whole("accounts.argon2.memory_kib", 19456),
    whole("accounts.argon2.iterations", 2),
    whole("accounts.argon2.parallelism", 1),
    whole("accounts.argon2.max_concurrent", 0),
    whole("accounts.argon2.max_waiting", 256),
    text("limits.login_per_address", "30/1m"),
    text("limits.signup_per_address", "10/1h"),
    text("limits.refresh_per_session", "60/1m"),
    text("limits.failed_logins_per_account", "10/15m"),
    flag("cookies.insecure"),
    list("cors.allow_origins", &[]),
    text("log.format", "auto"),
    text("log.level", "info"),
    url("telemetry.otlp_endpoint", ""),
];

/// The settings of one client, with the defaults of `web`, which are those of any other client too.
pub(super) const CLIENT_SETTINGS: &[Setting] = &[
    text("access_lifetime", "5m"),
    text("refresh_lifetime", "30d"),
    text("session_lifetime", "365d"),
    text("rotation", "always"),
    text("retry_window", "30s"),
    text("refresh_transport", "body"),
    list("audience", &[]),
    list("scopes", &[]),
    list("grants", &["login", "refresh_token"]),
    secret("secret_hash"),
    flag("status"),
];

/// What `device` does otherwise.
const DEVICE_SETTINGS: &[Setting] = &[text("rotation", "never"), text("refresh_lifetime", "365d")];

/// The clients that exist without being configured.
pub(super) const BUILT_IN_CLIENTS: [&str; 2] = ["web", "device"];

/// The name of one setting, be it of the server or of one client.
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

    /// The client it belongs to, if it is one's.
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

    /// What the table says about it.
    pub(super) fn setting(&self) -> Option<&'static Setting> {
        let (settings, special) = match self.client.as_deref() {
            None => (SETTINGS, None),
            Some("device") => (CLIENT_SETTINGS, find(DEVICE_SETTINGS, self.path)),
            Some(_) => (CLIENT_SETTINGS, None),
        };
        special.or_else(|| find(settings, self.path))
    }

    /// The key as a pattern: `clients.*.rotation` for every client's.
    pub(super) fn pattern(&self) -> String {
        let table = if self.client.is_some() { "clients.*." } else { "" };
        format!("{table}{}", self.path)
    }

    /// The variable that overrides it.
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

/// A key as TOML writes it: quoted where it must be.
pub(super) fn key_part(name: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if !name.is_empty() && name.bytes().all(bare) {
        name.to_owned()
    } else {
        super::value::quoted(name)
    }
}

/// A client's id as it is spelled within the name of a variable.
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

/// The names that may stand in the table `path`; the empty path is the top.
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

/// Where else a setting called `name` lives, for those who put it into the wrong table.
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
    fn keys_and_variables_are_spelled_alike() {
        let key = Key::plain("listen.tls.certificate");
        assert_eq!(key.to_string(), "listen.tls.certificate");
        assert_eq!(key.variable(), "AQUAWARE_LISTEN__TLS__CERTIFICATE");
        let key = Key::of_client("my-app.eu", "rotation");
        assert_eq!(key.to_string(), "clients.\"my-app.eu\".rotation");
        assert_eq!(key.variable(), "AQUAWARE_CLIENTS__MY_APP_EU__ROTATION");
        assert_eq!(key.pattern(), "clients.*.rotation");
    }

    #[test]
    fn tables_know_what_may_stand_in_them() {
        assert_eq!(children("keys"), ["directory", "algorithm", "rotate_every"]);
        assert!(children("").contains(&"clients") && children("").contains(&"issuer"));
        assert!(children("listen").contains(&"tls"));
        assert!(is_table("listen.tls") && !is_table("issuer") && !is_table("lis"));
    }

    #[test]
    fn a_setting_in_the_wrong_table_is_found_again() {
        assert_eq!(elsewhere("pool_size").as_deref(), Some("store.pool_size"));
        assert_eq!(elsewhere("rotation").as_deref(), Some("clients.CLIENT.rotation"));
        assert_eq!(elsewhere("colour"), None);
    }
}
