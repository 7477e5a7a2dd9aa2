//! Rows as diesel reads and writes them, the same for every engine.
//!
//! The conversions to records and their checks are in core ([`StoredSession`], [`StoredAccount`]);
//! here each of their fields only gets its column. The status lists read two columns of a session,
//! and those are checked here.

use aquaware_core::account::Account;
use aquaware_core::outbox::OutboxEntry;
use aquaware_core::secret::PasswordHash;
use aquaware_core::session::{ExtraClaims, Session};
use aquaware_core::status::StatusIndex;
use aquaware_core::store::{Revoked, StoreError, StoredAccount, StoredEntry, StoredSession};
use aquaware_core::time::Timestamp;
use diesel::{Insertable, Queryable};
use serde_json::Value;

use crate::schema::{accounts, outbox, sessions};

/// A row of `sessions`, its fields in the order of the columns. `None` is written as NULL, so that
/// an insert has the same text for every row.
#[derive(Clone, Insertable, Queryable)]
#[diesel(table_name = sessions, treat_none_as_default_value = false)]
pub(crate) struct SessionRow {
    pub(crate) id: Vec<u8>,
    subject: String,
    client: String,
    scope: String,
    pub(crate) claims: Option<String>,
    pub(crate) device_name: Option<String>,
    pub(crate) ip: Option<String>,
    pub(crate) user_agent: Option<String>,
    created_at: i64,
    ends_at: i64,
    pub(crate) generation: i64,
    issued_at: i64,
    expires_at: i64,
    pub(crate) last_used_at: i64,
    mark: Option<Vec<u8>>,
    pub(crate) ended_at: Option<i64>,
    pub(crate) end_reason: Option<String>,
    status_index: Option<i64>,
    shown_used_at: Option<i64>,
    shown_expires_at: Option<i64>,
    pub(crate) used_from: Option<String>,
}

impl From<&Session> for SessionRow {
    fn from(session: &Session) -> Self {
        let stored = StoredSession::from(session);
        Self {
            id: stored.id,
            subject: stored.subject,
            client: stored.client,
            scope: stored.scope,
            claims: stored.claims,
            device_name: stored.device_name,
            ip: stored.ip,
            user_agent: stored.user_agent,
            created_at: stored.created_at,
            ends_at: stored.ends_at,
            generation: stored.generation,
            issued_at: stored.issued_at,
            expires_at: stored.expires_at,
            last_used_at: stored.last_used_at,
            mark: stored.mark,
            ended_at: stored.ended_at,
            end_reason: stored.end_reason,
            status_index: stored.status_index,
            shown_used_at: stored.shown_used_at,
            shown_expires_at: stored.shown_expires_at,
            used_from: stored.used_from,
        }
    }
}

impl SessionRow {
    /// Changes the row as the statements that end sessions do.
    #[cfg(feature = "mysql")]
    pub(crate) fn end(&mut self, ended: aquaware_core::session::Ended) {
        self.ended_at = Some(ended.at.millis());
        self.end_reason = Some(ended.reason.as_str().to_owned());
        let erased =
            [&mut self.device_name, &mut self.ip, &mut self.user_agent, &mut self.used_from];
        erased.into_iter().chain([&mut self.claims]).for_each(|field| *field = None);
    }

    pub(crate) fn into_session(self) -> Result<Session, StoreError> {
        let stored = StoredSession {
            id: self.id,
            subject: self.subject,
            client: self.client,
            scope: self.scope,
            claims: self.claims,
            device_name: self.device_name,
            ip: self.ip,
            user_agent: self.user_agent,
            created_at: self.created_at,
            ends_at: self.ends_at,
            generation: self.generation,
            issued_at: self.issued_at,
            expires_at: self.expires_at,
            last_used_at: self.last_used_at,
            mark: self.mark,
            ended_at: self.ended_at,
            end_reason: self.end_reason,
            status_index: self.status_index,
            shown_used_at: self.shown_used_at,
            shown_expires_at: self.shown_expires_at,
            used_from: self.used_from,
        };
        stored.into_session()
    }
}

