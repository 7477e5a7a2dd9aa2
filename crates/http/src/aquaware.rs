//! The handle that an application mounts, and what its own handlers need.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use actix_web::{Error, FromRequest, HttpRequest, HttpResponse};
use aquaware_core::id::ClientId;
use aquaware_core::service::{Accounts, Caller, NewSession, Sessions};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;

use crate::builder::{BuildError, Builder};
#[cfg(feature = "passwords")]
use crate::compat;
use crate::metrics::Metrics;
use crate::middleware::{Chain, Shared, cors, request_middleware};
use crate::problem::Problem;
use crate::route::{endpoint, public_document};
use crate::state::State;
use crate::{auth, health, key_set, login, oauth, scrape, status_lists};

/// The routes of an issuer, ready to be mounted into actix-web applications.
///
/// Cheap to clone; all clones share their limits and caches. Handlers of an application in which
/// it is mounted can take it as an argument.
#[derive(Clone, Debug)]
pub struct Aquaware {
    state: web::Data<State>,
}

impl Aquaware {
    /// Configures routes over `sessions`.
    #[must_use]
    pub fn builder(sessions: Arc<Sessions>) -> Builder {
        Builder::new(sessions)
    }

    /// Mounts `/auth/*`, `/oauth2/*`, `/.well-known/*` and `/status-lists`. All other paths are left
    /// to the application. Pass it to `App::configure` or `Scope::configure`.
    pub fn configure(&self, app: &mut ServiceConfig) {
        app.app_data(self.state.clone());
        auth::routes(app, self.accounts().map(|accounts| &**accounts));
        oauth::routes(app);
        #[cfg(feature = "passwords")]
        if self.state.simplejwt.is_some() && self.state.accounts.is_some() {
            compat::routes(app);
        }
        app.service(public_document("/.well-known/jwks.json", web::to(key_set::key_set)))
            .service(public_document(status_lists::PATH, web::to(status_lists::all)))
            .service(public_document(
                &format!("{}/{{id}}", status_lists::PATH),
                web::to(status_lists::list),
            ));
    }

    /// Mounts `/openapi.json` and `/docs`: the description of the routes that are mounted with
    /// [`configure`](Self::configure).
    #[cfg(feature = "documents")]
    pub fn configure_documents(&self, app: &mut ServiceConfig) {
        app.app_data(self.state.clone());
        crate::documents::routes(app);
    }

    /// Mounts `/account`, a page on which users sign up, log in and manage their account and sessions.
    /// It uses the routes that are mounted with [`configure`](Self::configure) and the client `web`.
    /// Without [accounts](Builder::accounts) nothing is mounted.
    #[cfg(feature = "pages")]
    pub fn configure_pages(&self, app: &mut ServiceConfig) {
        if self.state.accounts.is_some() {
            app.app_data(self.state.clone());
            crate::pages::routes(app);
        }
    }

    /// Mounts `/health/live` and `/health/ready`, for an application that only operators reach.
    pub fn configure_health(&self, app: &mut ServiceConfig) {
        app.app_data(self.state.clone())
            .service(endpoint("/health/live", [(Method::GET, web::to(health::live))]))
            .service(endpoint("/health/ready", [(Method::GET, web::to(health::ready))]));
    }

    /// Mounts `/metrics`, for an application that only operators reach.
    pub fn configure_metrics(&self, app: &mut ServiceConfig) {
        app.app_data(self.state.clone())
            .service(endpoint("/metrics", [(Method::GET, web::to(scrape::metrics))]));
    }

    /// The middleware for the whole application: CORS for the allowed origins, a request id, one
    /// log line and the metrics of each request, and problem documents for errors that the HTTP library answers. Wrap
    /// it last, so that it is the outermost. The routes also work without it.
    pub fn middleware<S, B>(
        &self,
    ) -> impl Transform<
        S,
        ServiceRequest,
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    > + use<S, B>
    where
        S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
        B: MessageBody + 'static,
    {
        let cors = cors(self.state.allow_origins.as_slice().into());
        let shared = Shared {
            proxies: self.state.proxies.clone(),
            metrics: Some(Arc::clone(&self.state.metrics)),
            tracer: self.state.tracer.clone(),
        };
        Chain::new(cors, request_middleware(shared))
    }

    /// The sessions behind the routes.
    #[must_use]
    pub fn sessions(&self) -> &Arc<Sessions> {
        &self.state.sessions
    }

    /// The accounts behind the routes, if there are any.
    #[must_use]
    pub fn accounts(&self) -> Option<&Arc<Accounts>> {
        self.state.accounts.as_ref().map(|accounts| &accounts.service)
    }

    /// The metrics of the routes.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.state.metrics
    }

    /// Counts a login against the limit of its client address. A login handler of the application
    /// calls this before it checks credentials.
    ///
    /// # Errors
    /// 429 `rate_limited`.
    pub async fn count_login(&self, request: &HttpRequest) -> Result<(), Problem> {
        let address = self.state.client(request).address;
        self.state.count_login(&self.state.context(), address).await
    }

    /// Opens a session for a user that the application has authenticated, and returns the token
    /// response: the refresh token is in the body or in the cookie, as the profile of the client
    /// says. The address and user agent of the session are taken from the request if `session` has
    /// none.
    ///
    /// # Errors
    /// 400 `unknown_client` and `invalid_scope`, 403 `client_not_allowed` without the grant `login`,
    /// 403 `cross_site` for a page of another origin and a client with a cookie, 503 if the store is
    /// unreachable.
    pub async fn open_session(
        &self,
        request: &HttpRequest,
        client: &ClientId,
        session: NewSession,
    ) -> Result<HttpResponse, Problem> {
        login::open_session(&self.state, request, client, session).await
    }
}

impl Builder {
    /// Checks the settings. The policy must already be the one of the issuer: its origin is allowed
    /// to use the refresh cookie.
    ///
    /// # Errors
    /// [`BuildError`] for the first invalid setting.
    pub fn build(self) -> Result<Aquaware, BuildError> {
        Ok(Aquaware { state: web::Data::new(self.into_state()?) })
    }
}

impl FromRequest for Aquaware {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(State::of(request).map(|state| Self { state: state.clone() }))
    }
}

/// The caller of a protected handler: the request has a valid access token of a live session.
///
/// Without one, the handler is not called and the response is the 401 of RFC 6750. Checking that the
/// session is live reads the store; services that must not do so use `aquaware-verifier`.
#[derive(Debug)]
pub struct Authenticated(pub Caller);

impl std::ops::Deref for Authenticated {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl FromRequest for Authenticated {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        async move {
            let state = State::of(&request)?;
            Ok(Self(state.caller(&request, false, &state.context()).await?))
        }
        .boxed_local()
    }
}
