//! The SQL statements, written once for every engine.
//!
//! diesel renders each of them in the engine's own dialect; what differs beyond that (how an insert
//! skips a taken key, whether an update returns its rows) is in the engine's module. Conditions are
//! part of the statements, never of a read before them.

mod outbox;

use aquaware_core::id::{Generation, SessionId};
use aquaware_core::secret::PasswordHash;
use aquaware_core::session::Ended;
use aquaware_core::store::{AccountChange, Advance, Current, NameChange, NewEmail, Touch};
use aquaware_core::time::Timestamp;
use diesel::dsl::{AsExprOf, auto_type, case_when, delete, insert_into, update};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::BigInt;

pub(crate) use self::outbox::{
    CountEntries, DueEntries, claim_entry, insert_entry, postpone_queue, remove_entry, retry_entry,
};
use crate::row::{AccountRow, SessionRow, claims_text};
use crate::schema::{__diesel_schema_migrations, accounts, sessions};

/// A statement that each connection prepares once.
///
/// diesel caches a prepared statement if its type says that the text never changes. Its own updates
/// and upserts say that it might, because a change set may leave columns out, and would be parsed
/// again at every login and refresh. The statements in this module have no part that depends on a
/// value, so their type is enough to tell them apart. Lists (`eq_any`) and [`AccountColumns`] do
/// depend on values and must not be wrapped.
pub(crate) struct Prepared<Q>(pub(crate) Q);

impl<Q: 'static> QueryId for Prepared<Q> {
    type QueryId = Self;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<Q: Query> Query for Prepared<Q> {
    type SqlType = Q::SqlType;
}

impl<Q, C> RunQueryDsl<C> for Prepared<Q> {}

impl<Q: QueryFragment<DB>, DB: diesel::backend::Backend> QueryFragment<DB> for Prepared<Q> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    /// diesel does not document this method, so a later version may change it. The tests that count
    /// prepared statements detect that.
    fn is_safe_to_cache_prepared(&self, _: &DB) -> QueryResult<bool> {
        Ok(true)
    }
}

#[auto_type]
pub(crate) fn insert_session(row: SessionRow) -> _ {
    insert_into(sessions::table).values(row)
}

#[auto_type]
pub(crate) fn session_by_id(id: Vec<u8>) -> _ {
    sessions::table.filter(sessions::id.eq(id))
}

/// A generation as its column keeps it.
pub(crate) fn generation_number(generation: Generation) -> i64 {
    // A generation has at most 53 bits, so the fallback is never taken.
    i64::try_from(generation.number()).unwrap_or(i64::MAX)
}

/// Whether the last use becomes the one to show before another use is recorded.
#[auto_type]
fn becomes_shown(visible_before: i64) -> _ {
    sessions::shown_used_at.is_null().or(sessions::last_used_at.le(visible_before))
}

/// Advances a session that is live at `step.from`.
#[auto_type]
pub(crate) fn advance_session(id: SessionId, step: Advance) -> _ {
    let id: Vec<u8> = id.as_bytes().to_vec();
    let from: i64 = generation_number(step.from);
    let to: i64 = generation_number(step.to);
    let mark: Vec<u8> = step.mark.as_bytes().to_vec();
    let used_from: Option<String> = step.used_from.map(|origin| origin.to_string());
    let issued_at: i64 = step.issued_at.millis();
    let expires_at: AsExprOf<i64, BigInt> = step.expires_at.millis().into_sql::<BigInt>();
    let used_at: AsExprOf<i64, BigInt> = issued_at.into_sql::<BigInt>();
    let visible_before: i64 = step.visible_before.millis();
    let becomes_shown: becomes_shown = becomes_shown(visible_before);
    update(
        sessions::table
            .filter(sessions::id.eq(id))
            .filter(sessions::generation.eq(from))
            .filter(sessions::ended_at.is_null()),
    )
    .set((
        // MySQL assigns from left to right, so the columns that these read must come after them.
        sessions::shown_expires_at.eq(case_when(becomes_shown, sessions::expires_at.nullable())
            .otherwise(sessions::shown_expires_at)),
        sessions::shown_used_at.eq(case_when(becomes_shown, sessions::last_used_at.nullable())
            .otherwise(sessions::shown_used_at)),
        sessions::generation.eq(to),
        sessions::mark.eq(mark),
        sessions::used_from.eq(used_from),
        sessions::issued_at.eq(issued_at),
        // The later of the two. The engines' own functions for it have different names.
        sessions::expires_at.eq(case_when(sessions::expires_at.lt(expires_at), expires_at)
            .otherwise(sessions::expires_at)),
        sessions::last_used_at.eq(case_when(sessions::last_used_at.lt(used_at), used_at)
            .otherwise(sessions::last_used_at)),
    ))
}

