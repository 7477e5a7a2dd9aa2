//! A simple session store that is correct without a flaw. Each flaw is implemented in the simplest way,
//! because the checks are under test, not the store.

mod flaw;
mod status;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use aquaware_core::id::{ClientId, Generation, SessionId, Subject};
use aquaware_core::session::{EndReason, Ended, ExtraClaims, Session};
use aquaware_core::store::{Advance, Outcome, Revoked, SessionStore, StoreError, Touch};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;

pub(super) use self::flaw::Flaw;

pub(super) type Records = BTreeMap<SessionId, Session>;

#[derive(Debug)]
pub(super) struct Flawed {
    flaw: Flaw,
    pub(super) records: Arc<Mutex<Records>>,
    former: Mutex<Records>,
    pub(super) damaged: Mutex<BTreeSet<SessionId>>,
    lock: tokio::sync::Mutex<()>,
}

impl Flawed {
    pub(super) fn over(flaw: Flaw, records: Arc<Mutex<Records>>) -> Self {
        let (former, damaged, lock) = Default::default();
        Self { flaw, records, former, damaged, lock }
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap()
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn whole(&self, id: &SessionId) -> Result<(), StoreError> {
        if self.damaged.lock().unwrap().contains(id) {
            return Err(StoreError::corrupt(id.to_string(), "damaged"));
        }
        Ok(())
    }

    fn theirs(&self, session: &Session, subject: &Subject) -> bool {
        let (one, other) = (session.subject.as_str(), subject.as_str());
        match self.flaw {
            Flaw::SubjectsIgnoreCase => one.eq_ignore_ascii_case(other),
            Flaw::SubjectsAreTrimmed => one.trim() == other.trim(),
            _ => one == other,
        }
    }

    fn step(
        &self,
        id: &SessionId,
        holds: impl FnOnce(&Session) -> bool,
        change: impl FnOnce(&mut Session),
    ) -> Result<Outcome, StoreError> {
        self.whole(id)?;
        Ok(match self.records().get_mut(id) {
            None => Outcome::NotFound,
            Some(session) if holds(session) => {
                self.former.lock().unwrap().insert(*id, session.clone());
                change(session);
                Outcome::Applied(session.clone())
            }
            Some(session) => Outcome::Refused(session.clone()),
        })
    }

    /// Reads, yields, and writes. A lock inside the process would hide this from its own tasks.
    async fn advance_apart(&self, id: &SessionId, step: &Advance) -> Result<Outcome, StoreError> {
        let _guard = match self.flaw {
            Flaw::LocksInTheProcess => Some(self.lock.lock().await),
            _ => None,
        };
        let Some(mut session) = self.records().get(id).cloned() else {
            return Ok(Outcome::NotFound);
        };
        if session.generation != step.from || session.ended.is_some() {
            return Ok(Outcome::Refused(session));
        }
        crate::broken::look_away().await;
        self.change(&mut session, step);
        self.records().insert(*id, session.clone());
        Ok(Outcome::Applied(session))
    }

    fn change(&self, session: &mut Session, step: &Advance) {
        session.generation = step.to;
        if !self.has(Flaw::AdvanceKeepsTheMark) {
            session.mark = Some(step.mark);
        }
        session.used_from = step.used_from;
        session.issued_at = step.issued_at;
        let last_used_at = match self.flaw {
            Flaw::AdvanceMovesLastUseBack => step.issued_at,
            _ => session.last_used_at.max(step.issued_at),
        };
        self.show(session, step.visible_before);
        session.last_used_at = last_used_at;
        session.expires_at = match self.flaw {
            Flaw::AdvanceMovesExpiryBack => step.expires_at,
            _ => session.expires_at.max(step.expires_at),
        };
        if self.has(Flaw::AdvanceRevives) {
            session.ended = None;
        }
    }

    fn show(&self, session: &mut Session, visible_before: Timestamp) {
        let visible_before = match self.flaw {
            Flaw::EveryUseIsShown => session.last_used_at,
            _ => visible_before,
        };
        session.shown_use = Some(session.visible_use(visible_before));
    }

    fn finish(&self, session: &mut Session, ended: Ended) {
        session.ended = Some(ended);
        if !self.has(Flaw::EndKeepsTheOrigin) {
            session.end(ended);
        }
    }

    fn kept(&self, session: &Session) -> Session {
        let mut session = session.clone();
        let name = session.device.name.clone();
        match self.flaw {
            Flaw::StatusIsDropped => session.status = None,
            Flaw::DeviceDropsTheAddress => session.device.ip = None,
            Flaw::TextsAreTruncated => {
                session.device.name = name.map(|n| n.chars().take(200).collect())
            }
            Flaw::ClientsIgnoreCase => {
                session.client = session.client.as_str().to_lowercase().parse().unwrap();
            }
            Flaw::TimesAreSeconds => session.created_at = session.created_at.floor(),
            Flaw::GenerationsAreShort => {
                let short = session.generation.number() & 0xFFFF_FFFF;
                session.generation = Generation::new(short).unwrap_or(Generation::FIRST);
            }
            Flaw::EmptyTextIsNull => session.device.name = name.filter(|name| !name.is_empty()),
            Flaw::EmptyListIsObject => {
                for claim in session.claims.values_mut() {
                    if claim.as_array().is_some_and(Vec::is_empty) {
                        *claim = serde_json::json!({});
                    }
                }
            }
            _ => {}
        }
        session
    }
}

#[async_trait]
impl SessionStore for Flawed {
    async fn insert(&self, session: &Session) -> Result<bool, StoreError> {
        if self.has(Flaw::InsertIsNotAtomic) {
            let known = self.records().contains_key(&session.id);
            crate::broken::look_away().await;
            self.records().insert(session.id, session.clone());
            return Ok(!known);
        }
        let taken = self.has_status_of(session);
        if self.has(Flaw::StatusClaimIsNotAtomic) {
            crate::broken::look_away().await;
        }
        let mut records = self.records();
        let taken = match self.flaw {
            Flaw::StatusClaimIsNotAtomic => taken,
            _ => records.values().any(|other| self.shares_status(other, session)),
        };
        let known = match self.flaw {
            Flaw::IdsIgnoreCase => {
                let id = session.id.to_string();
                records.keys().any(|other| other.to_string().eq_ignore_ascii_case(&id))
            }
            _ => records.contains_key(&session.id),
        };
        if !taken && (!known || self.has(Flaw::InsertOverwrites)) {
            records.insert(session.id, self.kept(session));
        }
        Ok(!known && !taken)
    }

