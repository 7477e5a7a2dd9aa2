//! Logins by mailbox: every spelling of an address is the same account, and accounts of earlier
//! releases are still found.

use proptest::prelude::*;

use super::login::{AccountSetup, PASSWORD, password};
use super::*;
use crate::account::{Account, Login};
use crate::store::AccountStore as _;

fn sign_up(setup: &AccountSetup, email: &str) -> Result<Account, SignUpError> {
    let request = SignUp {
        email: email.to_owned(),
        password: password(PASSWORD),
        first_name: None,
        last_name: None,
    };
    block_on(setup.accounts.sign_up(&setup.service.context(), request))
}

fn logged_in(setup: &AccountSetup, email: &str) -> Option<Subject> {
    setup.log_in(email, PASSWORD).ok().map(|granted| granted.session.subject)
}

/// Stores an account as an earlier release did: with its address in NFC and lower case.
fn earlier_account(setup: &AccountSetup, id: &str, login: &str) -> Subject {
    let id = Subject::new(id).unwrap();
    let login = Login::from_stored(login).unwrap();
    let email = login.as_str().to_owned();
    let account = Account { id: id.clone(), email, login, ..setup.stored() };
    assert!(block_on(setup.service.memory.create(&account)).unwrap());
    id
}

const LOCAL_PARTS: [&[&str]; 4] = [
    &["bob", "BOB", "\"bob\"", "\"b\\ob\"", "\u{ff22}ob"],
    &["ren\u{e9}", "RENE\u{301}", "\"Ren\u{e9}\""],
    &["fi", "\u{fb01}", "FI"],
    &["\"a@b\"", "\"A\\@B\""],
];
const DOMAINS: [&[&str]; 3] = [
    &["example.com", "EXAMPLE.com", "example\u{3002}com", "\u{ff45}xample.com"],
    &["b\u{fc}cher.example", "xn--bcher-kva.example", "BU\u{308}CHER.Example"],
    &["fa\u{df}.example", "xn--fa-hia.example", "XN--FA-HIA.example"],
];
const SPACES: [&str; 4] = ["", " ", "\t", "\u{a0}\n"];

/// Two spellings of one mailbox.
fn spellings() -> impl Strategy<Value = [String; 2]> {
    let index = any::<prop::sample::Index>;
    let choices = || (index(), index(), index(), index());
    (0..LOCAL_PARTS.len(), 0..DOMAINS.len(), choices(), choices()).prop_map(
        |(local, domain, one, other)| {
            [one, other].map(|(a, b, before, after)| {
                let (local, domain) = (a.get(LOCAL_PARTS[local]), b.get(DOMAINS[domain]));
                format!("{}{local}@{domain}{}", before.get(&SPACES), after.get(&SPACES))
            })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_spelling_of_an_address_is_the_same_account([one, other] in spellings()) {
        let setup = AccountSetup::new();
        let id = sign_up(&setup, &one).unwrap().id;
        prop_assert_eq!(logged_in(&setup, &one), Some(id.clone()));
        prop_assert_eq!(logged_in(&setup, &other), Some(id.clone()));
        prop_assert!(matches!(sign_up(&setup, &other), Err(SignUpError::Taken)));
        let named = block_on(setup.accounts.find(&other)).unwrap().unwrap();
        prop_assert_eq!((named.id, named.email.as_str()), (id, one.trim()));
    }
}

#[test]
fn an_account_of_an_earlier_release_logs_in_and_keeps_its_address() {
    let setup = AccountSetup::new();
    for (id, stored, spellings) in [
        (
            "b",
            "bob@b\u{fc}cher.example",
            &["Bob@B\u{fc}cher.example", "bob@xn--bcher-kva.example"][..],
        ),
        ("c", "\u{fb01}@example.com", &["\u{fb01}@Example.com"]),
        ("d", "\"dan\"@example.com", &["\"Dan\"@example.com"]),
        ("e", "eve@xn--a.example", &["Eve@xn--a.example"]),
    ] {
        let id = earlier_account(&setup, id, stored);
        for spelling in spellings {
            assert_eq!(logged_in(&setup, spelling).as_ref(), Some(&id), "{spelling}");
            let refused = sign_up(&setup, spelling);
            assert!(matches!(refused, Err(SignUpError::Taken | SignUpError::Email)), "{spelling}");
        }
    }
    assert!(block_on(colliding_accounts(&*setup.service.memory)).unwrap().is_empty());
}

#[test]
fn accounts_that_share_a_mailbox_stay_apart_and_are_reported() {
    let setup = AccountSetup::new();
    let groups = [
        ["bob@b\u{fc}cher.example", "bob@xn--bcher-kva.example"],
        ["\"dan\"@example.com", "dan@example.com"],
        ["\u{fb01}@example.com", "\u{fb02}@example.com"],
    ];
    for (number, spelling) in groups.iter().flatten().enumerate() {
        let id = earlier_account(&setup, &format!("id-{number}"), spelling);
        assert_eq!(logged_in(&setup, spelling), Some(id), "{spelling}");
    }
    for (number, spelling) in groups.iter().flatten().enumerate() {
        let id = Subject::new(format!("id-{number}")).unwrap();
        assert_eq!(logged_in(&setup, spelling), Some(id), "{spelling}");
    }
    let colliding = block_on(colliding_accounts(&*setup.service.memory)).unwrap();
    let emails: Vec<Vec<&str>> = colliding
        .iter()
        .map(|group| group.iter().map(|account| account.email.as_str()).collect())
        .collect();
    assert_eq!(emails, groups[..2]);
}
