//! Turns on schedule and by hand: always one key to sign with, always one that follows.

use super::*;
use crate::keys::missing;
use crate::random::SystemRandom;

const START: Timestamp = Timestamp::from_seconds(1_790_000_000);
const SCHEDULE: Schedule = Schedule {
    every: Duration::from_secs(3600),
    published_for: Duration::from_secs(300),
    announced: Duration::from_secs(120),
};

fn records() -> Vec<KeyRecord> {
    missing(&[], Algorithm::EdDsa, START, &SystemRandom).unwrap()
}

fn due_after(records: &[KeyRecord], seconds: u64) -> Option<KeyRecord> {
    due(records, TokenType::Access, SCHEDULE, START.plus(Duration::from_secs(seconds)))
}

#[test]
fn a_rotation_is_announced_before_the_next_key_takes_over() {
    let mut records = records();
    assert!(due_after(&records, 3599).is_none());
    let next = due_after(&records, 3600).unwrap();
    assert_eq!(next.active_from, Some(START.plus(Duration::from_secs(3720))));
    let place = records.iter().position(|record| record.kid == next.kid).unwrap();
    assert!(records[place].active_from.is_none());
    records[place] = next;
    assert!(due_after(&records, 3601).is_none(), "announced once");
    assert!(due_after(&records, 3721).is_none(), "the new one has its own span");
}

#[test]
fn an_announcement_further_ahead_than_the_schedule_allows_is_void() {
    let mut records = records();
    let next = records
        .iter_mut()
        .find(|it| it.token_type == TokenType::Access && it.active_from.is_none())
        .unwrap();
    // A process with a clock ten years ahead has announced it.
    next.active_from = Some(START.plus(Duration::from_secs(10 * 365 * 86_400)));
    let kid = next.kid.clone();
    assert!(due_after(&records, 3599).is_none());
    let next = due_after(&records, 3600).unwrap();
    assert_eq!(next.kid, kid);
    assert_eq!(next.active_from, Some(START.plus(Duration::from_secs(3720))));
}

#[test]
fn a_next_key_is_not_used_before_verifiers_can_know_it() {
    let mut records = records();
    for record in &mut records {
        if record.active_from.is_none() {
            record.created_at = START.plus(Duration::from_secs(3500));
        }
    }
    assert!(due_after(&records, 3799).is_none());
    assert!(due_after(&records, 3800).is_some());
}

#[test]
fn nothing_is_due_without_a_next_key() {
    let mut records = records();
    records.retain(|record| record.active_from.is_some());
    assert!(due_after(&records, 10_000).is_none());
}

fn written(records: &[KeyRecord], write: Vec<KeyRecord>) -> Vec<KeyRecord> {
    let rewritten = |it: &&KeyRecord| write.iter().all(|new| new.kid != it.kid);
    let mut all: Vec<KeyRecord> = records.iter().filter(rewritten).cloned().collect();
    all.extend(write);
    all
}

fn after(seconds: u64) -> Timestamp {
    START.plus(Duration::from_secs(seconds))
}

fn turned(records: &[KeyRecord], now: Timestamp) -> (KeyChange, Vec<KeyRecord>) {
    let change = rotate(records, TokenType::Access, Algorithm::EdDsa, now, &SystemRandom).unwrap();
    let all = written(records, change.write.clone());
    (change, all)
}

fn signs(records: &[KeyRecord], token_type: TokenType, now: Timestamp) -> KeyId {
    active(records, token_type, now).unwrap().kid.clone()
}

fn nexts(records: &[KeyRecord], token_type: TokenType, now: Timestamp) -> usize {
    of_type(records, token_type).filter(|it| it.active_from.is_none_or(|from| from > now)).count()
}

#[test]
fn a_manual_rotation_uses_the_next_key_and_creates_another() {
    let before = records();
    let (old, next) = (before[0].kid.clone(), before[1].kid.clone());
    let (change, all) = turned(&before, after(10));
    assert_eq!((change.from, &change.to, change.known_since), (Some(old.clone()), &next, START));
    assert_eq!(signs(&all, TokenType::Access, after(10)), next);
    assert_eq!(signs(&all, TokenType::Access, after(9)), old, "the past stays as it was");
    assert_eq!((all.len(), nexts(&all, TokenType::Access, after(10))), (5, 1));
    let refresh = |records: &[KeyRecord]| {
        of_type(records, TokenType::Refresh).map(|it| (it.kid.clone(), it.active_from)).collect()
    };
    let (then, now): (Vec<_>, Vec<_>) = (refresh(&before), refresh(&all));
    assert_eq!(then, now, "the other type is left alone");
}

#[test]
fn every_rotation_within_one_millisecond_takes_effect() {
    let mut all = records();
    let mut now = START;
    for _ in 0..10 {
        let (change, next) = turned(&all, now);
        all = next;
        now = all.iter().filter_map(|it| it.active_from).max().unwrap();
        assert_eq!(signs(&all, TokenType::Access, now), change.to);
    }
    assert!(now <= START.plus(Duration::from_millis(10)));
    assert_eq!(all.len(), 14);
}

