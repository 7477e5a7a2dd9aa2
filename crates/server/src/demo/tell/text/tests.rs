//! How an exchange, a wait and a check look.

use std::time::Duration;

use serde_json::json;

use super::*;

fn told(colours: bool, tell: impl FnOnce(&mut Text<'_>) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    tell(&mut Text::new(&mut out, colours)).unwrap();
    String::from_utf8(out).unwrap()
}

fn refused() -> Answer {
    let headers = [("www-authenticate", "Bearer realm=\"aquaware\""), ("x-request-id", "1")];
    Answer {
        status: 401,
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        body: Some(json!({ "code": "invalid_token" })),
    }
}

fn check(met: bool) -> Check {
    Check { what: "the token is dead".to_owned(), met, expected: json!(401), got: Value::Null }
}

#[test]
fn an_exchange_shows_both_sides_and_the_headers_that_matter() {
    let call = Call::post("/auth/refresh", json!({ "n": 1 })).by("thief");
    let text = told(false, |text| text.tell(&Event::Exchanged(&call, &refused())));
    let expected = "
  thief → POST /auth/refresh
    Content-Type: application/json
    {
      \"n\": 1
    }

  thief ← 401 Unauthorized
    WWW-Authenticate: Bearer realm=\"aquaware\"
    {
      \"code\": \"invalid_token\"
    }
";
    assert_eq!(text, expected);
}

#[test]
fn a_brief_exchange_is_a_line_and_its_gist() {
    let call = Call::get("/auth/me").briefly();
    let text = told(false, |text| text.tell(&Event::Exchanged(&call, &refused())));
    assert_eq!(text, "\n  → GET /auth/me ← 401 Unauthorized\n    code: invalid_token\n");
}

#[test]
fn a_lost_answer_says_so() {
    let call = Call::get("/auth/me").lost();
    let text = told(false, |text| text.tell(&Event::Exchanged(&call, &refused())));
    assert!(text.contains("← 401 Unauthorized   (lost on its way)\n"), "{text}");
}

#[test]
fn checks_stand_close_together_and_a_failed_one_says_what_came() {
    let text = told(false, |text| {
        text.tell(&Event::Checked(&check(true)))?;
        text.tell(&Event::Checked(&check(false)))
    });
    let expected = "
  ✓ the token is dead
  ✗ the token is dead
    expected  401
    got       nothing
";
    assert_eq!(text, expected);
}

#[test]
fn colours_are_only_there_when_wanted() {
    let tell = |text: &mut Text<'_>| {
        text.begin(1, "title", "why")?;
        text.tell(&Event::Exchanged(&Call::get("/"), &refused()))?;
        text.tell(&Event::Waits(Duration::from_millis(1500), "it expires"))?;
        text.tell(&Event::Checked(&check(false)))
    };
    let (plain, coloured) = (told(false, tell), told(true, tell));
    assert!(!plain.contains('\u{1b}') && coloured.contains("\u{1b}[1;31m"), "{plain}");
    assert!(plain.contains("… 1.5 s pass: it expires\n"), "{plain}");
    let mut bare = String::new();
    for (place, part) in coloured.split('\u{1b}').enumerate() {
        bare.push_str(if place == 0 { part } else { part.split_once('m').unwrap().1 });
    }
    assert_eq!(bare, plain);
}
