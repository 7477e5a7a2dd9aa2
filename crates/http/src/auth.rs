//! `/auth/*`: the first-party API.

mod account;
mod closing;
mod confirmed;
mod credentials;
mod ending;
mod profile;
mod renewal;
mod response;

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};

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

/// Mounts the resources; those that need accounts only `with_accounts`.
pub(crate) fn routes(app: &mut ServiceConfig, with_accounts: bool) {
    if with_accounts {
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
    app.service(endpoint("/auth/refresh", [(Method::POST, web::to(renewal::refresh))]))
        .service(endpoint("/auth/logout", [(Method::POST, web::to(renewal::log_out))]))
        .service(endpoint("/auth/logout-all", [(Method::POST, web::to(renewal::log_out_all))]))
        .service(endpoint("/auth/sessions", [(Method::GET, web::to(profile::sessions))]))
        .service(endpoint(
            "/auth/sessions/{id}",
            [(Method::DELETE, web::to(profile::end_session))],
        ));
}
