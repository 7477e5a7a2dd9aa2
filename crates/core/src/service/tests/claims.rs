//! What an account's extra claims and its login leave in tokens, and when.

use serde_json::{Map, Value, json};

use super::login::{AccountSetup, EMAIL, PASSWORD};
use super::*;
use crate::id::SessionId;
use crate::session::ExtraClaims;
use crate::store::{AccountChange, AccountStore as _};

fn roles(role: &str) -> ExtraClaims {
    json!({ "roles": [role] }).as_object().unwrap().clone()
}

fn claims_of(granted: &Granted) -> Map<String, Value> {
    inspect(granted.access.expose()).unwrap().claims
}

fn roles_of(granted: &Granted) -> Option<Value> {
    claims_of(granted).get("roles").cloned()
}

#[test]
fn new_claims_are_in_the_next_access_token() {
    let setup = AccountSetup::new();
    let granted = setup.log_in(EMAIL, PASSWORD).unwrap();
    assert_eq!(roles_of(&granted), None);
    assert!(block_on(setup.accounts.set_claims(&setup.ann.id, &roles("admin"))).unwrap());
    let (renewed, _) = setup.service.refresh(&token_of(&granted), None).unwrap();
    assert_eq!(roles_of(&renewed), Some(json!(["admin"])));
    // The retry of a lost answer has them too, as they are by then.
    assert!(block_on(setup.accounts.set_claims(&setup.ann.id, &roles("user"))).unwrap());
    let (repeated, renewal) = setup.service.refresh(&token_of(&granted), None).unwrap();
    assert_eq!(renewal, RefreshOutcome::Repeated);
    assert_eq!(roles_of(&repeated), Some(json!(["user"])));
    assert_eq!(roles_of(&setup.log_in(EMAIL, PASSWORD).unwrap()), Some(json!(["user"])));
}

#[test]
fn a_device_receives_new_claims_at_its_next_refresh() {
    let setup = AccountSetup::new();
    let granted = setup.log_in_as("device", EMAIL, PASSWORD, "").unwrap();
    assert!(block_on(setup.accounts.set_claims(&setup.ann.id, &roles("admin"))).unwrap());
    let (kept, _) = setup.service.refresh(&token_of(&granted), None).unwrap();
    assert_eq!(roles_of(&kept), Some(json!(["admin"])));
}

#[test]
fn claims_removed_during_a_login_are_absent_from_the_next_access_token() {
    let setup = AccountSetup::new();
    assert!(block_on(setup.accounts.set_claims(&setup.ann.id, &roles("admin"))).unwrap());
    let id = setup.ann.id.clone();
    setup.service.store.before("insert", move |store| {
        assert!(block_on(store.change(&id, AccountChange::SetClaims(&roles("user")))).unwrap());
    });
    let granted = setup.log_in(EMAIL, PASSWORD).unwrap();
    let (renewed, _) = setup.service.refresh(&token_of(&granted), None).unwrap();
    assert_eq!(roles_of(&renewed), Some(json!(["user"])));
}

#[test]
fn claims_of_many_sessions_are_replaced_in_batches() {
    let setup = AccountSetup::new();
    let session = setup.log_in(EMAIL, PASSWORD).unwrap().session;
    for number in 1..1203_u128 {
        let id = SessionId::from_bytes(number.to_be_bytes());
        let copy = Session { id, status: None, ..session.clone() };
        assert!(block_on(setup.service.memory.insert(&copy)).unwrap());
    }
    setup.service.store.calls();
    assert!(block_on(setup.accounts.set_claims(&setup.ann.id, &roles("admin"))).unwrap());
    // 64, 128, 256, 512 and the other 243; the last list is empty.
    let expected = [["list", "set_claims"]; 5].concat();
    assert_eq!(setup.service.store.calls(), [&expected[..], &["list"]].concat());
    assert!(setup.service.copy().iter().all(|session| session.claims == roles("admin")));
}

#[test]
fn of_two_changes_at_the_same_time_all_sessions_follow_the_one_that_the_account_has() {
    let setup = AccountSetup::new();
    let granted = setup.log_in(EMAIL, PASSWORD).unwrap();
    let id = setup.ann.id.clone();
    // Another replica replaces the claims of the account and of the session, and this one's
    // statement comes later.
    setup.service.store.before("set_claims", move |store| {
        assert!(block_on(store.change(&id, AccountChange::SetClaims(&roles("user")))).unwrap());
    });
    assert!(block_on(setup.accounts.set_claims(&setup.ann.id, &roles("admin"))).unwrap());
    let (renewed, _) = setup.service.refresh(&token_of(&granted), None).unwrap();
    assert_eq!(roles_of(&renewed), Some(json!(["user"])));
}

#[test]
fn other_subjects_keep_their_claims() {
    let setup = AccountSetup::new();
    let stranger = setup.service.open();
    assert!(block_on(setup.accounts.set_claims(&setup.ann.id, &roles("admin"))).unwrap());
    let (renewed, _) = setup.service.refresh(&token_of(&stranger), None).unwrap();
    assert_eq!(roles_of(&renewed), None);
    assert!(!block_on(setup.accounts.set_claims(&fixture::subject(9), &roles("admin"))).unwrap());
}

/// RFC 9068 §2.2.1: a refresh doesn't pass for a login.
#[test]
fn scope_and_time_of_the_login_stay_through_refreshes() {
    let setup = AccountSetup::new();
    let login = setup.service.clock.now().seconds();
    let granted = setup.log_in_as("web", EMAIL, PASSWORD, "read feed").unwrap();
    let mut token = token_of(&granted);
    for _ in 0..3 {
        setup.service.advance(HOUR);
        let (renewed, _) = setup.service.refresh(&token, None).unwrap();
        let claims = claims_of(&renewed);
        assert_eq!(claims["auth_time"], login);
        assert_eq!(claims["iat"], setup.service.clock.now().seconds());
        assert_eq!(claims["scope"], "feed read");
        assert_eq!(claims["sid"], granted.session.id.to_string());
        token = token_of(&renewed);
    }
}
