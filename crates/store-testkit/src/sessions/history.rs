//! Whether the observations of many clients of one session are linearizable: explained by one
//! record that changed one step after the other.
//!
//! A shared counter stamps each call before it starts and after it returns. A call that starts after
//! another has returned must not observe an older state.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aquaware_core::retry::Mark;
use aquaware_core::session::{EndReason, Session};
use aquaware_core::store::{Advance, Outcome, SessionStore, Touch};

use crate::compare::insert;
use crate::concurrent::run_concurrently;
use crate::error::{CheckError, CheckResult, ensure, same};
use crate::fixture::SessionFixture;
use crate::sample::{self, ended, later, minimal, step};
use crate::split_mix::SplitMix;

/// What one call observed.
#[derive(Clone)]
struct Observation {
    started: u64,
    returned: u64,
    generation: u64,
    mark: Option<Mark>,
    ended: bool,
    /// The previous generation, if the call was an advance that was applied.
    from: Option<u64>,
}

struct Observer {
    store: Arc<dyn SessionStore>,
    stamps: Arc<AtomicU64>,
    seed: SplitMix,
    session: Session,
    mark: u64,
}

impl Observer {
    /// Makes one call, usually an advance from the generation last observed or a guess.
    async fn act(&mut self, last: bool) -> Result<Observation, CheckError> {
        let started = self.stamps.fetch_add(1, Ordering::SeqCst);
        let (id, generation) = (self.session.id, self.session.generation);
        let mut from = None;
        let outcome = match self.seed.below(8) {
            _ if last => self.store.end(&id, ended(EndReason::Revoked)).await?,
            0 => {
                let at = later(self.seed.below(9999));
                let touch = Touch { generation, ..sample::touch(&self.session, at) };
                self.store.touch(&id, &touch).await?
            }
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
        let returned = self.stamps.fetch_add(1, Ordering::SeqCst);
        let (Outcome::Applied(session) | Outcome::Refused(session)) = outcome else {
            return Err(CheckError::new("the session is no longer found"));
        };
        self.session = session;
        let Session { generation, mark, ended, .. } = &self.session;
        let (generation, mark, ended) = (generation.number(), *mark, ended.is_some());
        Ok(Observation { started, returned, generation, mark, ended, from })
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

pub(super) async fn concurrent_observers_see_one_linear_history(
    fixture: SessionFixture,
) -> CheckResult {
    for round in 0..fixture.settings().rounds {
        let session = insert(fixture.store(), minimal(round as u64)).await?;
        let concurrency = fixture.settings().concurrency.min(16);
        let stamps = Arc::new(AtomicU64::new(0));
        let base = session.clone();
        let observed = run_concurrently(fixture.handles(concurrency).await, |position, store| {
            let mut observer = Observer {
                store,
                stamps: Arc::clone(&stamps),
                seed: SplitMix::new((round * concurrency + position) as u64),
                session: base.clone(),
                mark: 1_000_000 * (position as u64 + 1),
            };
            async move {
                let mut observed = Vec::new();
                for lap in 0..40 {
                    observed.push(observer.act(position == 0 && lap == 30).await?);
                    tokio::task::yield_now().await;
                }
                Ok(observed)
            }
        })
        .await?;
        let last = fixture.store().find(&session.id).await?;
        let last = last.ok_or_else(|| CheckError::new("the session is no longer found"))?;
        check_history(&observed.concat(), &last)?;
    }
    Ok(())
}

fn check_history(observed: &[Observation], last: &Session) -> CheckResult {
    let marks = chain(observed, last)?;
    for observation in observed {
        let mark = marks.get(&observation.generation).copied().flatten();
        ensure(mark == observation.mark, || {
            format!(
                "generation {} was observed with the mark of another attempt",
                observation.generation
            )
        })?;
    }
    in_order(observed)
}

/// Fails unless the applied advances form one chain from the first generation to the last. Returns
/// the mark of each generation.
fn chain(
    observed: &[Observation],
    last: &Session,
) -> Result<BTreeMap<u64, Option<Mark>>, CheckError> {
    let mut steps: Vec<(u64, &Observation)> = observed
        .iter()
        .filter_map(|observation| observation.from.map(|from| (from, observation)))
        .collect();
    steps.sort_by_key(|(from, _)| *from);
    let (mut at, mut marks) = (1, BTreeMap::from([(1, None)]));
    for (from, step) in steps {
        same("the previous generation of the next advance", &at, &from)?;
        ensure(!step.ended, || "an ended session was advanced".to_owned())?;
        at = step.generation;
        marks.insert(at, step.mark);
    }
    same("the last generation", &at, &last.generation.number())?;
    ensure(last.ended.is_some(), || "the session is live after it ended".to_owned())?;
    Ok(marks)
}

/// Fails if the session was observed to go back: to an older generation, or from ended to live.
fn in_order(observed: &[Observation]) -> CheckResult {
    let mut by_return: Vec<&Observation> = observed.iter().collect();
    by_return.sort_by_key(|observation| observation.returned);
    let mut by_start: Vec<&Observation> = observed.iter().collect();
    by_start.sort_by_key(|observation| observation.started);
    let mut returns = by_return.into_iter().peekable();
    let (mut generation, mut ended) = (0, false);
    for observation in by_start {
        while let Some(earlier) = returns.next_if(|earlier| earlier.returned < observation.started)
        {
            generation = generation.max(earlier.generation);
            ended |= earlier.ended;
        }
        ensure(observation.generation >= generation, || {
            format!(
                "generation {} was observed after generation {generation}",
                observation.generation
            )
        })?;
        ensure(observation.ended || !ended, || {
            "a session was observed live after its end".to_owned()
        })?;
    }
    Ok(())
}
