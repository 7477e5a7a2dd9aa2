//! `aquaware accounts import`: users of another system arrive with their ids, names and passwords.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use aquaware_tests::{Jws, Outcome, Setup, Store, Tokens};
use serde_json::{Value, json};

const PASSWORD: &str = "seven blue snails";

/// Hashes of [`PASSWORD`], made by Django, passlib and bcrypt.
const HASHES: [&str; 7] = [
    "pbkdf2_sha256$1000$saltysalt1234$zyK78uCmTjT+wHqtCeLipWrdEfTnJ5AJ0MQXm949xVQ=",
    "argon2$argon2id$v=19$m=64,t=1,p=8$c2FsdHlzYWx0MTIzNA$GOeAfcaiYoaLLM9vvdng5LG3jwtU9JNsLDiN/rYilMQ",
    "bcrypt_sha256$$2b$04$FvGuLON0.onKJzEotCSusOBFODSIb03cjg9fti0mu9sl1v7xIcth2",
    "scrypt$16$saltysalt1234$8$2$C10PI9zTitsg6dmJso6zfKnvBjyzgP/ZtXFvo2GFjKhUncpu1fnHAIQONpJ35XDp3NgXSQ8188DBCxBl6g9/UQ==",
    "$2y$04$nSbxrtiGkJk1QmHT5x4bKeLEAuBTVhYA9hHQrFk6S9Yowf.RB3A.m",
    "$scrypt$ln=4,r=8,p=2$ynlv7f0/p5Qyxvj/v3eOMQ$vEunhW/CZ+uc460fYH3OCI4rtC9TQ5vZQVjFVFF56Gg",
    "$pbkdf2-sha256$i=1000,l=32$c2FsdHlzYWx0MTIzNDU2Nw$mjqSSyom/uiJVa90heMb4Jid8SZo9M9Lsba0t9tmG3s",
];

/// A number that no other test uses, so that tests can share a database.
fn unique() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    (std::process::id() << 8) + NEXT.fetch_add(1, Ordering::Relaxed)
}

fn lines(accounts: &[Value]) -> String {
    accounts.iter().fold(String::new(), |mut text, account| {
        writeln!(text, "{account}").unwrap();
        text
    })
}

fn counts(summary: &Value) -> [u64; 3] {
    ["imported", "existing", "rejected"].map(|name| summary[name].as_u64().unwrap())
}

#[test]
fn imported_users_log_in_with_their_passwords_ids_and_names_on_sqlite() {
    imported_users_log_in(Store::SQLITE);
}

#[test]
fn imported_users_log_in_with_their_passwords_ids_and_names_on_redis() {
    imported_users_log_in(Store::REDIS);
}

#[test]
fn imported_users_log_in_with_their_passwords_ids_and_names_on_postgres() {
    imported_users_log_in(Store::POSTGRES);
}

#[test]
fn imported_users_log_in_with_their_passwords_ids_and_names_on_mariadb() {
    imported_users_log_in(Store::MARIADB);
}

fn imported_users_log_in(store: Store) {
    let unique = unique();
    let accounts: Vec<Value> = (0..HASHES.len())
        .map(|n| {
            json!({
                "id": format!("{unique}{n}"),
                "login": format!("Keeper_{unique}_{n}"),
                "email": format!("keeper.{unique}.{n}@example.com"),
                "password_hash": HASHES[n],
                "claims": { "roles": ["keeper"] },
                "created_at": "2020-01-02T03:04:05Z",
            })
        })
        .collect();
    let setup = Setup::on(store).migrated().with_file("users.jsonl", &lines(&accounts));
    let import = ["accounts", "import", "users.jsonl", "--json"];
    assert_eq!(counts(&setup.run(&import).json()), [7, 0, 0]);
    assert_eq!(counts(&setup.run(&import).json()), [0, 7, 0]);
    let server = setup.start();
    let client = server.client();
    for account in &accounts {
        let login = account["login"].as_str().unwrap();
        client.try_log_in(login, "seven blue snail").is_problem(401, "invalid_credentials");
        // The second time with the hash that replaced the imported one.
        for _ in 0..2 {
            let tokens = Tokens::of(&client.try_log_in(login, PASSWORD));
            let claims = Jws::read(&tokens.access).claims;
            assert_eq!((&claims["sub"], &claims["roles"][0]), (&account["id"], &json!("keeper")));
            let me = client.me(&tokens.access).expect(200).json();
            assert_eq!(me["created_at"], "2020-01-02T03:04:05.000Z");
            assert_eq!(me["email"], account["email"]);
        }
        client.try_log_in(&login.to_lowercase(), PASSWORD).is(401);
    }
    assert!(!server.stop().log().contains("cannot be checked"));
}

