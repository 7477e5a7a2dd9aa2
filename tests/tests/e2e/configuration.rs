//! Configuration mistakes, the files that a first start creates, and key files it rejects.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use aquaware_tests::{Finished, Outcome, Setup, Store};

#[track_caller]
fn is_rejected(run: &Finished, named: &[&str]) {
    assert_eq!(run.outcome, Outcome::Exit(2), "{run:?}");
    for name in named {
        assert!(run.stderr.contains(name), "{name} isn't named:\n{}", run.stderr);
    }
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
}

#[test]
fn unknown_variables_are_rejected_by_name() {
    let run = Setup::new().set("listen.publik", "127.0.0.1:0").run(&["serve"]);
    is_rejected(&run, &["AQUAWARE_LISTEN__PUBLIK"]);
}

#[test]
fn unknown_keys_are_rejected_with_file_and_line() {
    let setup = Setup::new().with_file("aquaware.toml", "\n[listen]\npublik = \"x\"\n");
    is_rejected(&setup.run(&["serve"]), &["listen.publik", "aquaware.toml:3"]);
    is_rejected(&setup.run(&[]), &["listen.publik", "aquaware.toml:3"]);
    let other = Setup::new().with_file("other.toml", "colour = \"blue\"\n");
    is_rejected(&other.run(&["serve", "--config", "other.toml"]), &["colour", "other.toml:1"]);
}

#[test]
fn all_mistakes_are_reported_together() {
    let setup = Setup::new()
        .with_file(
            "aquaware.toml",
            "colour = 1\n[clients.web]\nrotation = \"sometimes\"\n[keys]\nalgorithm = \"RS512\"\n",
        )
        .set("limits.login_per_address", "many")
        .set("clients.device.retry_window", "2h")
        .set("log.format", "poem")
        .set("wrong.name", "x");
    is_rejected(
        &setup.run(&["serve"]),
        &[
            "colour",
            "aquaware.toml:1",
            "clients.web.rotation",
            "sometimes",
            "aquaware.toml:3",
            "keys.algorithm",
            "RS512",
            "aquaware.toml:5",
            "AQUAWARE_LIMITS__LOGIN_PER_ADDRESS",
            "AQUAWARE_CLIENTS__DEVICE__RETRY_WINDOW",
            "AQUAWARE_LOG__FORMAT",
            "AQUAWARE_WRONG__NAME",
        ],
    );
}

#[test]
fn invalid_values_are_rejected() {
    let values = [
        ("listen.public", "everywhere"),
        ("issuer", "aquarium"),
        ("store.sessions", "sqlite:"),
        ("store.sessions", "oracle://x"),
        ("store.timeout", "2"),
        ("clients.web.access_lifetime", "0s"),
        ("clients.web.refresh_lifetime", "forever"),
        ("clients.web.refresh_transport", "pigeon"),
        ("clients.web.grants", "[]"),
        ("accounts.argon2.memory_kib", "1"),
        ("accounts.password_min_length", "-1"),
        ("keys.rotate_every", "1s"),
        ("limits.refresh_per_session", "0/1m"),
        ("cors.allow_origins", "*"),
        ("cookies.insecure", "perhaps"),
    ];
    for (key, value) in values {
        let run = Setup::new().set(key, value).run(&["serve"]);
        is_rejected(&run, &[key]);
    }
}

#[test]
fn a_missing_configuration_file_is_an_error() {
    is_rejected(&Setup::new().run(&["serve", "--config", "absent.toml"]), &["absent.toml"]);
    is_rejected(
        &Setup::new().with_file("bad.toml", "a = = b").run(&["--config", "bad.toml"]),
        &["bad.toml"],
    );
}

#[test]
fn invalid_commands_are_rejected() {
    assert_eq!(Setup::new().run(&["swim"]).outcome, Outcome::Exit(2));
    assert_eq!(Setup::new().run(&["--help"]).outcome, Outcome::Exit(0));
    assert_eq!(Setup::new().run(&["--version"]).outcome, Outcome::Exit(0));
}

#[test]
fn variables_override_the_file_and_secrets_come_from_files() {
    let file =
        "[clients.web]\naccess_lifetime = \"7m\"\n[clients.'my-App']\nrotation = \"never\"\n";
    let server = Setup::new()
        .with_file("aquaware.toml", file)
        .set("clients.web.access_lifetime", "8m")
        .start();
    let client = server.client();
    let (person, tokens) = client.new_session();
    assert_eq!(tokens.body["expires_in"], 480);
    let other = client.log_in_as(&person, "my-App");
    assert_eq!(client.refreshed(other.refresh(), None).refresh, None);
}

