//! `GET /.well-known/jwks.json`: the public keys, for whoever checks tokens without asking.

use actix_web::http::header::{self, EntityTag, Header as _, IfNoneMatch};
use actix_web::{HttpRequest, HttpResponse, web};
use aquaware_core::jwt::PublicKey;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::problem::{Code, Problem};
use super::state::State;

/// How long others may keep the key set, in seconds. A next key is published at least this long
/// before it signs.
pub(crate) const MAX_AGE: u32 = 300;

#[derive(Serialize)]
struct KeySet {
    keys: Vec<PublicKey>,
}

/// Answers with the set, or 304 to whoever has it.
pub(crate) async fn key_set(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let authority = state.sessions.authority();
    let set = KeySet { keys: authority.ring().published(state.now()).collect() };
    let body = serde_json::to_vec(&set).map_err(|_| Problem::from(Code::InternalError))?;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &body);
    let tag = EntityTag::new_strong(URL_SAFE_NO_PAD.encode(digest.as_ref()));
    let known = match IfNoneMatch::parse(&request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&tag)),
        Err(_) => false,
    };
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header((header::CACHE_CONTROL, format!("public, max-age={MAX_AGE}")))
        .insert_header(header::ETag(tag));
    if known {
        return Ok(response.finish());
    }
    Ok(response.content_type("application/jwk-set+json").body(body))
}