#[test]
fn a_manual_rotation_uses_the_announced_key_at_once() {
    let all = records();
    let announced = due_after(&all, 3600).unwrap();
    let all = written(&all, vec![announced.clone()]);
    let (change, all) = turned(&all, after(3601));
    assert_eq!(change.to, announced.kid);
    assert!(all.iter().all(|it| it.active_from.is_none_or(|from| from <= after(3601))));
    assert!(due_after(&all, 3602).is_none());
}

#[test]
fn announced_keys_are_used_first_then_the_oldest() {
    let mut all = records();
    let oldest = all[1].kid.clone();
    let mut add = |created: u64, announced: Option<u64>| {
        let made = generate(TokenType::Access, Algorithm::EdDsa, after(created), &SystemRandom);
        let record = KeyRecord { active_from: announced.map(after), ..made.unwrap() };
        all.push(record.clone());
        record.kid
    };
    let (younger, late, soon) = (add(5, None), add(1, Some(900)), add(2, Some(800)));
    // Taken back, the announced one waits in the order of its age.
    let order = [soon, oldest, late, younger];
    for (place, expected) in (0..).zip(order) {
        let (change, left) = turned(&all, after(10 + place));
        assert_eq!(change.to, expected);
        all = left;
    }
}

#[test]
fn an_announcement_that_would_undo_the_rotation_is_withdrawn() {
    let all = records();
    let announced = due_after(&all, 3600).unwrap();
    let all = written(&all, vec![announced.clone()]);
    let change =
        rotate(&all, TokenType::Access, Algorithm::Es256, after(3601), &SystemRandom).unwrap();
    let all = written(&all, change.write);
    assert_eq!(signs(&all, TokenType::Access, after(10_000)), change.to);
    assert!(all.iter().any(|it| it.kid == announced.kid && it.active_from.is_none()));
    assert!(all.iter().any(|it| it.algorithm == Algorithm::Es256 && it.active_from.is_none()));
}

#[test]
fn refresh_keys_are_shared_secrets_regardless_of_the_algorithm() {
    let change =
        rotate(&records(), TokenType::Refresh, Algorithm::EdDsa, after(1), &SystemRandom).unwrap();
    assert!(change.write.iter().all(|it| it.algorithm == Algorithm::Hs256));
}

fn withdrawn(records: &[KeyRecord], kid: &KeyId, now: Timestamp) -> (Withdrawal, Vec<KeyRecord>) {
    let outcome = withdraw(records, kid, Algorithm::EdDsa, now, &SystemRandom).unwrap().unwrap();
    let mut all = written(records, outcome.write.clone());
    all.retain(|it| it.kid != *kid);
    (outcome, all)
}

#[test]
fn withdrawing_the_active_key_activates_the_next_one() {
    for place in [0, 2] {
        let before = records();
        let (gone, next) = (&before[place], &before[place + 1]);
        let (outcome, all) = withdrawn(&before, &gone.kid, after(10));
        assert_eq!(outcome.change.unwrap().from, Some(gone.kid.clone()));
        assert_eq!(signs(&all, gone.token_type, after(10)), next.kid);
        assert_eq!(nexts(&all, gone.token_type, after(10)), 1);
    }
}

#[test]
fn withdrawing_the_active_key_never_reactivates_a_retired_one() {
    let (_, all) = turned(&records(), after(10));
    let gone = signs(&all, TokenType::Access, after(20));
    let retired = signs(&all, TokenType::Access, after(9));
    let (_, all) = withdrawn(&all, &gone, after(20));
    let active = signs(&all, TokenType::Access, after(20));
    assert!(active != retired && active != gone);
}

#[test]
fn withdrawing_another_key_does_not_change_the_active_key() {
    let (_, all) = turned(&records(), after(10));
    let active = signs(&all, TokenType::Access, after(20));
    let retired = signs(&all, TokenType::Access, after(9));
    let (outcome, without) = withdrawn(&all, &retired, after(20));
    assert!(outcome.change.is_none() && outcome.write.is_empty());
    assert_eq!(signs(&without, TokenType::Access, after(20)), active);

    let next = waiting(&all, TokenType::Access, Algorithm::EdDsa, after(20)).next().unwrap();
    let (outcome, without) = withdrawn(&all, &next.kid, after(20));
    assert_eq!((outcome.change.is_none(), outcome.write.len()), (true, 1));
    assert_eq!(signs(&without, TokenType::Access, after(20)), active);
    assert_eq!(nexts(&without, TokenType::Access, after(20)), 1);
}

#[test]
fn an_unknown_key_cannot_be_withdrawn() {
    let nobody = KeyId::new("nobody").unwrap();
    let outcome = withdraw(&records(), &nobody, Algorithm::EdDsa, START, &SystemRandom);
    assert!(outcome.unwrap().is_none());
}
