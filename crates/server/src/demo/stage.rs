//! The stage: steps are begun, calls are sent, expectations are checked, and all of it is told.
//!
//! An expectation that isn't met is counted and the journey goes on. Where it can't go on, because
//! no answer came or the answer lacks what the next call needs, a [`Stop`] ends it.

use std::io;
use std::sync::Barrier;
use std::time::Duration;

use aquaware_core::jwt::{TokenError, Unverified, inspect};
use serde_json::Value;
use thiserror::Error;

use super::client::{Answer, Call, Unanswered, World};
use super::tell::{Check, Event, Tally, Teller, status_line};

/// Why the journey can't go on.
#[derive(Debug, Error)]
pub(super) enum Stop {
    /// No answer came.
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    /// The answer lacks something that the next call needs.
    #[error("{status}, without {what}")]
    Missing {
        /// What it lacks.
        what: &'static str,
        /// The status it has.
        status: String,
    },
    /// What should be a token can't even be taken apart.
    #[error("not a token: {0}")]
    NoToken(#[from] TokenError),
    /// Nobody listens any more.
    #[error("the demo's output can't be written")]
    Output(#[from] io::Error),
}

/// Where the journey takes place.
pub(super) struct Stage<'a> {
    world: &'a dyn World,
    teller: &'a mut dyn Teller,
    tally: Tally,
}

impl<'a> Stage<'a> {
    /// A stage in `world`, told by `teller`.
    pub(super) fn new(world: &'a dyn World, teller: &'a mut dyn Teller) -> Self {
        Self { world, teller, tally: Tally::default() }
    }

    /// The world of this stage.
    pub(super) fn world(&self) -> &'a dyn World {
        self.world
    }

    /// Begins the next step, and ends the one before.
    pub(super) fn begin(&mut self, title: &'static str, why: &str) -> Result<(), Stop> {
        self.end_step()?;
        self.tally.begin(title);
        Ok(self.teller.begin(self.tally.steps(), title, why)?)
    }

    /// Says something between two calls.
    pub(super) fn say(&mut self, text: &str) -> Result<(), Stop> {
        self.tell(&Event::Said(text.to_owned()))
    }

    /// Sends `call`, tells the exchange and gives the answer.
    pub(super) fn send(&mut self, call: Call) -> Result<Answer, Stop> {
        let answer = self.world.send(&call)?;
        self.tell(&Event::Exchanged(&call, &answer))?;
        Ok(answer)
    }

    /// Sends all `calls` at the same moment, each over a connection of its own.
    pub(super) fn send_together(&mut self, calls: &[Call]) -> Result<Vec<Answer>, Stop> {
        let (world, start) = (self.world, Barrier::new(calls.len()));
        let answers: Vec<Result<Answer, Unanswered>> = std::thread::scope(|scope| {
            let send = |call| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    world.send(call)
                })
            };
            let threads: Vec<_> = calls.iter().map(send).collect();
            let gone = |_| Err(Unanswered("the sending thread died".to_owned()));
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(gone)).collect()
        });
        let answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
        for (call, answer) in calls.iter().zip(&answers) {
            self.tell(&Event::Exchanged(call, answer))?;
        }
        Ok(answers)
    }

    /// Lets `span` pass, having said why.
    pub(super) fn wait(&mut self, span: Duration, why: &str) -> Result<(), Stop> {
        self.tell(&Event::Waits(span, why))?;
        self.world.wait(span);
        Ok(())
    }

    /// Takes `token` apart and tells what it says: the claims named in `only`, or all of it.
    pub(super) fn decode(
        &mut self,
        name: &'static str,
        token: &str,
        only: &'static [&'static str],
    ) -> Result<Unverified, Stop> {
        let token = inspect(token)?;
        self.tell(&Event::Decoded(name, &token, only))?;
        Ok(token)
    }

    /// Checks that `got` is `expected`; `what` is the fact that then holds.
    pub(super) fn expect(
        &mut self,
        what: &str,
        expected: impl Into<Value>,
        got: impl Into<Value>,
    ) -> Result<(), Stop> {
        let (expected, got) = (expected.into(), got.into());
        let met = expected == got;
        self.check(Check { what: what.to_owned(), met, expected, got })
    }

    /// Checks a fact that is no equality: `expected` says in words what `got` should be.
    pub(super) fn expect_that(
        &mut self,
        what: &str,
        met: bool,
        expected: &str,
        got: impl Into<Value>,
    ) -> Result<(), Stop> {
        let (expected, got) = (expected.into(), got.into());
        self.check(Check { what: what.to_owned(), met, expected, got })
    }

    /// Checks the status of `answer`.
    pub(super) fn expect_status(
        &mut self,
        answer: &Answer,
        status: u16,
        what: &str,
    ) -> Result<(), Stop> {
        let (expected, got) = (status_line(status), status_line(answer.status));
        self.expect(&format!("{expected}: {what}"), expected, got)
    }

    /// Checks that `answer` is a refusal with the machine word `code`, told as RFC 9110 §15.5.2
    /// asks: with a challenge.
    pub(super) fn expect_refusal(
        &mut self,
        answer: &Answer,
        code: &str,
        what: &str,
    ) -> Result<(), Stop> {
        self.expect_status(answer, 401, what)?;
        let fact = format!("the code says it to programs: {code}");
        self.expect(&fact, code, answer.field("code").clone())?;
        let challenge = answer.header("WWW-Authenticate");
        let met = challenge.is_some_and(|text| text.starts_with("Bearer "));
        self.expect_that("WWW-Authenticate says what is wanted", met, "Bearer …", challenge)
    }

    fn check(&mut self, check: Check) -> Result<(), Stop> {
        self.tally.count(check.met);
        self.tell(&Event::Checked(&check))
    }

    fn tell(&mut self, event: &Event<'_>) -> Result<(), Stop> {
        Ok(self.teller.tell(event)?)
    }

    fn end_step(&mut self) -> Result<(), Stop> {
        if self.tally.steps() > 0 {
            self.teller.end(self.tally.step_is_good())?;
        }
        Ok(())
    }

    /// Ends the journey that went as `walked` says, and gives the count of it all. A stop is told
    /// as an expectation that isn't met.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub(super) fn finish(mut self, walked: Result<(), Stop>) -> io::Result<Tally> {
        match walked.and_then(|()| self.end_step()) {
            Ok(()) => {}
            Err(Stop::Output(error)) => return Err(error),
            Err(stop) => self.tell_stop(&stop)?,
        }
        self.teller.close(&self.tally)?;
        Ok(self.tally)
    }

    fn tell_stop(&mut self, stop: &Stop) -> io::Result<()> {
        self.tally.count(false);
        let what = "the journey goes on".to_owned();
        let (expected, got) = ("the next call".into(), stop.to_string().into());
        self.teller.tell(&Event::Checked(&Check { what, met: false, expected, got }))?;
        self.teller.end(false)
    }
}
