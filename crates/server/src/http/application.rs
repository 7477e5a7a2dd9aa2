//! The two applications: what is served to the public, and what only operators reach.

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};

use super::route::{endpoint, not_found};
use super::{auth, health, key_set, oauth, status_lists};

/// The public paths.
pub(crate) fn public(app: &mut ServiceConfig) {
    auth::routes(app);
    oauth::routes(app);
    app.service(endpoint("/.well-known/jwks.json", [(Method::GET, web::to(key_set::key_set))]))
        .service(endpoint(status_lists::PATH, [(Method::GET, web::to(status_lists::all))]))
        .service(endpoint(
            &format!("{}/{{id}}", status_lists::PATH),
            [(Method::GET, web::to(status_lists::list))],
        ))
        .default_service(web::to(not_found));
}

/// The management paths.
pub(crate) fn management(app: &mut ServiceConfig) {
    app.service(endpoint("/health/live", [(Method::GET, web::to(health::live))]))
        .service(endpoint("/health/ready", [(Method::GET, web::to(health::ready))]))
        .default_service(web::to(not_found));
}
