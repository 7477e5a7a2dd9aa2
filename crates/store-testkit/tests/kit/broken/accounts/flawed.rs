//! A simple account store that is correct without a flaw. Each flaw is implemented in the simplest way,
//! because the checks are under test, not the store.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

use aquaware_core::account::{Account, Login};
use aquaware_core::id::Subject;
use aquaware_core::secret::PasswordHash;
use aquaware_core::session::ExtraClaims;
use aquaware_core::store::{AccountStore, Current, EmailChange, NameChange, NewEmail, StoreError};
use aquaware_core::time::Timestamp;
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

    fn change(&self, id: &Subject, change: impl FnOnce(&mut Account)) -> bool {
        let mut records = self.records();
        let Some(account) = records.iter_mut().find(|account| self.named(account, id)) else {
            return self.has(Flaw::UnknownIsCreated);
        };
        let before = account.clone();
        change(account);
        !self.has(Flaw::CountsChangedRows) || before != *account
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
            look_away().await;
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

    async fn replace_password(
        &self,
        id: &Subject,
        current: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, StoreError> {
        let held = |account: &Account| {
            self.named(account, id)
                && (account.password == *current || self.has(Flaw::ReplacesAnyPassword))
        };
        if self.has(Flaw::ReplaceIsNotAtomic) {
            let held = self.records().iter().any(held);
            look_away().await;
            return Ok(held && self.change(id, |account| account.password = new.clone()));
        }
        let mut records = self.records();
        let Some(account) = records.iter_mut().find(|account| held(account)) else {
            return Ok(false);
        };
        account.password = new.clone();
        Ok(true)
    }

    async fn set_password(&self, id: &Subject, new: &PasswordHash) -> Result<bool, StoreError> {
        let old = self.records().iter().find(|account| account.id == *id).cloned();
        if let (Flaw::PasswordAffectsOthers, Some(old)) = (self.flaw, &old) {
            let mut records = self.records();
            for account in records.iter_mut().filter(|other| other.password == old.password) {
                account.password = new.clone();
            }
        }
        Ok(self.change(id, |account| {
            if !self.has(Flaw::PasswordIsSetOnce) {
                account.password = new.clone();
            }
        }))
    }

    async fn set_disabled(&self, id: &Subject, at: Option<Timestamp>) -> Result<bool, StoreError> {
        let once = self.has(Flaw::DisabledOnce);
        Ok(self.change(id, |account| {
            let former = account.disabled_at.filter(|_| once && at.is_some());
            account.disabled_at = former.or(at);
        }))
    }

    async fn set_claims(&self, id: &Subject, claims: &ExtraClaims) -> Result<bool, StoreError> {
        let before = self.records().iter().find(|account| account.id == *id).cloned();
        if self.has(Flaw::ClaimsWriteBack) {
            look_away().await;
        }
        Ok(self.change(id, |account| match (self.flaw, before) {
            (Flaw::ClaimsWriteBack, Some(before)) => {
                *account = Account { claims: claims.clone(), ..before };
            }
            (Flaw::ClaimsAreMerged, _) => account.claims.extend(claims.clone()),
            _ => account.claims.clone_from(claims),
        }))
    }

    async fn set_names(&self, id: &Subject, change: &NameChange) -> Result<bool, StoreError> {
        let together = self.has(Flaw::NamesAreReplacedTogether);
        Ok(self.change(id, |account| {
            change.apply(account);
            if together && change.last_name.is_none() {
                account.last_name = None;
            }
        }))
    }

    async fn verify_email(
        &self,
        id: &Subject,
        login: &Login,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let held = |account: &Account| {
            self.named(account, id)
                && (account.login == *login || self.has(Flaw::VerifiesAnyLogin))
                && (account.email_verified_at.is_none() || self.has(Flaw::VerifiesTwice))
        };
        let mut records = self.records();
        let Some(account) = records.iter_mut().find(|account| held(account)) else {
            return Ok(false);
        };
        account.email_verified_at = Some(at);
        Ok(true)
    }

    async fn reset_password(
        &self,
        id: &Subject,
        current: Current<'_>,
        new: &PasswordHash,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let held = |account: &Account| {
            self.named(account, id)
                && account.password == *current.password
                && (account.login == *current.login || self.has(Flaw::ResetIgnoresTheLogin))
        };
        let mut records = self.records();
        let Some(account) = records.iter_mut().find(|account| held(account)) else {
            return Ok(false);
        };
        account.password = new.clone();
        if !self.has(Flaw::ResetDoesNotVerify) {
            account.email_verified_at = Some(at);
        }
        Ok(true)
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
            look_away().await;
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
            return Ok(self.change(id, |account| account.disabled_at = Some(account.created_at)));
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

/// Long enough for another task to interleave.
async fn look_away() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}
