//! Status lists: every revocation shows, none shows twice, and nothing is done in vain.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use super::*;
use crate::jwt::{Algorithm, Keys as _, StatusListCheck, TokenError, TokenType, VerifyingKey};
use crate::keys::{KeyRecord, rotate};
use crate::status::{LIST_ENTRIES, ListId, Spans, Status, StatusClaim, StatusIndex, StatusList};
use crate::store::StoreError;
use crate::testing::fixture::NOW;
use crate::time::{Leeway, Timestamp};

use super::faulty_store::CallOutcome;

/// How revocations are read from the store, and how seldom.
mod reading;

const SECOND: Duration = Duration::from_secs(1);

/// An issuer with status enabled for `web`.
struct Issuer {
    service: TestService,
    lists: StatusLists,
}

fn with_status() -> ProfileSettings {
    ProfileSettings { status: true, ..ProfileSettings::default() }
}

impl Issuer {
    fn new() -> Self {
        let service = TestService::new(with_status());
        let lists = StatusLists::new(service.sessions.clone());
        Self { service, lists }
    }

    fn list(&self, number: u32) -> Result<Arc<SignedList>, StatusListError> {
        let id = ListId::new(number).unwrap();
        block_on(self.lists.list(&self.service.context(), id))
    }

    fn read(&self, number: u32) -> StatusList {
        read(&self.service.sessions, &self.list(number).unwrap(), self.service.clock.now())
    }

    fn status_of(&self, granted: &Granted) -> Status {
        let index = granted.session.status.unwrap();
        self.read(index.list().number()).status(index.entry().into()).unwrap()
    }

    fn end(&self, granted: &Granted, reason: EndReason) {
        block_on(self.service.sessions.end(&self.service.context(), &granted.session.id, reason))
            .unwrap();
    }

    /// How often the store was asked for revocations since the last time.
    fn asked(&self) -> usize {
        self.service.store.calls().iter().filter(|call| **call == "revoked").count()
    }
}

fn check(
    sessions: &Sessions,
    token: &str,
    uri: &str,
    now: Timestamp,
) -> Result<StatusList, TokenError> {
    let snapshot = sessions.context(now).snapshot;
    let keys = snapshot.ring().checking(TokenType::Access, now);
    let find = |kid: &str| -> Result<&VerifyingKey, TokenError> {
        keys.verifying_key(&kid.parse().unwrap()).ok_or(TokenError::UnknownKey)
    };
    let check = StatusListCheck { uri, leeway: Leeway::NONE };
    check.check(token, find, now).map(|claims| claims.into_inner().status_list)
}

fn read(sessions: &Sessions, signed: &SignedList, now: Timestamp) -> StatusList {
    let uri = inspect(signed.token()).unwrap().claims["sub"].as_str().unwrap().to_owned();
    check(sessions, signed.token(), &uri, now).unwrap()
}

fn claim_of(granted: &Granted) -> Option<StatusClaim> {
    let claims = inspect(granted.access.expose()).unwrap().claims;
    claims.get("status").map(|status| serde_json::from_value(status.clone()).unwrap())
}

#[test]
fn tokens_of_clients_with_status_refer_to_their_status_list() {
    let issuer = Issuer::new();
    let granted = issuer.service.open();
    let index = granted.session.status.unwrap();
    assert_eq!(claim_of(&granted), Some(index.claim(&fixture::issuer())));
    let renewed = issuer.service.refresh(&token_of(&granted), None).unwrap().0;
    assert_eq!(claim_of(&renewed), claim_of(&granted), "one entry for the life of the session");
    let device = issuer.service.open_for("device");
    assert_eq!((device.session.status, claim_of(&device)), (None, None));
}

#[test]
fn switching_status_off_removes_the_claim_and_keeps_the_sessions() {
    let issuer = Issuer::new();
    let granted = issuer.service.open();
    let silent = fixture::policy_with([fixture::profile("web", ProfileSettings::default())]);
    issuer.service.sessions.replace_snapshot(fixture::snapshot(silent));
    let renewed = issuer.service.refresh(&token_of(&granted), None).unwrap().0;
    assert_eq!((claim_of(&renewed), renewed.session.status), (None, granted.session.status));
}

#[test]
fn logins_and_refreshes_with_status_are_one_store_operation_each() {
    let issuer = Issuer::new();
    let granted = issuer.service.open();
    assert_eq!(issuer.service.store.calls(), ["insert"]);
    let _ = issuer.service.refresh(&token_of(&granted), None).unwrap();
    assert_eq!(issuer.service.store.calls(), ["advance"]);
}