/// A row of `accounts`, its fields in the order of the columns. Without `Debug`: it holds a
/// password hash.
#[derive(Clone, Insertable, Queryable)]
#[diesel(table_name = accounts, treat_none_as_default_value = false)]
pub(crate) struct AccountRow {
    id: String,
    login: String,
    email: String,
    password: String,
    first_name: Option<String>,
    last_name: Option<String>,
    created_at: i64,
    disabled_at: Option<i64>,
    claims: Option<String>,
    email_verified_at: Option<i64>,
    email_changed_at: Option<i64>,
}

impl From<&Account> for AccountRow {
    fn from(account: &Account) -> Self {
        let stored = StoredAccount::from(account);
        Self {
            id: stored.id,
            login: stored.login,
            email: stored.email,
            password: stored.password.expose().to_owned(),
            first_name: stored.first_name,
            last_name: stored.last_name,
            created_at: stored.created_at,
            disabled_at: stored.disabled_at,
            claims: stored.claims,
            email_verified_at: stored.email_verified_at,
            email_changed_at: stored.email_changed_at,
        }
    }
}

impl AccountRow {
    pub(crate) fn into_account(self) -> Result<Account, StoreError> {
        let stored = StoredAccount {
            id: self.id,
            login: self.login,
            email: self.email,
            password: PasswordHash::new(self.password),
            first_name: self.first_name,
            last_name: self.last_name,
            created_at: self.created_at,
            disabled_at: self.disabled_at,
            claims: self.claims,
            email_verified_at: self.email_verified_at,
            email_changed_at: self.email_changed_at,
        };
        stored.into_account()
    }
}

/// A row of `outbox`, without the number that the engine gives it.
#[derive(Clone, Insertable, Queryable)]
#[diesel(table_name = outbox)]
pub(crate) struct EntryRow {
    pub(crate) id: Vec<u8>,
    pub(crate) queue: String,
    kind: String,
    payload: String,
    created_at: i64,
    pub(crate) due_at: i64,
    attempts: i64,
}

impl From<&OutboxEntry> for EntryRow {
    fn from(entry: &OutboxEntry) -> Self {
        let StoredEntry { id, queue, kind, payload, created_at, due_at, attempts } = entry.into();
        Self { id, queue, kind, payload, created_at, due_at, attempts }
    }
}

impl EntryRow {
    /// The entry after its claim until `lease_until`.
    pub(crate) fn into_claimed(self, lease_until: i64) -> Result<OutboxEntry, StoreError> {
        Self { due_at: lease_until, ..self }.into_entry()
    }

    fn into_entry(self) -> Result<OutboxEntry, StoreError> {
        let Self { id, queue, kind, payload, created_at, due_at, attempts } = self;
        StoredEntry { id, queue, kind, payload, created_at, due_at, attempts }.into_entry()
    }
}

/// Claims as a column keeps them: a JSON object, or NULL if there are none.
pub(crate) fn claims_text(claims: &ExtraClaims) -> Option<String> {
    (!claims.is_empty()).then(|| Value::Object(claims.clone()).to_string())
}

/// The columns that decide whether a session may be deleted: `expires_at`, `ends_at`, `status_index`
/// and `ended_at`.
pub(crate) type ExpiryColumns = (i64, i64, Option<i64>, Option<i64>);

/// The condition of the statements that delete expired sessions, for a row that was read.
pub(crate) fn is_expired(columns: &ExpiryColumns, before: i64) -> bool {
    let (expires_at, ends_at, status_index, ended_at) = columns;
    let listed_until = status_index.and(*ended_at);
    (*expires_at < before || *ends_at < before) && listed_until.is_none_or(|at| at < before)
}

/// The `status_index` and the `ended_at` of a session that ended.
pub(crate) type RevokedRow = (i64, i64);

