//! `/auth/*`: the first-party API.

mod account;
mod called;
mod confirmed;
mod credentials;
mod ending;
mod messages;
mod profile;
mod renewal;
mod response;

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use aquaware_core::service::Accounts;

use crate::route::endpoint;

/// The operations that need accounts.
#[cfg(feature = "documents")]
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    credentials::log_in,
    credentials::change_password,
    profile::me,
    account::rename,
    account::delete,
))]
pub(crate) struct AccountOperations;

/// The operation that the setting for sign-up opens.
#[cfg(feature = "documents")]
#[derive(utoipa::OpenApi)]
#[openapi(paths(credentials::sign_up))]
pub(crate) struct SignUpOperation;

/// The operations on sessions.
#[cfg(feature = "documents")]
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    renewal::refresh,
    renewal::log_out,
    renewal::log_out_all,
    profile::sessions,
    profile::end_session,
))]
pub(crate) struct SessionOperations;

/// The operations that need messages to users.
#[cfg(feature = "documents")]
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    messages::request_reset,
    messages::reset,
    messages::request_verification,
    messages::verify,
    messages::change,
))]
pub(crate) struct MessageOperations;

/// Mounts the resources; those that need accounts or messages to users only if there are any.
pub(crate) fn routes(app: &mut ServiceConfig, accounts: Option<&Accounts>) {
    if accounts.is_some() {
        app.service(endpoint("/auth/signup", [(Method::POST, web::to(credentials::sign_up))]))
            .service(endpoint("/auth/login", [(Method::POST, web::to(credentials::log_in))]))
            .service(endpoint(
                "/auth/password",
                [(Method::POST, web::to(credentials::change_password))],
            ))
            .service(endpoint(
                "/auth/me",
                [
                    (Method::GET, web::to(profile::me)),
                    (Method::PATCH, web::to(account::rename)),
                    (Method::DELETE, web::to(account::delete)),
                ],
            ));
    }
    if accounts.is_some_and(Accounts::sends_messages) {
        let post = |path, route| endpoint(path, [(Method::POST, route)]);
        app.service(post("/auth/password/reset-request", web::to(messages::request_reset)))
            .service(post("/auth/password/reset", web::to(messages::reset)))
            .service(post("/auth/email/verify-request", web::to(messages::request_verification)))
            .service(post("/auth/email/verify", web::to(messages::verify)))
            .service(post("/auth/email", web::to(messages::change)));
    }
    app.service(endpoint("/auth/refresh", [(Method::POST, web::to(renewal::refresh))]))
        .service(endpoint("/auth/logout", [(Method::POST, web::to(renewal::log_out))]))
        .service(endpoint("/auth/logout-all", [(Method::POST, web::to(renewal::log_out_all))]))
        .service(endpoint("/auth/sessions", [(Method::GET, web::to(profile::sessions))]))
        .service(endpoint(
            "/auth/sessions/{id}",
            [(Method::DELETE, web::to(profile::end_session))],
        ));
}