    async fn find(&self, id: &SessionId) -> Result<Option<Session>, StoreError> {
        if self.has(Flaw::CorruptIsNotFound) && self.whole(id).is_err() {
            return Ok(None);
        }
        self.whole(id)?;
        if self.has(Flaw::FindInventsRecords) {
            return Ok(Some(self.records().get(id).cloned().unwrap_or_else(|| somebodys(*id))));
        }
        if self.has(Flaw::ExpiredIsNotFound) {
            let now = Timestamp::from_seconds(1_800_000_000);
            return Ok(self.records().get(id).filter(|s| s.expires_at > now).cloned());
        }
        if self.has(Flaw::FindIsStale)
            && let Some(former) = self.former.lock().unwrap().get(id)
        {
            return Ok(Some(former.clone()));
        }
        Ok(self.records().get(id).cloned())
    }

    async fn advance(&self, id: &SessionId, step: &Advance) -> Result<Outcome, StoreError> {
        if matches!(self.flaw, Flaw::StepsAreNotAtomic | Flaw::LocksInTheProcess) {
            return self.advance_apart(id, step).await;
        }
        if self.has(Flaw::AdvanceReportsFoundRows) {
            let found = self.step(id, |s| s.generation != step.from, |_| ())?;
            if let Outcome::Applied(_) = found {
                return Ok(found);
            }
        }
        let outcome = self.step(
            id,
            |session| match self.flaw {
                Flaw::AdvanceRevives => session.generation == step.from,
                Flaw::AdvanceByOneOnly if step.from.next() != step.to => false,
                Flaw::AdvanceReportsChangedRows if session.mark == Some(step.mark) => false,
                Flaw::AdvanceComparesTimes => {
                    session.ended.is_none() && session.issued_at <= step.issued_at
                }
                _ => session.ended.is_none() && session.generation == step.from,
            },
            |session| self.change(session, step),
        )?;
        if self.has(Flaw::AdvanceAffectsOthers) {
            for other in self.records().values_mut().filter(|s| s.generation == step.from) {
                self.change(other, step);
            }
        }
        if self.has(Flaw::AdvanceCreates) && outcome == Outcome::NotFound {
            let mut session = somebodys(*id);
            self.change(&mut session, step);
            self.records().insert(*id, session.clone());
            return Ok(Outcome::Applied(session));
        }
        Ok(outcome)
    }

