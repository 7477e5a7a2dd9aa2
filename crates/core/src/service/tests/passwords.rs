//! Changes on the account's side, and the sessions that end by them.

use super::faulty_store::CallOutcome;
use super::login::{AccountSetup, EMAIL, PASSWORD, password};
use super::*;

const NEW: &str = "nine green turtles";

fn caller(setup: &AccountSetup, granted: &Granted) -> Caller {
    block_on(setup.service.sessions.authenticate(&setup.service.context(), granted.access.expose()))
        .unwrap()
}

fn change(
    setup: &AccountSetup,
    caller: &Caller,
    current: &str,
    new: &str,
) -> Result<EndedSessions, PasswordError> {
    let change = PasswordChange { current: password(current), new: password(new) };
    block_on(setup.accounts.change_password(&setup.service.context(), caller, change))
}

fn ended_by(setup: &AccountSetup, granted: &Granted, reason: EndReason) -> bool {
    let refused = setup.service.refresh(&token_of(granted), None);
    matches!(refused, Err(RefreshError::Ended(why)) if why == reason)
}

#[test]
fn a_new_password_ends_the_other_sessions_and_keeps_this_one() {
    let setup = AccountSetup::new();
    let [here, phone, tablet] = [0; 3].map(|_| setup.log_in(EMAIL, PASSWORD).unwrap());
    let ended = change(&setup, &caller(&setup, &here), PASSWORD, NEW).unwrap();
    assert!(!ended.remaining);
    assert_eq!(setup.live(), 1);
    assert!(ended_by(&setup, &phone, EndReason::PasswordChanged));
    assert!(ended_by(&setup, &tablet, EndReason::PasswordChanged));
    assert!(setup.service.refresh(&token_of(&here), None).is_ok());
    assert!(matches!(setup.log_in(EMAIL, PASSWORD), Err(LoginError::InvalidCredentials)));
    assert!(setup.log_in(EMAIL, NEW).is_ok());
}

#[test]
fn a_rejected_password_change_changes_nothing() {
    let setup = AccountSetup::new();
    let [here, phone] = [0; 2].map(|_| setup.log_in(EMAIL, PASSWORD).unwrap());
    let caller = caller(&setup, &here);
    let before = setup.stored();
    assert!(matches!(change(&setup, &caller, "wrong", NEW), Err(PasswordError::Wrong)));
    for weak in ["short", "password1", "ann@example.com"] {
        assert!(matches!(change(&setup, &caller, PASSWORD, weak), Err(PasswordError::Weak(_))));
    }
    assert_eq!((setup.stored(), setup.live()), (before, 2));
    assert!(setup.service.refresh(&token_of(&phone), None).is_ok());
}

#[test]
fn a_session_opened_while_the_password_changes_ends_too() {
    let setup = AccountSetup::new();
    let here = setup.log_in(EMAIL, PASSWORD).unwrap();
    let mut stranger = here.session.clone();
    let id = crate::id::SessionId::from_bytes([5; 16]);
    stranger.id = id;
    // After the password was replaced.
    setup.service.store.before("end_all", move |store| {
        assert!(block_on(store.insert(&stranger)).unwrap());
    });
    let ended = change(&setup, &caller(&setup, &here), PASSWORD, NEW).unwrap();
    assert!(!ended.remaining);
    let opened = block_on(setup.service.memory.find(&id)).unwrap().unwrap();
    assert_eq!(opened.ended.unwrap().reason, EndReason::PasswordChanged);
    assert_eq!(setup.live(), 1);
}

/// The new password counts whatever becomes of the sessions, and repeating the end continues it.
#[test]
fn the_password_is_replaced_before_sessions_end() {
    for outcome in CallOutcome::FAULTS {
        let setup = AccountSetup::new();
        let [here, _phone] = [0; 2].map(|_| setup.log_in(EMAIL, PASSWORD).unwrap());
        let caller = caller(&setup, &here);
        setup.service.store.plan(&[outcome]);
        let ended = change(&setup, &caller, PASSWORD, NEW).unwrap();
        assert_eq!(ended, EndedSessions { revoked: 0, remaining: true }, "{outcome:?}");
        assert!(matches!(setup.log_in(EMAIL, PASSWORD), Err(LoginError::InvalidCredentials)));
        let (context, here) = (setup.service.context(), Some(&here.session.id));
        let reason = EndReason::PasswordChanged;
        let end = setup.service.sessions.end_all(&context, &setup.ann.id, here, reason);
        assert!(!block_on(end).unwrap().remaining);
        assert_eq!(setup.live(), 1, "{outcome:?}");
        assert!(setup.log_in(EMAIL, NEW).is_ok());
    }
}

