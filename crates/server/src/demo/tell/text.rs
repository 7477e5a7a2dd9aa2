//! The journey for a person: prose, requests, answers, claims, ticks and crosses.

use std::io::{self, Write};

use aquaware_core::jwt::Unverified;
use serde_json::Value;

use super::claims::members;
use super::page::{Look, Paint, WIDTH, columns, wrapped};
use super::{Check, Event, Tally, Teller, status_line};
use crate::demo::client::{Answer, Call, Telling};
use crate::demo::shown;

/// The headers of an answer that mean something to the reader.
pub(super) const TELLING_HEADERS: [&str; 7] = [
    "Content-Type",
    "Cache-Control",
    "ETag",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
    "Set-Cookie",
];

/// Writes the journey as text of at most [`WIDTH`] columns.
pub(in crate::demo) struct Text<'a> {
    out: &'a mut dyn Write,
    paint: Paint,
    before: Kind,
}

/// Checks stand close together, and so do brief exchanges; all else has a line between.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Check,
    Brief,
    Other,
}

impl Kind {
    fn of(event: &Event<'_>) -> Self {
        match event {
            Event::Checked(_) => Self::Check,
            Event::Exchanged(call, _) if call.telling == Telling::Brief => Self::Brief,
            _ => Self::Other,
        }
    }
}

impl<'a> Text<'a> {
    /// Writes to `out`, with or without colours.
    pub(in crate::demo) fn new(out: &'a mut dyn Write, colours: bool) -> Self {
        Self { out, paint: Paint { colours }, before: Kind::Other }
    }

    fn line(&mut self, look: Look, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", self.paint.paint(look, text))
    }

    fn gap(&mut self) -> io::Result<()> {
        writeln!(self.out)
    }

    fn prose(&mut self, look: Look, text: &str, indent: usize) -> io::Result<()> {
        wrapped(text, indent, indent).iter().try_for_each(|line| self.line(look, line))
    }

    fn exchange(&mut self, call: &Call, answer: &Answer) -> io::Result<()> {
        let (to, from) = arrows(call);
        let asked = format!("{} {}", call.method, call.path);
        let status = status_line(answer.status);
        if call.telling == Telling::Brief {
            let (to, from) = (self.arrow(&to), self.arrow("←"));
            writeln!(self.out, "  {to} {asked} {from} {status}")?;
            return self.gist(answer);
        }
        let to = self.arrow(&to);
        writeln!(self.out, "  {to} {}", self.paint.paint(Look::Strong, asked))?;
        for (name, value) in &call.headers {
            self.header(name, value)?;
        }
        self.body(call.body.as_ref())?;
        self.gap()?;
        let lost = if call.telling == Telling::Lost { "   (lost on its way)" } else { "" };
        let from = self.arrow(&from);
        writeln!(self.out, "  {from} {}{lost}", self.paint.paint(Look::Strong, status))?;
        for name in TELLING_HEADERS {
            if let Some(value) = answer.header(name) {
                self.header(name, value)?;
            }
        }
        self.body(answer.body.as_ref())
    }

    fn arrow(&self, text: &str) -> String {
        self.paint.paint(Look::Arrow, text)
    }

    /// What a brief answer comes down to: its refresh token, or the word for what was wrong.
    fn gist(&mut self, answer: &Answer) -> io::Result<()> {
        for name in ["refresh_token", "code"] {
            let value = answer.field(name);
            if !value.is_null() {
                self.prose(Look::Faint, &format!("{name}: {}", shown::inline(value)), 4)?;
            }
        }
        Ok(())
    }

    fn header(&mut self, name: &str, value: &str) -> io::Result<()> {
        let text = format!("{name}: {}", shown::text(value));
        wrapped(&text, 4, 6).iter().try_for_each(|line| self.line(Look::Faint, line))
    }

    fn body(&mut self, body: Option<&Value>) -> io::Result<()> {
        let Some(body) = body else { return Ok(()) };
        for line in format!("{:#}", shown::value(body)).lines() {
            let depth = columns(line) - columns(line.trim_start());
            for line in wrapped(line.trim_start(), 4 + depth, 6 + depth) {
                self.line(Look::Plain, &line)?;
            }
        }
        Ok(())
    }

