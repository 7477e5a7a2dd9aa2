//! `POST /oauth2/introspect` (RFC 7662).

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use aquaware_core::claims::{Audiences, Scope};
use aquaware_core::service::{Introspected, RequestContext};
use aquaware_core::time::Timestamp;
use serde::Serialize;

use super::client;
use crate::bearer;
use crate::body::oauth::OauthForm;
use crate::oauth_error::OauthError;
use crate::problem::Problem;
#[cfg(feature = "documents")]
use crate::schema::{self, errors, oauth_errors};
use crate::state::State;

/// The scope with which a bearer may introspect tokens.
const SCOPE: &str = "introspect";

/// Describes a token to a confidential client, or to a bearer with [`SCOPE`].
#[cfg_attr(feature = "documents", utoipa::path(
    post, path = "/oauth2/introspect", tag = schema::OAUTH, summary = "Describe a token",
    description = "For confidential clients, and for bearers of an access token with the scope `introspect`, to which refresh tokens are inactive (RFC 7662).",
    request_body(content = schema::Introspect, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "The claims of an active token, or only `active`.",
        body = schema::Introspection)),
    security(("client_secret" = []), ("access_token" = []), ()),
    extensions(
        ("x-errors" = json!(errors![InvalidRequest, InvalidToken, InsufficientScope, RateLimited,
            Overloaded])),
        ("x-oauth-errors" = json!(oauth_errors![InvalidRequest, InvalidClient])),
    ),
))]
pub(super) async fn introspect(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, OauthError> {
    let context = state.context();
    let mut form = OauthForm::read(&request, payload).await?;
    let asker = authorize(&request, &mut form, &state, &context).await?;
    let token = form.take("token").ok_or_else(|| OauthError::missing("token"))?;
    let token = state.refresh_token(&context, token);
    let found = match asker {
        Asker::Client => state.sessions.introspect(&context, token.expose()).await,
        Asker::Bearer => state.sessions.introspect_access(&context, token.expose()).await,
    };
    let found = found.map_err(Problem::from)?;
    let response = found.as_ref().map_or_else(Introspection::default, Introspection::of);
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(response))
}

/// The party that asks.
enum Asker {
    /// A confidential client.
    Client,
    /// The bearer of an access token. It learns nothing about refresh tokens: a thief who knows when
    /// one was superseded could use it within the retry window.
    Bearer,
}

/// RFC 7662 §2.1: callers must be authorized, otherwise they could scan for valid tokens.
async fn authorize(
    request: &HttpRequest,
    form: &mut OauthForm,
    state: &State,
    context: &RequestContext,
) -> Result<Asker, OauthError> {
    if let Some(bearer) = bearer::access_token(request, form.has(bearer::FIELD))? {
        let found = state.sessions.introspect(context, bearer.expose()).await;
        let found = found.map_err(Problem::from)?;
        return match found {
            Some(Introspected::Access(claims)) if claims.scope.contains(SCOPE) => Ok(Asker::Bearer),
            Some(Introspected::Access(_)) => Err(Problem::insufficient_scope(SCOPE).into()),
            Some(Introspected::Refresh(..)) | None => Err(Problem::invalid_token().into()),
        };
    }
    let credentials = client::required(request, form)?;
    if state.authenticate(context, request, &credentials).await?.is_confidential() {
        Ok(Asker::Client)
    } else {
        Err(OauthError::invalid_client())
    }
}

/// RFC 7662 §2.2: the claims of an active token, and nothing about any other.
#[derive(Debug, Default, Serialize)]
struct Introspection<'a> {
    active: bool,
    #[serde(flatten)]
    claims: Option<Claims<'a>>,
}

#[derive(Debug, Serialize)]
struct Claims<'a> {
    token_type: &'static str,
    iss: &'a str,
    sub: &'a str,
    aud: Audiences,
    client_id: &'a str,
    exp: Timestamp,
    iat: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    #[serde(skip_serializing_if = "Scope::is_empty")]
    scope: &'a Scope,
}

impl<'a> Introspection<'a> {
    fn of(found: &'a Introspected) -> Self {
        let fields = match found {
            Introspected::Access(claims) => Claims {
                token_type: "Bearer",
                iss: claims.iss.as_str(),
                sub: claims.sub.as_str(),
                aud: claims.aud.clone(),
                client_id: claims.client_id.as_str(),
                exp: claims.exp,
                iat: claims.iat,
                jti: Some(&claims.jti),
                sid: claims.sid.map(|sid| sid.to_string()),
                scope: &claims.scope,
            },
            Introspected::Refresh(claims, scope) => Claims {
                token_type: "refresh_token",
                iss: claims.iss.as_str(),
                sub: claims.sub.as_str(),
                aud: Audiences::One(claims.aud.clone()),
                client_id: claims.client_id.as_str(),
                exp: claims.exp,
                iat: claims.iat,
                jti: None,
                sid: Some(claims.sid.to_string()),
                scope,
            },
        };
        Self { active: true, claims: Some(fields) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_revealed_about_inactive_tokens() {
        let text = serde_json::to_string(&Introspection::default()).unwrap();
        assert_eq!(text, r#"{"active":false}"#);
    }
}
