//! The life of a key, read off the clock: published before it signs, accepted until the last thing
//! it signed is dead, and the same for every replica.

use std::time::Duration;

use super::*;
use crate::claims::RefreshClaims;
use crate::id::{Generation, SessionId};
use crate::jwt::{RefreshCheck, TokenError, Verified};
use crate::keys::MAX_CLOCK_LAG;
use crate::policy::ProfileSettings;
use crate::secret::KeyMaterial;
use crate::testing::fixture::{self, NOW};
use crate::testing::{ManualClock, SeededRandom};
use crate::time::{Clock as _, Lifetime};

const DAY: Duration = Duration::from_secs(86_400);
const MINUTE: Duration = Duration::from_secs(60);
const MILLI: Duration = Duration::from_millis(1);

/// A key of this name, signing from `active_from` on.
fn record(kid: &str, token_type: TokenType, active_from: Option<Timestamp>) -> KeyRecord {
    let algorithm = match token_type {
        TokenType::Access => Algorithm::EdDsa,
        TokenType::Refresh => Algorithm::Hs256,
    };
    let seed = kid.bytes().fold(0, |sum: u64, byte| sum * 256 + u64::from(byte));
    let made = generate(token_type, algorithm, NOW, &SeededRandom::new(seed)).unwrap();
    KeyRecord { kid: name(kid), active_from, ..made }
}

fn name(kid: &str) -> KeyId {
    KeyId::new(kid).unwrap()
}

/// Two keys of each type: the old one since NOW, the new one from `turn` on.
fn turning(turn: Option<Timestamp>) -> [KeyRecord; 4] {
    [
        record("old", TokenType::Access, Some(NOW)),
        record("new", TokenType::Access, turn),
        record("old-rt", TokenType::Refresh, Some(NOW)),
        record("new-rt", TokenType::Refresh, turn),
    ]
}

fn ring(records: &[KeyRecord]) -> KeyRing {
    fixture::ring_of(records, &fixture::policy())
}

fn signs(ring: &KeyRing, token_type: TokenType, now: Timestamp) -> &str {
    ring.signing(token_type, now).map_or("", |key| key.kid().as_str())
}

fn is_checked(ring: &KeyRing, token_type: TokenType, kid: &str, now: Timestamp) -> bool {
    ring.checking(token_type, now).verifying_key(&name(kid)).is_some()
}

fn published(ring: &KeyRing, now: Timestamp) -> Vec<String> {
    let kid = |key| serde_json::to_value(key).unwrap()["kid"].as_str().unwrap().to_owned();
    ring.published(now).map(kid).collect()
}

#[test]
fn the_phase_of_a_key_depends_on_the_time_alone() {
    let turn = NOW.plus(90 * DAY);
    let ring = ring(&turning(Some(turn)));
    // An hour whatever the policy says today, and the largest leeway of a verifier.
    let gone = turn.plus(Duration::from_secs(3600)).plus(MINUTE);
    let clock = ManualClock::default();
    let phases = |now| (ring.phase(&name("old"), now), ring.phase(&name("new"), now));
    assert_eq!(phases(clock.now()), (Some(Phase::Active), Some(Phase::Next)));
    clock.advance_to(turn.minus(MILLI));
    assert_eq!(phases(clock.now()), (Some(Phase::Active), Some(Phase::Next)));
    clock.advance_to(turn);
    assert_eq!(phases(clock.now()), (Some(Phase::Retiring), Some(Phase::Active)));
    clock.advance_to(gone.minus(MILLI));
    assert_eq!(phases(clock.now()), (Some(Phase::Retiring), Some(Phase::Active)));
    clock.advance_to(gone);
    assert_eq!(phases(clock.now()), (Some(Phase::Gone), Some(Phase::Active)));
    assert_eq!(ring.phase(&name("nobody"), clock.now()), None);
}

#[test]
fn exactly_the_active_key_signs() {
    let turn = NOW.plus(DAY);
    let ring = ring(&turning(Some(turn)));
    for (token_type, old, new) in
        [(TokenType::Access, "old", "new"), (TokenType::Refresh, "old-rt", "new-rt")]
    {
        assert_eq!(signs(&ring, token_type, NOW), old);
        assert_eq!(signs(&ring, token_type, turn.minus(MILLI)), old);
        assert_eq!(signs(&ring, token_type, turn), new);
        assert_eq!(signs(&ring, token_type, turn.plus(10_000 * DAY)), new);
        // The clock went back to before there was a key.
        assert!(ring.signing(token_type, NOW.minus(MILLI)).is_none());
    }
}

#[test]
fn a_next_key_is_published_and_accepted_before_it_signs() {
    for turn in [None, Some(NOW.plus(DAY))] {
        let ring = ring(&turning(turn));
        assert_eq!(published(&ring, NOW).len(), 2);
        assert!(is_checked(&ring, TokenType::Access, "new", NOW));
        assert!(is_checked(&ring, TokenType::Refresh, "new-rt", NOW));
        assert_eq!(signs(&ring, TokenType::Access, NOW), "old");
    }
}