    async fn touch(&self, id: &SessionId, touch: &Touch) -> Result<Outcome, StoreError> {
        let Touch { generation, at, visible_before } = *touch;
        if self.has(Flaw::TouchCreates) {
            self.records().entry(*id).or_insert_with(|| somebodys(*id));
        }
        self.step(
            id,
            |session| {
                let changes = !self.has(Flaw::TouchReportsChangedRows) || session.last_used_at < at;
                let lives = session.ended.is_none() || self.has(Flaw::TouchAffectsEndedSessions);
                let stands =
                    session.generation == generation || self.has(Flaw::TouchIgnoresGeneration);
                lives && stands && changes
            },
            |session| {
                if session.last_used_at < at {
                    self.show(session, visible_before);
                }
                session.last_used_at = match self.flaw {
                    Flaw::TouchMovesBack => at,
                    _ => session.last_used_at.max(at),
                };
                if self.has(Flaw::TouchMovesExpiry) {
                    session.expires_at = session.expires_at.max(at);
                    session.issued_at = at;
                }
            },
        )
    }

    async fn end(&self, id: &SessionId, ended: Ended) -> Result<Outcome, StoreError> {
        let again = self.has(Flaw::LastReasonWins);
        if self.has(Flaw::EndCreates) {
            self.records().entry(*id).or_insert_with(|| somebodys(*id));
        }
        self.step(
            id,
            |session| again || session.ended.is_none(),
            |session| {
                self.finish(session, ended);
                match self.flaw {
                    Flaw::EndMovesExpiry => session.expires_at = ended.at,
                    Flaw::OnlyTwoReasons if ended.reason != EndReason::Logout => {
                        session.ended = Some(Ended { reason: EndReason::Revoked, ..ended });
                    }
                    _ => {}
                }
            },
        )
    }

    async fn end_all(
        &self,
        subject: &Subject,
        except: Option<&SessionId>,
        ended: Ended,
        at_most: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let except = except.filter(|_| !self.has(Flaw::EndAllIgnoresTheException));
        let most = if self.has(Flaw::EndAllIgnoresTheLimit) { u32::MAX } else { at_most };
        let mut given = Vec::new();
        for session in self.records().values_mut() {
            let theirs = self.theirs(session, subject) || self.has(Flaw::EndAllIgnoresTheSubject);
            if theirs && Some(&session.id) != except && given.len() < most as usize {
                if session.ended.is_none() {
                    self.finish(session, ended);
                } else if !self.has(Flaw::EndAllReturnsEndedSessions) {
                    continue;
                }
                given.push(session.clone());
            }
        }
        Ok(given)
    }

    async fn end_least_used(
        &self,
        (subject, client): (&Subject, &ClientId),
        except: &SessionId,
        keep: u32,
        ended: Ended,
        at_most: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let mut records = self.records();
        let mut theirs: Vec<&mut Session> = records
            .values_mut()
            .filter(|session| {
                let of_client = session.client == *client;
                self.theirs(session, subject)
                    && (of_client || self.has(Flaw::EndLeastUsedIgnoresTheClient))
                    && session.ended.is_none()
                    && session.id != *except
            })
            .collect();
        theirs.sort_by_key(|session| Reverse((session.last_used_at, session.id)));
        let mut given = Vec::new();
        for session in theirs.into_iter().skip(keep as usize - 1).take(at_most as usize) {
            self.finish(session, ended);
            given.push(session.clone());
        }
        Ok(given)
    }

