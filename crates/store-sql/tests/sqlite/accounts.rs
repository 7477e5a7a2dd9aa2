//! The account port.

use aquaware_core::account::{Account, Login};
use aquaware_core::store::{AccountChange, AccountStore};

use crate::fixtures::{TempStore, account, at, claims, hash, run, subject};

#[test]
fn accounts_are_returned_unchanged() {
    let temp = TempStore::new();
    let store = temp.open();
    run(async {
        let full = Account {
            email: "\"bob\u{0}'\"@Example.com".to_owned(),
            first_name: Some("Bob\u{0}'; DROP TABLE accounts; --".to_owned()),
            last_name: Some("\u{1F41F}e\u{301}".to_owned()),
            disabled_at: Some(at(-1)),
            claims: claims(&serde_json::json!({"roles": ["\u{0}"], "share": 0.1})),
            ..account("bob")
        };
        for account in [account("ann"), full] {
            assert!(store.create(&account).await.unwrap());
            assert_eq!(store.by_id(&account.id).await.unwrap().as_ref(), Some(&account));
            assert_eq!(store.by_login(&account.login).await.unwrap(), Some(account));
        }
        assert_eq!(store.by_id(&subject("unknown")).await.unwrap(), None);
        assert_eq!(
            store.by_login(&Login::new("unknown@example.com").unwrap()).await.unwrap(),
            None
        );
    });
}

#[test]
fn a_taken_login_or_id_is_rejected_without_a_change() {
    let temp = TempStore::new();
    let store = temp.open();
    run(async {
        let ann = account("ann");
        assert!(store.create(&ann).await.unwrap());
        let same_login = Account { id: subject("other"), ..account("ANN") };
        let same_id = Account { id: ann.id.clone(), ..account("bob") };
        assert!(!store.create(&same_login).await.unwrap());
        assert!(!store.create(&same_id).await.unwrap());
        assert_eq!(store.list(None, 10).await.unwrap(), vec![ann]);
    });
}

#[test]
fn a_rehash_never_undoes_a_change_of_password() {
    let temp = TempStore::new();
    let store = temp.open();
    run(async {
        let ann = account("ann");
        store.create(&ann).await.unwrap();
        store.create(&account("bob")).await.unwrap();
        let (one, two, three) = (hash("$argon2id$one"), hash("$two"), hash("$three"));
        assert!(
            store
                .change(&ann.id, AccountChange::ReplacePassword { current: &one, new: &two })
                .await
                .unwrap()
        );
        assert!(
            !store
                .change(&ann.id, AccountChange::ReplacePassword { current: &one, new: &three })
                .await
                .unwrap()
        );
        assert_eq!(store.by_id(&ann.id).await.unwrap().unwrap().password, two);
        assert!(
            !store
                .change(
                    &subject("unknown"),
                    AccountChange::ReplacePassword { current: &one, new: &two }
                )
                .await
                .unwrap()
        );
        let bob = store.by_id(&account("bob").id).await.unwrap();
        assert_eq!(bob.unwrap().password, one, "only the account of ann changed");
    });
}

#[test]
fn changes_affect_one_account_and_report_a_missing_one() {
    let temp = TempStore::new();
    let store = temp.open();
    run(async {
        let (ann, bob) = (account("ann"), account("bob"));
        store.create(&ann).await.unwrap();
        store.create(&bob).await.unwrap();
        let roles = claims(&serde_json::json!({"roles": ["admin"]}));
        assert!(store.change(&ann.id, AccountChange::SetPassword(&hash("$new"))).await.unwrap());
        assert!(store.change(&ann.id, AccountChange::SetDisabled(Some(at(5)))).await.unwrap());
        assert!(store.change(&ann.id, AccountChange::SetClaims(&roles)).await.unwrap());
        let changed = Account {
            password: hash("$new"),
            disabled_at: Some(at(5)),
            claims: roles.clone(),
            ..ann.clone()
        };
        assert_eq!(store.by_id(&ann.id).await.unwrap().as_ref(), Some(&changed));
        assert!(store.change(&ann.id, AccountChange::SetDisabled(None)).await.unwrap());
        let enabled = Account { disabled_at: None, ..changed };
        assert_eq!(store.by_id(&ann.id).await.unwrap(), Some(enabled));
        assert_eq!(store.by_id(&bob.id).await.unwrap(), Some(bob));

        let unknown = subject("unknown");
        assert!(!store.change(&unknown, AccountChange::SetPassword(&hash("$new"))).await.unwrap());
        assert!(!store.change(&unknown, AccountChange::SetDisabled(None)).await.unwrap());
        assert!(!store.change(&unknown, AccountChange::SetClaims(&roles)).await.unwrap());
        assert!(!store.delete(&unknown).await.unwrap());
    });
}

#[test]
fn the_login_of_a_deleted_account_can_be_used_again() {
    let temp = TempStore::new();
    let store = temp.open();
    run(async {
        let ann = account("ann");
        store.create(&ann).await.unwrap();
        assert!(store.delete(&ann.id).await.unwrap());
        assert_eq!(store.by_login(&ann.login).await.unwrap(), None);
        assert!(!store.delete(&ann.id).await.unwrap());
        assert!(store.create(&Account { id: subject("new"), ..ann }).await.unwrap());
    });
}

#[test]
fn accounts_are_listed_page_by_page_in_order_of_login() {
    let temp = TempStore::new();
    let store = temp.open();
    run(async {
        let names = ["b", "a", "\u{e9}", "Z", "b1", "a-b"];
        for name in names {
            store.create(&account(name)).await.unwrap();
        }
        let mut expected: Vec<String> =
            names.iter().map(|name| account(name).login.as_str().to_owned()).collect();
        expected.sort();
        let mut seen: Vec<String> = Vec::new();
        let mut after: Option<Login> = None;
        loop {
            let page = store.list(after.as_ref(), 2).await.unwrap();
            assert!(page.len() <= 2 && seen.len() < names.len() + 2, "{seen:?}");
            let Some(last) = page.last() else { break };
            after = Some(last.login.clone());
            seen.extend(page.iter().map(|account| account.login.as_str().to_owned()));
        }
        assert_eq!(seen, expected);
        assert!(store.list(None, 0).await.unwrap().is_empty());
        assert_eq!(store.list(None, u32::MAX).await.unwrap().len(), names.len());
    });
}

#[test]
fn an_open_store_answers_a_ping() {
    let temp = TempStore::new();
    let store = temp.open();
    run(async { AccountStore::ping(&store).await.unwrap() });
}