#[test]
fn a_retiring_key_is_accepted_until_the_last_token_it_signed_expires() {
    let turn = NOW.plus(DAY);
    let ring = ring(&turning(Some(turn)));
    // Signed in the last millisecond, checked by a verifier with a clock that is a minute behind.
    let last_access = turn.plus(Duration::from_secs(3600)).plus(MINUTE);
    assert!(is_checked(&ring, TokenType::Access, "old", last_access.minus(MILLI)));
    assert!(!is_checked(&ring, TokenType::Access, "old", last_access));
    assert_eq!(published(&ring, last_access.minus(MILLI)), ["old", "new"]);
    assert_eq!(published(&ring, last_access), ["new"]);
    // Longer than the device's refresh tokens live, which is a year.
    let last_refresh = turn.plus(366 * DAY).plus(MINUTE);
    assert!(is_checked(&ring, TokenType::Refresh, "old-rt", last_refresh.minus(MILLI)));
    assert!(!is_checked(&ring, TokenType::Refresh, "old-rt", last_refresh));
    assert!(is_checked(&ring, TokenType::Refresh, "new-rt", last_refresh));
}

#[test]
fn the_client_with_the_longest_lifetime_decides_when_a_key_is_gone() {
    let long =
        ProfileSettings { access_lifetime: Lifetime::from_days(2), ..ProfileSettings::default() };
    let policy = fixture::policy_with([fixture::profile("batch", long)]);
    let turn = NOW.plus(DAY);
    let ring = fixture::ring_of(&turning(Some(turn)), &policy);
    let last = turn.plus(2 * DAY).plus(MINUTE);
    assert!(is_checked(&ring, TokenType::Access, "old", last.minus(MILLI)));
    assert!(!is_checked(&ring, TokenType::Access, "old", last));
}

/// The whole life of a token, whatever the keys do meanwhile.
#[test]
fn no_rotation_invalidates_a_live_refresh_token() {
    let clock = ManualClock::default();
    let records: Vec<KeyRecord> = (0..8)
        .flat_map(|n| {
            let from = Some(NOW.plus(n * 90 * DAY));
            [
                record(&format!("a{n}"), TokenType::Access, from),
                record(&format!("r{n}"), TokenType::Refresh, from),
            ]
        })
        .collect();
    let ring = ring(&records);
    let issuer = fixture::issuer();
    for _ in 0..60 {
        let issued_at = clock.advance(7 * DAY + MILLI);
        let claims = RefreshClaims {
            iss: issuer.clone(),
            aud: (&issuer).into(),
            sub: fixture::subject(1),
            sid: SessionId::from_bytes([1; 16]),
            generation: Generation::FIRST,
            client_id: fixture::client("device"),
            iat: issued_at.floor(),
            exp: Lifetime::from_days(365).from(issued_at),
        };
        let key = ring.signing(TokenType::Refresh, issued_at).unwrap();
        let token = key.sign_refresh(&claims).unwrap();
        let at = |now| {
            let keys = ring.checking(TokenType::Refresh, now);
            let check = RefreshCheck { issuer: &issuer };
            check.check(token.expose(), &keys, now).map(Verified::into_inner)
        };
        assert_eq!(at(issued_at), Ok(claims.clone()));
        assert_eq!(at(claims.exp.minus(MILLI)), Ok(claims.clone()));
    }
}

#[test]
fn a_refresh_secret_is_never_published() {
    let ring = ring(&turning(Some(NOW.plus(DAY))));
    for days in [0, 1, 2, 400] {
        let kids = published(&ring, NOW.plus(days * DAY));
        assert!(kids.iter().all(|kid| !kid.ends_with("-rt")), "{kids:?}");
    }
    let json = serde_json::to_string(&ring.published(NOW).collect::<Vec<_>>()).unwrap();
    for record in turning(None).iter().filter(|r| r.token_type == TokenType::Refresh) {
        use base64::Engine as _;
        let secret =
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(record.material.expose());
        assert!(!json.contains(&secret));
    }
}

#[test]
fn a_key_verifies_only_tokens_of_its_type() {
    let ring = ring(&turning(None));
    assert!(!is_checked(&ring, TokenType::Refresh, "old", NOW));
    assert!(!is_checked(&ring, TokenType::Access, "old-rt", NOW));
}

#[test]
fn replicas_agree_regardless_of_the_order_of_the_records() {
    // Two keys from the same instant on: two machines rotated at once.
    let turn = NOW.plus(DAY);
    let mut records = turning(Some(turn)).to_vec();
    records.push(record("twin", TokenType::Access, Some(turn)));
    records.push(record("twin-rt", TokenType::Refresh, Some(turn)));
    let reference = ring(&records);
    for shift in 0..records.len() {
        let mut read = records.clone();
        read.rotate_left(shift);
        if shift % 2 == 1 {
            read.reverse();
        }
        let replica = ring(&read);
        for days in [0, 1, 2, 365, 367, 500] {
            let now = NOW.plus(days * DAY);
            for token_type in [TokenType::Access, TokenType::Refresh] {
                assert_eq!(
                    signs(&replica, token_type, now),
                    signs(&reference, token_type, now),
                    "after {days} days"
                );
            }
            assert_eq!(published(&replica, now), published(&reference, now));
            for record in &records {
                assert_eq!(replica.phase(&record.kid, now), reference.phase(&record.kid, now));
            }
        }
    }
}

