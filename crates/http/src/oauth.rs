//! `/oauth2/*` and the server metadata: the token endpoint, revocation and introspection for OAuth
//! 2.0 clients, over the same use cases as `/auth/*`.

mod client;
mod introspect;
mod metadata;
mod revoke;
mod token;

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};

use crate::route::{endpoint, public_document};

#[cfg(feature = "documents")]
pub(crate) use self::metadata::grants;

/// The operations.
#[cfg(feature = "documents")]
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    token::token,
    revoke::revoke,
    introspect::introspect,
    metadata::metadata,
    metadata::openid_metadata,
))]
pub(crate) struct Operations;

/// Mounts the resources.
pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(endpoint("/oauth2/token", [(Method::POST, web::to(token::token))]))
        .service(endpoint("/oauth2/revoke", [(Method::POST, web::to(revoke::revoke))]))
        .service(endpoint("/oauth2/introspect", [(Method::POST, web::to(introspect::introspect))]))
        .service(public_document(metadata::PATH, web::to(metadata::metadata)))
        .service(public_document(
            &format!("{}/{{path:.*}}", metadata::PATH),
            web::to(metadata::metadata),
        ))
        .service(public_document(metadata::OPENID_PATH, web::to(metadata::openid_metadata)))
        .service(public_document(
            &format!("/{{path:.+}}{}", metadata::OPENID_PATH),
            web::to(metadata::openid_metadata),
        ));
}
