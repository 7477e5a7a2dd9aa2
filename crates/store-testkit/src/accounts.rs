//! The checks of account stores. This is the only list of them; each check is in the file of its
//! topic.

mod change;
mod concurrent;
mod email;
mod page;
mod record;
mod recovery;
mod sequence;

use aquaware_core::store::AccountStore;

use self::change::*;
use self::concurrent::*;
use self::email::*;
use self::page::*;
use self::record::*;
use self::recovery::*;
use self::sequence::*;
use crate::check::{Check, run};
use crate::error::CheckResult;
use crate::fixture::Fixture;
use crate::harness::Harness;

/// Every check of an account store.
pub const ACCOUNT_CHECKS: &[Check<dyn AccountStore>] = crate::__each_account_check!(__table);

/// Runs one check of [`ACCOUNT_CHECKS`] on an account store of this harness, in a separate async
/// runtime. The harness is created inside that runtime.
///
/// # Errors
/// [`CheckError`](crate::CheckError) when the store breaks the contract, or no check has this name.
pub fn run_account_check<H>(name: &str, harness: impl FnOnce() -> H) -> CheckResult
where
    H: Harness + 'static,
    H::Store: AccountStore,
{
    run(ACCOUNT_CHECKS, name, async { Fixture::accounts(harness()).await })
}

#[doc(hidden)]
#[macro_export]
macro_rules! __each_account_check {
    ($then:ident $($context:tt)*) => {
        $crate::$then! { [$($context)*]
            the_account_store_answers_a_ping
            an_account_is_read_back_unchanged
            any_text_of_an_account_is_read_back_unchanged
            account_texts_of_maximum_length_are_read_back_unchanged
            times_of_an_account_are_kept_to_the_millisecond
            account_claims_of_every_json_type_are_read_back
            a_taken_login_is_rejected
            a_taken_id_is_rejected
            an_unknown_account_is_not_found
            similar_logins_are_different
            similar_account_ids_are_different

            replace_password_requires_the_current_hash
            set_password_replaces_any_hash
            an_account_can_be_disabled_and_enabled
            set_claims_replaces_all_claims
            set_names_changes_only_the_named_ones
            verify_email_requires_the_login_and_happens_once
            reset_password_requires_the_current_login_and_hash
            change_email_requires_the_current_login_and_hash
            an_address_is_never_changed_to_a_taken_one
            a_former_login_is_free_and_can_be_taken_back
            a_change_to_the_same_value_succeeds
            a_change_affects_one_field_of_one_account
            a_change_never_creates_an_account
            a_deleted_account_is_gone_and_its_login_is_free

            accounts_are_listed_in_byte_order_of_their_logins
            accounts_are_listed_in_pages

            concurrent_creations_with_one_login_succeed_once
            concurrent_creations_with_one_id_succeed_once
            concurrent_password_replacements_succeed_once
            concurrent_deletions_succeed_once
            concurrent_changes_to_one_address_succeed_once
            concurrent_account_changes_never_undo_each_other

            acknowledged_account_changes_survive_reopening
            a_damaged_account_is_reported_as_corrupt

            generated_sequences_of_accounts_match_the_reference
        }
    };
}
