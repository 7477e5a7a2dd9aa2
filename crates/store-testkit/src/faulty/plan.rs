//! When a store fails, and how. A plan is the same each time it is followed.

use std::collections::VecDeque;

use super::calls::Call;
use crate::seed::Seed;

/// A way for one call to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// [`Unreachable`](aquaware_core::store::StoreError::Unreachable): nothing happened.
    Unreachable,
    /// [`Refused`](aquaware_core::store::StoreError::Rejected): nothing happened, nor will it.
    Refused,
    /// [`Interrupted`](aquaware_core::store::StoreError::UnknownOutcome), and nothing happened.
    RequestLost,
    /// [`Interrupted`](aquaware_core::store::StoreError::UnknownOutcome), but it happened.
    AnswerLost,
}

/// How many of a thousand calls fail which way; the rest pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Odds {
    /// [`Fault::Unreachable`].
    pub unreachable: u64,
    /// [`Fault::RequestLost`].
    pub request_lost: u64,
    /// [`Fault::AnswerLost`].
    pub answer_lost: u64,
}

/// Which calls fail, and how.
#[derive(Clone, Debug)]
pub struct FaultPlan {
    only: Option<Call>,
    turns: Turns,
}

#[derive(Clone, Debug)]
enum Turns {
    Script(VecDeque<Option<Fault>>),
    Always(Fault),
    Seeded(Seed, Odds),
}

impl FaultPlan {
    /// Every call passes.
    #[must_use]
    pub fn none() -> Self {
        Self::script([])
    }

    /// The first calls meet these faults in turn, `None` passing; all after them pass.
    #[must_use]
    pub fn script(turns: impl IntoIterator<Item = Option<Fault>>) -> Self {
        Self { only: None, turns: Turns::Script(turns.into_iter().collect()) }
    }

    /// Call number `number`, counted from 0, meets `fault`; all others pass. With every number in
    /// turn, this cuts the store at every step of what is under test.
    #[must_use]
    pub fn at(number: usize, fault: Fault) -> Self {
        Self::script(std::iter::repeat_n(None, number).chain([Some(fault)]))
    }

    /// Every call meets `fault`: an outage.
    #[must_use]
    pub const fn always(fault: Fault) -> Self {
        Self { only: None, turns: Turns::Always(fault) }
    }

    /// Each call meets a fault by chance. The same seed gives the same faults.
    #[must_use]
    pub const fn seeded(seed: u64, odds: Odds) -> Self {
        Self { only: None, turns: Turns::Seeded(Seed::new(seed), odds) }
    }

    /// The same plan for calls of this kind alone; others pass, and don't count.
    #[must_use]
    pub fn only(self, call: Call) -> Self {
        Self { only: Some(call), ..self }
    }

    pub(super) fn next(&mut self, call: Call) -> Option<Fault> {
        if self.only.is_some_and(|only| only != call) {
            return None;
        }
        match &mut self.turns {
            Turns::Script(turns) => turns.pop_front().flatten(),
            Turns::Always(fault) => Some(*fault),
            Turns::Seeded(seed, odds) => odds.fault(seed.below(1000)),
        }
    }
}

impl Odds {
    const fn fault(&self, dice: u64) -> Option<Fault> {
        let lost = self.unreachable + self.request_lost;
        if dice < self.unreachable {
            Some(Fault::Unreachable)
        } else if dice < lost {
            Some(Fault::RequestLost)
        } else if dice < lost + self.answer_lost {
            Some(Fault::AnswerLost)
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
    fn a_script_is_followed_and_then_all_is_well() {
        let plan = FaultPlan::at(1, Fault::AnswerLost);
        assert_eq!(faults(plan, &[Call::Find; 4]), [None, Some(Fault::AnswerLost), None, None]);
    }

    #[test]
    fn a_plan_for_one_kind_of_call_leaves_the_others_alone() {
        let plan = FaultPlan::at(1, Fault::Refused).only(Call::Advance);
        let calls = [Call::Advance, Call::Find, Call::Find, Call::Advance, Call::Advance];
        assert_eq!(faults(plan, &calls), [None, None, None, Some(Fault::Refused), None]);
    }

    #[test]
    fn chance_is_the_same_each_time_and_about_as_likely_as_said() {
        let odds = Odds { unreachable: 100, request_lost: 200, answer_lost: 300 };
        let faults = |seed| faults(FaultPlan::seeded(seed, odds), &[Call::Find; 10_000]);
        assert_eq!(faults(7), faults(7));
        assert_ne!(faults(7), faults(8));
        let often = |fault| faults(7).iter().filter(|found| **found == fault).count();
        assert!((900..1100).contains(&often(Some(Fault::Unreachable))));
        assert!((1800..2200).contains(&often(Some(Fault::RequestLost))));
        assert!((2800..3200).contains(&often(Some(Fault::AnswerLost))));
        assert!((3800..4200).contains(&often(None)));
    }
}
