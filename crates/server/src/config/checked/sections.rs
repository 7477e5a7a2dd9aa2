//! Checks the sections one by one, and combinations of settings.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};

use aquaware_core::id::Issuer;
use aquaware_core::origin::OriginRecord;

use super::super::parse;
use super::super::reader::Reader;
use super::super::schema::Key;
use super::super::types::{LogFormat, Signup};
use super::clients::clients;
use super::compat::simplejwt;
use super::mail::{check_verification, mail};
use super::{Accounts, Argon2, Config, Keys, Limits, Listen, Log, Sessions, Stores, Tls, Webhook};

/// The maximum memory of all concurrent password hashes.
const MAX_HASHING_MEMORY_KIB: u64 = 8 * 1024 * 1024;

/// All sections; `None` if a value is missing or invalid.
pub(super) fn config(reader: &mut Reader<'_>, directory: &Path) -> Option<Config> {
    let data_dir = reader.read("data_dir", parse::path(directory));
    let base = data_dir.clone().unwrap_or_else(|| directory.to_owned());
    reader.base.clone_from(&base);
    let issuer = reader.optional(&Key::plain("issuer"), parse::issuer);
    let documents = reader.read("documents", parse::boolean);
    let pages = reader.read("pages", parse::boolean);
    let listen = listen(reader, &base);
    let public = listen.as_ref().map(|listen| listen.public);
    check_wildcard(reader, &issuer, public);
    let store = stores(reader, &base);
    let keys = keys(reader, &base);
    let accounts = accounts(reader);
    let mut clients = clients(reader, keys.as_ref().map(|keys| keys.algorithm));
    let simplejwt = simplejwt(reader, clients.as_mut());
    let limits = limits(reader);
    let cookie_name = reader.read("cookies.name", parse::cookie_name);
    let sessions = sessions(reader);
    let insecure_cookies = reader.read("cookies.insecure", parse::boolean);
    let allow_origins = reader.read("cors.allow_origins", parse::origins);
    let log = log(reader);
    let otlp_endpoint = reader.read("telemetry.otlp_endpoint", parse::endpoint);
    let webhook = webhook(reader);
    let mail = mail(reader, &base);
    if let (Some(accounts), Some(mail), Some(webhook)) = (&accounts, &mail, &webhook) {
        let sends_messages = mail.is_some() || webhook.is_some();
        check_verification(reader, accounts.require_verified_email, sends_messages);
    }
    Some(Config {
        issuer: issuer?,
        data_dir: data_dir?,
        documents: documents?,
        pages: pages?,
        listen: listen?,
        store: store?,
        keys: keys?,
        accounts: accounts?,
        clients: clients?,
        limits: limits?,
        mail: mail?,
        cookie_name: cookie_name?,
        sessions: sessions?,
        insecure_cookies: insecure_cookies?,
        allow_origins: allow_origins?,
        simplejwt: simplejwt?,
        log: log?,
        webhook: webhook?,
        otlp_endpoint: otlp_endpoint?,
    })
}

fn listen(reader: &mut Reader<'_>, base: &Path) -> Option<Listen> {
    let public = reader.read("listen.public", parse::address);
    let management = reader.read("listen.management", parse::address);
    let workers = reader.read("listen.workers", parse::whole(0, 1024));
    let trusted_proxies = reader.read("listen.trusted_proxies", parse::networks);
    let idle_timeout = reader.read("listen.idle_timeout", parse::positive_duration);
    let max_connections = reader.read("listen.max_connections", parse::whole(0, 10_000_000));
    let tls = tls(reader, base);
    let overlapping = public.zip(management).filter(|(one, other)| overlap(*one, *other));
    if let Some((public, management)) = overlapping {
        let other = Key::plain("listen.management");
        let (key, other) = if reader.is_set(&other) {
            (other, format!("listen.public, {public}"))
        } else {
            (Key::plain("listen.public"), format!("listen.management, {management}"))
        };
        reader.conflict(&key, format_args!("expected a port other than that of {other}"));
        return None;
    }
    Some(Listen {
        public: public?,
        management: management?,
        workers: per_core(workers?),
        trusted_proxies: trusted_proxies?,
        idle_timeout: idle_timeout?,
        max_connections: NonZeroUsize::new(max_connections?),
        tls: tls?,
    })
}

/// A wildcard address names no host, so no issuer can be derived from it.
fn check_wildcard(
    reader: &mut Reader<'_>,
    issuer: &Option<Option<Issuer>>,
    public: Option<SocketAddr>,
) {
    if matches!(issuer, Some(None)) && public.is_some_and(is_wildcard) {
        let what = "requires issuer, because a wildcard address names no host; set issuer to the \
                    URL under which clients reach this server, such as \"https://auth.example.com\"";
        reader.conflict(&Key::plain("listen.public"), what);
    }
}

