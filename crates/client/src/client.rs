//! The client: login, access tokens, requests that carry them, logout.
//!
//! The storage is read before each attempt and compared before each write, so that several
//! processes can share it without a lock.

use std::io;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Request, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use crate::answer::{Answer, Tokens};
use crate::clock::Moment;
use crate::error::Error;
use crate::options::Options;
use crate::record::{Access, AccessToken, Record, Secret};
use crate::storage::Storage;

const MAX_PAUSE: Duration = Duration::from_secs(60);

/// A session with one issuer. Cheap to clone; clones share everything.
///
/// Dropping a future of any method is safe: the next call continues the same attempt.
#[derive(Clone, Debug)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: Options,
    /// The origins that may receive the access token.
    origins: Vec<String>,
    http: reqwest::Client,
    /// Held while the one refresh of this process is in flight.
    pace: Mutex<Pace>,
    /// The key of the record that this process saved last, and when its access token was requested
    /// on the steady clock, which means nothing to other processes.
    latest: std::sync::Mutex<Option<(Secret, Instant)>>,
}

/// When the next attempt may be made.
#[derive(Debug, Default)]
struct Pace {
    failures: u32,
    not_before: Option<Instant>,
}

/// A record and the text it was read from.
type Stored = (Record, Zeroizing<String>);

impl Client {
    pub(crate) fn new(options: Options, origins: Vec<String>, http: reqwest::Client) -> Self {
        let (pace, latest) = (Mutex::default(), std::sync::Mutex::default());
        Self(Arc::new(Inner { options, origins, http, pace, latest }))
    }

    /// The HTTP client, to build requests for [`Self::send`] with. It does not follow redirects.
    #[must_use]
    pub fn http(&self) -> &reqwest::Client {
        &self.0.http
    }

