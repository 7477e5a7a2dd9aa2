//! Passwords: which are too weak, how they are compared, and how they are changed.

use aquaware_tests::{Client, Person, Response, Setup};
use serde_json::json;

#[track_caller]
fn is_weak(response: &Response, field: &str) {
    response.is_problem(422, "weak_password");
    assert!(response.fields().iter().all(|named| named == field), "{}", response.describe());
    assert!(!response.fields().is_empty(), "{}", response.describe());
}

fn weak_for(person: &Person) -> Vec<String> {
    let weak = ["", "short", "1234567", "12345678", "password", "password1", "qwertyuiop"];
    let mut weak: Vec<String> = weak.map(str::to_owned).into();
    // Seven characters, but more than seven bytes.
    weak.push("ʘʭɷʨƿɣʡ".to_owned());
    weak.push("x".repeat(600));
    weak.push(person.email.clone());
    weak
}

#[test]
fn weak_passwords_are_rejected_with_reasons_at_sign_up_and_change() {
    let server = Setup::new().start();
    let client = server.client();
    let person = Person { email: "wilhelmina.brandt@example.com".to_owned(), ..Person::new() };
    for password in weak_for(&person).into_iter().skip(1) {
        let response = client.sign_up(&Person { password, email: person.email.clone() });
        is_weak(&response, "password");
    }
    client.sign_up(&person).is(201);
    let tokens = client.log_in(&person);
    for password in weak_for(&person).into_iter().skip(1) {
        let body = json!({ "current_password": person.password, "new_password": password });
        let response = client.post("/auth/password").bearer(&tokens.access).json(&body).send();
        is_weak(&response, "new_password");
    }
    let _ = client.log_in(&person);
}

#[test]
fn no_composition_is_required_and_long_passwords_are_accepted() {
    let server = Setup::new().start();
    let client = server.client();
    let good = [
        "vqpxkzmwjtlr".to_owned(),
        "four tired herons waiting".to_owned(),
        "рыбка в пруду живёт".to_owned(),
        "🐠🐟🐡🦈🐙🐚🦀🦑🪼".to_owned(),
        "seven blue snails ".repeat(10),
    ];
    for password in good {
        let person = Person { password, ..Person::new() };
        client.sign_up(&person).is(201);
        let _ = client.log_in(&person);
        // The whole password counts.
        let shorter: String =
            person.password.chars().take(person.password.chars().count() - 1).collect();
        client.try_log_in(&person.email, &shorter).is_problem(401, "invalid_credentials");
    }
}

#[test]
fn the_minimum_length_is_configurable() {
    let server = Setup::new().set("accounts.password_min_length", "15").start();
    let client = server.client();
    let fourteen = Person { password: "vqpxkzmwjtlrbn".to_owned(), ..Person::new() };
    is_weak(&client.sign_up(&fourteen), "password");
    let fifteen = Person { password: "vqpxkzmwjtlrbnd".to_owned(), ..Person::new() };
    client.sign_up(&fifteen).is(201);
}

#[test]
fn a_mismatched_second_password_is_reported() {
    let server = Setup::new().start();
    let client = server.client();
    let Person { email, password } = Person::new();
    let sign_up = |second: &str| {
        let body = json!({ "email": email, "password": password, "password2": second });
        client.post("/auth/signup").json(&body).send()
    };
    sign_up("quartz otter other").names_fields(&["password2"]);
    sign_up("").names_fields(&["password2"]);
    sign_up(&password).is(201);
}

#[test]
fn unicode_forms_of_a_password_are_equivalent() {
    let server = Setup::new().start();
    let client = server.client();
    let composed = Person { password: "blaue M\u{f6}we fliegt".to_owned(), ..Person::new() };
    client.sign_up(&composed).is(201);
    let decomposed = "blaue Mo\u{308}we fliegt";
    client.try_log_in(&composed.email, decomposed).is(200);
    for other in ["blaue Mowe fliegt", "Blaue M\u{f6}we fliegt", " blaue M\u{f6}we fliegt"] {
        client.try_log_in(&composed.email, other).is_problem(401, "invalid_credentials");
    }
}

#[test]
fn a_wrong_current_password_changes_nothing() {
    let server = Setup::new().start();
    let client = server.client();
    let (person, here) = client.new_session();
    let there = client.log_in(&person);
    let response = change(&client, &here.access, "quartz otter wrong", &Person::new().password);
    response.is_problem(401, "invalid_credentials");
    client.me(&there.access).is(200);
    let _ = client.log_in(&person);
}

#[test]
fn a_password_can_be_changed_repeatedly() {
    let server = Setup::new().start();
    let client = server.client();
    let (mut person, here) = client.new_session();
    for _ in 0..3 {
        let new = Person::new().password;
        change(&client, &here.access, &person.password, &new).is(204);
        client.try_log_in(&person.email, &person.password).is_problem(401, "invalid_credentials");
        person.password = new;
        let _ = client.log_in(&person);
    }
}

#[test]
fn hashes_of_another_cost_still_verify() {
    let server = Setup::new().start();
    let person = server.client().new_person();
    let dearer = server.stop().setup().set("accounts.argon2.memory_kib", "256").start();
    for _ in 0..3 {
        let _ = dearer.client().log_in(&person);
    }
    let cheaper = dearer.stop().setup().set("accounts.argon2.iterations", "2").start();
    let _ = cheaper.client().log_in(&person);
}

fn change(client: &Client, access: &str, current: &str, new: &str) -> Response {
    let body = json!({ "current_password": current, "new_password": new });
    client.post("/auth/password").bearer(access).json(&body).send()
}
