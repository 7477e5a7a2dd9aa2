//! [`judge`] against http-api.md, *Succession*: every case there is, compared with an oracle that
//! was written from that page alone, and the boundaries one by one.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::id::SessionId;
use crate::policy::ProfileSettings;
use crate::session::Ended;
use crate::testing::{fixture, strategy};
use crate::time::Lifetime;

const FIRST_USE: Timestamp = Timestamp::from_millis(1_790_000_000_250);
const WINDOW: Duration = Duration::from_secs(30);
const MINE: Mark = Mark::from_bytes([1; 16]);
const OTHER: Mark = Mark::from_bytes([2; 16]);
/// Where the token stands in every case; the session stands up to three before or after.
const PRESENTED: u64 = 10;

/// One row of the table, in the page's words.
#[derive(Clone, Copy, Debug)]
struct Case {
    /// How far the session is past the presented token.
    ahead: i64,
    mark: Option<Mark>,
    proof: Proof,
    /// Milliseconds since the first use; negative on a replica whose clock lags behind.
    since_first_use: i64,
    window: Duration,
    ended: Option<EndReason>,
    token_expired: bool,
    lifetime_over: bool,
    /// Whether the live generation is still alive, were it presented.
    successor_alive: bool,
    rotation: Rotation,
}

/// What the page says is to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    AdvancesTo(u64),
    AccessTokenOnly,
    SameRefreshTokenAgain,
    Reused,
    Expired,
    Revoked(EndReason),
}

impl Case {
    fn contract(self) -> Page {
        let generation = PRESENTED;
        // "A superseded token that is also past its exp is just expired", and so is a live one;
        // none outlives "the session's absolute lifetime".
        if self.token_expired || self.lifetime_over {
            return Page::Expired;
        }
        // "every refresh token of it is dead"
        if let Some(reason) = self.ended {
            return Page::Revoked(reason);
        }
        match (self.ahead, self.rotation) {
            // "Generation n presented to a session at n advances it to n+1"
            (0, Rotation::Always) => Page::AdvancesTo(generation + 1),
            // "get an access token and no new refresh token"
            (0, Rotation::Never) => Page::AccessTokenOnly,
            // "Presented to a session at n+1"
            (1, _) => {
                let same_key = self.mark == Some(MINE);
                let window_millis = i64::try_from(self.window.as_millis()).unwrap();
                // "issued_at - 5 s <= now < issued_at + retry_window"
                let within =
                    window_millis > 0 && (-5000..window_millis).contains(&self.since_first_use);
                // "as if it carried the first request's Idempotency-Key"
                let same_client = self.proof == Proof::ClientAuthentication;
                match same_key || same_client || within {
                    true if self.successor_alive => Page::SameRefreshTokenAgain,
                    true => Page::Expired,
                    false => Page::Reused,
                }
            }
            // "The same for any older generation."
            (2.., _) => Page::Reused,
            // "Generation greater than the store's: … the session advances past it"
            (_, Rotation::Always) => Page::AdvancesTo(generation + 1),
            // A client that keeps its token gets no other: the session catches up with it.
            (_, Rotation::Never) => Page::AdvancesTo(generation),
        }
    }

    fn verdict(self) -> Verdict {
        judge(&self.session(), &self.attempt(&self.profile()))
    }

    fn now(self) -> Timestamp {
        Timestamp::from_millis(FIRST_USE.millis() + self.since_first_use)
    }

    fn profile(self) -> ClientProfile {
        let settings = ProfileSettings {
            rotation: self.rotation,
            retry_window: self.window,
            ..ProfileSettings::default()
        };
        fixture::profile("web", settings)
    }