    /// Whether the storage contains a session. Sends nothing.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn is_logged_in(&self) -> Result<bool, Error> {
        Ok(self.load().await?.is_some())
    }

    /// Opens a session, which is stored when this returns. Failures are not retried.
    ///
    /// # Errors
    /// [`Error::Rejected`] with the server's code, or with `no_refresh_token` if the client's profile
    /// uses the cookie transport; [`Error::Unavailable`] or [`Error::Storage`].
    pub async fn login(&self, email: &str, password: &str) -> Result<(), Error> {
        let Options { client_id, device_name, .. } = &self.0.options;
        let mut body = json!({ "email": email, "password": password, "client_id": client_id });
        if let (Some(name), Some(fields)) = (device_name, body.as_object_mut()) {
            fields.insert("device_name".to_owned(), name.as_str().into());
        }
        let requested = Moment::now();
        match Answer::to(self.post("/auth/login", &body)).await {
            Answer::Tokens(Tokens {
                access_token,
                refresh_token: Some(refresh),
                expires_in,
                session_id: session,
            }) => {
                let access = Some(Access::new(access_token, expires_in, requested));
                let record = Record { refresh, key: key()?, session, access };
                self.save(Some(&record)).await?;
                self.remember(record.key, requested);
                Ok(())
            }
            Answer::Tokens(_) => {
                let code = "no_refresh_token".to_owned();
                Err(Error::Rejected { status: 200, code })
            }
            other => Err(other.into_error()),
        }
    }

    /// Continues a session that was opened elsewhere, for example when a device was set up.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn adopt(&self, refresh_token: &str) -> Result<(), Error> {
        let refresh = Secret::new(refresh_token.to_owned());
        self.save(Some(&Record { refresh, key: key()?, session: None, access: None })).await
    }

    /// A usable access token, renewed if 90 % of its life are over.
    ///
    /// # Errors
    /// [`Error::LoggedOut`], [`Error::Unavailable`], [`Error::Rejected`] or [`Error::Storage`].
    pub async fn token(&self) -> Result<AccessToken, Error> {
        match self.load().await? {
            None => Err(Error::LoggedOut { reason: None }),
            Some((record, _)) => match record.usable(Moment::now()) {
                Some(token) => Ok(AccessToken(token.clone())),
                None => self.renew(record.access.map(|access| access.token).as_ref()).await,
            },
        }
    }

    /// Renews, unless the storage has an access token other than this rejected one.
    ///
    /// # Errors
    /// As [`Self::token`].
    pub async fn refresh(&self, rejected: &AccessToken) -> Result<AccessToken, Error> {
        self.renew(Some(&rejected.0)).await
    }

    /// Sends a request with the access token. If a 401 rejects the token, it renews and sends the
    /// request once more, unless the body is a stream. A 401 with a challenge other than
    /// `invalid_token` (RFC 6750 §3.1) is returned: it answers a wrong password, for example, and a
    /// repetition would be a second guess.
    ///
    /// # Errors
    /// As [`Self::token`]; [`Error::ForbiddenOrigin`] if the origin may not receive the token;
    /// [`Error::Request`] if the request itself fails.
    pub async fn send(&self, mut request: Request) -> Result<Response, Error> {
        let origin = request.url().origin().ascii_serialization();
        if !self.0.origins.contains(&origin) {
            return Err(Error::ForbiddenOrigin { origin });
        }
        let token = self.token().await?;
        let again = request.try_clone();
        authorize(&mut request, &token);
        let response = self.0.http.execute(request).await.map_err(Error::Request)?;
        let Some(mut again) = again.filter(|_| rejects_token(&response)) else {
            return Ok(response);
        };
        authorize(&mut again, &self.refresh(&token).await?);
        self.0.http.execute(again).await.map_err(Error::Request)
    }

    /// Forgets the session at once, then ends it at the server.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the server cannot be told; [`Error::Storage`].
    pub async fn logout(&self) -> Result<(), Error> {
        let Some((record, _)) = self.load().await? else { return Ok(()) };
        self.save(None).await?;
        let end = self.end();
        let mut pace = Pace::default();
        loop {
            let body = json!({ "refresh_token": record.refresh.expose() });
            match Answer::to(self.post("/auth/logout", &body)).await {
                Answer::Done => return Ok(()),
                Answer::Unknown { after } => {
                    self.pause(&mut pace, after);
                    wait(&pace, end).await?;
                }
                other => return Err(other.into_error()),
            }
        }
    }

    async fn renew(&self, rejected: Option<&Secret>) -> Result<AccessToken, Error> {
        let end = self.end();
        let mut pace = self.0.pace.lock().await;
        loop {
            wait(&pace, end).await?;
            // Another process may have renewed since the last attempt.
            let Some((record, text)) = self.load().await? else {
                return Err(Error::LoggedOut { reason: None });
            };
            if let Some(token) =
                record.usable(Moment::now()).filter(|token| Some(*token) != rejected)
            {
                return Ok(AccessToken(token.clone()));
            }
            let requested = Moment::now();
            match self.attempt(&record).await {
                Answer::Tokens(tokens) if tokens.answer(&record) => {
                    *pace = Pace::default();
                    return self.accept(record, text, tokens, requested).await;
                }
                Answer::Ended(reason) => {
                    if self.remove(&record).await? {
                        return Err(Error::LoggedOut { reason: Some(reason) });
                    }
                }
                Answer::Tokens(_) => self.pause(&mut pace, None),
                Answer::Unknown { after } => self.pause(&mut pace, after),
                other => return Err(other.into_error()),
            }
        }
    }

    async fn attempt(&self, record: &Record) -> Answer {
        let body = json!({ "refresh_token": record.refresh.expose() });
        let request = self.post("/auth/refresh", &body);
        Answer::to(request.header("idempotency-key", record.key.expose())).await
    }

    /// Stores the answer unless the record has changed, and returns its access token.
    async fn accept(
        &self,
        record: Record,
        text: Zeroizing<String>,
        tokens: Tokens,
        requested: Moment,
    ) -> Result<AccessToken, Error> {
        let Tokens { access_token: token, refresh_token, expires_in, session_id: session } = tokens;
        let access = Some(Access::new(token.clone(), expires_in, requested));
        let refresh = refresh_token.unwrap_or(record.refresh);
        let next = Record { refresh, key: key()?, session, access };
        let next_text = next.to_text();
        if self.blocking(move |storage| storage.replace(&text, &next_text)).await? {
            self.remember(next.key, requested);
        } else if self.load().await?.is_none() {
            // It was logged out in the meantime.
            return Err(Error::LoggedOut { reason: None });
        }
        Ok(AccessToken(token))
    }

    /// Removes the record unless another process has replaced it, and returns whether it is gone.
    async fn remove(&self, ended: &Record) -> Result<bool, Error> {
        if self.load().await?.is_some_and(|(now, _)| now.key != ended.key) {
            return Ok(false);
        }
        self.save(None).await?;
        Ok(true)
    }

    fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        let request = self.0.http.post(format!("{}{path}", self.0.options.issuer));
        // Its own connection: on a shared one, a broken proxy may repeat an earlier answer.
        let request = request.header("connection", "close");
        request.header("content-type", "application/json").body(body.to_string())
    }

    fn end(&self) -> Instant {
        Instant::now() + self.0.options.patience
    }

    /// Puts off the next attempt.
    fn pause(&self, pace: &mut Pace, after: Option<Duration>) {
        let doubled = self.0.options.backoff.saturating_mul(1 << pace.failures.min(16));
        let pause = doubled.min(MAX_PAUSE).mul_f64(jitter()).max(after.unwrap_or_default());
        pace.failures = pace.failures.saturating_add(1);
        pace.not_before = Some(Instant::now() + pause);
    }

    async fn load(&self) -> Result<Option<Stored>, Error> {
        let text = self.blocking(|storage| storage.load()).await?;
        let text = text.map(Zeroizing::new);
        let latest = self.0.latest.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(text.and_then(|text| Some((Record::parse(&text, latest.as_ref())?, text))))
    }

    fn remember(&self, key: Secret, requested: Moment) {
        let mut latest = self.0.latest.lock().unwrap_or_else(PoisonError::into_inner);
        *latest = Some((key, requested.steady));
    }

    async fn save(&self, record: Option<&Record>) -> Result<(), Error> {
        let text = record.map(Record::to_text);
        self.blocking(move |storage| storage.save(text.as_deref().map(String::as_str))).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        action: impl FnOnce(&dyn Storage) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let storage = Arc::clone(&self.0.options.storage);
        let result = spawn_blocking(move || action(&*storage)).await;
        result.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(Error::Storage)
    }
}

