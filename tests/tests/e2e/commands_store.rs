//! `aquaware store`: diagnosing the stores.

use std::time::Duration;

use aquaware_servers::{PgBouncer, PgBouncerOptions, PoolMode, Postgres, PostgresOptions};
use aquaware_tests::{Client, Outcome, Setup, Store, on_every_server, wait_for};
use serde_json::Value;

on_every_server!(a_good_store_is_told_to_be_good, what_is_migrated_once_stays_so);

fn a_good_store_is_told_to_be_good(store: Store) {
    let finished = {
        let setup = Setup::on(store);
        assert_eq!(setup.run(&["store", "migrate"]).outcome, Outcome::Exit(0));
        setup.run(&["store", "check", "--json"])
    };
    assert_eq!(finished.outcome, Outcome::Exit(0), "{}{}", finished.stdout, finished.stderr);
    let report: Value = serde_json::from_str(&finished.stdout).unwrap();
    let stores = report["stores"].as_array().unwrap();
    assert_eq!(stores.len(), 1, "one store for both ports");
    assert_eq!(stores[0]["ok"], true);
    let told = stores[0]["findings"].to_string();
    for word in ["reachable", "migrated", "round trip", "clock"] {
        assert!(told.contains(word), "{word} in {told}");
    }
}

fn what_is_migrated_once_stays_so(store: Store) {
    let setup = Setup::on(store).set("store.migrate", "false");
    assert_eq!(setup.run(&["store", "migrate"]).outcome, Outcome::Exit(0));
    assert_eq!(setup.run(&["store", "migrate"]).outcome, Outcome::Exit(0));
    let server = setup.start();
    let (_, tokens) = server.client().new_session();
    server.client().me(&tokens.access).is(200);
}

#[test]
fn a_database_without_tables_is_reported_and_rejected_unless_migration_is_allowed() {
    let setup = Setup::new().set("store.migrate", "false");
    for command in [&["store", "check"][..], &["serve"]] {
        let finished = setup.run(command);
        assert_eq!(finished.outcome, Outcome::Exit(1), "{command:?}");
        let told = format!("{}{}", finished.stdout, finished.stderr);
        assert!(told.contains("aquaware store migrate"), "{told}");
    }
    assert_eq!(setup.run(&["store", "migrate"]).outcome, Outcome::Exit(0));
    assert_eq!(setup.run(&["store", "check"]).outcome, Outcome::Exit(0));
}

#[test]
fn an_unreachable_store_is_reported_without_its_password() {
    let setup = Setup::new().set("store.accounts", "postgres://a:horse@127.0.0.1:1/a");
    let finished = setup.run(&["store", "check"]);
    assert_eq!(finished.outcome, Outcome::Exit(1));
    let told = format!("{}{}", finished.stdout, finished.stderr);
    assert!(told.contains("store.accounts") && told.contains("connection refused"), "{told}");
    assert!(!told.contains("horse"), "{told}");
}

#[test]
fn a_database_that_is_moved_while_in_use_is_noticed() {
    let server = Setup::new().start();
    let (file, moved) = (server.file("aquaware.db"), server.file("moved.db"));
    let client = server.client();
    let (person, _) = client.new_session();
    let ready = || Client::of(server.management()).get("/health/ready").send();
    std::fs::rename(&file, &moved).unwrap();
    ready().is(503);
    client.try_log_in(&person.email, &person.password).is_problem(503, "store_unavailable");
    wait_for("the log to name the file", Duration::from_secs(30), || {
        server.log().contains("aquaware.db was moved, replaced or deleted").then_some(())
    });
    std::fs::rename(&moved, &file).unwrap();
    ready().is(200);
    client.try_log_in(&person.email, &person.password).is(200);
}

#[test]
fn commands_create_nothing_and_name_the_place_where_they_looked() {
    let setup = Setup::new();
    for (command, named) in [
        (&["accounts", "list"][..], "aquaware.db"),
        (&["accounts", "show", "ann@example.com"], "aquaware.db"),
        (&["accounts", "add", "ann@example.com", "--password-stdin"], "aquaware.db"),
        (&["sessions", "list", "--account", "ann@example.com"], "aquaware.db"),
        (&["store", "check"], "aquaware.db"),
        (&["keys", "rotate"], "/keys"),
        (&["keys", "generate", "--type", "access"], "/keys"),
    ] {
        let finished = setup.run_fed(command, "seven blue snails");
        let told = format!("{}{}", finished.stdout, finished.stderr);
        assert_eq!(finished.outcome, Outcome::Exit(1), "{command:?}: {told}");
        assert!(told.contains(named), "{command:?}: {told}");
    }
    assert!(setup.run(&["keys", "list"]).stdout.contains("/keys"));
    let elsewhere = setup.clone().set("data_dir", "mistyped");
    assert_eq!(elsewhere.run(&["store", "migrate"]).outcome, Outcome::Exit(1));
    assert_eq!(elsewhere.run(&["accounts", "list"]).outcome, Outcome::Exit(1));
    assert_eq!(std::fs::read_dir(setup.path()).unwrap().count(), 0, "nothing is created");
}