#[test]
fn the_issuer_defaults_to_the_public_address() {
    let server = Setup::new().unset("issuer").start();
    let (_, tokens) = server.client().new_session();
    let issuer = format!("http://{}", server.public());
    assert_eq!(aquaware_tests::Jws::read(&tokens.access).claims["iss"], issuer);
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn files_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_file()).collect()
}

#[test]
fn files_created_at_start_are_readable_by_their_owner_only() {
    let server = Setup::new().start();
    let _ = server.client().new_session();
    let keys = server.file("keys");
    assert_eq!(mode(&keys), 0o700);
    let files = files_in(&keys);
    assert!(!files.is_empty());
    for file in files.iter().chain(&files_in(&server.file(""))) {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    assert!(server.file("aquaware.db").is_file());
}

/// The files that contain a key; empty files do not.
fn key_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = files_in(directory);
    files.retain(|file| !fs::read(file).unwrap().is_empty());
    assert!(!files.is_empty());
    files
}

#[test]
fn a_key_file_readable_by_others_is_rejected_by_name() {
    let stopped = Setup::new().start().stop();
    for file in key_files(&stopped.file("keys")) {
        for bad in [0o644, 0o640, 0o604] {
            fs::set_permissions(&file, fs::Permissions::from_mode(bad)).unwrap();
            let run = stopped.setup().run(&["serve"]);
            assert!(matches!(run.outcome, Outcome::Exit(1 | 2)), "{run:?}");
            let name = file.file_name().unwrap().to_str().unwrap();
            assert!(run.stderr.contains(name), "{name} isn't named:\n{}", run.stderr);
            assert!(run.stderr.contains("600"), "the remedy isn't told:\n{}", run.stderr);
        }
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let _ = stopped.start();
}

#[test]
fn a_corrupt_key_file_is_rejected_by_name_without_its_content() {
    let stopped = Setup::new().start().stop();
    for file in key_files(&stopped.file("keys")) {
        let good = fs::read(&file).unwrap();
        fs::write(&file, &good[..good.len() / 2]).unwrap();
        let run = stopped.setup().run(&["serve"]);
        assert!(matches!(run.outcome, Outcome::Exit(1 | 2)), "{}: {run:?}", file.display());
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(run.stderr.contains(name), "{name} isn't named:\n{}", run.stderr);
        let text = String::from_utf8_lossy(&good);
        for line in text.lines().filter(|line| line.len() > 24) {
            assert!(!run.stderr.contains(line), "a key is shown:\n{}", run.stderr);
        }
        fs::write(&file, &good).unwrap();
    }
    let _ = stopped.start();
}

#[test]
fn the_memory_store_creates_no_file() {
    let server = Setup::on(Store::MEMORY).start();
    let _ = server.client().new_session();
    assert_eq!(files_in(&server.file("")), Vec::<PathBuf>::new());
}

#[test]
fn an_address_in_use_is_reported() {
    let server = Setup::new().start();
    let address = server.public().to_string();
    let run = Setup::new()
        .set("listen.public", &address)
        .set("listen.management", "127.0.0.1:0")
        .run(&["serve"]);
    assert!(matches!(run.outcome, Outcome::Exit(1 | 2)), "{run:?}");
    assert!(run.stderr.contains(&address), "{}", run.stderr);
}

#[test]
fn a_wildcard_address_requires_an_issuer() {
    for address in ["0.0.0.0:8080", "[::]:8080", "[::ffff:0.0.0.0]:8080"] {
        let setup = Setup::new().unset("issuer").set("listen.public", address);
        for command in [&["config", "check"][..], &["serve"]] {
            is_rejected(&setup.run(command), &["listen.public", "set issuer to the URL"]);
        }
        setup.set("issuer", "https://auth.example.com").run(&["config", "check"]).is(0);
    }
}

#[test]
fn warnings_do_not_change_the_exit_status() {
    let setup =
        Setup::new().set("clients.web.retry_window", "2m").set("issuer", "http://a.example");
    let text = setup.run(&["config", "check"]);
    text.is(0);
    assert!(text.stdout.contains("warning: ") && text.stdout.contains("retry_window"), "{text:?}");
    let json = setup.run(&["config", "check", "--json"]).json();
    assert_eq!(json["ok"], true);
    let keys: Vec<_> =
        json["warnings"].as_array().unwrap().iter().filter_map(|it| it["key"].as_str()).collect();
    for key in ["issuer", "clients.web.retry_window", "accounts.argon2.memory_kib"] {
        assert!(keys.contains(&key), "{key}: {json}");
    }
}

#[test]
fn empty_variables_count_as_unset() {
    let setup =
        Setup::new().set("listen.workers", "").set("log.level", "").set("keys.algorithm", "");
    setup.run(&["config", "check"]).is(0);
}
