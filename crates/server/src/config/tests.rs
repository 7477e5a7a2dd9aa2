//! The configuration as a whole: its sources, its documentation, and every kind of error.

use std::path::Path;

use aquaware_core::jwt::Algorithm;

use super::*;

fn request(directory: &Path, variables: &[(&str, &str)]) -> Request {
    let environment = variables.iter().copied().collect();
    Request { file: None, environment, directory: directory.to_owned() }
}

fn with_file(content: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(DEFAULT_FILE), content).unwrap();
    directory
}

fn problems(file: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let directory = with_file(file);
    let errors = load(&request(directory.path(), variables)).unwrap_err();
    errors.0.iter().map(ToString::to_string).collect()
}

fn loaded(file: &str, variables: &[(&str, &str)]) -> Config {
    let directory = with_file(file);
    load(&request(directory.path(), variables)).unwrap_or_else(|e| panic!("{e}")).config
}

/// The first TOML block of the documentation: the full sample.
fn sample() -> &'static str {
    let page = include_str!("../../../../docs/configuration.md");
    let start = page.find("```toml\n").unwrap() + "```toml\n".len();
    let length = page[start..].find("```").unwrap();
    &page[start..start + length]
}

#[test]
fn the_sample_of_the_documentation_is_the_default_configuration() {
    let directory = with_file(sample());
    let written = load(&request(directory.path(), &[])).unwrap_or_else(|e| panic!("{e}"));
    std::fs::remove_file(directory.path().join(DEFAULT_FILE)).unwrap();
    let default = load(&request(directory.path(), &[])).unwrap();
    assert_eq!(format!("{:#?}", written.config), format!("{:#?}", default.config));
    assert_eq!(default.file, None);
}

#[test]
fn the_sample_of_the_documentation_names_every_setting() {
    let mut raw = Raw::new();
    raw.add_file("sample", uncommented().as_bytes());
    assert_eq!(raw.problems, []);
    let typed = |key: schema::Key| {
        let entry = raw.effective(&key);
        assert!(
            entry.is_some_and(|e| e.source != Source::Default),
            "{key} is missing in the sample"
        );
    };
    schema::SETTINGS.iter().for_each(|setting| typed(schema::Key::plain(setting.path)));
    let of_web = schema::CLIENT_SETTINGS.iter().map(|s| schema::Key::of_client("web", s.path));
    of_web.for_each(typed);
}

#[test]
fn the_commented_lines_of_the_sample_are_valid() {
    let config = loaded(&uncommented(), &[]);
    assert!(config.listen.tls.is_some());
    let bound = config.listen.public;
    let default = loaded("", &[]).issuer(bound).unwrap();
    assert_eq!(config.issuer(bound).unwrap(), default);
}

