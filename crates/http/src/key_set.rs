//! `GET /.well-known/jwks.json`: the public keys, for services that verify tokens offline.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::document::Document;
use crate::error_code::ErrorCode;
use crate::problem::Problem;
use crate::state::State;

/// How long clients may cache the key set and the metadata, in seconds.
pub(crate) const MAX_AGE: u32 = 300;
/// How long clients may cache the key set. A key must be published for at least this long before it
/// signs.
pub const KEY_SET_MAX_AGE: Duration = Duration::from_secs(MAX_AGE as u64);

/// Returns the key set, or 304 if the client already has it.
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
        cache_control: format!("public, max-age={MAX_AGE}"),
        media_type: "application/jwk-set+json",
        coding: None,
        body: body.into(),
    };
    Ok(document.response(&request))
}