    fn session(self) -> Session {
        let now = self.now();
        let ahead = |span| now.plus(Duration::from_secs(span));
        let generation = PRESENTED.checked_add_signed(self.ahead).unwrap();
        Session {
            generation: Generation::new(generation).unwrap(),
            mark: self.mark,
            issued_at: FIRST_USE,
            expires_at: if self.successor_alive { ahead(5) } else { now },
            ends_at: if self.lifetime_over { now } else { ahead(3600) },
            ended: self.ended.map(|reason| Ended { at: FIRST_USE, reason }),
            ..a_session()
        }
    }

    fn attempt(self, profile: &ClientProfile) -> Attempt<'_> {
        let now = self.now();
        Attempt {
            presented: Presented {
                generation: Generation::new(PRESENTED).unwrap(),
                issued_at: FIRST_USE.floor().minus(Duration::from_secs(60)),
                expiry: if self.token_expired { now } else { now.plus(Duration::from_millis(1)) },
            },
            mark: MINE,
            proof: self.proof,
            origin: None,
            profile,
            now,
        }
    }
}

fn a_session() -> Session {
    Session {
        id: SessionId::from_bytes([7; 16]),
        subject: fixture::subject(1),
        client: fixture::client("web"),
        scope: Default::default(),
        claims: Default::default(),
        device: Default::default(),
        created_at: FIRST_USE.minus(Duration::from_secs(3600)),
        ends_at: FIRST_USE.plus(Duration::from_secs(86_400)),
        generation: Generation::FIRST,
        issued_at: FIRST_USE,
        expires_at: FIRST_USE.plus(Duration::from_secs(3600)),
        last_used_at: FIRST_USE,
        shown_use: None,
        mark: None,
        used_from: None,
        ended: None,
        status: None,
    }
}

/// A retry by another party right after the first use of the token, in a live session.
const RETRY: Case = Case {
    ahead: 1,
    mark: Some(OTHER),
    proof: Proof::None,
    since_first_use: 1,
    window: WINDOW,
    ended: None,
    token_expired: false,
    lifetime_over: false,
    successor_alive: true,
    rotation: Rotation::Always,
};

fn every_case() -> Vec<Case> {
    const WEEK: i64 = 7 * 86_400_000;
    let mut cases = vec![];
    let flags = [false, true];
    let ends = EndReason::ALL.map(Some);
    for ahead in -3..=3 {
        for mark in [Some(MINE), Some(OTHER), None] {
            for since_first_use in [-WEEK, -5001, -5000, 0, 1, 29_999, 30_000, 30_001, WEEK] {
                for window in [Duration::ZERO, Duration::from_millis(1), WINDOW] {
                    for ended in [None].into_iter().chain(ends) {
                        for bits in 0..32 {
                            let bit = |n: usize| flags[(bits >> n) & 1];
                            let rotation = if bit(0) { Rotation::Never } else { Rotation::Always };
                            cases.push(Case {
                                ahead,
                                mark,
                                proof: if bit(4) {
                                    Proof::ClientAuthentication
                                } else {
                                    Proof::None
                                },
                                since_first_use,
                                window,
                                ended,
                                rotation,
                                token_expired: bit(1),
                                lifetime_over: bit(2),
                                successor_alive: bit(3),
                            });
                        }
                    }
                }
            }
        }
    }
    cases
}

fn as_documented(verdict: Verdict) -> Page {
    match verdict {
        Verdict::Advance(step) => Page::AdvancesTo(step.to.number()),
        Verdict::Keep(_) => Page::AccessTokenOnly,
        Verdict::Repeat => Page::SameRefreshTokenAgain,
        Verdict::Reuse => Page::Reused,
        Verdict::Expired => Page::Expired,
        Verdict::Ended(reason) => Page::Revoked(reason),
    }
}

#[test]
fn every_case_is_judged_as_documented() {
    let cases = every_case();
    assert_eq!(cases.len(), 7 * 3 * 9 * 3 * 9 * 32);
    for case in cases {
        assert_eq!(as_documented(case.verdict()), case.contract(), "{case:?}");
    }
}

