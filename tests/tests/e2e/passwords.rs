//! Passwords: which are too weak, how they are compared, how they are changed.

use aquaware_tests::{Answer, Client, Person, Setup};
use serde_json::json;

#[track_caller]
fn is_weak(answer: &Answer, field: &str) {
    answer.is_problem(422, "weak_password");
    assert!(answer.fields().iter().all(|named| named == field), "{}", answer.describe());
    assert!(!answer.fields().is_empty(), "{}", answer.describe());
}

fn weak_for(person: &Person) -> Vec<String> {
    let weak = ["", "short", "1234567", "12345678", "password", "password1", "qwertyuiop"];
    let mut weak: Vec<String> = weak.map(str::to_owned).into();
    // Seven characters, though more than seven bytes.
    weak.push("ʘʭɷʨƿɣʡ".to_owned());
    weak.push("x".repeat(600));
    weak.push(person.email.clone());
    weak
}

#[test]
fn weak_passwords_are_refused_with_reasons_at_sign_up_and_change() {
    let server = Setup::new().start();
    let client = server.client();
    let person = Person { email: "wilhelmina.brandt@example.com".to_owned(), ..Person::new() };
    for password in weak_for(&person).into_iter().skip(1) {
        let answer = client.sign_up(&Person { password, email: person.email.clone() });
        is_weak(&answer, "password");
    }
    client.sign_up(&person).is(201);
    let tokens = client.log_in(&person);
    for password in weak_for(&person).into_iter().skip(1) {
        let body = json!({ "current_password": person.password, "new_password": password });
        let answer = client.post("/auth/password").bearer(&tokens.access).json(&body).send();
        is_weak(&answer, "new_password");
    }
    let _ = client.log_in(&person);
}

#[test]
fn no_composition_is_asked_for_and_long_ones_are_fine() {
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
        // The whole of it counts.
        let shorter: String =
            person.password.chars().take(person.password.chars().count() - 1).collect();
        client.try_log_in(&person.email, &shorter).is_problem(401, "invalid_credentials");
    }
}

#[test]
fn the_least_length_is_configured() {
    let server = Setup::new().set("accounts.password_min_length", "15").start();
    let client = server.client();
    let fourteen = Person { password: "vqpxkzmwjtlrbn".to_owned(), ..Person::new() };
    is_weak(&client.sign_up(&fourteen), "password");
    let fifteen = Person { password: "vqpxkzmwjtlrbnd".to_owned(), ..Person::new() };
    client.sign_up(&fifteen).is(201);
}

#[test]
fn a_second_password_must_match_and_is_named() {
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
fn a_password_is_the_same_however_it_was_typed() {
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
    let answer = change(&client, &here.access, "quartz otter wrong", &Person::new().password);
    answer.is_problem(401, "invalid_credentials");
    client.me(&there.access).is(200);
    let _ = client.log_in(&person);
}

#[test]
fn a_password_can_be_changed_again_and_again() {
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
fn a_hash_of_another_cost_is_still_good() {
    let server = Setup::new().start();
    let person = server.client().new_person();
    let dearer = server.stop().setup().set("accounts.argon2.memory_kib", "256").start();
    for _ in 0..3 {
        let _ = dearer.client().log_in(&person);
    }
    let cheaper = dearer.stop().setup().set("accounts.argon2.iterations", "2").start();
    let _ = cheaper.client().log_in(&person);
}

fn change(client: &Client, access: &str, current: &str, new: &str) -> Answer {
    let body = json!({ "current_password": current, "new_password": new });
    client.post("/auth/password").bearer(access).json(&body).send()
}