#[test]
fn an_operators_reset_ends_every_session() {
    let setup = AccountSetup::new();
    let granted = setup.log_in(EMAIL, PASSWORD).unwrap();
    let (context, new) = (setup.service.context(), password(NEW));
    let reset = setup.accounts.reset_password(&context, &setup.ann, &new);
    assert_eq!(block_on(reset).unwrap(), EndedSessions { revoked: 1, remaining: false });
    assert!(ended_by(&setup, &granted, EndReason::PasswordChanged));
    assert!(setup.log_in(EMAIL, PASSWORD).is_err());
    assert!(setup.log_in(EMAIL, NEW).is_ok());
}

#[test]
fn disabling_an_account_ends_its_sessions_for_good() {
    let setup = AccountSetup::new();
    let granted = setup.log_in(EMAIL, PASSWORD).unwrap();
    let caller = caller(&setup, &granted);
    assert!(
        block_on(setup.accounts.disable(&setup.service.context(), &setup.ann.id))
            .unwrap()
            .is_some()
    );
    assert_eq!(setup.live(), 0);
    assert!(ended_by(&setup, &granted, EndReason::AccountDisabled));
    assert!(
        block_on(setup.accounts.of_caller(&setup.service.context(), &caller)).unwrap().is_none()
    );
    let bearer = block_on(
        setup.service.sessions.authenticate(&setup.service.context(), granted.access.expose()),
    );
    assert!(matches!(bearer, Err(AuthError::SessionOver)));
    assert!(matches!(change(&setup, &caller, PASSWORD, NEW), Err(PasswordError::Wrong)));
    assert!(block_on(setup.accounts.enable(&setup.ann.id)).unwrap());
    assert!(ended_by(&setup, &granted, EndReason::AccountDisabled));
    assert!(setup.log_in(EMAIL, PASSWORD).is_ok());
}

#[test]
fn deleting_an_account_ends_its_sessions() {
    let setup = AccountSetup::new();
    let granted = setup.log_in(EMAIL, PASSWORD).unwrap();
    let delete =
        || block_on(setup.accounts.delete(&setup.service.context(), &setup.ann.id)).unwrap();
    assert!(delete().is_some());
    assert!(delete().is_none());
    assert!(ended_by(&setup, &granted, EndReason::AccountDeleted));
    assert!(matches!(setup.log_in(EMAIL, PASSWORD), Err(LoginError::InvalidCredentials)));
    assert!(block_on(setup.accounts.find(EMAIL)).unwrap().is_none());
}

#[test]
fn logging_out_everywhere_counts_the_live_sessions() {
    let setup = AccountSetup::new();
    let [here, phone, tablet] = [0; 3].map(|_| setup.log_in(EMAIL, PASSWORD).unwrap());
    block_on(
        setup.service.sessions.log_out_bearer(&setup.service.context(), tablet.access.expose()),
    )
    .unwrap();
    let all = EndReason::LogoutAll;
    let count = block_on(setup.service.sessions.end_all(
        &setup.service.context(),
        &setup.ann.id,
        None,
        all,
    ))
    .unwrap();
    assert_eq!(count, EndedSessions { revoked: 2, remaining: false });
    assert!(ended_by(&setup, &here, all) && ended_by(&setup, &phone, all));
    assert!(ended_by(&setup, &tablet, EndReason::Logout), "the first reason stays");
}

#[test]
fn accounts_are_found_by_address_or_id_and_listed_in_order() {
    let setup = AccountSetup::new();
    let by = |name: &str| block_on(setup.accounts.find(name)).unwrap();
    assert_eq!(by("ANN@example.com"), Some(setup.ann.clone()));
    assert_eq!(by(setup.ann.id.as_str()), Some(setup.ann.clone()));
    assert_eq!(by("bob@example.com"), None);
    assert_eq!(by(""), None);
    assert_eq!(block_on(setup.accounts.list(None, 10)).unwrap(), std::slice::from_ref(&setup.ann));
    assert!(block_on(setup.accounts.list(Some(&setup.ann.login), 10)).unwrap().is_empty());
}
