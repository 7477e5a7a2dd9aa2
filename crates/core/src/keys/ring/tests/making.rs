//! Which keys must be made, on a first start and afterwards.

use super::*;

fn made(records: &[KeyRecord], algorithm: Algorithm, now: Timestamp) -> Vec<KeyRecord> {
    let seed = u64::try_from(records.len()).unwrap();
    missing(records, algorithm, now, &SeededRandom::new(seed)).unwrap()
}

fn shape(records: &[KeyRecord]) -> Vec<(TokenType, Algorithm, bool)> {
    records.iter().map(|r| (r.token_type, r.algorithm, r.active_from.is_some())).collect()
}

#[test]
fn a_first_start_creates_an_active_and_a_next_key_of_each_type() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Hs256] {
        let first = made(&[], algorithm, NOW);
        assert_eq!(
            shape(&first),
            [
                (TokenType::Access, algorithm, true),
                (TokenType::Access, algorithm, false),
                (TokenType::Refresh, Algorithm::Hs256, true),
                (TokenType::Refresh, Algorithm::Hs256, false),
            ]
        );
        let ring = ring(&first);
        assert_eq!(ring.signing(TokenType::Access, NOW).unwrap().kid(), &first[0].kid);
        assert_eq!(ring.signing(TokenType::Refresh, NOW).unwrap().kid(), &first[2].kid);
    }
}

#[test]
fn nothing_is_missing_from_a_complete_ring() {
    let first = made(&[], Algorithm::EdDsa, NOW);
    assert!(made(&first, Algorithm::EdDsa, NOW).is_empty());
    assert!(made(&first, Algorithm::EdDsa, NOW.plus(10_000 * DAY)).is_empty());
    // A scheduled turn is a next key too, until it comes.
    let turn = NOW.plus(DAY);
    let scheduled = turning(Some(turn));
    assert!(made(&scheduled, Algorithm::EdDsa, turn.minus(MILLI)).is_empty());
}

#[test]
fn after_a_rotation_new_next_keys_are_created() {
    let turn = NOW.plus(DAY);
    let records = turning(Some(turn));
    assert_eq!(
        shape(&made(&records, Algorithm::EdDsa, turn)),
        [
            (TokenType::Access, Algorithm::EdDsa, false),
            (TokenType::Refresh, Algorithm::Hs256, false),
        ]
    );
}

/// The ring of what there is and what was made for it, at `now`.
fn completed(records: &[KeyRecord], algorithm: Algorithm, now: Timestamp) -> Vec<KeyRecord> {
    let made = made(records, algorithm, now);
    let rewritten = |old: &&KeyRecord| made.iter().all(|new| new.kid != old.kid);
    records.iter().filter(rewritten).chain(&made).cloned().collect()
}

fn signs_with(records: &[KeyRecord], now: Timestamp) -> Algorithm {
    let ring = KeyRing::new(records, &fixture::policy(), now).unwrap();
    ring.signing(TokenType::Access, now).unwrap().algorithm()
}

#[test]
fn a_new_algorithm_signs_at_once_and_the_old_key_retires() {
    let first = made(&[], Algorithm::EdDsa, NOW);
    let later = NOW.plus(DAY);
    let new = made(&first, Algorithm::Es256, later);
    assert_eq!(
        shape(&new),
        [(TokenType::Access, Algorithm::Es256, true), (TokenType::Access, Algorithm::Es256, false)]
    );
    let all = completed(&first, Algorithm::Es256, later);
    assert_eq!(signs_with(&all, later), Algorithm::Es256);
    let ring = ring(&all);
    assert_eq!(ring.phase(&first[0].kid, later), Some(Phase::Retiring));
    assert!(made(&all, Algorithm::Es256, later).is_empty());
}

#[test]
fn returning_to_an_earlier_algorithm_signs_with_it_again() {
    let first = made(&[], Algorithm::EdDsa, NOW);
    let second = completed(&first, Algorithm::Es256, NOW.plus(DAY));
    let back = NOW.plus(2 * DAY);
    let third = completed(&second, Algorithm::EdDsa, back);
    assert_eq!(signs_with(&third, back), Algorithm::EdDsa);
    assert!(made(&third, Algorithm::EdDsa, back).is_empty());
}

#[test]
fn a_new_algorithm_signs_with_the_key_that_was_published_in_advance() {
    let mut all = made(&[], Algorithm::EdDsa, NOW);
    let early = generate(TokenType::Access, Algorithm::Es256, NOW, &SeededRandom::new(9)).unwrap();
    all.push(early.clone());
    let later = NOW.plus(DAY);
    assert!(made(&all, Algorithm::EdDsa, later).is_empty(), "it waits");
    let all = completed(&all, Algorithm::Es256, later);
    let ring = ring(&all);
    assert_eq!(ring.signing(TokenType::Access, later).unwrap().kid(), &early.kid);
    assert!(made(&all, Algorithm::Es256, later).is_empty(), "and there is a next one");
}

#[test]
fn generated_keys_have_distinct_ids_and_coexist() {
    let mut all = Vec::new();
    for n in 0..20 {
        let now = NOW.plus(n * DAY);
        let random = SeededRandom::new(u64::from(n));
        all.extend(missing(&all, Algorithm::EdDsa, now, &random).unwrap());
        // Each day the next keys take over.
        for record in all.iter_mut().filter(|r| r.active_from.is_none()) {
            record.active_from = Some(now.plus(DAY));
        }
    }
    assert_eq!(all.len(), 42);
    assert!(KeyRing::new(&all, &fixture::policy(), NOW).is_ok());
}
