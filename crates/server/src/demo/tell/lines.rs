//! The journey for a program: one JSON object a line, one line a step.
//!
//! `request` and `answer` are the exchange that the step is about: the last of those that are worth
//! telling whole. The step's other exchanges are in `others`, in their order.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::text::TELLING_HEADERS;
use super::{Check, Event, Tally, Teller};
use crate::demo::client::{Answer, Call, Telling};
use crate::demo::shown;

/// Writes the journey as JSON lines.
pub(in crate::demo) struct Lines<'a> {
    out: &'a mut dyn Write,
    step: Step,
}

#[derive(Default)]
struct Step {
    number: usize,
    title: &'static str,
    exchanges: Vec<Exchange>,
    decoded: Vec<Value>,
    checks: Vec<Value>,
}

struct Exchange {
    telling: Telling,
    request: Value,
    answer: Value,
}

impl Step {
    /// Takes out the exchange that the step is about.
    fn take_main(&mut self) -> Option<Exchange> {
        let whole = |exchange: &Exchange| exchange.telling != Telling::Brief;
        let place = self.exchanges.iter().rposition(whole)?;
        Some(self.exchanges.remove(place))
    }
}

impl<'a> Lines<'a> {
    /// Writes to `out`.
    pub(in crate::demo) fn new(out: &'a mut dyn Write) -> Self {
        Self { out, step: Step::default() }
    }
}

impl Teller for Lines<'_> {
    fn open(&mut self, _base: &str) -> io::Result<()> {
        Ok(())
    }

    fn begin(&mut self, number: usize, title: &'static str, _why: &str) -> io::Result<()> {
        self.step = Step { number, title, ..Step::default() };
        Ok(())
    }

    fn tell(&mut self, event: &Event<'_>) -> io::Result<()> {
        match event {
            Event::Said(_) | Event::Waits(..) => {}
            Event::Exchanged(call, answer) => self.step.exchanges.push(exchange(call, answer)),
            Event::Decoded(name, token, _) => {
                let (header, claims) = (shown::object(&token.header), shown::object(&token.claims));
                let decoded = json!({ "token": name, "header": header, "claims": claims });
                self.step.decoded.push(decoded);
            }
            Event::Checked(check) => self.step.checks.push(self::check(check)),
        }
        Ok(())
    }

    fn end(&mut self, good: bool) -> io::Result<()> {
        let mut step = std::mem::take(&mut self.step);
        let main = step.take_main();
        let (request, answer) = main.map(|main| (main.request, main.answer)).unzip();
        let others = step.exchanges.into_iter();
        let others: Vec<Value> = others
            .map(|other| json!({ "request": other.request, "answer": other.answer }))
            .collect();
        let line = json!({
            "step": step.number,
            "title": step.title,
            "ok": good,
            "request": request,
            "answer": answer,
            "others": others,
            "decoded": step.decoded,
            "checks": step.checks,
        });
        writeln!(self.out, "{line}")?;
        self.out.flush()
    }

    fn close(&mut self, _tally: &Tally) -> io::Result<()> {
        Ok(())
    }
}

fn exchange(call: &Call, answer: &Answer) -> Exchange {
    let headers = call.headers.iter().map(|(name, value)| header(name, value));
    let request = json!({
        "by": call.by,
        "method": call.method.as_str(),
        "path": call.path,
        "headers": headers.collect::<Map<_, _>>(),
        "body": call.body.as_ref().map(shown::value),
    });
    let told = TELLING_HEADERS.iter().filter_map(|name| Some(header(name, answer.header(name)?)));
    let answer = json!({
        "lost": call.telling == Telling::Lost,
        "status": answer.status,
        "headers": told.collect::<Map<_, _>>(),
        "body": answer.body.as_ref().map(shown::value),
    });
    Exchange { telling: call.telling, request, answer }
}

fn header(name: &str, value: &str) -> (String, Value) {
    (name.to_owned(), shown::text(value).into())
}

fn check(check: &Check) -> Value {
    if check.met {
        return json!({ "what": check.what, "ok": true });
    }
    let (expected, got) = (shown::value(&check.expected), shown::value(&check.got));
    json!({ "what": check.what, "ok": false, "expected": expected, "got": got })
}

#[cfg(test)]
mod tests {
    use aquaware_core::jwt::inspect;

    use super::*;

    const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJlLXNpZ25hdHVyZQ";

    fn told(good: bool) -> Value {
        let mut out = Vec::new();
        let mut lines = Lines::new(&mut out);
        let body = json!({"refresh_token": TOKEN, "password": "horse"});
        let first = Call::post("/auth/login", body).by("a thief").lost();
        let second = Call::get("/auth/me").bearer(TOKEN);
        let answer = Answer {
            status: 401,
            headers: vec![
                ("www-authenticate".to_owned(), "Bearer".to_owned()),
                ("x-request-id".to_owned(), "1".to_owned()),
            ],
            body: None,
        };
        lines.begin(3, "Log in", "why").unwrap();
        lines.tell(&Event::Exchanged(&first, &answer)).unwrap();
        lines.tell(&Event::Exchanged(&second, &answer)).unwrap();
        lines.tell(&Event::Exchanged(&Call::get("/aside").briefly(), &answer)).unwrap();
        lines.tell(&Event::Decoded("refresh token", &inspect(TOKEN).unwrap(), &[])).unwrap();
        let (expected, got) = (Value::from(TOKEN), Value::Null);
        let check = Check { what: "a fact".to_owned(), met: good, expected, got };
        lines.tell(&Event::Checked(&check)).unwrap();
        lines.end(good).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 1);
        assert!(!text.contains(TOKEN) && !text.contains("horse"), "{text}");
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_step_is_one_object_about_its_main_exchange() {
        let step = told(true);
        assert_eq!(
            (&step["step"], &step["title"], &step["ok"]),
            (&json!(3), &json!("Log in"), &json!(true))
        );
        assert_eq!(step["request"]["method"], "GET");
        assert_eq!(
            step["request"]["headers"]["Authorization"],
            shown::text(&format!("Bearer {TOKEN}"))
        );
        assert_eq!(step["answer"]["headers"], json!({"WWW-Authenticate": "Bearer"}));
        assert_eq!(step["others"][0]["request"]["by"], "a thief");
        assert_eq!(step["others"][0]["answer"]["lost"], true);
        assert_eq!(step["others"][1]["request"]["path"], "/aside");
        assert_eq!(step["decoded"][0]["claims"]["sub"], "ann");
        assert_eq!(step["checks"], json!([{"what": "a fact", "ok": true}]));
    }

    #[test]
    fn an_unmet_expectation_says_what_was_expected_and_what_came() {
        let step = told(false);
        assert_eq!(step["ok"], false);
        let expected = json!([
            {"what": "a fact", "ok": false, "expected": shown::text(TOKEN), "got": null}
        ]);
        assert_eq!(step["checks"], expected);
    }
}