    fn decoded(&mut self, name: &str, token: &Unverified, only: &[&str]) -> io::Result<()> {
        self.line(Look::Plain, &format!("  the {name} says"))?;
        let members = members(token, only);
        for member in &members {
            let value = format!("{:<10}{}", member.name, member.value);
            let meaning = self.paint.paint(Look::Faint, &member.meaning);
            let width = columns(&value);
            if 4 + width.max(VALUE_END) + 2 + columns(&member.meaning) <= WIDTH {
                let room = " ".repeat(VALUE_END.saturating_sub(width) + 2);
                writeln!(self.out, "    {value}{room}{meaning}")?;
            } else {
                for line in wrapped(&value, 4, 14) {
                    self.line(Look::Plain, &line)?;
                }
                writeln!(self.out, "{}{meaning}", " ".repeat(4 + VALUE_END + 2))?;
            }
        }
        Ok(())
    }

    fn check(&mut self, check: &Check) -> io::Result<()> {
        if check.met {
            let lines = wrapped(&format!("✓ {}", check.what), 2, 4);
            return lines.iter().try_for_each(|line| self.line(Look::Good, line));
        }
        let got = [("expected", &check.expected), ("got", &check.got)];
        let texts = got.map(|(word, value)| format!("{word:<9} {}", shown::inline(value)));
        let lines = wrapped(&format!("✗ {}", check.what), 2, 4).into_iter();
        lines
            .chain(texts.iter().flat_map(|text| wrapped(text, 4, 14)))
            .try_for_each(|line| self.line(Look::Bad, &line))
    }
}

/// The column where values end and meanings begin.
const VALUE_END: usize = 46;

/// The arrows of a request and its answer, with the name of who sends it, if it matters.
fn arrows(call: &Call) -> (String, String) {
    let who = call.by.as_ref().map(|who| format!("{who} ")).unwrap_or_default();
    (format!("{who}→"), format!("{who}←"))
}

impl Teller for Text<'_> {
    fn open(&mut self, base: &str) -> io::Result<()> {
        self.line(Look::Strong, "aquaware demo: the life of a session, over real HTTP")?;
        self.gap()?;
        let text = format!(
            "A server is running at {base}, with its database and its keys in a directory that \
             vanishes at the end. Requests (→) and answers (←) are real. Tokens are abbreviated, \
             passwords are not shown. Some waiting is part of it: about five seconds."
        );
        self.prose(Look::Plain, &text, 0)
    }

    fn begin(&mut self, number: usize, title: &'static str, why: &str) -> io::Result<()> {
        let head = format!("── {number} · {title} ");
        let rule = "─".repeat(WIDTH.saturating_sub(columns(&head)));
        self.gap()?;
        self.line(Look::Strong, &format!("{head}{rule}"))?;
        self.gap()?;
        self.before = Kind::Other;
        self.prose(Look::Plain, why, 2)
    }

    fn tell(&mut self, event: &Event<'_>) -> io::Result<()> {
        let kind = Kind::of(event);
        if kind == Kind::Other || kind != self.before {
            self.gap()?;
        }
        self.before = kind;
        match event {
            Event::Said(text) => self.prose(Look::Plain, text, 2),
            Event::Exchanged(call, answer) => self.exchange(call, answer),
            Event::Decoded(name, token, only) => self.decoded(name, token, only),
            Event::Waits(span, why) => {
                let text = format!("… {:.1} s pass: {why}", span.as_secs_f32());
                self.prose(Look::Faint, &text, 2)?;
                self.out.flush()
            }
            Event::Checked(check) => self.check(check),
        }
    }

    fn end(&mut self, _good: bool) -> io::Result<()> {
        self.out.flush()
    }

    fn close(&mut self, tally: &Tally) -> io::Result<()> {
        self.gap()?;
        self.line(Look::Strong, &"─".repeat(WIDTH))?;
        let (steps, checks, unmet) = (tally.steps(), tally.checks(), tally.unmet());
        if unmet == 0 {
            let text = format!("✓ {steps} steps, {checks} expectations, all of them met.");
            return self.line(Look::Good, &text);
        }
        let text = format!("✗ {unmet} of {checks} expectations not met, in these steps:");
        self.line(Look::Bad, &text)?;
        tally.wrong().iter().try_for_each(|title| self.line(Look::Bad, &format!("    {title}")))
    }
}

#[cfg(test)]
mod tests;
