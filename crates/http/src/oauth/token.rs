//! `POST /oauth2/token` (RFC 6749 §3.2).

use actix_web::{HttpRequest, HttpResponse, web};
use aquaware_core::claims::Scope;
use aquaware_core::policy::{ClientProfile, Grant, Transport};
use aquaware_core::service::{Credentials, LogIn, Presenter, RefreshRequest, RequestContext};

use super::client;
use crate::body::oauth::OauthForm;
use crate::login;
use crate::narrowing::Narrowing;
use crate::oauth_error::{OauthError, OauthErrorCode};
#[cfg(feature = "documents")]
use crate::schema::{self, errors, oauth_errors};
use crate::state::{State, retry_key};
use crate::token_response;

/// Dispatches to the requested grant.
#[cfg_attr(feature = "documents", utoipa::path(
    post, path = "/oauth2/token", tag = schema::OAUTH, summary = "Request tokens",
    description = "Public clients send their `client_id`; confidential ones authenticate with HTTP Basic or with `client_secret`.",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
        pattern = "^[!-~]+$", description = "A retry with the key of the first use gets the same refresh token again. Keys shorter than 16 characters are ignored.")),
    request_body(content = schema::TokenRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "The tokens.", body = schema::TokenResponse,
        headers(("Pragma" = String, description = "`no-cache`")))),
    security((), ("client_secret" = [])),
    extensions(
        ("x-errors" = json!(errors![AccountLocked, RateLimited, Overloaded, ClockUnreliable])),
        ("x-oauth-errors" = json!(oauth_errors![InvalidRequest, InvalidClient, InvalidGrant,
            UnauthorizedClient, UnsupportedGrantType, InvalidScope, InvalidTarget])),
    ),
))]
pub(super) async fn token(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, OauthError> {
    let context = state.context();
    let mut form = OauthForm::read(&request, payload).await?;
    let grant = form.take("grant_type").ok_or_else(|| OauthError::missing("grant_type"))?;
    let credentials = client::required(&request, &mut form)?;
    let request = TokenRequest { request: &request, form, credentials, state: &state, context };
    match grant.parse() {
        Ok(Grant::RefreshToken) => request.refresh().await,
        Ok(Grant::ClientCredentials) => request.client_credentials().await,
        Ok(Grant::Password) if state.accounts.is_some() => request.password().await,
        Ok(Grant::Password | Grant::Login) | Err(_) => Err(OauthError::new(
            OauthErrorCode::UnsupportedGrantType,
            "The grant is not supported.",
        )),
    }
}

struct TokenRequest<'a> {
    request: &'a HttpRequest,
    form: OauthForm,
    credentials: Credentials,
    state: &'a State,
    context: RequestContext,
}

impl TokenRequest<'_> {
    /// RFC 6749 §6, under the same succession rules as `/auth/refresh`.
    async fn refresh(mut self) -> Result<HttpResponse, OauthError> {
        let retry_key = retry_key(self.request).map_err(|_| {
            OauthError::new(
                OauthErrorCode::InvalidRequest,
                "The Idempotency-Key must be 1 to 255 visible ASCII characters.",
            )
        })?;
        let token = self.form.take("refresh_token");
        let token = token.ok_or_else(|| OauthError::missing("refresh_token"))?;
        let token = self.state.refresh_token(&self.context, token);
        let scope = self.scope()?;
        self.authenticate().await?;
        let token = &self.state.sessions.check_refresh(&self.context, token.expose())?;
        // A token of another client must not use up the limit of that client's session.
        if token.claims().client_id == self.credentials.id {
            if token.profile().is_some_and(|it| it.transport() == Transport::Cookie) {
                // Scripts must not be able to exchange the token of the cookie for one in a body.
                return Err(OauthError::unauthorized_client());
            }
            self.state.count_refresh(token, self.context.now)?;
        }
        let presenter = Presenter::Client(&self.credentials.id);
        // The audiences of another client are not revealed.
        let profile = token.profile().filter(|profile| *profile.id() == self.credentials.id);
        let narrowing = Narrowing::of(profile, &self.context, &self.form.resources)?;
        let address = self.state.client(self.request).address;
        let device = &login::device(self.request, address, None);
        let (scope, retry_key, device) = (scope.as_ref(), retry_key.as_ref(), Some(device));
        let request = RefreshRequest { token, presenter, scope, retry_key, device };
        let granted = self.state.renew(&self.context, request).await?;
        let granted = narrowing.apply(self.state, &self.context, granted)?;
        Ok(token_response::for_oauth(&granted, self.context.now))
    }

    /// RFC 6749 §4.4.
    async fn client_credentials(mut self) -> Result<HttpResponse, OauthError> {
        let scope = self.scope()?.unwrap_or_default();
        let profile = self.authenticate().await?;
        let narrowing = Narrowing::of(Some(profile), &self.context, &self.form.resources)?;
        let clients = &self.state.clients;
        let token = clients.token_for(&self.context, profile, scope, narrowing.target())?;
        Ok(token_response::for_client(&token, self.context.now))
    }

    /// RFC 6749 §4.3, for clients with the grant `password`.
    async fn password(mut self) -> Result<HttpResponse, OauthError> {
        let address = self.state.client(self.request).address;
        self.state.count_login(&self.context, address).await?;
        let name = self.form.take("username").ok_or_else(|| OauthError::missing("username"))?;
        let password = self.form.take("password");
        let password = password.ok_or_else(|| OauthError::missing("password"))?;
        let scope = self.scope()?.unwrap_or_default();
        let client = self.authenticate().await?;
        if client.transport() == Transport::Cookie {
            // The response would carry the refresh token in its body.
            return Err(OauthError::unauthorized_client());
        }
        let narrowing = Narrowing::of(Some(client), &self.context, &self.form.resources)?;
        let login = LogIn {
            email: name.to_string(),
            password: client::password(password),
            client,
            grant: Grant::Password,
            scope,
            device: login::device(self.request, address, None),
        };
        let granted = login::log_in(self.state, &self.context, login).await?;
        let granted = narrowing.apply(self.state, &self.context, granted)?;
        Ok(token_response::for_oauth(&granted, self.context.now))
    }

    async fn authenticate(&self) -> Result<&ClientProfile, OauthError> {
        self.state.authenticate(&self.context, self.request, &self.credentials).await
    }

    fn scope(&mut self) -> Result<Option<Scope>, OauthError> {
        let scope = self.form.take("scope");
        scope.map(|it| Scope::parse(&it).map_err(|_| OauthError::invalid_scope())).transpose()
    }
}
