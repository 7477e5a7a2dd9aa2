//! Changes on the account's side, and the sessions that end by them.

use super::login::{Desk, EMAIL, PASSWORD, password};
use super::wire::Fate;
use super::*;

const NEW: &str = "nine green turtles";

fn caller(desk: &Desk, granted: &Granted) -> Caller {
    block_on(desk.world.sessions.authenticate(&desk.world.context(), granted.access.expose()))
        .unwrap()
}

fn change(desk: &Desk, caller: &Caller, current: &str, new: &str) -> Result<(), PasswordError> {
    let change = PasswordChange { current: password(current), new: password(new) };
    block_on(desk.accounts.change_password(&desk.world.context(), caller, change))
}

fn ended_by(desk: &Desk, granted: &Granted, reason: EndReason) -> bool {
    let refused = desk.world.refresh(&token_of(granted), None);
    matches!(refused, Err(RefreshError::Ended(why)) if why == reason)
}

#[test]
fn a_new_password_ends_the_other_sessions_and_keeps_this_one() {
    let desk = Desk::new();
    let [here, phone, tablet] = [0; 3].map(|_| desk.log_in(EMAIL, PASSWORD).unwrap());
    change(&desk, &caller(&desk, &here), PASSWORD, NEW).unwrap();
    assert_eq!(desk.live(), 1);
    assert!(ended_by(&desk, &phone, EndReason::PasswordChanged));
    assert!(ended_by(&desk, &tablet, EndReason::PasswordChanged));
    assert!(desk.world.refresh(&token_of(&here), None).is_ok());
    assert!(matches!(desk.log_in(EMAIL, PASSWORD), Err(LoginError::InvalidCredentials)));
    assert!(desk.log_in(EMAIL, NEW).is_ok());
}

#[test]
fn a_rejected_password_change_changes_nothing() {
    let desk = Desk::new();
    let [here, phone] = [0; 2].map(|_| desk.log_in(EMAIL, PASSWORD).unwrap());
    let caller = caller(&desk, &here);
    let before = desk.stored();
    assert!(matches!(change(&desk, &caller, "wrong", NEW), Err(PasswordError::Wrong)));
    for weak in ["short", "password1", "ann@example.com"] {
        assert!(matches!(change(&desk, &caller, PASSWORD, weak), Err(PasswordError::Weak(_))));
    }
    assert_eq!((desk.stored(), desk.live()), (before, 2));
    assert!(desk.world.refresh(&token_of(&phone), None).is_ok());
}

#[test]
fn a_session_opened_while_the_password_changes_ends_too() {
    let desk = Desk::new();
    let here = desk.log_in(EMAIL, PASSWORD).unwrap();
    let mut stranger = here.session.clone();
    let id = crate::id::SessionId::from_bytes([5; 16]);
    stranger.id = id;
    // After the first round of ends, before the second.
    desk.world.wire.before("end_all", |_| ());
    desk.world.wire.before("end_all", move |store| {
        assert!(block_on(store.insert(&stranger)).unwrap());
    });
    change(&desk, &caller(&desk, &here), PASSWORD, NEW).unwrap();
    let opened = block_on(desk.world.memory.find(&id)).unwrap().unwrap();
    assert_eq!(opened.ended.unwrap().reason, EndReason::PasswordChanged);
    assert_eq!(desk.live(), 1);
}

#[test]
fn a_password_change_interrupted_by_the_store_can_be_repeated() {
    for fate in Fate::FAULTS {
        let desk = Desk::new();
        let [here, _phone] = [0; 2].map(|_| desk.log_in(EMAIL, PASSWORD).unwrap());
        let caller = caller(&desk, &here);
        desk.world.wire.plan(&[fate]);
        assert!(matches!(change(&desk, &caller, PASSWORD, NEW), Err(PasswordError::Store(_))));
        assert_eq!(desk.stored().password, desk.ann.password, "{fate:?}");
        change(&desk, &caller, PASSWORD, NEW).unwrap();
        assert_eq!(desk.live(), 1, "{fate:?}");
        assert!(desk.log_in(EMAIL, NEW).is_ok());
    }
}

