//! Messages to users, and the tokens in them.

use super::login::{AccountSetup, EMAIL, PASSWORD, password};
use super::*;
use crate::account::{Account, Login};
use crate::keys::{KeyRing, generate};
use crate::message::MessageTopic;
use crate::secret::Password;
use crate::store::Outbox as _;

const NEW: &str = "nine green turtles";
const OTHER: &str = "Ann@other.example";

impl AccountSetup {
    /// Delivers and removes every message that waits.
    fn deliver(&self) -> Vec<Message> {
        let context = self.service.context();
        let outbox = &self.service.memory;
        let mut messages = Vec::new();
        loop {
            let lease = context.now.plus(Duration::from_secs(60));
            let claimed = block_on(outbox.claim(context.now, lease, 100)).unwrap();
            if claimed.is_empty() {
                return messages;
            }
            for entry in claimed {
                assert!(!entry.payload.contains("eyJ"), "a token is stored: {}", entry.payload);
                messages.extend(block_on(self.accounts.message(&context, &entry)).unwrap());
                assert!(block_on(outbox.remove(&entry)).unwrap());
            }
        }
    }

    /// The token of the only message that waits.
    fn token(&self) -> String {
        let messages = self.deliver();
        let tokens: Vec<_> = messages.iter().filter_map(|it| it.token.as_ref()).collect();
        let [(token, _)] = tokens.as_slice() else { panic!("{messages:?}") };
        token.expose().to_owned()
    }

    fn reset_token(&self) -> String {
        block_on(self.accounts.request_reset(&self.service.context(), EMAIL)).unwrap();
        self.token()
    }

    fn verification_token(&self) -> String {
        let context = self.service.context();
        block_on(self.accounts.request_verification(&context, &self.ann)).unwrap();
        self.token()
    }

    fn request_change(&self, email: &str, current: &str) -> Result<(), PasswordError> {
        let granted = self.log_in(self.stored().email.as_str(), PASSWORD).unwrap();
        let context = self.service.context();
        let caller =
            block_on(self.service.sessions.authenticate(&context, granted.access.expose()));
        let request = EmailChangeRequest { email: email.to_owned(), password: password(current) };
        let may_send = async |_: &Account| true;
        block_on(self.accounts.request_email_change(&context, &caller.unwrap(), request, may_send))
    }

    fn change_token(&self, email: &str) -> String {
        self.request_change(email, PASSWORD).unwrap();
        self.token()
    }

    fn reset(&self, token: &str, new: &str) -> Result<PasswordReset, ResetError> {
        block_on(self.accounts.reset(&self.service.context(), token, &password(new)))
    }

    fn verify(&self, token: &str) -> Result<(), VerifyError> {
        block_on(self.accounts.verify_email(&self.service.context(), token))
    }

    fn set_password(&self, text: &str) {
        let (context, new) = (self.service.context(), Password::new(text.to_owned()));
        let _ = block_on(self.accounts.reset_password(&context, &self.stored(), &new)).unwrap();
    }
}

fn is_invalid(result: Result<PasswordReset, ResetError>) -> bool {
    matches!(result, Err(ResetError::Token))
}

#[test]
fn a_reset_token_works_once_ends_every_session_and_verifies_the_address() {
    let setup = AccountSetup::new();
    let [one, other] = [0; 2].map(|_| setup.log_in(EMAIL, PASSWORD).unwrap());
    let token = setup.reset_token();
    assert!(matches!(setup.reset(&token, "short"), Err(ResetError::Weak(_))));
    let reset = setup.reset(&token, NEW).unwrap();
    assert_eq!(reset.ended, EndedSessions { revoked: 2, remaining: false });
    for granted in [one, other] {
        let refused = setup.service.refresh(&token_of(&granted), None);
        assert!(matches!(refused, Err(RefreshError::Ended(EndReason::PasswordChanged))));
    }
    assert_eq!(setup.stored().email_verified_at, Some(setup.service.clock.now()));
    assert!(is_invalid(setup.reset(&token, "ten purple lobsters")));
    assert!(setup.log_in(EMAIL, NEW).is_ok());
}