/// Whether a listener at `address` accepts connections on all interfaces.
pub(super) fn is_wildcard(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_unspecified()
}

/// Whether two listeners would use the same port of the same interface.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let unspecified = is_wildcard(one) || is_wildcard(other);
    one.port() == other.port() && one.port() != 0 && (one.ip() == other.ip() || unspecified)
}

fn tls(reader: &mut Reader<'_>, base: &Path) -> Option<Option<Tls>> {
    let mut file = |path| -> (Key, Option<Option<PathBuf>>) {
        let key = Key::plain(path);
        let value = reader.optional(&key, parse::path(base));
        (key, value)
    };
    let (certificate_key, certificate) = file("listen.tls.certificate");
    let (private_key_key, private_key) = file("listen.tls.private_key");
    match (certificate?, private_key?) {
        (Some(certificate), Some(private_key)) => Some(Some(Tls { certificate, private_key })),
        (None, None) => Some(None),
        (Some(_), None) => {
            reader.conflict(&certificate_key, "requires listen.tls.private_key");
            None
        }
        (None, Some(_)) => {
            reader.conflict(&private_key_key, "requires listen.tls.certificate");
            None
        }
    }
}

fn stores(reader: &mut Reader<'_>, base: &Path) -> Option<Stores> {
    let sessions = reader.read("store.sessions", parse::store(base));
    let accounts = reader.read("store.accounts", parse::store(base));
    let pool_size = reader.read("store.pool_size", parse::whole::<u32>(1, 10_000));
    let timeout = reader.read("store.timeout", parse::positive_duration);
    let migrate = reader.read("store.migrate", parse::boolean);
    Some(Stores {
        sessions: sessions?,
        accounts: accounts?,
        pool_size: NonZeroU32::new(pool_size?)?,
        timeout: timeout?,
        migrate: migrate?,
    })
}

fn keys(reader: &mut Reader<'_>, base: &Path) -> Option<Keys> {
    let directory = reader.read("keys.directory", parse::path(base));
    let algorithm = reader.read("keys.algorithm", parse::algorithm);
    let rotate_every = reader.read("keys.rotate_every", parse::rotation);
    Some(Keys { directory: directory?, algorithm: algorithm?, rotate_every: rotate_every? })
}

fn accounts(reader: &mut Reader<'_>) -> Option<Accounts> {
    let names = [("open", Signup::Open), ("closed", Signup::Closed)];
    let signup = reader.read("accounts.signup", parse::one_of(&names));
    // OWASP ASVS 5 §6.2.1 requires a minimum of at least 8. A minimum above 128 would reject most
    // passwords and is probably an error.
    let length = reader.read("accounts.password_min_length", parse::whole(8, 128));
    let verified = reader.read("accounts.require_verified_email", parse::boolean);
    let argon2 = argon2(reader);
    Some(Accounts {
        signup: signup?,
        password_min_length: length?,
        require_verified_email: verified?,
        argon2: argon2?,
    })
}

/// The ranges are those of RFC 9106 §3.1.
fn argon2(reader: &mut Reader<'_>) -> Option<Argon2> {
    let memory_kib = reader.read_key(&MEMORY, parse::whole(8, u32::MAX.into()));
    let iterations = reader.read("accounts.argon2.iterations", parse::whole(1, u32::MAX.into()));
    let parallelism = reader.read("accounts.argon2.parallelism", parse::whole(1, 0x00FF_FFFF));
    let concurrent = reader.read("accounts.argon2.max_concurrent", parse::whole(0, 65_536));
    let max_waiting = reader.read("accounts.argon2.max_waiting", parse::whole(0, 1_000_000));
    let max_concurrent = concurrent.map(per_core);
    check_lanes(reader, memory_kib, parallelism);
    check_sum(reader, memory_kib, max_concurrent);
    Some(Argon2 {
        memory_kib: memory_kib?,
        iterations: iterations?,
        parallelism: parallelism?,
        max_concurrent: max_concurrent?,
        max_waiting: max_waiting?,
    })
}

const MEMORY: Key = Key::plain("accounts.argon2.memory_kib");

