//! Refresh tokens of djangorestframework-simplejwt: each is the first generation of one session.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::login::{AccountSetup, password};
use super::*;
use crate::jwt::{DjangoForm, SimpleJwtCheck, SimpleJwtError};
use crate::session::Device;
use crate::store::{AccountChange, AccountStore as _};

const KEY: &[u8] = b"a signing key of Django, long enough";
const DAY: Duration = Duration::from_secs(86_400);

/// Ann's accounts, and the doors of the client `web`.
struct Doors {
    setup: AccountSetup,
    doors: SimpleJwt,
}

impl Doors {
    fn new() -> Self {
        Self::until(DAY * 365)
    }

    fn until(span: Duration) -> Self {
        let setup = AccountSetup::new();
        // An imported password was not set here.
        let imported = crate::password::unusable();
        let memory = &setup.service.memory;
        let change = AccountChange::SetPassword(&imported);
        assert!(block_on(memory.change(&setup.ann.id, change)).unwrap());
        let until = setup.service.context().now.plus(span);
        let client = setup.service.profile().id().clone();
        let doors = SimpleJwt::new(client, "user_id").with_old_tokens(KEY, until, true);
        Self { setup, doors }
    }

    /// A token of Ann that was issued an hour ago and is valid for 90 days.
    fn token(&self, jti: &str) -> String {
        self.token_with(jti, json!({}))
    }

    fn token_with(&self, jti: &str, changes: Value) -> String {
        let now = self.setup.service.context().now.seconds();
        let mut claims = json!({
            "token_type": "refresh", "jti": jti, "user_id": self.setup.ann.id.as_str(),
            "iat": now - 3600, "exp": now + 90 * 86_400,
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&json!({ "alg": "HS256" })), part(&claims));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, KEY), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    fn refresh(&self, token: &str) -> Result<Granted, RefreshError> {
        let context = self.setup.service.context();
        let read = self.doors.read(&context, token).map_err(|_| RefreshError::Unknown)?;
        let profile = self.setup.service.profile();
        let accounts = &self.setup.accounts;
        let device = Device::default();
        let renewed = accounts.refresh_adopted(&context, profile, &read, device, None);
        block_on(renewed).map(|(granted, _)| granted)
    }

    fn sessions(&self) -> Vec<Session> {
        self.setup.service.memory.records(&self.setup.ann.id)
    }
}

#[test]
fn an_old_token_becomes_a_session_and_its_retry_returns_the_same_token() {
    let doors = Doors::new();
    let token = doors.token("one");
    let first = doors.refresh(&token).unwrap();
    let again = doors.refresh(&token).unwrap();
    assert_eq!(token_of(&first), token_of(&again));
    assert_eq!(generation_of(&token_of(&first)), 2);
    assert_eq!(first.session.subject, doors.setup.ann.id);
    assert_eq!(doors.sessions().len(), 1);
    let second = doors.refresh(&doors.token("two")).unwrap();
    assert_ne!(second.session.id, first.session.id);
}

#[test]
fn an_old_token_that_is_used_again_later_ends_its_session() {
    let doors = Doors::new();
    let token = doors.token("one");
    let first = token_of(&doors.refresh(&token).unwrap());
    doors.setup.service.advance(Duration::from_secs(3600));
    assert!(matches!(doors.refresh(&token), Err(RefreshError::Reused)));
    assert!(matches!(doors.setup.service.refresh(&first, None), Err(RefreshError::Ended(_))));
    assert!(matches!(doors.refresh(&token), Err(RefreshError::Ended(_))));
    assert_eq!(doors.sessions().len(), 1);
}

#[test]
fn a_purge_does_not_make_an_old_token_usable_again() {
    let doors = Doors::new();
    let token = doors.token("one");
    let _ = doors.refresh(&token).unwrap();
    // Past the lifetime of refresh tokens, and past the retention of their records.
    let lifetime = doors.setup.service.profile().refresh_lifetime().span();
    doors.setup.service.advance(lifetime + DAY * 14);
    let now = doors.setup.service.context().now;
    let _ = block_on(doors.setup.service.sessions.purge(1000, now)).unwrap();
    assert!(matches!(doors.refresh(&token), Err(RefreshError::Reused)));
}