/// The revocations in `rows`. An invalid row is an error: a status list without it would show an
/// ended session as valid.
pub(crate) fn revocations(rows: Vec<RevokedRow>) -> Result<Vec<Revoked>, StoreError> {
    rows.into_iter()
        .map(|(number, at)| {
            let index = u32::try_from(number).map(StatusIndex::from_number).map_err(|_| {
                let key = format!("session with the status index {number}");
                StoreError::corrupt(key, "status_index: out of range")
            })?;
            Ok(Revoked { index, at: Timestamp::from_millis(at) })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use aquaware_core::account::Login;
    use aquaware_core::claims::Scope;
    use aquaware_core::id::{ClientId, Generation, SessionId, Subject};
    use aquaware_core::retry::Mark;
    use aquaware_core::session::{Device, EndReason, Ended};
    use serde_json::json;

    use super::*;

    fn claims() -> ExtraClaims {
        let claims = json!({
            "roles": ["a", "\u{0}", "\u{1F41F}"], "share": 0.1 + 0.2, "tiny": 5e-324,
            "many": u64::MAX, "few": i64::MIN, "none": null,
        });
        claims.as_object().unwrap().clone()
    }

    #[test]
    fn a_session_survives_its_row_unchanged() {
        let session = Session {
            id: SessionId::from_bytes([7; 16]),
            subject: Subject::new("ann").unwrap(),
            client: ClientId::new("web").unwrap(),
            scope: Scope::parse("read write").unwrap(),
            claims: claims(),
            device: Device {
                name: Some("kitchen \0 tablet".to_owned()),
                ip: Some(String::new()),
                user_agent: Some("\u{1F41F}".to_owned()),
            },
            created_at: Timestamp::from_millis(1),
            ends_at: Timestamp::from_millis(i64::MAX),
            generation: Generation::MAX,
            issued_at: Timestamp::from_millis(-3),
            expires_at: Timestamp::from_millis(4),
            last_used_at: Timestamp::from_millis(5),
            mark: Some(Mark::from_bytes([9; 16])),
            used_from: "203.0.113.0/24 0f1e2d3c4b5a6978".parse().ok(),
            shown_use: Some(aquaware_core::session::Use {
                at: Timestamp::from_millis(2),
                expires_at: Timestamp::from_millis(3),
            }),
            ended: Some(Ended { at: Timestamp::from_millis(6), reason: EndReason::Reuse }),
            status: Some(StatusIndex::from_number(u32::MAX)),
        };
        assert_eq!(SessionRow::from(&session).into_session().unwrap(), session);
        let bare = Session {
            scope: Scope::default(),
            claims: ExtraClaims::new(),
            device: Device::default(),
            mark: None,
            used_from: None,
            shown_use: None,
            ended: None,
            status: None,
            ..session
        };
        assert_eq!(SessionRow::from(&bare).into_session().unwrap(), bare);
    }

    #[test]
    fn an_account_survives_its_row_unchanged() {
        let account = Account {
            id: Subject::new("a-1").unwrap(),
            login: Login::new("ann@example.com").unwrap(),
            email: "Ann@example.com".to_owned(),
            password: PasswordHash::new("$argon2id$secret".to_owned()),
            first_name: Some("Ann \0".to_owned()),
            last_name: None,
            created_at: Timestamp::from_millis(1),
            disabled_at: Some(Timestamp::from_millis(2)),
            email_verified_at: Some(Timestamp::from_millis(3)),
            email_changed_at: Some(Timestamp::from_millis(4)),
            claims: claims(),
        };
        assert_eq!(AccountRow::from(&account).into_account().unwrap(), account);
    }

    #[test]
    fn empty_claims_are_null() {
        assert_eq!(claims_text(&ExtraClaims::new()), None);
    }

    #[test]
    fn revocations_survive_their_rows_unchanged() {
        for row @ (number, at) in [(0, i64::MIN), (7, -1), (i64::from(u32::MAX), i64::MAX)] {
            let revoked = revocations(vec![row]).unwrap().remove(0);
            assert_eq!((i64::from(revoked.index.number()), revoked.at.millis()), (number, at));
        }
    }

    #[test]
    fn an_invalid_revocation_is_reported_by_its_index() {
        for number in [-1, 1 << 32, i64::MIN, i64::MAX] {
            let error = revocations(vec![(1, 2), (number, 2)]).unwrap_err();
            let StoreError::Corrupt { key, .. } = &error else { panic!("{error:?}") };
            assert!(key.contains(&number.to_string()), "{key}");
        }
    }
}
