//! The checks of accounts. The list below is the only one; each check stands in the file of its
//! theme.

mod change;
mod page;
mod race;
mod record;
mod recovery;
mod sequence;

use aquaware_core::store::AccountStore;

use self::change::*;
use self::page::*;
use self::race::*;
use self::record::*;
use self::recovery::*;
use self::sequence::*;
use crate::check::Check;

/// Everything that holds for every store of accounts.
pub const ACCOUNT_CHECKS: &[Check<dyn AccountStore>] = crate::__each_account_check!(__table);

#[doc(hidden)]
#[macro_export]
macro_rules! __each_account_check {
    ($then:ident $($context:tt)*) => {
        $crate::$then! { [$($context)*]
            the_store_of_accounts_answers
            an_account_comes_back_as_it_was
            any_text_of_an_account_comes_back_whole
            the_longest_names_of_an_account_come_back_whole
            times_of_an_account_come_back_to_the_millisecond
            claims_of_an_account_come_back_in_every_shape
            a_taken_login_is_refused
            a_taken_id_is_refused
            an_unknown_account_is_absent
            logins_that_look_alike_are_different
            account_ids_that_look_alike_are_different

            a_password_is_replaced_only_if_it_is_the_current_one
            an_operators_password_replaces_any
            an_account_is_disabled_and_enabled
            new_claims_replace_the_old
            a_change_to_the_same_value_is_a_change
            a_change_touches_one_field_of_one_account
            an_unknown_account_is_never_changed_into_being
            a_deleted_account_is_gone_and_its_login_is_free

            a_list_is_in_the_order_of_the_logins_bytes
            a_list_comes_in_pages

            of_many_accounts_with_one_login_one_is_kept
            of_many_accounts_with_one_id_one_is_kept
            of_many_replacements_of_one_password_one_is_done
            of_many_deletions_one_is_done
            racing_changes_of_an_account_never_undo_each_other

            what_was_acknowledged_of_accounts_survives_reopening
            a_damaged_account_is_reported_as_corrupt

            generated_sequences_of_accounts_match_the_reference
        }
    };
}