#[test]
fn lines_that_cannot_be_imported_are_reported_by_number_and_the_rest_is_imported() {
    let text = format!(
        "id,email,login,password_hash,disabled\n\
         1,ann@example.com,,{},\n\
         2,not an address,,{},\n\
         3,carl@example.com,,$6$salt$secret-hash,\n\
         4,dora@example.com,,$2b$31$nSbxrtiGkJk1QmHT5x4bKeLEAuBTVhYA9hHQrFk6S9Yowf.RB3A.m,\n\
         5,emil@example.com,,secret-hash,\n\
         1,fred@example.com,,{},\n\
         7,gina@example.com,gina,{},true\n",
        HASHES[0], HASHES[1], HASHES[4], HASHES[2]
    );
    let setup = Setup::new().migrated().with_file("users.csv", &text);
    let dry = setup.run(&["accounts", "import", "users.csv", "--dry-run", "--json"]);
    assert_eq!(dry.outcome, Outcome::Exit(1));
    let listed = setup.run(&["accounts", "list", "--json"]).json();
    assert_eq!(listed["accounts"], json!([]), "a dry run stores nothing");
    let finished = setup.run(&["accounts", "import", "users.csv"]);
    finished.is(1);
    assert_eq!(finished.stdout, "imported: 2, existing: 0, rejected: 5\n");
    let told: Vec<&str> = finished.stderr.lines().collect();
    assert_eq!(told.len(), 5, "{told:?}");
    for (line, part) in told.iter().zip(["3: ", "4: ", "5: ", "6: ", "7: line 2 has the same id"]) {
        assert!(line.starts_with(&format!("line {part}")), "{line}");
    }
    let fed = setup.run_fed(&["accounts", "import", "-", "--format", "csv", "--json"], &text);
    assert_eq!(fed.outcome, Outcome::Exit(1));
    let summary = fed.printed_json();
    assert_eq!(counts(&summary), [0, 2, 5]);
    assert_eq!(summary["errors"], dry.printed_json()["errors"]);
    let server = setup.clone().set("log.level", "trace").start();
    server.client().try_log_in("gina", PASSWORD).is(401);
    let tokens = Tokens::of(&server.client().try_log_in("ann@example.com", PASSWORD));
    assert_eq!(Jws::read(&tokens.access).claims["sub"], "1");
    let log = server.stop().log();
    for text in [&finished.stderr, &dry.stdout, &fed.stdout, &fed.stderr, &log] {
        assert!(!text.contains("secret-hash"), "{text}");
        assert!(HASHES.iter().all(|hash| !text.contains(&hash[hash.len() - 20..])), "{text}");
    }
}

#[test]
fn a_file_that_cannot_be_read_imports_nothing() {
    let setup = Setup::new().migrated().with_file("bad.csv", "email,pasword\na@example.com,x\n");
    setup.run(&["accounts", "import", "none.csv"]).is_rejected(1, "failed to read none.csv");
    setup.run(&["accounts", "import", "bad.csv"]).is_rejected(2, "column 2 \"pasword\"");
    setup.run(&["accounts", "import"]).is_rejected(2, "FILE");
}

#[test]
fn a_killed_import_continues_without_doubling_or_losing_a_user_on_sqlite() {
    a_killed_import_continues(Store::SQLITE);
}

#[test]
fn a_killed_import_continues_without_doubling_or_losing_a_user_on_redis() {
    a_killed_import_continues(Store::REDIS);
}

#[test]
fn a_killed_import_continues_without_doubling_or_losing_a_user_on_postgres() {
    a_killed_import_continues(Store::POSTGRES);
}

#[test]
fn a_killed_import_continues_without_doubling_or_losing_a_user_on_mariadb() {
    a_killed_import_continues(Store::MARIADB);
}

/// Each import gets only a part of the users, and is killed while it stores them: after the first one of
/// that part at the earliest, and before the last one.
fn a_killed_import_continues(store: Store) {
    const USERS: usize = 2000;
    let unique = unique();
    let email = |n: usize| format!("u{n}.{unique}@example.com");
    let users: Vec<Value> = (0..USERS)
        .map(|n| json!({ "email": email(n), "first_name": "Ann", "password_hash": HASHES[0] }))
        .collect();
    let setup = Setup::on(store).migrated().with_file("users.jsonl", &lines(&users));
    let stored = || -> Vec<String> {
        let listed = setup.run(&["accounts", "list", "--json"]).json();
        let emails = listed["accounts"].as_array().unwrap().iter();
        let emails = emails.map(|account| account["email"].as_str().unwrap().to_owned());
        emails.filter(|email| email.ends_with(&format!(".{unique}@example.com"))).collect()
    };
    for part in [600, 1100, 1700] {
        let before = stored().len();
        let import = ["accounts", "import", "-", "--json"];
        setup.run_killed_when(&import, &lines(&users[..part]), || stored().len() > before);
    }
    let survived = stored().len();
    assert!((1..1700).contains(&survived), "{survived}");
    let import = ["accounts", "import", "users.jsonl", "--json"];
    let [imported, existing, rejected] = counts(&setup.run(&import).json());
    assert_eq!((imported + existing, rejected), (u64::try_from(USERS).unwrap(), 0));
    // A database server may finish what the killed program asked for.
    assert!(existing >= u64::try_from(survived).unwrap(), "{existing} of {survived}");
    let listed = stored();
    let distinct: BTreeSet<&String> = listed.iter().collect();
    assert_eq!((listed.len(), distinct.len()), (USERS, USERS));
    let server = setup.start();
    for n in [0, 511, 512, 1023, USERS - 1] {
        server.client().try_log_in(&email(n), PASSWORD).is(200);
    }
}

#[test]
fn a_terminal_shows_the_progress() {
    let account = |n| json!({ "email": format!("u{n}@example.com"), "password_hash": HASHES[0] });
    let accounts: Vec<Value> = (0..3000).map(account).collect();
    let setup = Setup::new().migrated().with_file("users.jsonl", &lines(&accounts));
    let (outcome, text) = setup.run_at_terminal(&["accounts", "import", "users.jsonl"], &[]);
    assert_eq!(outcome, Outcome::Exit(0), "{text}");
    assert!(text.contains(" accounts, 0 lines rejected"), "{text}");
    assert!(text.contains("imported: 3000, existing: 0, rejected: 0"), "{text}");
}
