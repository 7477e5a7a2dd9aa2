//! A simple account store that is correct without a flaw. Each flaw is implemented in the simplest way,
//! because the checks are under test, not the store.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

use aquaware_core::account::{Account, Login};
use aquaware_core::id::Subject;
use aquaware_core::store::{
    AccountChange, AccountStore, Current, EmailChange, NewEmail, StoreError,
};
use async_trait::async_trait;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    None,
    PingFails,
    NamesAreLost,
    TextsAreTruncated,
    EmptyTextIsNull,
    TimesAreSeconds,
    EmptyListIsObject,
    FindInventsRecords,
    PasswordIsSetOnce,
    PasswordAffectsOthers,
    CreateIsNotAtomic,
    IdsAreNotUnique,
    LoginsAreNotUnique,
    LoginsAreTrimmedOfDots,
    IdsIgnoreCase,
    ReplacesAnyPassword,
    ReplaceIsNotAtomic,
    CountsChangedRows,
    ClaimsAreMerged,
    ClaimsWriteBack,
    DisabledOnce,
    NamesAreReplacedTogether,
    VerifiesAnyLogin,
    VerifiesTwice,
    ResetIgnoresTheLogin,
    ResetDoesNotVerify,
    EmailIsChangedWithoutACondition,
    ChangeTakesATakenLogin,
    ChangeKeepsTheFormerLogin,
    ChangeOfEmailIsNotAtomic,
    EmailWritesBack,
    DeleteMarks,
    OrderIsAlphabetic,
    PagesBeginWithTheLast,
    PagesIgnoreTheirSize,
    UnknownIsCreated,
    ForgetsOnReopening,
    CorruptIsNotFound,
}

pub(super) type Records = Vec<Account>;

#[derive(Debug)]
pub(super) struct Flawed {
    flaw: Flaw,
    pub(super) records: Arc<Mutex<Records>>,
    pub(super) damaged: Mutex<BTreeSet<Subject>>,
}

