//! The parts of a server, built from its configuration: stores, keys, use cases and routes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aquaware_core::id::ClientId;
use aquaware_core::jwt::Algorithm;
use aquaware_core::keys::{KeyRecord, KeyRing, missing};
use aquaware_core::password::HashCost;
use aquaware_core::random::{Random, SystemRandom};
use aquaware_core::service::{
    Accounts, SessionSettings, Sessions, SimpleJwt, Snapshot, StoreTimeout, Timer,
};
use aquaware_core::store::{Outbox, SessionStore};
use aquaware_core::time::{Clock as _, SystemClock, Timestamp};
use aquaware_http::{Aquaware, Builder, Events, HashingPool, Metrics, Origin, PoolSize};
use aquaware_key_directory::{KeyDirectory, KeyDirectoryError};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use super::error::StartError;
use super::stores::{self, Ports};
use crate::config::{self, Config, SIMPLEJWT_CLIENT, Signup, Stores, Webhook};
use crate::mail::Mailer;
use crate::messages::{Delivery, Messages};
use crate::outbox::{Sender, WakingOutbox};
use crate::webhook::{WebhookClient, WebhookDelivery, WebhookError, webhook_url};

/// The key directory of a configuration.
pub(super) fn key_directory(config: &Config) -> KeyDirectory {
    let directory = KeyDirectory::new(&config.keys.directory, config.keys.algorithm);
    match config.keys.rotate_every {
        Some(interval) => directory.rotate_every(interval),
        None => directory,
    }
}

/// The policy and these keys.
///
/// # Errors
/// [`StartError`] if the keys or the issuer are invalid.
pub(crate) fn snapshot(
    config: &Config,
    public: SocketAddr,
    keys: &[KeyRecord],
    now: Timestamp,
) -> Result<Snapshot, StartError> {
    let policy = config.policy(public).ok_or(StartError::Issuer(public))?;
    let ring = KeyRing::new(keys, &policy, now)?;
    Ok(Snapshot::new(policy, ring))
}

/// The routes of a server, and what it does besides answering requests.
pub(super) struct Parts {
    pub(super) routes: Aquaware,
    pub(super) events: Events,
    /// Sends what requests left in the outbox, if there is a mail server or a webhook.
    pub(super) sender: Option<Sender>,
}

/// The parts of a server with these keys and this address of the public listener.
pub(super) async fn parts(
    config: &Config,
    public: SocketAddr,
    keys: &[KeyRecord],
) -> Result<Parts, StartError> {
    let snapshot = snapshot(config, public, keys, SystemClock.now())?;
    let opened = stores::open(&config.store).await?;
    let metrics = Arc::new(Metrics::new());
    let appended = Arc::new(Notify::new());
    let (ports, events) = observed(config, opened, &metrics, &appended);
    let (outbox, counters) = (Arc::clone(&ports.outbox), ports.counters.clone());
    stores::check_writable(&ports).await?;
    let timer = Arc::new(RuntimeTimer);
    let store_timeout = StoreTimeout { operation: config.store.timeout, timer };
    let UseCases { accounts, sessions, hasher, .. } =
        use_cases(config, snapshot, ports, Some(store_timeout))?;
    metrics.hashes_waiting(hasher.waiting());
    let accounts = Arc::new(accounts);
    let messages = Messages::new(Arc::clone(&sessions), Arc::clone(&accounts));
    let sender = delivery(config, messages)?
        .map(|delivery| Sender::new(outbox, appended, Arc::new(delivery), Arc::clone(&metrics)));
    // Secrets wait in a queue of their own, so that a flood of them does not hold up logins.
    let client_hasher = Arc::new(hashing(&config.accounts, 1)?);
    let mut builder = with_tracer(config, Aquaware::builder(sessions));
    if let Some(settings) = &config.simplejwt {
        builder = builder.simplejwt(simplejwt(settings));
    }
    if let Some(counters) = counters {
        builder = builder.shared_counters(counters);
    }
    let routes = builder
        .password_hasher(client_hasher)
        .accounts(accounts)
        .signup_open(config.accounts.signup == Signup::Open)
        .cookie_name(&config.cookie_name)
        .insecure_cookies(config.insecure_cookies)
        .limits(config.limits)
        .metrics(metrics)
        .events(events.clone())
        .allow_origins(config.allow_origins.iter().map(Origin::as_str))
        .trusted_proxies(config.listen.trusted_proxies.iter().map(ToString::to_string))
        .build()?;
    Ok(Parts { routes, events, sender })
}

/// Makes requests part of traces, if traces are exported.
#[cfg(feature = "otlp")]
fn with_tracer(config: &Config, routes: Builder) -> Builder {
    match config.otlp_endpoint {
        Some(_) => routes.tracer(Arc::new(crate::telemetry::Tracer::new())),
        None => routes,
    }
}

#[cfg(not(feature = "otlp"))]
fn with_tracer(_: &Config, routes: Builder) -> Builder {
    routes
}

/// How what requests left in the outbox is delivered; `None` without a mail server and a webhook.
fn delivery(config: &Config, messages: Messages) -> Result<Option<Delivery>, StartError> {
    if !sends_messages(config) {
        return Ok(None);
    }
    let mailer = match &config.mail {
        Some(mail) => Some(Mailer::new(&mail.server, mail.from.clone(), mail.templates.clone())?),
        None => None,
    };
    let webhook = match &config.webhook {
        Some(webhook) => Some(WebhookDelivery::new(client(webhook)?, Arc::new(messages.clone()))),
        None => None,
    };
    Ok(Some(Delivery { messages, mailer, webhook }))
}

