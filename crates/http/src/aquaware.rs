//! The handle that an application mounts.

use std::sync::Arc;

use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use aquaware_core::password::PasswordHasher;
use aquaware_core::service::{Accounts, Sessions};
use aquaware_core::time::Clock;

use crate::builder::Builder;
use crate::chain::Chain;
use crate::cors::cors;
use crate::envelope::envelope;
use crate::route::endpoint;
use crate::state::State;
use crate::{auth, health, key_set, oauth, status_lists};

/// The routes of an issuer, ready to be mounted into actix-web applications. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Aquaware {
    state: web::Data<State>,
}

impl Aquaware {
    /// Starts to configure the routes over `sessions`.
    pub fn builder(
        sessions: Arc<Sessions>,
        hasher: Arc<dyn PasswordHasher>,
        clock: Arc<dyn Clock>,
    ) -> Builder {
        Builder::new(sessions, hasher, clock)
    }

    pub(crate) const fn new(state: web::Data<State>) -> Self {
        Self { state }
    }

    /// Mounts `/auth/*`, `/oauth2/*`, `/.well-known/*` and `/status-lists`. Other paths are left to
    /// the application.
    pub fn configure(&self, app: &mut ServiceConfig) {
        app.app_data(self.state.clone());
        auth::routes(app, self.state.accounts.is_some());
        oauth::routes(app);
        app.service(endpoint("/.well-known/jwks.json", [(Method::GET, web::to(key_set::key_set))]))
            .service(endpoint(status_lists::PATH, [(Method::GET, web::to(status_lists::all))]))
            .service(endpoint(
                &format!("{}/{{id}}", status_lists::PATH),
                [(Method::GET, web::to(status_lists::list))],
            ));
    }

    /// Mounts `/health/live` and `/health/ready`, for an application that only operators reach.
    pub fn configure_health(&self, app: &mut ServiceConfig) {
        app.app_data(self.state.clone())
            .service(endpoint("/health/live", [(Method::GET, web::to(health::live))]))
            .service(endpoint("/health/ready", [(Method::GET, web::to(health::ready))]));
    }

    /// The middleware for the whole application: CORS for the allowed origins, a request id and
    /// one log line for every request, and problem documents for errors that the HTTP library
    /// answers itself.
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
        let cors = cors(self.state.allow_origins.iter().map(String::as_str));
        Chain::new(cors, envelope(self.state.proxies.clone()))
    }

    /// The sessions behind the routes.
    #[must_use]
    pub fn sessions(&self) -> &Arc<Sessions> {
        &self.state.sessions
    }

    /// The accounts behind the routes, where there are any.
    #[must_use]
    pub fn accounts(&self) -> Option<&Arc<Accounts>> {
        self.state.accounts.as_ref().map(|accounts| &accounts.service)
    }
}