#[test]
fn every_step_starts_at_the_current_generation_and_goes_forward() {
    for case in every_case() {
        let Verdict::Advance(step) = case.verdict() else { continue };
        assert_eq!(step.from, case.session().generation, "{case:?}");
        assert!(step.to > step.from, "{case:?}");
        assert_eq!(step.mark, MINE, "{case:?}");
        let presented = case.attempt(&case.profile()).presented;
        let (issued_at, expires_at) = if step.to == presented.generation {
            // Catching up with a token that stays: the record says of it what it says itself.
            (presented.issued_at, presented.expiry)
        } else {
            (case.now(), case.profile().refresh_lifetime().from(case.now()))
        };
        assert_eq!((step.issued_at, step.expires_at), (issued_at, expires_at), "{case:?}");
    }
}

#[test]
fn the_window_ends_exactly_its_length_after_the_first_use() {
    for (since_first_use, verdict) in [
        (0, Verdict::Repeat),
        (29_999, Verdict::Repeat),
        (30_000, Verdict::Reuse),
        (30_001, Verdict::Reuse),
    ] {
        assert_eq!(Case { since_first_use, ..RETRY }.verdict(), verdict, "{since_first_use} ms");
    }
}

#[test]
fn a_window_of_zero_is_no_window() {
    let none = Case { window: Duration::ZERO, since_first_use: 0, ..RETRY };
    assert_eq!(none.verdict(), Verdict::Reuse);
    assert_eq!(Case { mark: None, ..none }.verdict(), Verdict::Reuse);
    assert_eq!(Case { mark: Some(MINE), ..none }.verdict(), Verdict::Repeat);
    // A replica whose clock is behind sees the first use ahead of itself.
    let behind = Case { since_first_use: -5, ..none };
    assert_eq!(behind.verdict(), Verdict::Reuse);
    assert_eq!(Case { since_first_use: -5, ..RETRY }.verdict(), Verdict::Repeat);
}

#[test]
fn a_replica_whose_clock_is_behind_cannot_extend_the_window() {
    for (since_first_use, verdict) in [(-5000, Verdict::Repeat), (-5001, Verdict::Reuse)] {
        assert_eq!(Case { since_first_use, ..RETRY }.verdict(), verdict, "{since_first_use} ms");
    }
}

#[test]
fn authenticated_clients_need_neither_key_nor_window() {
    let weeks = 8 * 7 * 86_400_000;
    let proof = Proof::ClientAuthentication;
    let late = Case { proof, window: Duration::ZERO, since_first_use: weeks, ..RETRY };
    assert_eq!(late.verdict(), Verdict::Repeat);
    // But only until the successor was used.
    assert_eq!(Case { ahead: 2, ..late }.verdict(), Verdict::Reuse);
    assert_eq!(Case { proof: Proof::None, ..late }.verdict(), Verdict::Reuse);
}

#[test]
fn retries_never_prolong_the_window() {
    let mut session = RETRY.session();
    let profile = RETRY.profile();
    for second in 0..60 {
        let now = FIRST_USE.plus(Duration::from_secs(second));
        let attempt = Attempt { now, ..RETRY.attempt(&profile) };
        let attempt = Attempt {
            presented: Presented { expiry: session.ends_at, ..attempt.presented },
            ..attempt
        };
        session.expires_at = session.ends_at;
        let expected = if second < 30 { Verdict::Repeat } else { Verdict::Reuse };
        // A repeat changes nothing in the record but, at most, the time of the last use.
        session.last_used_at = now;
        assert_eq!(judge(&session, &attempt), expected, "after {second} s");
    }
}

#[test]
fn the_same_key_returns_the_same_response_weeks_later() {
    let weeks = 8 * 7 * 86_400_000;
    let late = Case { mark: Some(MINE), since_first_use: weeks, ..RETRY };
    assert_eq!(late.verdict(), Verdict::Repeat);
    // But only until the successor was used: then the session is past it by two.
    assert_eq!(Case { ahead: 2, ..late }.verdict(), Verdict::Reuse);
}