impl Flawed {
    pub(super) fn over(flaw: Flaw, records: Arc<Mutex<Records>>) -> Self {
        Self { flaw, records, damaged: Mutex::default() }
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap()
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn named(&self, account: &Account, id: &Subject) -> bool {
        match self.flaw {
            Flaw::IdsIgnoreCase => account.id.as_str().eq_ignore_ascii_case(id.as_str()),
            _ => account.id == *id,
        }
    }

    fn called(&self, account: &Account, login: &Login) -> bool {
        match self.flaw {
            Flaw::LoginsAreTrimmedOfDots => {
                account.login.as_str().replace('.', "") == login.as_str().replace('.', "")
            }
            _ => account.login == *login,
        }
    }

    fn taken(&self, records: &[Account], account: &Account) -> bool {
        let login = !self.has(Flaw::LoginsAreNotUnique);
        let id = !self.has(Flaw::IdsAreNotUnique);
        records.iter().any(|other| {
            (login && self.called(other, &account.login)) || (id && self.named(other, &account.id))
        })
    }

    fn kept(&self, account: &Account) -> Account {
        let mut account = account.clone();
        let name = account.first_name.clone();
        match self.flaw {
            Flaw::NamesAreLost => account.first_name = None,
            Flaw::TextsAreTruncated => {
                account.first_name = name.map(|n| n.chars().take(200).collect())
            }
            Flaw::EmptyTextIsNull => account.first_name = name.filter(|name| !name.is_empty()),
            Flaw::TimesAreSeconds => account.created_at = account.created_at.floor(),
            Flaw::EmptyListIsObject => {
                let empty =
                    |claim: &&mut serde_json::Value| claim.as_array().is_some_and(Vec::is_empty);
                account.claims.values_mut().filter(empty).for_each(|c| *c = serde_json::json!({}));
            }
            _ => {}
        }
        account
    }

    /// Whether the store makes the change on `account`.
    fn allows(&self, change: &AccountChange<'_>, account: &Account) -> bool {
        let mut account = account.clone();
        match *change {
            AccountChange::ReplacePassword { .. } if self.has(Flaw::ReplacesAnyPassword) => {
                return true;
            }
            AccountChange::VerifyEmail { .. } if self.has(Flaw::VerifiesTwice) => {
                account.email_verified_at = None;
            }
            AccountChange::VerifyEmail { login, .. } if self.has(Flaw::VerifiesAnyLogin) => {
                account.login = login.clone();
            }
            AccountChange::ResetPassword { current, .. }
                if self.has(Flaw::ResetIgnoresTheLogin) =>
            {
                account.login = current.login.clone();
            }
            _ => {}
        }
        change.holds(&account)
    }

    /// Makes the change on `account`, which was `before` when the store began.
    fn apply(&self, change: &AccountChange<'_>, account: &mut Account, before: Account) {
        let former = account.clone();
        match (self.flaw, change) {
            (Flaw::ClaimsWriteBack, AccountChange::SetClaims(_)) => *account = before,
            (Flaw::ClaimsAreMerged, AccountChange::SetClaims(claims)) => {
                account.claims.extend((*claims).clone());
                return;
            }
            _ => {}
        }
        change.apply(account);
        match (self.flaw, change) {
            (Flaw::PasswordIsSetOnce, AccountChange::SetPassword(_)) => *account = former,
            (Flaw::DisabledOnce, AccountChange::SetDisabled(Some(_))) => {
                account.disabled_at = former.disabled_at.or(account.disabled_at);
            }
            (Flaw::NamesAreReplacedTogether, AccountChange::SetNames(change))
                if change.last_name.is_none() =>
            {
                account.last_name = None;
            }
            (Flaw::ResetDoesNotVerify, AccountChange::ResetPassword { .. }) => {
                account.email_verified_at = former.email_verified_at;
            }
            _ => {}
        }
    }

    fn found(&self, holds: impl Fn(&Account) -> bool) -> Result<Option<Account>, StoreError> {
        let found = self.records().iter().find(|account| holds(account)).cloned();
        if self.has(Flaw::FindInventsRecords) {
            return Ok(found.or_else(|| self.records().first().cloned()));
        }
        match &found {
            Some(account) if self.damaged.lock().unwrap().contains(&account.id) => {
                if self.has(Flaw::CorruptIsNotFound) {
                    return Ok(None);
                }
                Err(StoreError::corrupt(account.id.as_str(), "damaged"))
            }
            _ => Ok(found),
        }
    }
}

#[async_trait]
impl AccountStore for Flawed {
    async fn create(&self, account: &Account) -> Result<bool, StoreError> {
        if self.has(Flaw::CreateIsNotAtomic) {
            let taken = self.taken(&self.records(), account);
            crate::broken::look_away().await;
            if !taken {
                self.records().push(account.clone());
            }
            return Ok(!taken);
        }
        let mut records = self.records();
        let taken = self.taken(&records, account);
        if !taken {
            records.push(self.kept(account));
        }
        Ok(!taken)
    }

    async fn by_login(&self, login: &Login) -> Result<Option<Account>, StoreError> {
        self.found(|account| self.called(account, login))
    }

    async fn by_id(&self, id: &Subject) -> Result<Option<Account>, StoreError> {
        self.found(|account| self.named(account, id))
    }

