//! Whether what many clients saw of one session can have happened to one record, one step after
//! the other.
//!
//! Each observation is stamped before it is asked for and after it is answered, by one counter. If
//! one was answered before another was asked for, the other must not see less.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aquaware_core::retry::Mark;
use aquaware_core::session::{EndReason, Session};
use aquaware_core::store::{Advance, Outcome, SessionStore};

use crate::bench::SessionBench;
use crate::compare::inserted;
use crate::failure::{Failure, Verdict, ensure, same};
use crate::race::together;
use crate::sample::{self, ended, later, plain, step};
use crate::seed::Seed;

/// What one call showed.
#[derive(Clone)]
struct Seen {
    asked: u64,
    answered: u64,
    generation: u64,
    mark: Option<Mark>,
    ended: bool,
    /// Where the advance came from, if the call was one that was done.
    from: Option<u64>,
}

struct Observer {
    store: Arc<dyn SessionStore>,
    stamps: Arc<AtomicU64>,
    seed: Seed,
    session: Session,
    mark: u64,
}

impl Observer {
    /// One call: mostly advances from what was last seen, or from a guess.
    async fn act(&mut self, last: bool) -> Result<Seen, Failure> {
        let asked = self.stamps.fetch_add(1, Ordering::SeqCst);
        let (id, generation) = (self.session.id, self.session.generation);
        let mut from = None;
        let outcome = match self.seed.below(8) {
            _ if last => self.store.end(&id, ended(EndReason::Revoked)).await?,
            0 => self.store.touch(&id, generation, later(self.seed.below(9999))).await?,
            1 | 2 => {
                let found = self.store.find(&id).await?;
                found.map_or(Outcome::NotFound, Outcome::Refused)
            }
            pick => {
                let step = self.step(pick);
                let outcome = self.store.advance(&id, &step).await?;
                from = matches!(outcome, Outcome::Applied(_)).then_some(step.from.number());
                outcome
            }
        };
        let answered = self.stamps.fetch_add(1, Ordering::SeqCst);
        let (Outcome::Applied(session) | Outcome::Refused(session)) = outcome else {
            return Err(Failure::new("the session vanished"));
        };
        self.session = session;
        let Session { generation, mark, ended, .. } = &self.session;
        let (generation, mark, ended) = (generation.number(), *mark, ended.is_some());
        Ok(Seen { asked, answered, generation, mark, ended, from })
    }

    fn step(&mut self, pick: u64) -> Advance {
        self.mark += 1;
        let mut base = self.session.clone();
        if pick == 3 {
            base.generation = sample::generation(base.generation.number() + 1);
        }
        Advance { mark: sample::mark(self.mark), ..step(&base, 1 + pick % 3) }
    }
}

pub(super) async fn the_history_of_a_session_is_one_chain(bench: SessionBench) -> Verdict {
    for round in 0..bench.settings().rounds {
        let session = inserted(bench.store(), plain(round as u64)).await?;
        let racers = bench.settings().racers.min(16);
        let stamps = Arc::new(AtomicU64::new(0));
        let base = session.clone();
        let seen = together(bench.handles(racers).await, |place, store| {
            let mut observer = Observer {
                store,
                stamps: Arc::clone(&stamps),
                seed: Seed::new((round * racers + place) as u64),
                session: base.clone(),
                mark: 1_000_000 * (place as u64 + 1),
            };
            async move {
                let mut seen = Vec::new();
                for lap in 0..40 {
                    seen.push(observer.act(place == 0 && lap == 30).await?);
                    tokio::task::yield_now().await;
                }
                Ok(seen)
            }
        })
        .await?;
        let last = bench.store().find(&session.id).await?;
        let last = last.ok_or_else(|| Failure::new("the session vanished"))?;
        judge(&seen.concat(), &last)?;
    }
    Ok(())
}

fn judge(seen: &[Seen], last: &Session) -> Verdict {
    let marks = chain(seen, last)?;
    for one in seen {
        let made_by = marks.get(&one.generation).copied().flatten();
        ensure(made_by == one.mark, || {
            format!("generation {} was seen with a mark that isn't its maker's", one.generation)
        })?;
    }
    in_order(seen)
}

/// Fails unless the advances done lead from the first generation to the last, each from where the
/// one before it came to. Gives each generation's mark.
fn chain(seen: &[Seen], last: &Session) -> Result<BTreeMap<u64, Option<Mark>>, Failure> {
    let mut steps: Vec<(u64, &Seen)> =
        seen.iter().filter_map(|one| one.from.map(|from| (from, one))).collect();
    steps.sort_by_key(|(from, _)| *from);
    let (mut at, mut marks) = (1, BTreeMap::from([(1, None)]));
    for (from, step) in steps {
        same("where the next advance came from", &at, &from)?;
        ensure(!step.ended, || "an advance was done on an ended session".to_owned())?;
        at = step.generation;
        marks.insert(at, step.mark);
    }
    same("the last generation", &at, &last.generation.number())?;
    ensure(last.ended.is_some(), || "the ended session lives again".to_owned())?;
    Ok(marks)
}

/// Fails if something was seen to go back: in generation, or from ended to live.
fn in_order(seen: &[Seen]) -> Verdict {
    let mut by_answer: Vec<&Seen> = seen.iter().collect();
    by_answer.sort_by_key(|one| one.answered);
    let mut by_question: Vec<&Seen> = seen.iter().collect();
    by_question.sort_by_key(|one| one.asked);
    let mut answers = by_answer.into_iter().peekable();
    let (mut generation, mut ended) = (0, false);
    for one in by_question {
        while let Some(answer) = answers.next_if(|answer| answer.answered < one.asked) {
            generation = generation.max(answer.generation);
            ended |= answer.ended;
        }
        ensure(one.generation >= generation, || {
            format!("generation {} was seen after {generation} had been", one.generation)
        })?;
        ensure(one.ended || !ended, || "a session was seen live after its end".to_owned())?;
    }
    Ok(())
}
