//! `GET /.well-known/jwks.json`: the public keys, for services that verify tokens offline.

use actix_web::{HttpRequest, HttpResponse, web};
use aquaware_core::keys::KEY_SET_MAX_AGE;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::document::Document;
use crate::error_code::ErrorCode;
use crate::problem::Problem;
#[cfg(feature = "documents")]
use crate::schema;
use crate::state::State;

/// Lets clients cache the key set and the metadata.
pub(crate) fn cache_control() -> String {
    format!("public, max-age={}", KEY_SET_MAX_AGE.as_secs())
}

/// Returns the key set, or 304 if the client already has it.
#[cfg_attr(feature = "documents", utoipa::path(
    get, path = "/.well-known/jwks.json", tag = schema::DISCOVERY,
    summary = "The public keys (RFC 7517)",
    params(("If-None-Match" = Option<String>, Header, description = "The `ETag` of the version that the client has.")),
    responses((status = 200, description = "The keys.", body = schema::KeySet,
            content_type = "application/jwk-set+json", headers(("Cache-Control" = String), ("ETag" = String), ("Access-Control-Allow-Origin" = String, description = "`*`"))),
        (status = 304, description = "The client has this version.", headers(("Cache-Control" = String), ("ETag" = String), ("Access-Control-Allow-Origin" = String, description = "`*`")))),
))]
pub(crate) async fn key_set(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let context = state.context();
    let body = serde_json::to_vec(&context.key_set())
        .map_err(|_| Problem::from(ErrorCode::InternalError))?;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &body);
    let document = Document {
        tag: URL_SAFE_NO_PAD.encode(digest.as_ref()),
        cache_control: cache_control(),
        media_type: "application/jwk-set+json",
        coding: None,
        body: body.into(),
    };
    Ok(document.response(&request))
}