#[test]
fn an_index_that_is_taken_is_drawn_again() {
    let issuer = Issuer::new();
    let first = issuer.service.open();
    // Randomness that begins as before draws the same index.
    let again = Sessions::new(
        issuer.service.memory.clone(),
        Arc::new(Stuttering(SeededRandom::new(0), SeededRandom::new(9))),
        issuer.service.context().snapshot,
    );
    let (context, profile) = (again.context(NOW), issuer.service.profile());
    let opened = block_on(again.open(&context, profile, fixture::login_of(2))).unwrap();
    assert_ne!(opened.session.status, first.session.status);
    assert_ne!(opened.session.id, first.session.id);
}

/// One source for names, which never repeats, and one for indices, which begins as another did.
#[derive(Debug)]
struct Stuttering(SeededRandom, SeededRandom);

impl crate::random::Random for Stuttering {
    fn fill(&self, buffer: &mut [u8]) {
        if buffer.len() == 8 {
            // Past the name of the first session.
            static SKIPPED: std::sync::Once = std::sync::Once::new();
            SKIPPED.call_once(|| self.0.fill(&mut [0; 16]));
            self.0.fill(buffer);
        } else {
            self.1.fill(buffer);
        }
    }
}

#[test]
fn repeating_randomness_ends_in_an_error() {
    #[derive(Debug)]
    struct Stuck;
    impl crate::random::Random for Stuck {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(7);
        }
    }
    let issuer = Issuer::new();
    let context = issuer.service.context();
    let snapshot = Arc::clone(&context.snapshot);
    let sessions = Sessions::new(issuer.service.memory.clone(), Arc::new(Stuck), snapshot);
    let open = || {
        let profile = issuer.service.profile();
        block_on(sessions.open(&context, profile, fixture::login_of(1)))
    };
    assert!(open().is_ok());
    assert!(matches!(open(), Err(ServiceError::IdTaken(_))));
}

#[test]
fn every_reason_for_ending_appears_in_the_list_within_half_a_second() {
    let issuer = Issuer::new();
    for reason in EndReason::ALL {
        let (granted, other) = (issuer.service.open(), issuer.service.open());
        assert_eq!(issuer.status_of(&granted), Status::Valid);
        issuer.end(&granted, reason);
        issuer.service.advance(Spans::FRESH);
        assert_eq!(issuer.status_of(&granted), Status::Invalid, "{reason:?}");
        assert_eq!(issuer.status_of(&other), Status::Valid);
    }
}

#[test]
fn reuse_global_logout_and_revocations_by_other_replicas_appear_in_the_list() {
    let issuer = Issuer::new();
    let stolen = issuer.service.open();
    let first = token_of(&stolen);
    let _ = issuer.service.refresh(&first, None).unwrap();
    issuer.service.advance(WINDOW);
    assert!(matches!(issuer.service.refresh(&first, None), Err(RefreshError::Reused)));
    assert_eq!(issuer.status_of(&stolen), Status::Invalid);

    let both = [issuer.service.open(), issuer.service.open()];
    assert_eq!(issuer.status_of(&both[0]), Status::Valid);
    let elsewhere = issuer.service.replica();
    let (context, all) = (issuer.service.context(), EndReason::LogoutAll);
    let _ = block_on(elsewhere.end_all(&context, &subject(), None, all)).unwrap();
    issuer.service.advance(Spans::FRESH);
    assert!(both.iter().all(|granted| issuer.status_of(granted) == Status::Invalid));
}

#[test]
fn a_list_has_the_claims_of_the_draft() {
    let issuer = Issuer::new();
    let signed = issuer.list(3).unwrap();
    let parts: Vec<&str> = signed.token().split('.').collect();
    let token = inspect(signed.token()).unwrap();
    assert_eq!((parts.len(), token.header["typ"].as_str()), (3, Some("statuslist+jwt")));
    assert_eq!(token.claims["sub"], "https://auth.example.com/prod1/status-lists/3");
    assert_eq!(token.claims["iat"], NOW.seconds());
    assert_eq!(token.claims["exp"], NOW.seconds() + 24 * 3600);
    assert_eq!(token.claims["ttl"], 10);
    assert_eq!(token.claims["status_list"]["bits"], 1);
    assert_eq!(issuer.read(3), StatusList::new(LIST_ENTRIES, []));
}

#[test]
fn lists_and_tokens_are_never_accepted_as_each_other() {
    let issuer = Issuer::new();
    let (service, now) = (&issuer.service, issuer.service.clock.now());
    let (granted, signed) = (service.open(), issuer.list(0).unwrap());
    let uri = ListId::default().uri(&fixture::issuer());
    let refused =
        |token: &str, uri: &str, now| check(&service.sessions, token, uri, now).unwrap_err();
    assert_eq!(refused(granted.access.expose(), &uri, now), TokenError::WrongType);
    assert_eq!(refused(&token_of(&granted), &uri, now), TokenError::WrongType);
    let other = ListId::new(1).unwrap().uri(&fixture::issuer());
    assert_eq!(refused(signed.token(), &other, now), TokenError::WrongSubject);
    let end = now.plus(Spans::LIFETIME);
    assert_eq!(refused(signed.token(), &uri, end), TokenError::Expired);
    assert!(check(&service.sessions, signed.token(), &uri, end.minus(SECOND)).is_ok());
    let tampered = signed.token().replacen('.', ".A", 1);
    assert!(check(&service.sessions, &tampered, &uri, now).is_err());
    let snapshot = service.context().snapshot;
    assert_eq!(snapshot.check_access(signed.token(), now), Err(TokenError::WrongType));
    assert_eq!(snapshot.check_refresh(signed.token(), now), Err(TokenError::WrongType));
}

