//! Every flaw of an account store is detected by the checks listed for it, and every check detects a flaw.

mod flawed;

use std::sync::{Arc, Mutex};

use aquaware_core::id::{SessionId, Subject};
use aquaware_store_testkit::{ACCOUNT_CHECKS, Harness, run_account_check};
use async_trait::async_trait;

use self::flawed::{Flaw, Flawed};

struct Bad(Flaw);

#[async_trait]
impl Harness for Bad {
    type Store = Flawed;

    async fn fresh(&self) -> Flawed {
        Flawed::over(self.0, Arc::default())
    }

    async fn replica(&self, store: &Flawed) -> Option<Flawed> {
        (self.0 == Flaw::None).then(|| Flawed::over(self.0, Arc::clone(&store.records)))
    }

    async fn reopen(&self, store: Flawed) -> Option<Flawed> {
        let mut records = store.records.lock().unwrap().clone();
        if self.0 == Flaw::ForgetsOnReopening {
            records.pop();
        }
        Some(Flawed::over(self.0, Arc::new(Mutex::new(records))))
    }

    async fn corrupt_session(&self, _: &Flawed, _: &SessionId) -> bool {
        false
    }

    async fn corrupt_account(&self, store: &Flawed, id: &Subject) -> bool {
        store.damaged.lock().unwrap().insert(id.clone())
    }
}

mod without_a_flaw {
    use super::*;
    aquaware_store_testkit::account_conformance!(Bad(Flaw::None));
}

flaws_are_detected! {
    checks: ACCOUNT_CHECKS, run: |name, flaw| run_account_check(name, || Bad(flaw)), last: CorruptIsNotFound;
    PingFails: the_account_store_answers_a_ping;
    NamesAreLost: an_account_is_read_back_unchanged
        generated_sequences_of_accounts_match_the_reference;
    TextsAreTruncated: account_texts_of_maximum_length_are_read_back_unchanged;
    EmptyTextIsNull: any_text_of_an_account_is_read_back_unchanged;
    TimesAreSeconds: times_of_an_account_are_kept_to_the_millisecond;
    EmptyListIsObject: account_claims_of_every_json_type_are_read_back;
    FindInventsRecords: an_unknown_account_is_not_found generated_sequences_of_accounts_match_the_reference;
    PasswordIsSetOnce: set_password_replaces_any_hash
        generated_sequences_of_accounts_match_the_reference;
    PasswordAffectsOthers: a_change_affects_one_field_of_one_account
        generated_sequences_of_accounts_match_the_reference;
    CreateIsNotAtomic: concurrent_creations_with_one_login_succeed_once
        concurrent_creations_with_one_id_succeed_once;
    IdsAreNotUnique: a_taken_id_is_rejected generated_sequences_of_accounts_match_the_reference;
    LoginsAreNotUnique: a_taken_login_is_rejected
        generated_sequences_of_accounts_match_the_reference;
    LoginsAreTrimmedOfDots: similar_logins_are_different;
    IdsIgnoreCase: similar_account_ids_are_different;
    ReplacesAnyPassword: replace_password_requires_the_current_hash
        generated_sequences_of_accounts_match_the_reference;
    ReplaceIsNotAtomic: concurrent_password_replacements_succeed_once;
    CountsChangedRows: a_change_to_the_same_value_succeeds
        generated_sequences_of_accounts_match_the_reference;
    ClaimsAreMerged: set_claims_replaces_all_claims
        generated_sequences_of_accounts_match_the_reference;
    ClaimsWriteBack: concurrent_account_changes_never_undo_each_other;
    DisabledOnce: an_account_can_be_disabled_and_enabled
        generated_sequences_of_accounts_match_the_reference;
    NamesAreReplacedTogether: set_names_changes_only_the_named_ones
        generated_sequences_of_accounts_match_the_reference;
    VerifiesAnyLogin: verify_email_requires_the_login_and_happens_once
        generated_sequences_of_accounts_match_the_reference;
    VerifiesTwice: verify_email_requires_the_login_and_happens_once
        generated_sequences_of_accounts_match_the_reference;
    ResetIgnoresTheLogin: reset_password_requires_the_current_login_and_hash
        generated_sequences_of_accounts_match_the_reference;
    ResetDoesNotVerify: reset_password_requires_the_current_login_and_hash
        generated_sequences_of_accounts_match_the_reference;
    EmailIsChangedWithoutACondition: change_email_requires_the_current_login_and_hash
        generated_sequences_of_accounts_match_the_reference;
    ChangeTakesATakenLogin: an_address_is_never_changed_to_a_taken_one;
    ChangeKeepsTheFormerLogin: a_former_login_is_free_and_can_be_taken_back
        generated_sequences_of_accounts_match_the_reference;
    ChangeOfEmailIsNotAtomic: concurrent_changes_to_one_address_succeed_once;
    EmailWritesBack: concurrent_account_changes_never_undo_each_other;
    DeleteMarks: a_deleted_account_is_gone_and_its_login_is_free concurrent_deletions_succeed_once
        generated_sequences_of_accounts_match_the_reference;
    OrderIsAlphabetic: accounts_are_listed_in_byte_order_of_their_logins;
    PagesBeginWithTheLast: accounts_are_listed_in_pages
        generated_sequences_of_accounts_match_the_reference;
    PagesIgnoreTheirSize: accounts_are_listed_in_pages
        generated_sequences_of_accounts_match_the_reference;
    UnknownIsCreated: a_change_never_creates_an_account
        generated_sequences_of_accounts_match_the_reference;
    ForgetsOnReopening: acknowledged_account_changes_survive_reopening;
    CorruptIsNotFound: a_damaged_account_is_reported_as_corrupt;
}