#[test]
fn an_operators_reset_ends_every_session() {
    let desk = Desk::new();
    let granted = desk.log_in(EMAIL, PASSWORD).unwrap();
    block_on(desk.accounts.reset_password(&desk.world.context(), &desk.ann, &password(NEW)))
        .unwrap();
    assert!(ended_by(&desk, &granted, EndReason::PasswordChanged));
    assert!(desk.log_in(EMAIL, PASSWORD).is_err());
    assert!(desk.log_in(EMAIL, NEW).is_ok());
}

#[test]
fn disabling_an_account_ends_its_sessions_for_good() {
    let desk = Desk::new();
    let granted = desk.log_in(EMAIL, PASSWORD).unwrap();
    let caller = caller(&desk, &granted);
    assert!(block_on(desk.accounts.disable(&desk.world.context(), &desk.ann.id)).unwrap());
    assert_eq!(desk.live(), 0);
    assert!(ended_by(&desk, &granted, EndReason::AccountDisabled));
    assert!(block_on(desk.accounts.of_caller(&caller)).unwrap().is_none());
    let bearer =
        block_on(desk.world.sessions.authenticate(&desk.world.context(), granted.access.expose()));
    assert!(matches!(bearer, Err(AuthError::SessionOver)));
    assert!(matches!(change(&desk, &caller, PASSWORD, NEW), Err(PasswordError::Wrong)));
    assert!(block_on(desk.accounts.enable(&desk.ann.id)).unwrap());
    assert!(ended_by(&desk, &granted, EndReason::AccountDisabled));
    assert!(desk.log_in(EMAIL, PASSWORD).is_ok());
}

#[test]
fn deleting_an_account_ends_its_sessions() {
    let desk = Desk::new();
    let granted = desk.log_in(EMAIL, PASSWORD).unwrap();
    assert!(block_on(desk.accounts.delete(&desk.world.context(), &desk.ann.id)).unwrap());
    assert!(!block_on(desk.accounts.delete(&desk.world.context(), &desk.ann.id)).unwrap());
    assert!(ended_by(&desk, &granted, EndReason::AccountDeleted));
    assert!(matches!(desk.log_in(EMAIL, PASSWORD), Err(LoginError::InvalidCredentials)));
    assert!(block_on(desk.accounts.find(EMAIL)).unwrap().is_none());
}

#[test]
fn logging_out_everywhere_counts_the_live_sessions() {
    let desk = Desk::new();
    let [here, phone, tablet] = [0; 3].map(|_| desk.log_in(EMAIL, PASSWORD).unwrap());
    block_on(desk.world.sessions.log_out_bearer(&desk.world.context(), tablet.access.expose()))
        .unwrap();
    let all = EndReason::LogoutAll;
    let count =
        block_on(desk.world.sessions.end_all(&desk.world.context(), &desk.ann.id, None, all))
            .unwrap();
    assert_eq!(count, 2);
    assert!(ended_by(&desk, &here, all) && ended_by(&desk, &phone, all));
    assert!(ended_by(&desk, &tablet, EndReason::Logout), "the first reason stays");
}

#[test]
fn accounts_are_found_by_address_or_id_and_listed_in_order() {
    let desk = Desk::new();
    let by = |name: &str| block_on(desk.accounts.find(name)).unwrap();
    assert_eq!(by("ANN@example.com"), Some(desk.ann.clone()));
    assert_eq!(by(desk.ann.id.as_str()), Some(desk.ann.clone()));
    assert_eq!(by("bob@example.com"), None);
    assert_eq!(by(""), None);
    assert_eq!(block_on(desk.accounts.list(None, 10)).unwrap(), std::slice::from_ref(&desk.ann));
    assert!(block_on(desk.accounts.list(Some(&desk.ann.login), 10)).unwrap().is_empty());
}