#[test]
fn a_reset_token_is_worth_nothing_after_anything_it_is_bound_to_has_changed() {
    type Change = fn(&AccountSetup);
    let changes: [Change; 7] = [
        |setup| setup.set_password(NEW),
        // Even to the same password.
        |setup| setup.set_password(PASSWORD),
        |setup| assert!(setup.reset(&setup.reset_token(), NEW).is_ok()),
        |setup| assert!(setup.verify(&setup.change_token(OTHER)).is_ok()),
        |setup| {
            assert!(setup.verify(&setup.change_token(OTHER)).is_ok());
            assert!(setup.verify(&setup.change_token(EMAIL)).is_ok());
        },
        |setup| {
            let id = &setup.ann.id;
            assert!(
                block_on(setup.accounts.delete(&setup.service.context(), id)).unwrap().is_some()
            );
        },
        |setup| setup.service.advance(HOUR),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let setup = AccountSetup::new();
        let token = setup.reset_token();
        change(&setup);
        assert!(is_invalid(setup.reset(&token, "ten purple lobsters")), "{number}");
    }
    let setup = AccountSetup::new();
    let token = setup.reset_token();
    setup.service.advance(HOUR - Duration::from_secs(1));
    assert!(setup.reset(&token, NEW).is_ok());
}

#[test]
fn a_disabled_account_gets_no_message_and_its_tokens_are_worth_nothing() {
    let setup = AccountSetup::new();
    let token = setup.reset_token();
    let context = setup.service.context();
    let _ = block_on(setup.accounts.disable(&context, &setup.ann.id)).unwrap();
    assert!(is_invalid(setup.reset(&token, NEW)));
    block_on(setup.accounts.request_reset(&setup.service.context(), EMAIL)).unwrap();
    assert!(setup.deliver().is_empty());
}

#[test]
fn a_reset_request_leaves_one_entry_whether_or_not_there_is_an_account() {
    let setup = AccountSetup::new();
    let entries = |email: &str| {
        let context = setup.service.context();
        let before = block_on(setup.service.memory.count(100)).unwrap();
        block_on(setup.accounts.request_reset(&context, email)).unwrap();
        block_on(setup.service.memory.count(100)).unwrap() - before
    };
    assert_eq!([entries(EMAIL), entries("nobody@example.com")], [1, 1]);
    let messages = setup.deliver();
    let [message] = messages.as_slice() else { panic!("{messages:?}") };
    assert_eq!(message.topic, MessageTopic::PasswordReset);
    assert_eq!((message.to.as_str(), &message.account.id), (EMAIL, &setup.ann.id));
    assert_eq!(entries(""), 0);
}

#[test]
fn a_verification_token_works_once_and_within_a_day() {
    let setup = AccountSetup::new();
    let (first, second) = (setup.verification_token(), setup.verification_token());
    setup.service.advance(DAY - Duration::from_secs(1));
    assert!(setup.verify(&first).is_ok());
    assert_eq!(setup.stored().email_verified_at, Some(setup.service.clock.now()));
    for token in [first, second] {
        assert!(matches!(setup.verify(&token), Err(VerifyError::Token)));
    }
    let (context, ann) = (setup.service.context(), setup.stored());
    block_on(setup.accounts.request_verification(&context, &ann)).unwrap();
    assert!(setup.deliver().is_empty(), "a verified address needs no message");
    let setup = AccountSetup::new();
    let token = setup.verification_token();
    setup.service.advance(DAY);
    assert!(matches!(setup.verify(&token), Err(VerifyError::Token)));
}

#[test]
fn a_change_of_address_needs_the_password_and_takes_effect_when_it_is_verified() {
    let setup = AccountSetup::new();
    assert!(matches!(setup.request_change(OTHER, NEW), Err(PasswordError::Wrong)));
    assert!(setup.deliver().is_empty());
    setup.request_change(OTHER, PASSWORD).unwrap();
    let messages = setup.deliver();
    let sent: Vec<_> = messages.iter().map(|it| (it.topic, it.to.as_str())).collect();
    let expected = [(MessageTopic::EmailChange, OTHER), (MessageTopic::EmailChangeNotice, EMAIL)];
    assert_eq!(sent, expected, "the current address is told");
    assert!(messages[1].token.is_none());
    assert_eq!(setup.stored().email, EMAIL);
    let token = messages[0].token.as_ref().unwrap().0.expose().to_owned();
    // The address that is left may be verified in between.
    assert!(setup.verify(&setup.verification_token()).is_ok());
    assert!(setup.verify(&token).is_ok());
    let ann = setup.stored();
    assert_eq!((ann.email.as_str(), &ann.login), (OTHER, &Login::new(OTHER).unwrap()));
    assert_eq!(ann.email_verified_at, Some(setup.service.clock.now()));
    assert!(matches!(setup.verify(&token), Err(VerifyError::Token)));
    assert!(matches!(setup.log_in(EMAIL, PASSWORD), Err(LoginError::InvalidCredentials)));
    assert!(setup.log_in(OTHER, PASSWORD).is_ok());
}