#[test]
fn tokens_of_disabled_and_deleted_accounts_and_older_than_the_password_are_rejected() {
    let doors = Doors::new();
    let (setup, ann) = (&doors.setup, &doors.setup.ann);
    let context = setup.service.context();
    let ended = |token: &str| match doors.refresh(token) {
        Err(RefreshError::Ended(reason)) => Some(reason),
        _ => None,
    };
    let token = doors.token_with("before", json!({ "iat": context.now.seconds() - 3600 }));
    let _ = block_on(setup.accounts.disable(&context, &ann.id)).unwrap();
    assert_eq!(ended(&token), Some(EndReason::AccountDisabled));
    assert!(block_on(setup.accounts.enable(&ann.id)).unwrap());
    setup.service.advance(Duration::from_secs(10));
    let account = setup.stored();
    let context = setup.service.context();
    let new = password("another blue snail");
    let _ = block_on(setup.accounts.reset_password(&context, &account, &new)).unwrap();
    assert_eq!(ended(&token), Some(EndReason::PasswordChanged));
    // A login replaces the hash and not the password.
    setup.log_in(&account.email, "another blue snail").unwrap();
    assert_eq!(ended(&token), Some(EndReason::PasswordChanged));
    let later = json!({ "iat": context.now.seconds() + 1 });
    assert!(doors.refresh(&doors.token_with("after", later)).is_ok());
    let _ = block_on(setup.accounts.delete(&context, &ann.id)).unwrap();
    assert_eq!(ended(&doors.token("deleted")), Some(EndReason::AccountDeleted));
}

#[test]
fn a_retired_token_cannot_be_used() {
    let doors = Doors::new();
    let context = doors.setup.service.context();
    let retire = |token: &str| {
        let read = doors.doors.read(&context, token).unwrap();
        let profile = doors.setup.service.profile();
        block_on(doors.setup.accounts.retire(&context, profile, &read)).unwrap()
    };
    let unused = doors.token("unused");
    assert!(retire(&unused));
    assert!(!retire(&unused));
    assert!(matches!(doors.refresh(&unused), Err(RefreshError::Ended(EndReason::Logout))));
    let used = doors.token("used");
    let next = token_of(&doors.refresh(&used).unwrap());
    assert!(!retire(&used), "it is superseded");
    assert!(matches!(doors.setup.service.refresh(&next, None), Err(RefreshError::Ended(_))));
}

#[test]
fn old_tokens_are_taken_until_the_configured_instant_and_with_their_key_only() {
    let doors = Doors::until(DAY);
    let token = doors.token("one");
    let context = doors.setup.service.context();
    assert!(doors.doors.read(&context, &token).is_ok());
    doors.setup.service.advance(DAY);
    let context = doors.setup.service.context();
    let error = doors.doors.read(&context, &token).unwrap_err();
    assert_eq!(error, SimpleJwtError::Expired);
    let closed = SimpleJwt::new(doors.doors.client().clone(), "user_id");
    assert_eq!(closed.read(&context, &token).unwrap_err(), SimpleJwtError::Invalid);
    let nobody = doors.token_with("x", json!({ "user_id": null }));
    assert_eq!(doors.doors.read(&context, &nobody).unwrap_err(), SimpleJwtError::Expired);
}

#[test]
fn new_tokens_are_valid_at_django_while_the_way_back_is_open() {
    let doors = Doors::until(DAY);
    let context = doors.setup.service.context();
    let granted = doors.refresh(&doors.token("one")).unwrap();
    let own = granted.refresh.unwrap().token;
    let outside = doors.doors.to_client(&context, &own);
    assert_ne!(outside.expose(), own.expose());
    assert!(SimpleJwtCheck::new(KEY, "user_id").is_signed(outside.expose()));
    let inside = doors.doors.from_client(&context, outside.expose()).unwrap();
    assert_eq!(inside.expose(), own.expose());
    assert!(doors.doors.from_client(&context, own.expose()).is_none(), "it is in its own form");
    // It never begins a session, and with another signature it is not one of this form.
    assert!(matches!(doors.doors.read(&context, outside.expose()), Err(SimpleJwtError::Invalid)));
    let (issuer, client) = (context.issuer(), doors.doors.client());
    let form = DjangoForm { issuer, client, user_id_claim: "user_id" };
    let forged = form.wrap(&own, &SimpleJwtCheck::new(b"another key", "user_id")).unwrap();
    assert!(doors.doors.from_client(&context, forged.expose()).is_none());
    // After the last day, new tokens have their own form, and those of the other are still known.
    doors.setup.service.advance(DAY);
    let context = doors.setup.service.context();
    assert_eq!(doors.doors.to_client(&context, &own).expose(), own.expose());
    assert!(doors.doors.from_client(&context, outside.expose()).is_some());
    let without_key = SimpleJwt::new(doors.doors.client().clone(), "user_id");
    assert_eq!(without_key.to_client(&context, &own).expose(), own.expose());
    assert!(without_key.from_client(&context, outside.expose()).is_some());
}

#[test]
fn concurrent_first_uses_begin_one_session() {
    let doors = Doors::new();
    let token = doors.token("one");
    let context = doors.setup.service.context();
    let read = doors.doors.read(&context, &token).unwrap();
    let profile = doors.setup.service.profile();
    let one =
        |_| doors.setup.accounts.refresh_adopted(&context, profile, &read, Device::default(), None);
    let all = futures_util::future::join_all((0..16).map(one));
    let tokens: std::collections::BTreeSet<String> =
        block_on(all).into_iter().map(|renewed| token_of(&renewed.unwrap().0)).collect();
    assert_eq!((tokens.len(), doors.sessions().len()), (1, 1));
}