#[test]
fn a_token_of_a_gone_key_has_an_unknown_key() {
    let turn = NOW.plus(DAY);
    let ring = ring(&turning(Some(turn)));
    let issuer = fixture::issuer();
    let claims = RefreshClaims {
        iss: issuer.clone(),
        aud: (&issuer).into(),
        sub: fixture::subject(1),
        sid: SessionId::from_bytes([1; 16]),
        generation: Generation::FIRST,
        client_id: fixture::client("web"),
        iat: NOW,
        exp: NOW.plus(10_000 * DAY),
    };
    let old = ring.signing(TokenType::Refresh, NOW).unwrap().sign_refresh(&claims).unwrap();
    let now = turn.plus(367 * DAY);
    let keys = ring.checking(TokenType::Refresh, now);
    let outcome = RefreshCheck { issuer: &issuer }.check(old.expose(), &keys, now);
    assert_eq!(outcome, Err(TokenError::UnknownKey));
}

#[test]
fn keys_with_the_same_id_are_rejected() {
    let mut records = turning(None).to_vec();
    records.push(record("old", TokenType::Access, None));
    let error = KeyRing::new(&records, &fixture::policy(), NOW).unwrap_err();
    assert!(matches!(&error, RingError::DuplicateId(kid) if kid.as_str() == "old"), "{error}");
    // Nor may an access and a refresh key share one.
    let mut records = turning(None).to_vec();
    records.push(record("old", TokenType::Refresh, None));
    assert!(matches!(
        KeyRing::new(&records, &fixture::policy(), NOW),
        Err(RingError::DuplicateId(_))
    ));
}

#[test]
fn a_single_weak_key_is_rejected() {
    for weak in [vec![], vec![7; 64], b"a passphrase of more than thirty-two characters".to_vec()] {
        let mut records = turning(None);
        records[3].material = KeyMaterial::new(weak);
        let error = KeyRing::new(&records, &fixture::policy(), NOW).unwrap_err();
        assert!(matches!(error, RingError::Key(KeyError::Weak { .. })), "{error}");
    }
    let mut records = turning(None);
    records[1].material = records[3].material.clone();
    let error = KeyRing::new(&records, &fixture::policy(), NOW).unwrap_err();
    assert!(matches!(error, RingError::Key(KeyError::Unusable { .. })), "{error}");
}

#[test]
fn a_ring_without_an_active_key_is_rejected() {
    let all = turning(None);
    let without = |kid: &str| {
        let left: Vec<_> = all.iter().filter(|r| r.kid.as_str() != kid).cloned().collect();
        KeyRing::new(&left, &fixture::policy(), NOW).unwrap_err()
    };
    assert!(matches!(without("old"), RingError::NoActive(TokenType::Access)));
    assert!(matches!(without("old-rt"), RingError::NoActive(TokenType::Refresh)));
    let none = KeyRing::new(&[], &fixture::policy(), NOW);
    assert!(matches!(none, Err(RingError::NoActive(_))));
    // Not yet.
    let early = KeyRing::new(&all, &fixture::policy(), NOW.minus(MILLI));
    assert!(matches!(early, Err(RingError::NoActive(_))));
}

#[test]
fn nothing_is_signed_while_the_clock_is_a_day_before_the_creation_of_the_active_key() {
    let all = turning(None);
    let created = |kid: &str| all.iter().find(|r| r.kid.as_str() == kid).unwrap().created_at;
    let latest = created("old").max(created("old-rt"));
    let edge = latest.minus(MAX_CLOCK_LAG);
    assert!(!is_clock_behind(&all, edge));
    assert!(is_clock_behind(&all, edge.minus(MILLI)));
    let behind = edge.minus(MAX_CLOCK_LAG);
    let ring = KeyRing::new(&all, &fixture::policy(), behind).unwrap();
    for now in [behind, edge.minus(MILLI)] {
        assert!(ring.signing(TokenType::Access, now).is_none());
        assert!(ring.signing(TokenType::Refresh, now).is_none());
        assert!(ring.signing_for_others(now).is_none());
    }
    assert!(ring.signing(TokenType::Access, NOW).is_some());
    let begun: Vec<_> = all
        .iter()
        .map(|r| KeyRecord { active_from: r.active_from.map(|_| behind), ..r.clone() })
        .collect();
    let ring = KeyRing::new(&begun, &fixture::policy(), behind).unwrap();
    assert!(ring.signing(TokenType::Access, behind).is_none(), "active, but created later");
}

mod making;