#[test]
fn a_change_token_is_worth_nothing_after_the_address_went_there_and_back() {
    let setup = AccountSetup::new();
    let token = setup.change_token(OTHER);
    assert!(setup.verify(&token).is_ok());
    setup.service.advance(HOUR);
    assert!(setup.verify(&setup.change_token(EMAIL)).is_ok());
    assert!(matches!(setup.verify(&token), Err(VerifyError::Token)));
}

#[test]
fn a_new_password_stops_a_change_of_address() {
    let setup = AccountSetup::new();
    let token = setup.change_token(OTHER);
    setup.request_change("eve@example.com", PASSWORD).unwrap();
    setup.set_password(NEW);
    assert!(matches!(setup.verify(&token), Err(VerifyError::Token)));
    let later = setup.deliver();
    assert!(later.iter().all(|it| it.token.is_none()), "requested with the former password");
}

#[test]
fn an_address_that_is_taken_is_reported_when_it_is_verified() {
    let setup = AccountSetup::new();
    let token = setup.change_token(OTHER);
    let wish = SignUp {
        email: OTHER.to_lowercase(),
        password: password(NEW),
        first_name: None,
        last_name: None,
    };
    assert!(block_on(setup.accounts.sign_up(&setup.service.context(), wish)).is_ok());
    assert!(matches!(setup.verify(&token), Err(VerifyError::Taken)));
    assert_eq!(setup.stored(), setup.ann);
}

#[test]
fn tokens_of_one_kind_are_never_accepted_as_another() {
    let setup = AccountSetup::new();
    let reset = setup.reset_token();
    assert!(matches!(setup.verify(&reset), Err(VerifyError::Token)));
    for token in [setup.verification_token(), setup.change_token(OTHER)] {
        assert!(is_invalid(setup.reset(&token, NEW)));
    }
    let granted = setup.log_in(EMAIL, PASSWORD).unwrap();
    let refresh = token_of(&granted);
    for token in ["", "a.b.c", granted.access.expose(), &refresh] {
        assert!(is_invalid(setup.reset(token, NEW)), "{token}");
        assert!(matches!(setup.verify(token), Err(VerifyError::Token)), "{token}");
    }
    assert!(setup.service.refresh(&reset, None).is_err());
}

/// Clients with short refresh tokens must not shorten the life of the keys below that of a message.
#[test]
fn tokens_survive_a_rotation_of_the_keys_for_a_day() {
    let short = Lifetime::from_seconds(60).unwrap();
    let settings = ProfileSettings {
        refresh_lifetime: short,
        session_lifetime: short,
        ..ProfileSettings::default()
    };
    let policy = TokenPolicy::new(fixture::issuer(), [fixture::profile("web", settings)]);
    let mut records = fixture::key_records(crate::jwt::Algorithm::EdDsa, 1);
    let ring = KeyRing::new(&records, &policy, fixture::NOW).unwrap();
    let signing = ring.signing(crate::jwt::TokenType::Refresh, fixture::NOW).unwrap().kid().clone();
    let random = SeededRandom::new(9);
    let algorithm = crate::jwt::Algorithm::Hs256;
    let next = generate(crate::jwt::TokenType::Refresh, algorithm, fixture::NOW, &random).unwrap();
    let rotated = fixture::NOW.plus(Duration::from_secs(1));
    records.push(crate::keys::KeyRecord { active_from: Some(rotated), ..next });
    let ring = KeyRing::new(&records, &policy, rotated).unwrap();
    let phase = ring.phase(&signing, rotated.plus(DAY));
    assert_eq!(phase, Some(crate::keys::Phase::Retiring));
}

#[test]
fn an_account_must_verify_its_address_before_a_login_if_that_is_required() {
    let setup = AccountSetup::new().requiring_verified_email();
    let refused = setup.log_in(EMAIL, PASSWORD);
    assert!(matches!(&refused, Err(LoginError::EmailNotVerified(it)) if it.id == setup.ann.id));
    assert!(matches!(setup.log_in(EMAIL, NEW), Err(LoginError::InvalidCredentials)));
    assert_eq!(setup.live(), 0);
    assert!(setup.verify(&setup.verification_token()).is_ok());
    assert!(setup.log_in(EMAIL, PASSWORD).is_ok());
}