/// The sample with the lines that are commented out because they have no default.
fn uncommented() -> String {
    let line = |line: &str| {
        let bare =
            line.strip_prefix("# ").filter(|rest| rest.contains(" = ") || rest.starts_with('['));
        bare.unwrap_or(line).to_owned()
    };
    sample().lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_documentation_names_every_setting_and_its_variable() {
    let page = include_str!("../../../../docs/configuration.md");
    for setting in schema::SETTINGS {
        let variable = schema::Key::plain(setting.path).variable();
        assert!(page.contains(&format!("`{}`", setting.path)), "{}", setting.path);
        assert!(page.contains(&format!("`{variable}`")), "{variable}");
    }
    for setting in schema::CLIENT_SETTINGS {
        assert!(page.contains(&format!("`{}`", setting.path)), "{}", setting.path);
    }
}

#[test]
fn the_option_overrides_the_variable_and_the_variable_the_default_file() {
    let directory = with_file("log.level = 'off'");
    std::fs::write(directory.path().join("one.toml"), "log.level = 'warn'").unwrap();
    std::fs::write(directory.path().join("two.toml"), "log.level = 'debug'").unwrap();
    let level = |file: Option<&str>, variables: &[(&str, &str)]| {
        let request =
            Request { file: file.map(PathBuf::from), ..request(directory.path(), variables) };
        load(&request).unwrap().config.log.level
    };
    let variable = [(FILE_VARIABLE, "two.toml")];
    assert_eq!(level(Some("one.toml"), &variable), "warn");
    assert_eq!(level(Some("one.toml"), &[(FILE_VARIABLE, "")]), "warn");
    assert_eq!(level(None, &variable), "debug");
    assert_eq!(level(None, &[]), "off");
    assert_eq!(level(None, &[(FILE_VARIABLE, "")]), "off");
}

#[test]
fn a_named_file_must_be_readable() {
    let directory = tempfile::tempdir().unwrap();
    let errors = |file: Option<&str>, variables: &[(&str, &str)]| {
        let request =
            Request { file: file.map(PathBuf::from), ..request(directory.path(), variables) };
        load(&request).unwrap_err().to_string()
    };
    assert!(errors(Some("gone.toml"), &[]).contains("gone.toml: cannot be read: "));
    let named = errors(None, &[(FILE_VARIABLE, "gone.toml")]);
    assert!(named.contains("gone.toml: cannot be read (named by AQUAWARE_CONFIG): "), "{named}");
    assert!(errors(Some("."), &[]).contains(".: cannot be read: "));
}

#[test]
fn relative_paths_start_at_the_data_directory() {
    let directory = with_file(
        "data_dir = 'data'\nlisten.tls.certificate = 'c.pem'\nlisten.tls.private_key = '/k.pem'",
    );
    let config = load(&request(directory.path(), &[])).unwrap().config;
    let data = directory.path().join("data");
    assert_eq!(config.data_dir, data);
    assert_eq!(config.keys.directory, data.join("keys"));
    assert_eq!(config.store.sessions, StoreUrl::Sqlite(data.join("aquaware.db")));
    let tls = config.listen.tls.unwrap();
    assert_eq!(tls.certificate, data.join("c.pem"));
    assert_eq!(tls.private_key, Path::new("/k.pem"));
}

#[test]
fn variables_of_every_type_are_parsed() {
    let config = loaded(
        "",
        &[
            ("AQUAWARE_LISTEN__PUBLIC", "[::1]:0"),
            ("AQUAWARE_LISTEN__WORKERS", "2"),
            ("AQUAWARE_LISTEN__TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
            ("AQUAWARE_CORS__ALLOW_ORIGINS", "[\"https://a.example\"]"),
            ("AQUAWARE_COOKIES__INSECURE", "true"),
            ("AQUAWARE_CLIENTS__WEB__ACCESS_LIFETIME", "1m"),
            ("AQUAWARE_LIMITS__LOGIN_PER_ADDRESS", "unlimited"),
            ("AQUAWARE_KEYS__ALGORITHM", "ES256"),
            ("AQUAWARE_KEYS__ROTATE_EVERY", "never"),
        ],
    );
    assert_eq!(config.listen.public.to_string(), "[::1]:0");
    assert_eq!(config.listen.workers.get(), 2);
    assert_eq!(config.listen.trusted_proxies.len(), 2);
    assert_eq!(config.allow_origins[0].as_str(), "https://a.example");
    assert!(config.insecure_cookies);
    assert!(
        config.limits.login_per_address.is_none() && config.limits.signup_per_address.is_some()
    );
    assert_eq!((config.keys.algorithm, config.keys.rotate_every), (Algorithm::Es256, None));
    let policy = config.policy("127.0.0.1:8080".parse().unwrap()).unwrap();
    let web = policy.client(&"web".parse().unwrap()).unwrap();
    assert_eq!(web.access_lifetime().seconds(), 60);
}

/// One error each: the line, the reported key and value, and a part of the expected values.
const ERRORS: &[(&str, &str, &str)] = &[
    ("issuer = 'auth.example.com'", "issuer = \"auth.example.com\"", "an http or https URL"),
    ("issuer = 'https://a?b'", "issuer = \"https://a?b\"", "without query"),
    ("data_dir = ''", "data_dir = \"\"", "a path"),
    ("listen.public = '8080'", "listen.public = \"8080\"", "\"127.0.0.1:8080\""),
    ("listen.management = 9090", "listen.management = 9090", "\"127.0.0.1:8080\""),
    (
        "listen.management = '127.0.0.1:8080'",
        "listen.management = \"127.0.0.1:8080\"",
        "a port other than that of listen.public",
    ),
    (
        "listen.public = '0.0.0.0:9090'",
        "listen.public = \"0.0.0.0:9090\"",
        "a port other than that of listen.management",
    ),
    ("listen.workers = -1", "listen.workers = -1", "from 0 to 1024"),
    (
        "listen.workers = 99999999999999999999",
        "listen.workers = 99999999999999999999",
        "from 0 to 1024",
    ),
    ("listen.workers = 1.5", "listen.workers = 1.5", "an integer"),
    (
        "listen.trusted_proxies = '10.0.0.0/8'",
        "listen.trusted_proxies = \"10.0.0.0/8\"",
        "a list of networks",
    ),
    (
        "listen.trusted_proxies = ['10.0.0.0/40']",
        "listen.trusted_proxies = [\"10.0.0.0/40\"]",
        "\"10.0.0.0/8\"",
    ),
    (
        "listen.tls.certificate = 'c'",
        "listen.tls.certificate = \"c\"",
        "requires listen.tls.private_key",
    ),
    (
        "listen.tls.private_key = 'k'",
        "listen.tls.private_key = \"k\"",
        "requires listen.tls.certificate",
    ),
    ("store.sessions = 'aquaware.db'", "store.sessions = \"aquaware.db\"", "\"sqlite:PATH\""),
    ("store.sessions = 'sqlite::memory:'", "store.sessions = \"sqlite::memory:\"", "\"memory:\""),
    ("store.sessions = 'mongodb://db'", "store.sessions = \"mongodb://db\"", "\"redis://…\""),
    ("store.accounts = 'postgres:'", "store.accounts = \"postgres:\"", "\"mysql://…\""),
    (
        "clients.web.refresh_lifetime = '1y'",
        "clients.web.refresh_lifetime = \"1y\"",
        "(s, m, h or d)",
    ),
    ("listen.public = '[::]:8080'", "listen.public = \"[::]:8080\"", "set issuer to the URL"),
    ("store.pool_size = 0", "store.pool_size = 0", "from 1 to 10000"),
    ("store.timeout = 5", "store.timeout = 5", "\"10s\""),
    ("store.timeout = '0s'", "store.timeout = \"0s\"", "longer than zero"),
    ("keys.directory = []", "keys.directory = []", "a path"),
    (
        "keys.algorithm = 'none'",
        "keys.algorithm = \"none\"",
        "\"EdDSA\", \"Ed25519\", \"ES256\", \"RS256\", \"HS256\"",
    ),
    ("keys.rotate_every = '30m'", "keys.rotate_every = \"30m\"", "at least \"1h\""),
    ("accounts.signup = true", "accounts.signup = true", "\"open\", \"closed\""),
    ("accounts.password_min_length = 7", "accounts.password_min_length = 7", "from 8 to 128"),
    ("accounts.password_min_length = 129", "accounts.password_min_length = 129", "from 8 to 128"),
    ("accounts.argon2.memory_kib = 7", "accounts.argon2.memory_kib = 7", "from 8 to"),
    ("accounts.argon2.parallelism = 4000", "accounts.argon2.parallelism = 4000", "at most 2432"),
    (
        "accounts.argon2 = { memory_kib = 4194304, max_concurrent = 4 }",
        "accounts.argon2.memory_kib = 4194304",
        "at most 2097152",
    ),
    (
        "accounts.argon2 = { memory_kib = 80, parallelism = 11 }",
        "accounts.argon2.memory_kib = 80",
        "at least 88",
    ),
    ("accounts.argon2.max_concurrent = 500", "accounts.argon2.max_concurrent = 500", "at most 431"),
    ("accounts.argon2.iterations = 0", "accounts.argon2.iterations = 0", "from 1 to"),
    ("accounts.argon2.max_waiting = -1", "accounts.argon2.max_waiting = -1", "from 0 to"),
    (
        "clients.web.access_lifetime = '500ms'",
        "clients.web.access_lifetime = \"500ms\"",
        "whole seconds",
    ),
    (
        "clients.web.rotation = 'sometimes'",
        "clients.web.rotation = \"sometimes\"",
        "\"always\", \"never\"",
    ),
    ("clients.web.retry_window = '2h'", "clients.web.retry_window = \"2h\"", "longer than an hour"),
    (
        "clients.web.refresh_transport = 'header'",
        "clients.web.refresh_transport = \"header\"",
        "\"body\", \"cookie\"",
    ),
    ("clients.web.audience = ['']", "clients.web.audience = [\"\"]", "1 to 255 bytes"),
    ("clients.web.scopes = ['a b']", "clients.web.scopes = [\"a b\"]", "a scope token"),
    (
        "clients.web.grants = ['implicit']",
        "clients.web.grants = [\"implicit\"]",
        "\"refresh_token\"",
    ),
    ("clients.web.grants = []", "clients.web.grants = []", "the client could do nothing"),
    ("clients.web.secret_hash = 'horse'", "clients.web.secret_hash = \"***\"", "$argon2id$"),
    (
        "clients.web.secret_hash = 'file:/nowhere/secret'",
        "clients.web.secret_hash = \"file:/nowhere/secret\"",
        "cannot read the file /nowhere/secret",
    ),
    ("clients.web.status = 'no'", "clients.web.status = \"no\"", "true or false"),
    ("clients.'a b' = {}", "clients.\"a b\"", "1 to 64 letters"),
    ("limits.login_per_address = 30", "limits.login_per_address = 30", "\"30/1m\""),
    (
        "limits.refresh_per_session = '0/1m'",
        "limits.refresh_per_session = \"0/1m\"",
        "\"unlimited\"",
    ),
    ("cookies.insecure = 1", "cookies.insecure = 1", "true or false"),
    ("cors.allow_origins = ['*']", "cors.allow_origins = [\"*\"]", "each origin by name"),
    ("cors.allow_origins = ['https://a/b']", "cors.allow_origins = [\"https://a/b\"]", "no path"),
    ("log.format = 'xml'", "log.format = \"xml\"", "\"auto\", \"human\", \"json\""),
    ("log.level = 2026-01-01", "log.level = 2026-01-01", "\"info,aquaware=debug\""),
    ("log.level = { all = true }", "log.level = { … }", "\"info,aquaware=debug\""),
    (
        "telemetry.otlp_endpoint = 'collector:4318'",
        "telemetry.otlp_endpoint = \"collector:4318\"",
        "an http or https URL",
    ),
    ("isuer = 'x'", "isuer", "did you mean issuer?"),
];

#[test]
fn every_error_names_source_key_value_and_expected_values() {
    for (typed, key, remedy) in ERRORS {
        let errors = problems(&format!("\n{typed}"), &[]);
        assert_eq!(errors.len(), 1, "{typed}: {errors:?}");
        assert!(errors[0].starts_with(&format!("aquaware.toml:2: {key}: ")), "{typed}: {errors:?}");
        assert!(errors[0].contains(remedy), "{typed}: {errors:?}");
        assert!(!errors[0].contains("horse"), "{typed}: {errors:?}");
    }
}

#[test]
fn all_errors_are_reported_at_once() {
    // Each key once, and no combination that another line would change.
    let mut seen = std::collections::BTreeSet::new();
    let alone = |typed: &&str| {
        let combination = ["{", ".tls.", "parallelism", "max_concurrent"];
        !combination.iter().any(|word| typed.contains(word))
            && seen.insert(typed.split(" = ").next().unwrap().to_owned())
    };
    let file: Vec<&str> = ERRORS.iter().map(|(typed, ..)| *typed).filter(alone).collect();
    let variables = [("AQUAWARE_X", "1"), ("AQUAWARE_CLIENTS__DEVICE__ROTATION", "x")];
    let errors = problems(&file.join("\n"), &variables);
    assert!(file.len() > 30);
    assert_eq!(errors.len(), file.len() + 2, "{errors:#?}");
}

#[test]
fn combinations_are_checked_despite_other_errors() {
    let file = "clients.web = { retry_window = '2h', rotation = 'x' }\n\
                accounts.argon2 = { memory_kib = 8, parallelism = 2, iterations = 0 }";
    assert_eq!(problems(file, &[]).len(), 4);
}

#[test]
fn status_lists_require_asymmetric_keys() {
    let errors = problems("keys.algorithm = 'HS256'\nclients.web.status = true", &[]);
    let expected = "expected false with keys.algorithm = \"HS256\"";
    assert!(errors.iter().any(|line| line.contains(expected)), "{errors:?}");
}

#[test]
fn status_lists_require_access_tokens_of_at_most_a_day() {
    let with = |lifetime: &str| {
        format!("clients.web = {{ status = true, access_lifetime = '{lifetime}' }}")
    };
    loaded(&with("24h"), &[]);
    let errors = problems(&with("25h"), &[]);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains("clients.web.access_lifetime"), "{errors:?}");
}

#[test]
fn an_invalid_variable_is_named_as_the_source() {
    let errors =
        problems("", &[("AQUAWARE_LISTEN__PUBLIC", "x"), ("AQUAWARE_LISTEN__WORKERS", " ")]);
    assert_eq!(errors.len(), 2, "{errors:?}");
    let start = "environment variable AQUAWARE_LISTEN__PUBLIC: listen.public = \"x\": expected";
    assert!(errors[0].starts_with(start), "{errors:?}");
}

#[test]
fn a_malformed_file_does_not_hide_errors_in_variables_or_cause_others() {
    let file = "[listen]\nmanagement = '127.0.0.1:8080\npublic = 'x'\n";
    let errors = problems(file, &[("AQUAWARE_LOG__LEVEL", "loud"), ("AQUAWARE_X", "1")]);
    assert!(errors[0].starts_with("aquaware.toml:2: is not valid TOML: "), "{errors:?}");
    let other: Vec<_> = errors.iter().filter(|line| !line.contains("is not valid TOML")).collect();
    assert_eq!(other.len(), 2, "{errors:?}");
}

#[test]
fn secret_files_are_relative_to_the_data_directory() {
    let directory = with_file("data_dir = 'data'\nstore.sessions = 'file:url'");
    std::fs::create_dir(directory.path().join("data")).unwrap();
    std::fs::write(directory.path().join("data/url"), "memory:").unwrap();
    let config = load(&request(directory.path(), &[])).unwrap().config;
    assert_eq!(config.store.sessions, StoreUrl::Memory);
}

#[test]
fn a_store_url_may_be_in_a_secret_file() {
    let directory = with_file("store.sessions = 'file:url'\nstore.accounts = 'file:other'");
    std::fs::write(directory.path().join("url"), "memory:\n").unwrap();
    std::fs::write(directory.path().join("other"), "gopher://:horse@db\n").unwrap();
    let errors = load(&request(directory.path(), &[])).unwrap_err().to_string();
    let expected = "store.accounts = \"file:other\"";
    assert!(errors.contains(expected) && !errors.contains("horse"), "{errors}");
    std::fs::write(directory.path().join("other"), "memory:").unwrap();
    let config = load(&request(directory.path(), &[])).unwrap().config;
    assert_eq!(
        (config.store.sessions, config.store.accounts),
        (StoreUrl::Memory, StoreUrl::Memory)
    );
}

/// The keys of the warnings about a valid configuration.
fn warned(file: &str) -> Vec<String> {
    let directory = with_file(file);
    let loaded = load(&request(directory.path(), &[])).unwrap_or_else(|e| panic!("{e}"));
    loaded.warnings.into_iter().filter_map(|warning| warning.key).collect()
}

#[test]
fn settings_that_are_probably_not_intended_are_warned_about() {
    let proxied = "issuer = 'https://a.example'\nlisten.trusted_proxies = ['127.0.0.1']\n";
    for (file, expected) in [
        ("", &[][..]),
        (proxied, &[]),
        ("issuer = 'http://a.example'\nlisten.trusted_proxies = ['127.0.0.1']", &["issuer"]),
        ("issuer = 'http://localhost:8080'", &[]),
        ("issuer = 'http://localhost'\nclients.web.refresh_transport = 'cookie'", &["issuer"]),
        ("clients.web.refresh_transport = 'cookie'", &["issuer"]),
        ("clients.web.refresh_transport = 'cookie'\ncookies.insecure = true", &[]),
        ("issuer = 'https://a.example'", &["listen.trusted_proxies"]),
        (
            "issuer = 'https://a.example'\nlisten.public = '10.0.0.1:80'",
            &["listen.trusted_proxies"],
        ),
        (
            "issuer = 'https://a.example'\nlisten.trusted_proxies = ['10.0.0.1']\n\
             listen.public = '0.0.0.0:80'\nlisten.management = '[::]:81'",
            &["listen.public", "listen.management"],
        ),
        ("clients.app.grants = ['login', 'password']", &["clients.app.grants"]),
        ("clients.web.retry_window = '60s'", &[]),
        ("clients.web.retry_window = '61s'", &["clients.web.retry_window"]),
        ("accounts.argon2.memory_kib = 19455", &["accounts.argon2.memory_kib"]),
        ("accounts.argon2.iterations = 1", &["accounts.argon2.memory_kib"]),
        ("accounts.argon2 = { memory_kib = 7168, iterations = 5 }", &[]),
        ("accounts.argon2 = { memory_kib = 47104, iterations = 1 }", &[]),
    ] {
        assert_eq!(warned(file), expected, "{file}");
    }
}

#[test]
fn a_reload_applies_clients_and_rotation_and_names_the_rest() {
    let directory = with_file("issuer = 'https://a.example'\nlog.level = 'warn'\nclients.app = {}");
    let request = request(directory.path(), &[]);
    let old = load(&request).unwrap();
    std::fs::write(
        directory.path().join(DEFAULT_FILE),
        "issuer = 'https://b.example'\ndata_dir = 'elsewhere'\nlog.level = 'warn'\n\
         keys = { algorithm = 'ES256', directory = 'other', rotate_every = '1h' }\n\
         clients.web.access_lifetime = '1m'\nclients.new.retry_window = '1s'",
    )
    .unwrap();
    let (loaded, differing) = old.reloaded(&load(&request).unwrap(), &request).unwrap();
    assert_eq!(differing, ["data_dir", "issuer", "keys.directory"]);
    let config = &loaded.config;
    assert_eq!(config.data_dir, old.config.data_dir);
    assert_eq!(config.keys.directory, old.config.keys.directory);
    assert_eq!(config.keys.algorithm, Algorithm::Es256);
    let policy = config.policy("127.0.0.1:8080".parse().unwrap()).unwrap();
    assert_eq!(policy.issuer().as_str(), "https://a.example");
    let client =
        |id: &str| policy.client(&id.parse().unwrap()).map(|it| it.access_lifetime().seconds());
    assert_eq!((client("web"), client("new"), client("app")), (Some(60), Some(300), None));

    // A setting that is removed differs too, and so does one that is put back.
    std::fs::write(directory.path().join(DEFAULT_FILE), "issuer = 'https://a.example'").unwrap();
    let (again, differing) = loaded.reloaded(&load(&request).unwrap(), &request).unwrap();
    assert_eq!(differing, ["log.level"]);
    assert_eq!(again.config.keys.algorithm, Algorithm::EdDsa);
}