/// Records a use of a session that is live at `touch.generation` and was last used before.
#[auto_type]
pub(crate) fn touch_session(id: SessionId, touch: Touch) -> _ {
    let id: Vec<u8> = id.as_bytes().to_vec();
    let generation: i64 = generation_number(touch.generation);
    let at: i64 = touch.at.millis();
    let visible_before: i64 = touch.visible_before.millis();
    let becomes_shown: becomes_shown = becomes_shown(visible_before);
    update(
        sessions::table
            .filter(sessions::id.eq(id))
            .filter(sessions::generation.eq(generation))
            .filter(sessions::ended_at.is_null())
            .filter(sessions::last_used_at.lt(at)),
    )
    .set((
        sessions::shown_expires_at.eq(case_when(becomes_shown, sessions::expires_at.nullable())
            .otherwise(sessions::shown_expires_at)),
        sessions::shown_used_at.eq(case_when(becomes_shown, sessions::last_used_at.nullable())
            .otherwise(sessions::shown_used_at)),
        sessions::last_used_at.eq(at),
    ))
}

/// What an end sets, and what it erases.
#[derive(AsChangeset, Clone)]
#[diesel(table_name = sessions, treat_none_as_null = true)]
pub(crate) struct End {
    ended_at: i64,
    end_reason: &'static str,
    claims: Option<String>,
    device_name: Option<String>,
    ip: Option<String>,
    user_agent: Option<String>,
    used_from: Option<String>,
}

impl From<Ended> for End {
    fn from(ended: Ended) -> Self {
        Self {
            ended_at: ended.at.millis(),
            end_reason: ended.reason.as_str(),
            claims: None,
            device_name: None,
            ip: None,
            user_agent: None,
            used_from: None,
        }
    }
}

/// Ends a session that has not ended.
#[auto_type]
pub(crate) fn end_session(id: SessionId, end: End) -> _ {
    let id: Vec<u8> = id.as_bytes().to_vec();
    update(sessions::table.filter(sessions::id.eq(id)).filter(sessions::ended_at.is_null()))
        .set(end)
}

/// Ends those of these sessions that have not ended.
#[auto_type]
pub(crate) fn end_sessions(ids: Vec<Vec<u8>>, end: End) -> _ {
    update(sessions::table.filter(sessions::id.eq_any(ids)).filter(sessions::ended_at.is_null()))
        .set(end)
}

/// The ids of some sessions of a subject that have not ended, except one; an empty id excepts none.
#[auto_type]
pub(crate) fn live_sessions_of(subject: String, except: Vec<u8>, rows: i64) -> _ {
    sessions::table
        .select(sessions::id)
        .filter(sessions::subject.eq(subject))
        .filter(sessions::ended_at.is_null())
        .filter(sessions::id.ne(except))
        .limit(rows)
}

/// The ids of the sessions of a subject with a client that have not ended, except one and the `kept` others
/// that were used last.
#[auto_type]
pub(crate) fn least_used_sessions(
    subject: String,
    client: String,
    except: Vec<u8>,
    kept: i64,
    rows: i64,
) -> _ {
    sessions::table
        .select(sessions::id)
        .filter(sessions::subject.eq(subject))
        .filter(sessions::client.eq(client))
        .filter(sessions::ended_at.is_null())
        .filter(sessions::id.ne(except))
        .order((sessions::last_used_at.desc(), sessions::id.desc()))
        .limit(rows)
        .offset(kept)
}

