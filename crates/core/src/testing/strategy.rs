//! proptest strategies for records, which generate only valid values. Those for ids, times and claims
//! are re-exported from `aquaware-token`.

use std::collections::BTreeSet;
use std::time::Duration;

pub use aquaware_token::testing::strategy::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::fixture;
use crate::id::Generation;
use crate::origin::{Origin, OriginRecord};
use crate::policy::{ClientProfile, Grant, ProfileSettings, Rotation, Transport};
use crate::retry::Mark;
use crate::secret::PasswordHash;
use crate::session::{Device, EndReason, Ended, Session, Use};
use crate::status::Spans;
use crate::time::Timestamp;

/// Marks.
pub fn mark() -> impl Strategy<Value = Mark> {
    any::<[u8; 16]>().prop_map(Mark::from_bytes)
}

/// Devices.
pub fn device() -> impl Strategy<Value = Device> {
    (option::of("[\\PC]{1,20}"), option::of("[0-9]{1,3}(\\.[0-9]{1,3}){3}"), option::of(".{1,40}"))
        .prop_map(|(name, ip, user_agent)| Device { name, ip, user_agent })
}

/// Origins of refreshes, `None` for those that are not recorded.
pub fn origin() -> impl Strategy<Value = Option<Origin>> {
    (select(&OriginRecord::ALL), device()).prop_map(|(record, device)| Origin::new(record, &device))
}

/// Ends.
pub fn ended() -> impl Strategy<Value = Ended> {
    (timestamp(), select(&EndReason::ALL)).prop_map(|(at, reason)| Ended { at, reason })
}

/// Records as a service leaves them: times in order, whole seconds where tokens need them, and a mark
/// from the second generation on. About one in four has ended.
pub fn session() -> impl Strategy<Value = Session> {
    let names = (session_id(), subject(), client_id(), scope(), extra_claims(), device());
    let times = (timestamp(), lifetime(), lifetime(), 0..31_536_000_000_u64, 0..86_400_000_u64);
    let attempt = (mark(), origin());
    let state =
        (generation(), attempt, option::weighted(0.25, ended()), option::of(status_index()));
    (names, times, state).prop_map(|(names, times, (generation, attempt, ended, status))| {
        let (mark, used_from) = attempt;
        let (id, subject, client, scope, claims, device) = names;
        let (created_at, whole, idle, issued_after, used_after) = times;
        let first = generation == Generation::FIRST;
        let after = |start: Timestamp, millis| start.plus(Duration::from_millis(millis));
        let issued_at = if first { created_at } else { after(created_at, issued_after) };
        Session {
            id,
            subject,
            client,
            scope,
            claims,
            device,
            created_at,
            ends_at: whole.from(created_at),
            generation,
            issued_at,
            expires_at: idle.from(issued_at),
            last_used_at: after(issued_at, used_after),
            shown_use: (!first)
                .then_some(Use { at: created_at, expires_at: idle.from(created_at) }),
            mark: (!first).then_some(mark),
            used_from: used_from.filter(|_| !first),
            ended,
            status,
        }
    })
}

/// Profiles that work.
pub fn client_profile() -> impl Strategy<Value = ClientProfile> {
    let names = (client_id(), vec(audience(), 0..3), scope());
    let lifetimes = (lifetime(), lifetime(), lifetime(), 0..=3_600_000_u64);
    let choices = (
        select(&[Rotation::Always, Rotation::Never]),
        select(&[Transport::Body, Transport::Cookie]),
        any::<bool>(),
        any::<bool>(),
    );
    let grants = subsequence(Grant::ALL.to_vec(), 1..=4);
    (names, lifetimes, choices, grants).prop_map(|(names, lifetimes, choices, grants)| {
        let (id, audience, scopes) = names;
        let (access_lifetime, refresh_lifetime, session_lifetime, window) = lifetimes;
        let (rotation, transport, confidential, status) = choices;
        let grants: BTreeSet<Grant> = grants.into_iter().collect();
        let secret = confidential || grants.contains(&Grant::ClientCredentials);
        let settings = ProfileSettings {
            access_lifetime,
            refresh_lifetime,
            session_lifetime,
            rotation,
            retry_window: Duration::from_millis(window),
            transport,
            audience,
            scopes,
            grants,
            secret: secret.then(|| PasswordHash::new("$argon2id$…".to_owned())),
            status: status && access_lifetime.span() <= Spans::MAX_ACCESS_LIFETIME,
            user_id_claim: None,
        };
        fixture::profile(id.as_str(), settings)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest! {
        #[test]
        fn generated_sessions_keep_the_order_of_times(session in session()) {
            prop_assert!(session.created_at <= session.issued_at);
            prop_assert!(session.issued_at <= session.last_used_at);
            prop_assert!(session.created_at < session.ends_at);
            prop_assert_eq!(session.mark.is_none(), session.generation == Generation::FIRST);
            prop_assert_eq!(session.expires_at, session.expires_at.floor());
        }

        #[test]
        fn generated_profiles_work(profile in client_profile()) {
            prop_assert!(ClientProfile::new(profile.id().clone(), profile.settings().clone()).is_ok());
        }
    }
}
