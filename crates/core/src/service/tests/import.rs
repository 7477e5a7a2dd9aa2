//! Accounts of another system: what is imported, what exists already, and how its users log in.

use super::login::{AccountSetup, EMAIL, PASSWORD};
use super::*;
use crate::account::{Account, Login};
use crate::password::{UnsupportedHashError, unusable};
use crate::secret::PasswordHash;
use crate::store::AccountStore as _;

/// "seven blue snails", hashed by Django.
const DJANGO: &str =
    "pbkdf2_sha256$1000$saltysalt1234$zyK78uCmTjT+wHqtCeLipWrdEfTnJ5AJ0MQXm949xVQ=";

fn hash(text: &str) -> Option<PasswordHash> {
    Some(PasswordHash::new(text.to_owned()))
}

fn bob() -> Import {
    Import { email: "Bob@Example.com".to_owned(), password: hash(DJANGO), ..Import::default() }
}

fn checked(setup: &AccountSetup, import: Import) -> Result<Account, ImportError> {
    setup.accounts.to_import(&setup.service.context(), import)
}

fn import(setup: &AccountSetup, account: &Account) -> ImportOutcome {
    let expected = block_on(setup.accounts.would_import(account)).unwrap();
    let outcome = block_on(setup.accounts.import(account)).unwrap();
    assert_eq!(outcome, expected, "a dry run tells the same");
    outcome
}

fn stored(setup: &AccountSetup, login: &Login) -> Account {
    block_on(setup.service.memory.by_login(login)).unwrap().unwrap()
}

#[test]
fn an_imported_hash_is_replaced_by_argon2id_at_the_first_login() {
    let setup = AccountSetup::new();
    let account = checked(&setup, bob()).unwrap();
    assert_eq!(import(&setup, &account), ImportOutcome::Created);
    assert_eq!(stored(&setup, &account.login), account);
    assert!(setup.log_in("bob@example.com", "wrong").is_err());
    assert_eq!(stored(&setup, &account.login).password, account.password);
    setup.log_in("bob@example.com", PASSWORD).unwrap();
    let replaced = stored(&setup, &account.login).password;
    assert!(replaced.expose().starts_with("$argon2id$"));
    setup.log_in("bob@example.com", PASSWORD).unwrap();
    assert_eq!(stored(&setup, &account.login).password, replaced);
}

#[test]
fn ids_and_user_names_are_kept_and_users_log_in_with_their_names() {
    let setup = AccountSetup::new();
    let id = Some(Subject::new("4711").unwrap());
    let named = Import { login: Some("Bob_S".to_owned()), id: id.clone(), ..bob() };
    let account = checked(&setup, named).unwrap();
    assert_eq!(import(&setup, &account), ImportOutcome::Created);
    let granted = setup.log_in(" Bob_S ", PASSWORD).unwrap();
    assert_eq!(Some(granted.session.subject), id);
    for other in ["bob_s", "4711", "bob@example.com"] {
        assert!(setup.log_in(other, PASSWORD).is_err(), "{other}");
    }
    let found = |name| block_on(setup.accounts.find(name)).unwrap();
    assert_eq!(found("4711"), found("Bob_S"));
    assert!(found("4711").is_some());
}

#[test]
fn existing_accounts_are_left_as_they_are() {
    let setup = AccountSetup::new();
    let ann = setup.ann.clone();
    let same_login = checked(&setup, Import { email: EMAIL.to_owned(), ..bob() }).unwrap();
    assert_eq!(import(&setup, &same_login), ImportOutcome::Existing);
    let same_id = checked(&setup, Import { id: Some(ann.id.clone()), ..bob() }).unwrap();
    assert_eq!(import(&setup, &same_id), ImportOutcome::Existing);
    assert_eq!(stored(&setup, &ann.login), ann);
    let earlier = Login::from_stored("bob@b\u{fc}cher.example").unwrap();
    let known = Account { login: earlier, ..checked(&setup, bob()).unwrap() };
    assert!(block_on(setup.service.memory.create(&known)).unwrap());
    let email = "BOB@B\u{fc}cher.example".to_owned();
    let again = checked(&setup, Import { email, ..bob() }).unwrap();
    assert_eq!(import(&setup, &again), ImportOutcome::Existing);
}

#[test]
fn an_account_without_a_password_cannot_log_in_until_one_is_set() {
    let setup = AccountSetup::new();
    for password in [None, hash("!JvnukFTXw3VVGhO2Dda98TAtvKVkrMD9cYBEhdym")] {
        let account = checked(&setup, Import { password, ..bob() }).unwrap();
        assert_eq!(account.password, unusable());
        let _ = import(&setup, &account);
        for tried in ["", "!", PASSWORD] {
            assert!(setup.log_in("bob@example.com", tried).is_err(), "{tried:?}");
        }
    }
    let account = stored(&setup, &Login::new("bob@example.com").unwrap());
    let password = super::login::password("another blue snail");
    let context = setup.service.context();
    let _ = block_on(setup.accounts.reset_password(&context, &account, &password)).unwrap();
    assert!(setup.log_in("bob@example.com", "another blue snail").is_ok());
}

#[test]
fn what_cannot_work_later_is_rejected() {
    let setup = AccountSetup::new();
    let email = |text: &str| Import { email: text.to_owned(), ..bob() };
    for text in ["", "bob", "bob@", "bob@example.com\0"] {
        assert_eq!(checked(&setup, email(text)), Err(ImportError::Email), "{text:?}");
    }
    let named = |email: &str, login: &str| Import {
        email: email.to_owned(),
        login: Some(login.to_owned()),
        ..bob()
    };
    assert_eq!(checked(&setup, named("bob", "bob")), Err(ImportError::Email));
    assert_eq!(checked(&setup, named("bob@example.com", "b\tb")), Err(ImportError::Login));
    assert!(checked(&setup, named("", "bob")).is_ok());
    let address = checked(&setup, named("bob@example.com", "BOB@example.org")).unwrap();
    assert_eq!(address.login.as_str(), "bob@example.org");
    let of = |password: &str| checked(&setup, Import { password: hash(password), ..bob() });
    let format = Err(ImportError::Password(UnsupportedHashError::Format("sha512-crypt")));
    assert_eq!(of("$6$salt$hash"), format);
    let costly = Err(ImportError::Password(UnsupportedHashError::TooCostly("bcrypt")));
    assert_eq!(of("$2b$31$nSbxrtiGkJk1QmHT5x4bKeLEAuBTVhYA9hHQrFk6S9Yowf.RB3A.m"), costly);
}