/// The sessions of a subject that have not ended, newest first, those after a position.
#[auto_type]
pub(crate) fn list_sessions(subject: String, created_at: i64, id: Vec<u8>, rows: i64) -> _ {
    sessions::table
        .filter(sessions::subject.eq(subject))
        .filter(sessions::ended_at.is_null())
        .filter(sessions::created_at.le(created_at))
        .filter(sessions::created_at.lt(created_at).or(sessions::id.lt(id)))
        .order((sessions::created_at.desc(), sessions::id.desc()))
        .limit(rows)
}

/// The position after which [`list_sessions`] begins: the last session of the page before, or one
/// that comes before every session.
pub(crate) fn list_position(after: Option<(Timestamp, SessionId)>) -> (i64, Vec<u8>) {
    after.map_or_else(
        || (i64::MAX, vec![u8::MAX; 17]),
        |(created_at, id)| (created_at.millis(), id.as_bytes().to_vec()),
    )
}

#[auto_type]
pub(crate) fn set_session_claims(ids: Vec<Vec<u8>>, claims: Option<String>) -> _ {
    update(sessions::table.filter(sessions::id.eq_any(ids)).filter(sessions::ended_at.is_null()))
        .set(sessions::claims.eq(claims))
}

/// Ids as their column keeps them, in one order: two statements that lock the same rows must not
/// wait for each other.
pub(crate) fn id_bytes(ids: &[SessionId]) -> Vec<Vec<u8>> {
    let mut bytes: Vec<Vec<u8>> = ids.iter().map(|id| id.as_bytes().to_vec()).collect();
    bytes.sort_unstable();
    bytes
}

/// Whether a session expired before `before` and, if it has a status index, also ended before it:
/// until then verifiers must still find it in the status lists.
#[auto_type]
fn expired(before: i64) -> _ {
    sessions::expires_at.lt(before).or(sessions::ends_at.lt(before)).and(
        sessions::status_index
            .is_null()
            .or(sessions::ended_at.is_null())
            .or(sessions::ended_at.assume_not_null().lt(before)),
    )
}

#[cfg(feature = "sqlite")]
#[auto_type]
pub(crate) fn delete_if_expired(id: Vec<u8>, before: i64) -> _ {
    let expired: expired = expired(before);
    delete(sessions::table.filter(sessions::id.eq(id)).filter(expired))
}

#[cfg(feature = "server")]
#[auto_type]
pub(crate) fn delete_expired(ids: Vec<Vec<u8>>, before: i64) -> _ {
    let expired: expired = expired(before);
    delete(sessions::table.filter(sessions::id.eq_any(ids)).filter(expired))
}

/// The columns that decide whether a session may be deleted, in the order of the ids after `after`.
#[cfg(feature = "server")]
#[auto_type]
pub(crate) fn scan_sessions(after: Vec<u8>, rows: i64) -> _ {
    sessions::table
        .select((
            sessions::id,
            (sessions::expires_at, sessions::ends_at, sessions::status_index, sessions::ended_at),
        ))
        .filter(sessions::id.gt(after))
        .order(sessions::id)
        .limit(rows)
}

/// The status index and the end of every session that ended at or after `since`. An index has all of
/// it.
#[auto_type]
pub(crate) fn revoked_since(since: i64) -> _ {
    sessions::table
        .select((sessions::status_index.assume_not_null(), sessions::ended_at.assume_not_null()))
        .filter(sessions::status_index.is_not_null())
        .filter(sessions::ended_at.ge(since))
}

/// One value of one session: reading it shows that the table can be read.
#[auto_type]
pub(crate) fn probe_sessions() -> _ {
    sessions::table.select(sessions::generation).limit(1_i64)
}

/// The versions of the migrations this database has been through.
#[auto_type]
pub(crate) fn applied_migrations() -> _ {
    __diesel_schema_migrations::table.select(__diesel_schema_migrations::version)
}

#[auto_type]
pub(crate) fn insert_account(row: AccountRow) -> _ {
    insert_into(accounts::table).values(row)
}

#[auto_type]
pub(crate) fn account_by_login(login: String) -> _ {
    accounts::table.filter(accounts::login.eq(login))
}

#[auto_type]
pub(crate) fn account_by_id(id: String) -> _ {
    accounts::table.filter(accounts::id.eq(id))
}