    async fn list(
        &self,
        subject: &Subject,
        after: Option<(Timestamp, SessionId)>,
        at_most: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let records = self.records();
        let list = records.values().filter(|session| {
            self.theirs(session, subject)
                && (self.has(Flaw::ListReturnsEndedSessions) || session.ended.is_none())
        });
        let mut list: Vec<Session> = list.cloned().collect();
        for session in &list {
            self.whole(&session.id)?;
        }
        match self.flaw {
            Flaw::ListStopsAtAHundred => list.truncate(100),
            Flaw::RowPerRefresh | Flaw::PurgeLeavesTheIndex => {
                list.extend(self.former.lock().unwrap().values().cloned())
            }
            _ => {}
        }
        if !self.has(Flaw::ListIgnoresThePosition) {
            list.retain(|it| after.is_none_or(|after| (it.created_at, it.id) < after));
        }
        list.sort_by_key(|session| Reverse((session.created_at, session.id)));
        list.truncate(at_most as usize);
        Ok(list)
    }

    async fn set_claims(&self, ids: &[SessionId], claims: &ExtraClaims) -> Result<(), StoreError> {
        let dead = self.has(Flaw::ClaimsAffectEndedSessions);
        let before = self.records().clone();
        if self.has(Flaw::ClaimsWriteBack) {
            crate::broken::look_away().await;
        }
        let mut records = self.records();
        let before = if self.has(Flaw::ClaimsWriteBack) { before } else { records.clone() };
        for (id, session) in before {
            if ids.contains(&id) && (dead || session.ended.is_none()) {
                records.insert(id, Session { claims: claims.clone(), ..session });
            }
        }
        Ok(())
    }

    async fn purge(&self, expired_before: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        let most = if self.has(Flaw::PurgeIgnoresTheLimit) { u32::MAX } else { at_most };
        let dead = |session: &Session| match self.flaw {
            Flaw::PurgeForgetsAbsoluteEnd => session.expires_at < expired_before,
            Flaw::PurgeDropsEndedSessions => session.ended.is_some(),
            Flaw::PurgeDropsTheInstantItself => {
                session.expires_at.min(session.ends_at) <= expired_before
            }
            _ => {
                let shows = session.status.and(session.ended);
                session.expires_at.min(session.ends_at) < expired_before
                    && (self.has(Flaw::PurgeIgnoresStatusIndices)
                        || shows.is_none_or(|ended| ended.at < expired_before))
            }
        };
        let look = || -> Vec<Session> {
            let records = self.records();
            records.values().filter(|session| dead(session)).take(most as usize).cloned().collect()
        };
        if self.has(Flaw::PurgeIsNotAtomic) {
            let seen = look();
            crate::broken::look_away().await;
            self.records().retain(|id, _| !seen.iter().any(|session| session.id == *id));
            return Ok(seen.len() as u64);
        }
        let mut records = self.records();
        let seen = records.values().filter(|session| dead(session)).take(most as usize);
        let seen: Vec<Session> = seen.cloned().collect();
        for session in &seen {
            records.remove(&session.id);
            if self.has(Flaw::PurgeLeavesTheIndex) {
                self.former.lock().unwrap().insert(session.id, session.clone());
            }
        }
        Ok(seen.len() as u64)
    }

    async fn revoked(&self, since: Timestamp) -> Result<Vec<Revoked>, StoreError> {
        Ok(self.revoked_since(since))
    }

    async fn release(&self, ended_before: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        Ok(self.released(ended_before, at_most))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        match self.flaw {
            Flaw::PingFails => Err(StoreError::Unreachable("no answer".into())),
            _ => Ok(()),
        }
    }
}

/// A record that the store invents.
fn somebodys(id: SessionId) -> Session {
    let now = Timestamp::from_seconds(4_102_488_000);
    Session {
        id,
        subject: Subject::new("ann").unwrap(),
        client: "web".parse().unwrap(),
        scope: aquaware_core::claims::Scope::default(),
        claims: ExtraClaims::new(),
        device: aquaware_core::session::Device::default(),
        created_at: now,
        ends_at: now,
        generation: Generation::FIRST,
        issued_at: now,
        expires_at: now,
        last_used_at: now,
        shown_use: None,
        mark: None,
        used_from: None,
        ended: None,
        status: None,
    }
}
