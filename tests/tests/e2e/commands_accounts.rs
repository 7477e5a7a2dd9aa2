//! `aquaware accounts`, with and without a running server.

use aquaware_tests::{Finished, Jws, Outcome, Person, Setup, Store};
use serde_json::{Value, json};

fn add(setup: &Setup, person: &Person) -> Value {
    let arguments = ["accounts", "add", &person.email, "--password-stdin", "--json"];
    setup.run_fed(&arguments, &format!("{}\n", person.password)).json()["account"].clone()
}

fn accounts(setup: &Setup, arguments: &[&str]) -> Finished {
    setup.run(&[&["accounts"], arguments].concat())
}

fn emails(response: &Value) -> Vec<&str> {
    response["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["email"].as_str().unwrap())
        .collect()
}

#[test]
fn an_account_can_be_added_while_sign_up_is_closed() {
    let setup = Setup::new().migrated().set("accounts.signup", "closed");
    let person = Person::new();
    let arguments =
        ["accounts", "add", &person.email, "--first-name", "Ann", "--password-stdin", "--json"];
    let added = setup.run_fed(&arguments, &person.password).json();
    let account = &added["account"];
    assert_eq!(account["email"], person.email);
    assert_eq!(account["first_name"], "Ann");
    assert_eq!(account["last_name"], Value::Null);
    assert_eq!(account["disabled_at"], Value::Null);
    assert_eq!(account["claims"], json!({}));
    assert!(account["created_at"].as_str().unwrap().ends_with('Z'));
    let server = setup.start();
    server.client().sign_up(&Person::new()).is_problem(403, "signup_closed");
    let tokens = server.client().log_in(&person);
    assert_eq!(Jws::read(&tokens.access).claims["sub"], account["id"]);
}

#[test]
fn accounts_are_listed_in_order_and_in_pages() {
    let setup = Setup::new().migrated();
    assert_eq!(emails(&accounts(&setup, &["list", "--json"]).json()), [""; 0]);
    assert!(accounts(&setup, &["list"]).stdout.contains("no accounts"));
    let mut people: Vec<Person> = (0..5).map(|_| Person::new()).collect();
    people.iter().for_each(|person| drop(add(&setup, person)));
    people.sort_by_key(|it| it.email.to_lowercase());
    let all: Vec<&str> = people.iter().map(|it| it.email.as_str()).collect();
    assert_eq!(emails(&accounts(&setup, &["list", "--json"]).json()), all);
    let page = accounts(&setup, &["list", "--json", "--after", all[1], "--limit", "2"]).json();
    assert_eq!(emails(&page), all[2..4]);
    let text = accounts(&setup, &["list"]);
    text.is(0);
    assert!(all.iter().all(|email| text.stdout.contains(email)), "{}", text.stdout);
    accounts(&setup, &["list", "--after", "no\tbody"]).is_rejected(2, "neither an e-mail address");
}

#[test]
fn an_account_is_shown_by_address_and_by_id_without_its_hash() {
    let setup = Setup::new().migrated();
    let person = Person::new();
    let id = add(&setup, &person)["id"].as_str().unwrap().to_owned();
    for name in [person.email.to_uppercase().as_str(), &id] {
        let shown = accounts(&setup, &["show", name, "--json"]).json();
        assert_eq!(shown["account"]["id"], id);
        assert_eq!(shown["live_sessions"], 0);
        let text = accounts(&setup, &["show", name]).stdout;
        assert!(text.contains(&id) && text.contains(&person.email), "{text}");
        assert!(!format!("{shown}{text}").contains("argon2"));
    }
}

#[test]
fn an_unknown_account_is_reported_as_an_error() {
    let setup = Setup::new().migrated();
    for arguments in [
        &["show", "nobody@example.com"][..],
        &["disable", "nobody@example.com"],
        &["enable", "nobody@example.com"],
        &["set-password", "nobody@example.com"],
        &["set-claims", "nobody@example.com", "{}"],
        &["delete", "nobody@example.com", "--yes"],
    ] {
        accounts(&setup, arguments).is_rejected(1, "there is no account \"nobody@example.com\"");
    }
    let told = accounts(&setup, &["show", "nobody@example.com", "--json"]);
    let error: Value = serde_json::from_str(&told.stderr).unwrap();
    assert_eq!((told.outcome, &error["ok"]), (Outcome::Exit(1), &json!(false)));
}

#[test]
fn invalid_additions_add_nothing() {
    let setup = Setup::new().migrated();
    let person = Person::new();
    let _ = add(&setup, &person);
    let fed = |email: &str, password: &str| {
        setup.run_fed(&["accounts", "add", email, "--password-stdin"], password)
    };
    fed(&person.email.to_lowercase(), &person.password).is_rejected(1, "already");
    fed("ann", &person.password).is_rejected(2, "not a valid e-mail address");
    fed("ann@example.com", "password").is_rejected(1, "guess");
    fed("ann@example.com", "short").is_rejected(1, "fewer than 8");
    fed("ann@example.com", "").is_rejected(1, "password is empty");
    fed("ann@example.com", "two\nlines").is_rejected(2, "one line");
    accounts(&setup, &["add", "ann@example.com"]).is_rejected(2, "--password-stdin");
    // Other users of the machine could read an argument.
    accounts(&setup, &["add", "ann@example.com", "seven blue snails"]).is_rejected(2, "unexpected");
    assert_eq!(emails(&accounts(&setup, &["list", "--json"]).json()), [person.email.as_str()]);
}

#[test]
fn a_password_is_prompted_for_twice_without_echo() {
    let setup = Setup::new().migrated();
    let (email, password) = ("ann@example.com", "seven blue snails");
    let add = ["accounts", "add", email];
    let differ = [("New password", password), ("Repeat the password", "seven blue snakes")];
    let (outcome, seen) = setup.run_at_terminal(&add, &differ);
    assert_eq!(outcome, Outcome::Exit(1), "{seen}");
    assert!(seen.contains("differ"), "{seen}");
    let (outcome, seen) = setup
        .run_at_terminal(&add, &[("New password", password), ("Repeat the password", password)]);
    assert_eq!(outcome, Outcome::Exit(0), "{seen}");
    assert!(!seen.contains("snails") && seen.contains(email), "{seen}");
    let server = setup.start();
    server.client().try_log_in(email, password).is(200);
}

#[test]
fn disabling_ends_sessions_immediately_and_rejects_logins() {
    let setup = Setup::new().migrated();
    let server = setup.clone().start();
    let client = server.client();
    let (person, tokens) = client.new_session();
    let shown = accounts(&setup, &["disable", &person.email, "--json"]).json();
    assert!(shown["account"]["disabled_at"].is_string());
    client.me(&tokens.access).is_invalid_token();
    client.refresh(tokens.refresh(), None).is_problem(401, "session_revoked");
    client.try_log_in(&person.email, &person.password).is_problem(401, "invalid_credentials");
    accounts(&setup, &["disable", &person.email]).is(0);

    let shown = accounts(&setup, &["enable", &person.email, "--json"]).json();
    assert_eq!(shown["account"]["disabled_at"], Value::Null);
    client.me(&tokens.access).is_invalid_token();
    let _ = client.log_in(&person);
}

#[test]
fn a_new_password_ends_sessions_and_replaces_the_old_one() {
    let setup = Setup::new().migrated();
    let server = setup.clone().start();
    let client = server.client();
    let (person, tokens) = client.new_session();
    let set = |password: &str| {
        setup.run_fed(&["accounts", "set-password", &person.email, "--password-stdin"], password)
    };
    set("password").is_rejected(1, "guess");
    set(&person.email).is_rejected(1, "too similar to the e-mail address");
    client.me(&tokens.access).is(200);
    set("eleven grey herons\n").is(0);
    client.me(&tokens.access).is_invalid_token();
    client.refresh(tokens.refresh(), None).is_problem(401, "session_revoked");
    client.try_log_in(&person.email, &person.password).is_problem(401, "invalid_credentials");
    client.try_log_in(&person.email, "eleven grey herons").is(200);
}

#[test]
fn changed_claims_appear_after_the_next_refresh() {
    let setup = Setup::new().migrated();
    let server = setup.clone().start();
    let client = server.client();
    let (person, tokens) = client.new_session();
    let claims = ["set-claims", &person.email, r#"{"roles": ["admin"]}"#, "--json"];
    let set = accounts(&setup, &claims).json();
    assert_eq!(set["account"]["claims"], json!({ "roles": ["admin"] }));
    let next = client.refreshed(tokens.refresh(), None);
    assert_eq!(Jws::read(&next.access).claims["roles"], json!(["admin"]));

    accounts(&setup, &["set-claims", &person.email, "plan=gold", "tanks=3"]).is(0);
    let next = client.refreshed(next.refresh(), None);
    let read = Jws::read(&next.access).claims;
    assert_eq!((&read["plan"], &read["tanks"]), (&json!("gold"), &json!(3)));
    assert_eq!(read["roles"], Value::Null, "replaced, not added to");

    accounts(&setup, &["set-claims", &person.email, "sub=other"]).is_rejected(2, "reserved");
    accounts(&setup, &["set-claims", &person.email, "gold"]).is_rejected(2, "NAME=VALUE");
    accounts(&setup, &["set-claims", &person.email, "{"]).is_rejected(2, "JSON");
    accounts(&setup, &["set-claims", &person.email]).is_rejected(2, "CLAIMS");
    let shown = accounts(&setup, &["show", &person.email, "--json"]).json();
    assert_eq!(shown["account"]["claims"], json!({ "plan": "gold", "tanks": 3 }));
}

#[test]
fn deleting_asks_for_confirmation_and_ends_all_sessions() {
    let setup = Setup::new().migrated();
    let server = setup.clone().start();
    let client = server.client();
    let (person, tokens) = client.new_session();
    let delete = ["accounts", "delete", person.email.as_str()];
    setup.run_fed(&delete, "yes\n").is_rejected(2, "--yes");
    let (outcome, _) = setup.run_at_terminal(&delete, &[("Type yes", "no")]);
    assert_eq!(outcome, Outcome::Exit(1));
    client.me(&tokens.access).is(200);
    let (outcome, seen) = setup.run_at_terminal(&delete, &[("Type yes", "yes")]);
    assert_eq!(outcome, Outcome::Exit(0), "{seen}");
    client.me(&tokens.access).is_invalid_token();
    client.refresh(tokens.refresh(), None).is_problem(401, "session_revoked");
    client.try_log_in(&person.email, &person.password).is_problem(401, "invalid_credentials");
    client.sign_up(&person).is(201);
    let gone = setup.run(&["accounts", "delete", &person.email, "--yes", "--json"]).json();
    assert_eq!(gone["deleted"]["email"], person.email);
}

#[test]
fn a_store_in_memory_cannot_be_administered() {
    let setup = Setup::on(Store::MEMORY);
    for arguments in [
        &["accounts", "list"][..],
        &["accounts", "show", "ann@example.com"],
        &["sessions", "list", "--account", "ann@example.com"],
        &["sessions", "revoke", "AAAAAAAAAAAAAAAAAAAAAA"],
    ] {
        setup.run(arguments).is_rejected(2, "memory:");
    }
}

#[test]
fn commands_create_files_readable_by_their_owner_only_and_no_keys() {
    use std::os::unix::fs::PermissionsExt as _;
    let setup = Setup::new().migrated();
    let _ = add(&setup, &Person::new());
    for entry in std::fs::read_dir(setup.path()).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert!(!setup.file("keys").exists());
}

#[test]
fn commands_reject_an_invalid_configuration() {
    let setup = Setup::new().with_file("bad.toml", "colour = 1\n");
    let run = setup.run(&["accounts", "list", "--config", "bad.toml"]);
    run.is_rejected(2, "bad.toml:1");
}