#[test]
fn expiry_comes_before_everything_else() {
    for ahead in -3..=3 {
        for ended in [None, Some(EndReason::Reuse)] {
            let case = Case { ahead, ended, since_first_use: 1_000_000, ..RETRY };
            let expired = Case { token_expired: true, ..case };
            assert_eq!(expired.verdict(), Verdict::Expired, "{expired:?}");
            let over = Case { lifetime_over: true, ..case };
            assert_eq!(over.verdict(), Verdict::Expired, "{over:?}");
        }
    }
}

#[test]
fn a_token_expires_exactly_at_the_second_of_its_exp() {
    let profile = RETRY.profile();
    let session = Case { ahead: 0, ..RETRY }.session();
    let exp = Timestamp::from_seconds(1_790_000_003);
    let at = |now| {
        let attempt = RETRY.attempt(&profile);
        let presented = Presented { expiry: exp, ..attempt.presented };
        judge(&session, &Attempt { presented, now, ..attempt })
    };
    assert!(matches!(at(exp.minus(Duration::from_millis(1))), Verdict::Advance(_)));
    assert_eq!(at(exp), Verdict::Expired);
}

#[test]
fn retrying_a_healed_refresh_is_recognized() {
    let profile = RETRY.profile();
    let lost = Case { ahead: -3, ..RETRY };
    let attempt = lost.attempt(&profile);
    let Verdict::Advance(step) = judge(&lost.session(), &attempt) else { panic!("no healing") };
    let healed = Session {
        generation: step.to,
        mark: Some(step.mark),
        issued_at: step.issued_at,
        expires_at: step.expires_at,
        ..lost.session()
    };
    assert_eq!(judge(&healed, &attempt), Verdict::Repeat);
}

/// A session where the presented token is the live one, as the issuer would have signed it.
fn live() -> impl Strategy<Value = (Session, Presented)> {
    strategy::session()
        .prop_filter("room for one more", |s| s.generation < Generation::MAX)
        .prop_map(|session| {
            let presented = Presented {
                generation: session.generation,
                issued_at: session.issued_at.floor(),
                expiry: session.refresh_expiry(),
            };
            (Session { ended: None, ..session }, presented)
        })
}

proptest! {
    #[test]
    fn the_opening_is_the_verdict_on_a_session_at_the_presented_generation(
        (session, presented) in live(),
        mark in strategy::mark(),
        profile in strategy::client_profile(),
        now in strategy::timestamp(),
        close in any::<bool>(),
        offset in -2000..2000_i64,
    ) {
        // Half of the instants lie about the token's end.
        let about = Timestamp::from_millis(presented.expiry.millis().saturating_add(offset));
        let now = if close { about } else { now };
        let (proof, origin) = (Proof::None, None);
        let attempt = Attempt { presented, mark, proof, origin, profile: &profile, now };
        prop_assert_eq!(attempt.opening(), judge(&session, &attempt));
    }

    #[test]
    fn no_ended_session_ever_moves(
        session in strategy::session(),
        ended in strategy::ended(),
        ahead in -3..=3_i64,
        mark in strategy::mark(),
        profile in strategy::client_profile(),
        now in strategy::timestamp(),
        life in 1..1_000_000_u64,
    ) {
        let number = session.generation.number().checked_add_signed(ahead);
        let Some(generation) = number.and_then(Generation::new) else { return Ok(()) };
        let expiry = Lifetime::from_seconds(life).unwrap().from(now);
        let presented = Presented { generation, issued_at: now.floor(), expiry };
        let session = Session { ended: Some(ended), ..session };
        let (proof, origin) = (Proof::ClientAuthentication, None);
        let attempt = Attempt { presented, mark, proof, origin, profile: &profile, now };
        let verdict = judge(&session, &attempt);
        prop_assert!(
            matches!(verdict, Verdict::Ended(reason) if reason == ended.reason)
                || verdict == Verdict::Expired
        );
    }
}