    async fn change(&self, id: &Subject, change: AccountChange<'_>) -> Result<bool, StoreError> {
        let named = |account: &Account| self.named(account, id);
        let Some(before) = self.records().iter().find(|account| named(account)).cloned() else {
            return Ok(self.has(Flaw::UnknownIsCreated));
        };
        let mut allowed = self.allows(&change, &before);
        if matches!(
            (self.flaw, change),
            (Flaw::ReplaceIsNotAtomic, AccountChange::ReplacePassword { .. })
                | (Flaw::ClaimsWriteBack, AccountChange::SetClaims(_))
        ) {
            crate::broken::look_away().await;
        }
        let mut records = self.records();
        if let (Flaw::PasswordAffectsOthers, AccountChange::SetPassword(new)) = (self.flaw, change)
        {
            for other in records.iter_mut().filter(|other| other.password == before.password) {
                other.password = new.clone();
            }
        }
        let Some(account) = records.iter_mut().find(|account| named(account)) else {
            return Ok(false);
        };
        if !self.has(Flaw::ReplaceIsNotAtomic) {
            allowed = self.allows(&change, account);
        }
        if !allowed {
            return Ok(false);
        }
        let former = account.clone();
        self.apply(&change, account, before);
        Ok(!self.has(Flaw::CountsChangedRows) || former != *account)
    }

    async fn change_email(
        &self,
        id: &Subject,
        current: Current<'_>,
        new: &NewEmail,
    ) -> Result<EmailChange, StoreError> {
        let held = |account: &Account| {
            self.named(account, id)
                && (current.is_of(account) || self.has(Flaw::EmailIsChangedWithoutACondition))
        };
        let taken = |records: &[Account]| {
            let other = |it: &Account| it.login == new.login && it.id != *id;
            records.iter().any(other) && !self.has(Flaw::ChangeTakesATakenLogin)
        };
        let before = self.records().iter().find(|account| held(account)).cloned();
        let was_taken = taken(&self.records());
        if matches!(self.flaw, Flaw::ChangeOfEmailIsNotAtomic | Flaw::EmailWritesBack) {
            crate::broken::look_away().await;
        }
        let mut records = self.records();
        if match self.flaw {
            Flaw::ChangeOfEmailIsNotAtomic => was_taken,
            _ => taken(&records),
        } && before.is_some()
        {
            return Ok(EmailChange::Taken);
        }
        let former = before.clone();
        let write_back = before.is_some() && self.has(Flaw::EmailWritesBack);
        let found = |account: &Account| held(account) || (write_back && account.id == *id);
        let Some(account) = records.iter_mut().find(|account| found(account)) else {
            return Ok(EmailChange::Refused);
        };
        if let (Flaw::EmailWritesBack, Some(before)) = (self.flaw, before) {
            *account = before;
        }
        new.apply(account);
        if self.has(Flaw::ChangeKeepsTheFormerLogin) {
            records.extend(former);
        }
        Ok(EmailChange::Changed)
    }

    async fn delete(&self, id: &Subject) -> Result<bool, StoreError> {
        if self.has(Flaw::DeleteMarks) {
            let mut records = self.records();
            let account = records.iter_mut().find(|account| self.named(account, id));
            let marked = account.map(|account| account.disabled_at = Some(account.created_at));
            return Ok(marked.is_some());
        }
        let mut records = self.records();
        let before = records.len();
        records.retain(|account| !self.named(account, id));
        Ok(records.len() < before)
    }

    async fn list(&self, after: Option<&Login>, at_most: u32) -> Result<Vec<Account>, StoreError> {
        let ids: Vec<Subject> = self.records().iter().map(|account| account.id.clone()).collect();
        for id in ids {
            self.found(|account| account.id == id)?;
        }
        let mut list = self.records().clone();
        list.sort_by_key(|account| match self.flaw {
            Flaw::OrderIsAlphabetic => account.login.as_str().replace(['.', '-', '_', '+'], ""),
            _ => account.login.as_str().to_owned(),
        });
        list.retain(|account| match (after, self.flaw) {
            (None, _) => true,
            (Some(after), Flaw::PagesBeginWithTheLast) => account.login.as_str() >= after.as_str(),
            (Some(after), _) => account.login.as_str() > after.as_str(),
        });
        if !self.has(Flaw::PagesIgnoreTheirSize) {
            list.truncate(at_most as usize);
        }
        Ok(list)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        match self.flaw {
            Flaw::PingFails => Err(StoreError::Unreachable("no answer".into())),
            _ => Ok(()),
        }
    }
}