#[test]
fn a_list_is_signed_again_before_it_expires_and_when_the_key_changes() {
    let issuer = Issuer::new();
    let first = issuer.list(0).unwrap();
    issuer.service.advance(Spans::RENEWAL - SECOND);
    assert!(Arc::ptr_eq(&first, &issuer.list(0).unwrap()));
    issuer.service.advance(SECOND);
    let second = issuer.list(0).unwrap();
    assert!(!Arc::ptr_eq(&first, &second));

    let (now, policy) = (issuer.service.clock.now(), issuer.service.policy.clone());
    let mut records = fixture::key_records(Algorithm::EdDsa, 0);
    let random = SeededRandom::new(5);
    let change = rotate(&records, TokenType::Access, Algorithm::EdDsa, now, &random).unwrap();
    records.retain(|record: &KeyRecord| change.write.iter().all(|new| new.kid != record.kid));
    records.extend(change.write);
    let ring = crate::keys::KeyRing::new(&records, &policy, now).unwrap();
    issuer.service.sessions.replace_snapshot(Arc::new(Snapshot::new(policy, ring)));
    let third = issuer.list(0).unwrap();
    let kid = |signed: &SignedList| inspect(signed.token()).unwrap().header["kid"].clone();
    assert_eq!(kid(&third), change.to.as_str());
    assert_eq!(kid(&second), kid(&first));
}

#[test]
fn a_revocation_is_listed_until_the_last_access_token_expired_and_its_index_is_reused_later() {
    let issuer = Issuer::new();
    let granted = issuer.service.open();
    issuer.end(&granted, EndReason::Logout);
    // The leeway of the most patient verifier, and clocks that differ.
    let shows = HOUR + Duration::from_secs(180);
    issuer.service.advance(shows);
    assert_eq!(issuer.status_of(&granted), Status::Invalid);
    issuer.service.advance(SECOND);
    assert_eq!(issuer.status_of(&granted), Status::Valid);

    let release = || {
        let now = issuer.service.clock.now();
        block_on(issuer.service.sessions.release_indices(10, now)).unwrap()
    };
    issuer.service.advance(DAY);
    assert_eq!(release(), 0);
    issuer.service.advance(Duration::from_secs(120));
    assert_eq!(release(), 1);
    assert_eq!(issuer.service.record().status, None);
}

#[test]
fn ends_stored_late_or_with_a_lagging_clock_are_listed() {
    let issuer = Issuer::new();
    let granted = issuer.service.open();
    issuer.service.advance(HOUR);
    assert_eq!(issuer.status_of(&granted), Status::Valid);
    // A minute behind, and ten seconds on its way.
    let at = issuer.service.clock.now().minus(Duration::from_secs(70));
    let ended = Ended { at, reason: EndReason::Revoked };
    let _ = block_on(issuer.service.memory.end(&granted.session.id, ended)).unwrap();
    issuer.service.advance(Spans::FRESH);
    assert_eq!(issuer.status_of(&granted), Status::Invalid);
}

#[test]
fn lists_are_not_signed_with_a_shared_secret() {
    let service = TestService::new(with_status());
    let policy = service.policy.clone();
    let ring = fixture::ring_of(&fixture::key_records(Algorithm::Hs256, 1), &policy);
    service.sessions.replace_snapshot(Arc::new(Snapshot::new(policy, ring)));
    let lists = StatusLists::new(service.sessions.clone());
    let list = block_on(lists.list(&service.context(), ListId::default()));
    assert!(matches!(list, Err(StatusListError::SharedSecret)));
}

#[test]
fn lists_are_announced_before_a_token_refers_to_them() {
    let issuer = Issuer::new();
    let known = || issuer.lists.ids().map(ListId::number).collect::<Vec<_>>();
    assert_eq!(known(), [0, 1]);
    // A session of a list that another replica began comes by.
    let granted = issuer.service.open();
    let moved = Session {
        id: crate::id::SessionId::from_bytes([9; 16]),
        status: Some(StatusIndex::from_number(LIST_ENTRIES)),
        ..granted.session.clone()
    };
    assert!(block_on(issuer.service.memory.insert(&moved)).unwrap());
    let token = issuer.service.context().refresh_token(&moved).unwrap().token;
    let _ = issuer.service.refresh(token.expose(), None).unwrap();
    assert_eq!(known(), [0, 1, 2]);
}