/// What to change in an account; `None` leaves a column as it is.
#[derive(AsChangeset, Clone, Default)]
#[diesel(table_name = accounts)]
pub(crate) struct AccountColumns {
    password: Option<String>,
    disabled_at: Option<Option<i64>>,
    claims: Option<Option<String>>,
    first_name: Option<Option<String>>,
    last_name: Option<Option<String>>,
    login: Option<String>,
    email: Option<String>,
    email_verified_at: Option<i64>,
    email_changed_at: Option<i64>,
}

/// What an account must be like for a change.
#[derive(Clone)]
pub(crate) enum AccountCondition {
    None,
    Password(String),
    Unverified { login: String },
    Current { login: String, password: String },
}

impl From<Current<'_>> for AccountCondition {
    fn from(Current { login, password }: Current<'_>) -> Self {
        Self::Current { login: login.as_str().to_owned(), password: password.expose().to_owned() }
    }
}

impl From<&NewEmail> for AccountColumns {
    fn from(NewEmail { email, login, at }: &NewEmail) -> Self {
        Self {
            email: Some(email.clone()),
            login: Some(login.as_str().to_owned()),
            email_verified_at: Some(at.millis()),
            email_changed_at: Some(at.millis()),
            ..Self::default()
        }
    }
}

/// A change in the terms of SQL. Without columns there is nothing to change, and no statement.
pub(crate) fn condition_and_columns(
    change: AccountChange<'_>,
) -> (AccountCondition, Option<AccountColumns>) {
    let text = |hash: &PasswordHash| hash.expose().to_owned();
    let mut columns = AccountColumns::default();
    let mut condition = AccountCondition::None;
    match change {
        AccountChange::ReplacePassword { current, new } => {
            condition = AccountCondition::Password(text(current));
            columns.password = Some(text(new));
        }
        AccountChange::SetPassword(new) => columns.password = Some(text(new)),
        AccountChange::SetDisabled(at) => columns.disabled_at = Some(at.map(Timestamp::millis)),
        AccountChange::SetClaims(claims) => columns.claims = Some(claims_text(claims)),
        AccountChange::SetNames(change) if change.is_empty() => return (condition, None),
        AccountChange::SetNames(NameChange { first_name, last_name }) => {
            columns.first_name.clone_from(first_name);
            columns.last_name.clone_from(last_name);
        }
        AccountChange::VerifyEmail { login, at } => {
            condition = AccountCondition::Unverified { login: login.as_str().to_owned() };
            columns.email_verified_at = Some(at.millis());
        }
        AccountChange::ResetPassword { current, new, at } => {
            condition = current.into();
            columns.password = Some(text(new));
            columns.email_verified_at = Some(at.millis());
        }
    }
    (condition, Some(columns))
}

#[auto_type]
pub(crate) fn update_account(id: String, change: AccountColumns) -> _ {
    update(accounts::table.filter(accounts::id.eq(id))).set(change)
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
#[auto_type]
pub(crate) fn replace_password(id: String, current: String, change: AccountColumns) -> _ {
    update(accounts::table.filter(accounts::id.eq(id)).filter(accounts::password.eq(current)))
        .set(change)
}

/// Changes an account that has this login and is not verified.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
#[auto_type]
pub(crate) fn update_unverified(id: String, login: String, change: AccountColumns) -> _ {
    update(
        accounts::table
            .filter(accounts::id.eq(id))
            .filter(accounts::login.eq(login))
            .filter(accounts::email_verified_at.is_null()),
    )
    .set(change)
}

/// Changes an account that has this login and this password hash.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
#[auto_type]
pub(crate) fn update_current(
    id: String,
    login: String,
    password: String,
    change: AccountColumns,
) -> _ {
    update(
        accounts::table
            .filter(accounts::id.eq(id))
            .filter(accounts::login.eq(login))
            .filter(accounts::password.eq(password)),
    )
    .set(change)
}

#[auto_type]
pub(crate) fn delete_account(id: String) -> _ {
    delete(accounts::table.filter(accounts::id.eq(id)))
}

/// A page of accounts in the order of their logins, those after `after`.
#[auto_type]
pub(crate) fn list_accounts(after: String, rows: i64) -> _ {
    accounts::table.filter(accounts::login.gt(after)).order(accounts::login).limit(rows)
}