/// Checks the memory of one hash. An error is reported for a value that was set explicitly.
fn check_lanes(reader: &mut Reader<'_>, memory_kib: Option<u32>, lanes: Option<u32>) {
    let (Some(kib), Some(lanes)) = (memory_kib.map(u64::from), lanes.map(u64::from)) else {
        return;
    };
    if kib >= 8 * lanes {
        return;
    }
    let (key, bound, of) = if reader.is_set(&MEMORY) {
        (MEMORY, format!("at least {}", 8 * lanes), format!("parallelism = {lanes}"))
    } else {
        let lanes = Key::plain("accounts.argon2.parallelism");
        (lanes, format!("at most {}", kib / 8), format!("memory_kib = {kib}"))
    };
    reader.conflict(&key, format_args!("expected {bound}: each lane needs 8 KiB, and {of}"));
}

/// Checks the memory of all hashes.
fn check_sum(reader: &mut Reader<'_>, memory_kib: Option<u32>, hashes: Option<NonZeroUsize>) {
    let (Some(kib), Some(hashes)) = (memory_kib.map(u64::from), hashes) else {
        return;
    };
    let hashes = hashes.get() as u64;
    if kib.saturating_mul(hashes) <= MAX_HASHING_MEMORY_KIB {
        return;
    }
    let (key, max, of) = if reader.is_set(&MEMORY) {
        (MEMORY, MAX_HASHING_MEMORY_KIB / hashes, format!("max_concurrent = {hashes}"))
    } else {
        let hashes = Key::plain("accounts.argon2.max_concurrent");
        (hashes, MAX_HASHING_MEMORY_KIB / kib, format!("memory_kib = {kib}"))
    };
    let what = format_args!("expected at most {max}: all hashes together may use 8 GiB, and {of}");
    reader.conflict(&key, what);
}

fn limits(reader: &mut Reader<'_>) -> Option<Limits> {
    let login_per_address = reader.read("limits.login_per_address", parse::rate);
    let signup_per_address = reader.read("limits.signup_per_address", parse::rate);
    let refresh_per_session = reader.read("limits.refresh_per_session", parse::rate);
    let failed_logins = reader.read("limits.failed_logins_per_account", parse::rate);
    let messages = reader.read("limits.messages_per_account", parse::rate);
    let failed_clients = reader.read("limits.failed_clients_per_address", parse::rate);
    let mut limits = Limits::UNLIMITED;
    limits.login_per_address = login_per_address?;
    limits.signup_per_address = signup_per_address?;
    limits.refresh_per_session = refresh_per_session?;
    limits.failed_logins_per_account = failed_logins?;
    limits.messages_per_account = messages?;
    limits.failed_clients_per_address = failed_clients?;
    Some(limits)
}

fn sessions(reader: &mut Reader<'_>) -> Option<Sessions> {
    let names = OriginRecord::ALL.map(|record| (record.as_str(), record));
    let record = reader.read("sessions.record", parse::one_of(&names));
    let per_account = reader.read("limits.sessions_per_account", parse::count);
    Some(Sessions { record: record?, per_account: per_account? })
}

fn log(reader: &mut Reader<'_>) -> Option<Log> {
    let names = [("auto", LogFormat::Auto), ("human", LogFormat::Human), ("json", LogFormat::Json)];
    let format = reader.read("log.format", parse::one_of(&names));
    let level = reader.read("log.level", parse::level);
    Some(Log { format: format?, level: level? })
}

fn webhook(reader: &mut Reader<'_>) -> Option<Option<Webhook>> {
    let url = reader.read("webhook.url", parse::webhook_receiver);
    let secret = reader.read("webhook.secret", parse::signing_secret);
    let events = reader.read("webhook.events", parse::events);
    match (url?, secret?, events?) {
        (Some(url), Some(secret), events) => Some(Some(Webhook { url, secret, events })),
        (None, None, _) => Some(None),
        (Some(_), None, _) => {
            reader.conflict(&Key::plain("webhook.url"), "requires webhook.secret");
            None
        }
        (None, Some(_), _) => {
            reader.conflict(&Key::plain("webhook.secret"), "requires webhook.url");
            None
        }
    }
}

/// `count`, or the number of cores if it is 0.
fn per_core(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count)
        .or_else(|| std::thread::available_parallelism().ok())
        .unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_overlap_on_one_port_of_one_interface() {
        for (one, other, expected) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "[::]:80", true),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
        ] {
            assert_eq!(
                overlap(one.parse().unwrap(), other.parse().unwrap()),
                expected,
                "{one} {other}"
            );
        }
    }

    #[test]
    fn zero_means_one_per_core() {
        assert_eq!(per_core(3).get(), 3);
        assert_eq!(Some(per_core(0)), std::thread::available_parallelism().ok());
    }
}
