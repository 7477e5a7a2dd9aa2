//! The description: the annotations of the handlers that are switched on, completed.

use serde_json::{Value, json};
use utoipa::OpenApi;

use super::completion;
use super::facts::Facts;
use crate::schema::{KeySet, TAGS};
use crate::{auth, key_set, oauth, oauth_error, problem, status_lists};

/// The operations of the documents that have no module of their own.
#[derive(OpenApi)]
#[openapi(
    info(title = "Aquaware", description = ABOUT, license(name = "MIT OR Apache-2.0")),
    paths(key_set::key_set),
    components(schemas(KeySet, problem::Document, problem::FieldError, oauth_error::Body)),
)]
struct Base;

#[derive(OpenApi)]
#[openapi(paths(status_lists::list, status_lists::all))]
struct StatusLists;

const ABOUT: &str = "Issues and renews access and refresh tokens (JWT).

A trailing slash makes no difference to any path. `HEAD` is answered wherever `GET` is, and \
`OPTIONS` everywhere. Any other method is 405 `method_not_allowed` with `Allow`, and any other path \
404 `not_found`.

Errors are problem documents (RFC 9457) whose `code` is stable; `/oauth2/*` uses the errors of RFC \
6749 §5.2 where they exist. Bodies of `/auth/*` may be JSON, URL-encoded or multipart forms. In JSON, \
`null` and an empty text count as absent, and unknown fields are rejected.";

/// The document of a server with these facts.
pub(super) fn of(facts: &Facts) -> Value {
    let mut openapi = Base::openapi();
    openapi.info.version = env!("CARGO_PKG_VERSION").to_owned();
    if facts.accounts {
        openapi.merge(auth::AccountOperations::openapi());
    }
    if facts.messages {
        openapi.merge(auth::MessageOperations::openapi());
    }
    #[cfg(feature = "passwords")]
    if facts.simplejwt {
        openapi.merge(crate::compat::Operations::openapi());
    }
    if facts.signup {
        openapi.merge(auth::SignUpOperation::openapi());
    }
    openapi.merge(auth::SessionOperations::openapi());
    openapi.merge(oauth::Operations::openapi());
    if facts.public_keys {
        openapi.merge(StatusLists::openapi());
    }
    openapi.merge(super::Operations::openapi());
    if facts.grants.is_empty() {
        openapi.paths.paths.remove("/oauth2/token");
    }
    // A struct of strings, lists and maps with text keys is always JSON.
    let mut document = serde_json::to_value(&openapi).unwrap_or_default();
    if let Some(members) = document.as_object_mut() {
        members.insert("servers".into(), json!([{ "url": facts.issuer }]));
        let tags = TAGS.map(|(name, about)| json!({ "name": name, "description": about }));
        members.insert("tags".into(), json!(tags));
    }
    completion::complete(&mut document, facts);
    document
}
