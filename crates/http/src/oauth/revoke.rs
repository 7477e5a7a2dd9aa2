//! `POST /oauth2/revoke` (RFC 7009).

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use aquaware_core::service::RevokeError;

use super::client;
use crate::body::oauth::OauthForm;
use crate::oauth_error::{OauthError, OauthErrorCode};
#[cfg(feature = "documents")]
use crate::schema::{self, errors, oauth_errors};
use crate::state::State;

/// Ends the session of an access or refresh token. `token_type_hint` is ignored, because the token
/// contains its type.
///
/// A public client may omit its id: the holder of a token could do worse than revoke it.
#[cfg_attr(feature = "documents", utoipa::path(
    post, path = "/oauth2/revoke", tag = schema::OAUTH, summary = "Revoke a token",
    description = "Ends the session of the token (RFC 7009). The response is the same for unknown tokens. A public client may omit its id.",
    request_body(content = schema::Revoke, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "The token is invalid from now on. There is no body.")),
    security((), ("client_secret" = [])),
    extensions(
        ("x-errors" = json!(errors![RateLimited, Overloaded])),
        ("x-oauth-errors" = json!(oauth_errors![InvalidRequest, InvalidClient, InvalidGrant])),
    ),
))]
pub(super) async fn revoke(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, OauthError> {
    let context = state.context();
    let mut form = OauthForm::read(&request, payload).await?;
    let token = form.take("token").ok_or_else(|| OauthError::missing("token"))?;
    let token = state.refresh_token(&context, token);
    let credentials = client::credentials(&request, &mut form)?;
    if let Some(credentials) = &credentials {
        state.authenticate(&context, &request, credentials).await?;
    }
    let client = credentials.as_ref().map(|credentials| &credentials.id);
    match state.sessions.revoke(&context, token.expose(), client).await {
        Ok(()) => {
            Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).finish())
        }
        Err(RevokeError::Foreign) if client.is_none() => Err(OauthError::invalid_client()),
        Err(RevokeError::Foreign) => Err(OauthError::new(
            OauthErrorCode::InvalidGrant,
            "The token belongs to another client.",
        )),
        Err(RevokeError::Store(error)) => Err(OauthError::Problem(error.into())),
    }
}
