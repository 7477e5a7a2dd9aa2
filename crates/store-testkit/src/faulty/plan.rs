//! Which calls fail, and how. Plans are deterministic.

use std::collections::VecDeque;

use super::calls::Call;
use crate::split_mix::SplitMix;

/// How one call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// [`Unreachable`](aquaware_core::store::StoreError::Unreachable): the step was not applied.
    Unreachable,
    /// [`Rejected`](aquaware_core::store::StoreError::Rejected): the step was not applied, and a
    /// retry fails as well.
    Rejected,
    /// [`UnknownOutcome`](aquaware_core::store::StoreError::UnknownOutcome); the step was not
    /// applied.
    RequestLost,
    /// [`UnknownOutcome`](aquaware_core::store::StoreError::UnknownOutcome); the step was applied.
    ResponseLost,
}

/// How many of a thousand calls fail in each way. The others succeed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultRates {
    /// [`Fault::Unreachable`].
    pub unreachable: u64,
    /// [`Fault::RequestLost`].
    pub request_lost: u64,
    /// [`Fault::ResponseLost`].
    pub response_lost: u64,
}

/// Which calls fail, and how.
#[derive(Clone, Debug)]
pub struct FaultPlan {
    only: Option<Call>,
    schedule: Schedule,
}

#[derive(Clone, Debug)]
enum Schedule {
    Script(VecDeque<Option<Fault>>),
    Always(Fault),
    Seeded(SplitMix, FaultRates),
}

impl FaultPlan {
    /// No call fails.
    #[must_use]
    pub fn none() -> Self {
        Self::script([])
    }

    /// The first calls fail in these ways, in order; `None` is a call that succeeds, as are all
    /// later ones.
    #[must_use]
    pub fn script(turns: impl IntoIterator<Item = Option<Fault>>) -> Self {
        Self { only: None, schedule: Schedule::Script(turns.into_iter().collect()) }
    }

    /// Call number `number`, counted from 0, fails. With every number in turn, a test covers a
    /// failure at every call that the code under test makes.
    #[must_use]
    pub fn at(number: usize, fault: Fault) -> Self {
        Self::script(std::iter::repeat_n(None, number).chain([Some(fault)]))
    }

    /// Every call fails: an outage.
    #[must_use]
    pub const fn always(fault: Fault) -> Self {
        Self { only: None, schedule: Schedule::Always(fault) }
    }

    /// Calls fail at random. The same seed gives the same faults.
    #[must_use]
    pub const fn seeded(seed: u64, rates: FaultRates) -> Self {
        Self { only: None, schedule: Schedule::Seeded(SplitMix::new(seed), rates) }
    }

    /// Applies the plan to this call only. Other calls succeed and do not consume the plan.
    #[must_use]
    pub fn only(self, call: Call) -> Self {
        Self { only: Some(call), ..self }
    }

    pub(super) fn next(&mut self, call: Call) -> Option<Fault> {
        if self.only.is_some_and(|only| only != call) {
            return None;
        }
        match &mut self.schedule {
            Schedule::Script(turns) => turns.pop_front().flatten(),
            Schedule::Always(fault) => Some(*fault),
            Schedule::Seeded(seed, rates) => rates.fault(seed.below(1000)),
        }
    }
}

impl FaultRates {
    const fn fault(&self, number: u64) -> Option<Fault> {
        let lost = self.unreachable + self.request_lost;
        if number < self.unreachable {
            Some(Fault::Unreachable)
        } else if number < lost {
            Some(Fault::RequestLost)
        } else if number < lost + self.response_lost {
            Some(Fault::ResponseLost)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(mut plan: FaultPlan, calls: &[Call]) -> Vec<Option<Fault>> {
        calls.iter().map(|call| plan.next(*call)).collect()
    }

    #[test]
    fn calls_after_the_end_of_a_script_succeed() {
        let plan = FaultPlan::at(1, Fault::ResponseLost);
        assert_eq!(faults(plan, &[Call::Find; 4]), [None, Some(Fault::ResponseLost), None, None]);
    }

    #[test]
    fn a_plan_for_one_call_does_not_affect_other_calls() {
        let plan = FaultPlan::at(1, Fault::Rejected).only(Call::Advance);
        let calls = [Call::Advance, Call::Find, Call::Find, Call::Advance, Call::Advance];
        assert_eq!(faults(plan, &calls), [None, None, None, Some(Fault::Rejected), None]);
    }

    #[test]
    fn random_faults_are_reproducible_and_match_their_rates() {
        let rates = FaultRates { unreachable: 100, request_lost: 200, response_lost: 300 };
        let faults = |seed| faults(FaultPlan::seeded(seed, rates), &[Call::Find; 10_000]);
        assert_eq!(faults(7), faults(7));
        assert_ne!(faults(7), faults(8));
        let often = |fault| faults(7).iter().filter(|found| **found == fault).count();
        assert!((900..1100).contains(&often(Some(Fault::Unreachable))));
        assert!((1800..2200).contains(&often(Some(Fault::RequestLost))));
        assert!((2800..3200).contains(&often(Some(Fault::ResponseLost))));
        assert!((3800..4200).contains(&often(None)));
    }
}
