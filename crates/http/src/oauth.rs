//! `/oauth2/*`: the token endpoint, revocation and introspection for whoever speaks OAuth 2.0, over
//! the same use cases as `/auth/*`.

mod client;
mod error;
mod introspect;
mod metadata;
mod revoke;
mod token;

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};

use super::route::endpoint;

/// Adds the paths to the application.
pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(endpoint("/oauth2/token", [(Method::POST, web::to(token::token))]))
        .service(endpoint("/oauth2/revoke", [(Method::POST, web::to(revoke::revoke))]))
        .service(endpoint("/oauth2/introspect", [(Method::POST, web::to(introspect::introspect))]))
        .service(endpoint(metadata::PATH, [(Method::GET, web::to(metadata::metadata))]))
        .service(endpoint(
            &format!("{}/{{path:.*}}", metadata::PATH),
            [(Method::GET, web::to(metadata::metadata))],
        ));
}