/// Whether messages to users can be sent.
const fn sends_messages(config: &Config) -> bool {
    config.mail.is_some() || config.webhook.is_some()
}

/// The stores with their metrics and events.
fn observed(
    config: &Config,
    opened: Ports,
    metrics: &Arc<Metrics>,
    appended: &Arc<Notify>,
) -> (Ports, Events) {
    let Ports { sessions, accounts, outbox, counters } = opened;
    let outbox = metrics.observe_outbox(outbox);
    let outbox: Arc<dyn Outbox> = Arc::new(WakingOutbox::new(outbox, Arc::clone(appended)));
    let events = config.webhook.as_ref().map_or_else(Events::default, |webhook| {
        let (outbox, kinds) = (Arc::clone(&outbox), webhook.events.clone());
        // A request waits for two operations at most, and an event is not all that it waits for.
        Events::for_webhook(outbox, kinds, Arc::clone(metrics), config.store.timeout / 2)
    });
    let sessions = metrics.observe_sessions(sessions, events.clone());
    let accounts = metrics.observe_accounts(accounts, events.clone());
    let counters = counters.map(|counters| metrics.observe_counters(counters));
    (Ports { sessions, accounts, outbox, counters }, events)
}

/// The client of the webhook.
///
/// # Errors
/// [`WebhookError`] if TLS cannot be set up.
pub(crate) fn client(webhook: &Webhook) -> Result<WebhookClient, WebhookError> {
    // The configuration was checked with the same function.
    let url = webhook_url(webhook.url.expose()).ok_or(WebhookError::InvalidUrl)?;
    WebhookClient::new(url, webhook.secret.clone())
}

/// The doors for clients of djangorestframework-simplejwt.
fn simplejwt(settings: &config::SimpleJwt) -> SimpleJwt {
    #[allow(clippy::expect_used, reason = "letters are a valid client id")]
    let client = ClientId::new(SIMPLEJWT_CLIENT).expect("a valid client id");
    let doors = SimpleJwt::new(client, &settings.user_id_claim);
    match &settings.old_tokens {
        None => doors,
        Some((key, until)) => {
            doors.with_old_tokens(key.expose().as_bytes(), *until, settings.is_reversible)
        }
    }
}

/// The use cases of accounts and sessions.
pub(crate) struct UseCases {
    pub(crate) accounts: Accounts,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) session_store: Arc<dyn SessionStore>,
    hasher: Arc<HashingPool>,
}

/// Opens the stores of `config` for a command. Servers may run on the same stores.
///
/// Commands create neither files nor tables: where there are none, the configuration probably names
/// the wrong place. They issue no tokens, so this uses temporary keys in memory and works without a key
/// directory.
///
/// # Errors
/// [`StartError`].
pub(crate) async fn use_cases_for_commands(
    config: &Config,
    now: Timestamp,
) -> Result<UseCases, StartError> {
    let temporary = missing(&[], Algorithm::EdDsa, now, &SystemRandom)
        .map_err(|_| KeyDirectoryError::Generate)?;
    let opened = stores::open(&Stores { migrate: false, ..config.store.clone() }).await?;
    // What a command changes is an event for the webhook too. A running server sends it.
    let (ports, _) = observed(config, opened, &Arc::default(), &Arc::default());
    let snapshot = snapshot(config, config.listen.public, &temporary, now)?;
    // An operator's command takes as long as it needs.
    use_cases(config, snapshot, ports, None)
}

/// The use cases over these stores.
fn use_cases(
    config: &Config,
    snapshot: Snapshot,
    ports: Ports,
    store_timeout: Option<StoreTimeout>,
) -> Result<UseCases, StartError> {
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let Ports { sessions: session_store, accounts: account_store, outbox, .. } = ports;
    let sessions = Sessions::new(session_store.clone(), random.clone(), Arc::new(snapshot));
    let sessions = Arc::new(sessions.with_settings(SessionSettings {
        record: config.sessions.record,
        sessions_per_account: config.sessions.per_account,
        store_timeout,
    }));
    let threads = config.accounts.argon2.max_concurrent.get();
    let hasher = Arc::new(hashing(&config.accounts, threads)?);
    let accounts = Accounts::new(account_store, hasher.clone(), random, Arc::clone(&sessions))
        .with_verified_email_required(config.accounts.require_verified_email);
    let accounts = if sends_messages(config) { accounts.with_outbox(outbox) } else { accounts };
    Ok(UseCases { accounts, sessions, session_store, hasher })
}

fn hashing(accounts: &config::Accounts, threads: usize) -> Result<HashingPool, StartError> {
    let argon2 = &accounts.argon2;
    let cost = HashCost::new(argon2.memory_kib, argon2.iterations, argon2.parallelism)?;
    let size = PoolSize { threads, waiting: argon2.max_waiting };
    HashingPool::start(&cost, accounts.password_min_length, &size).map_err(StartError::System)
}

/// The timer of the async runtime.
#[derive(Debug)]
struct RuntimeTimer;

impl Timer for RuntimeTimer {
    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(span).boxed()
    }
}