fn on_one(url: &str) -> Setup {
    Setup::new().set("store.sessions", url).set("store.accounts", url)
}

#[test]
fn a_transaction_pooler_works_and_is_named() {
    let settings = vec![("default_pool_size".to_owned(), "2".to_owned())];
    let options = PgBouncerOptions { settings, ..PgBouncerOptions::default() };
    let pooler = PgBouncer::start(options).unwrap();
    let setup = on_one(&pooler.url());
    assert_eq!(setup.run(&["store", "migrate"]).outcome, Outcome::Exit(0));
    let checked = setup.run(&["store", "check"]);
    assert_eq!(checked.outcome, Outcome::Exit(0), "{}{}", checked.stdout, checked.stderr);
    assert!(checked.stdout.contains("through a connection pooler"), "{}", checked.stdout);
    let server = setup.start();
    let client = server.client();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let _ = scope.spawn(|| {
                let (_, mut tokens) = client.new_session();
                for _ in 0..10 {
                    tokens = client.refreshed(tokens.refresh(), None);
                }
            });
        }
    });
}

#[test]
fn a_statement_pooler_is_refused_with_the_remedy() {
    let options = PgBouncerOptions { mode: PoolMode::Statement, ..PgBouncerOptions::default() };
    let pooler = PgBouncer::start(options).unwrap();
    let setup = on_one(&pooler.url());
    for command in [&["store", "check"][..], &["serve"]] {
        let finished = setup.run(command);
        assert_eq!(finished.outcome, Outcome::Exit(1), "{command:?}");
        let told = format!("{}{}", finished.stdout, finished.stderr);
        assert!(told.contains("pool_mode") && told.contains("transaction"), "{told}");
    }
}

/// Runs statements as the owner of the database.
fn ask(url: &str, sql: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, connection) =
            tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
        drop(tokio::spawn(connection));
        client.batch_execute(sql).await.unwrap();
    });
}

#[test]
fn a_role_that_may_only_read_is_noticed_before_and_while_serving() {
    let postgres = Postgres::start(PostgresOptions::default()).unwrap();
    let owner = postgres.url();
    assert_eq!(on_one(&owner).run(&["store", "migrate"]).outcome, Outcome::Exit(0));
    ask(
        &owner,
        "CREATE ROLE reader LOGIN PASSWORD 'quartz'; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO reader",
    );
    let reader = owner.replacen(&format!("aquaware:{}@", postgres.password()), "reader:quartz@", 1);
    let setup = on_one(&reader);
    assert_eq!(setup.run(&["store", "check"]).outcome, Outcome::Exit(0));
    let server = setup.clone().start();
    ask(&owner, "REVOKE INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public FROM reader");
    let ready = || Client::of(server.management()).get("/health/ready").send();
    ready().is(503);
    ask(&owner, "GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO reader");
    ready().is(200);
    let _ = server.stop();

    ask(&owner, "REVOKE INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public FROM reader");
    for command in [&["store", "check"][..], &["serve"]] {
        let finished = setup.run(command);
        assert_eq!(finished.outcome, Outcome::Exit(1), "{command:?}");
        let told = format!("{}{}", finished.stdout, finished.stderr);
        assert!(told.contains("privileges"), "{told}");
    }
}

#[test]
fn a_database_that_becomes_read_only_is_noticed_by_readiness() {
    let postgres = Postgres::start(PostgresOptions::default()).unwrap();
    let server = on_one(&postgres.url()).start();
    let (person, tokens) = server.client().new_session();
    let set_read_only = |value: &str| {
        ask(&postgres.url(), &format!("ALTER SYSTEM SET default_transaction_read_only = {value}"));
        ask(&postgres.url(), "SELECT pg_reload_conf()");
    };
    let ready_is = |status: u16| {
        wait_for("readiness to follow the database", Duration::from_secs(30), || {
            let ready = Client::of(server.management()).get("/health/ready").send();
            (ready.status == status).then_some(())
        });
    };
    set_read_only("on");
    ready_is(503);
    let refused = server.client().try_log_in(&person.email, &person.password);
    refused.is_problem(503, "store_unavailable");
    set_read_only("off");
    ready_is(200);
    let _ = server.client().refreshed(tokens.refresh(), None);
}