/// Waits until the next attempt may be made, unless that is after `end`.
async fn wait(pace: &Pace, end: Instant) -> Result<(), Error> {
    let Some(next) = pace.not_before else { return Ok(()) };
    if next > end {
        return Err(Error::Unavailable);
    }
    tokio::time::sleep_until(next.into()).await;
    Ok(())
}

/// Whether a service may have rejected the access token: a response without a challenge does not
/// say why.
fn rejects_token(response: &Response) -> bool {
    let mut challenges = response.headers().get_all(WWW_AUTHENTICATE).iter().peekable();
    let names_token = |it: &HeaderValue| it.as_bytes().windows(13).any(|it| it == b"invalid_token");
    response.status() == StatusCode::UNAUTHORIZED
        && (challenges.peek().is_none() || challenges.any(names_token))
}

fn authorize(request: &mut Request, token: &AccessToken) {
    let value = Zeroizing::new(format!("Bearer {}", token.as_str()));
    // A token that is not a header value is rejected by the server, as one that was forged.
    if let Ok(mut value) = HeaderValue::from_str(&value) {
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
}

fn key() -> Result<Secret, Error> {
    let failed = || Error::Storage(io::Error::other("the system provides no random numbers"));
    Secret::drawn().ok_or_else(failed)
}

/// Between a half and one, so that clients do not return together.
fn jitter() -> f64 {
    let mut byte = [0];
    let _ = aws_lc_rs::rand::fill(&mut byte);
    0.5 + f64::from(byte[0]) / 510.0
}
