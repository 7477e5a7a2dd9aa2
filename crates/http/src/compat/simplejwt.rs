//! The endpoints of djangorestframework-simplejwt, with its bodies, status codes and error texts.
//!
//! Its clients go on working while a service moves here. Their tokens are ordinary ones of one client
//! profile, and refresh tokens that Django signed become sessions at their first use.

use actix_web::http::{Method, StatusCode, header};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use aquaware_core::claims::Scope;
use aquaware_core::id::Generation;
use aquaware_core::jwt::{SimpleJwtError, TokenError};
use aquaware_core::policy::{ClientProfile, Grant};
use aquaware_core::secret::{Password, RefreshToken};
use aquaware_core::service::{
    AuthError, Granted, LogIn, LoginError, OldRefresh, Presenter, RefreshError, RefreshRequest,
    RequestContext, SimpleJwt, session_of,
};
use aquaware_core::session::EndReason;
use serde_json::{Value as Json, json};

use super::drf::{DrfError, Required, other_method};
use crate::body::{Fields, Text};
use crate::login::{self, LoginRejection};
use crate::problem::Problem;
use crate::route::endpoint;
#[cfg(feature = "documents")]
use crate::schema;
use crate::state::{State, retry_key};

/// The operations of the doors.
#[cfg(feature = "documents")]
#[derive(utoipa::OpenApi)]
#[openapi(paths(obtain, refresh, verify, blacklist), components(schemas(schema::SimpleJwtError)))]
pub(crate) struct Operations;

const BLACKLISTED: &str = "Token is blacklisted";
const INVALID: &str = "Token is invalid";
const NO_ACCOUNT: &str = "No active account found for the given token.";

/// Mounts the doors.
pub(crate) fn routes(app: &mut ServiceConfig) {
    let doors = [
        ("/api/token", web::to(obtain)),
        ("/api/token/refresh", web::to(refresh)),
        ("/api/token/verify", web::to(verify)),
        ("/api/token/blacklist", web::to(blacklist)),
    ];
    for (path, door) in doors {
        let resource = endpoint(path, [(Method::POST, door)]);
        app.service(resource.default_service(web::to(|request: HttpRequest| async move {
            other_method(&request)
        })));
    }
}

/// A request at a door.
struct Door<'a> {
    request: &'a HttpRequest,
    state: &'a State,
    settings: &'a SimpleJwt,
    context: RequestContext,
}

type Answer = Result<Json, DrfError>;

impl<'a> Door<'a> {
    fn open(request: &'a HttpRequest, state: &'a State) -> Result<Self, Problem> {
        let settings = state.simplejwt.as_deref();
        let settings = settings.ok_or(crate::error_code::ErrorCode::NotFound)?;
        Ok(Self { request, state, settings, context: state.context() })
    }

    async fn fields(&self, payload: web::Payload) -> Result<Fields, DrfError> {
        Fields::read(self.request, payload).await.map_err(|problem| self.problem(&problem))
    }

    fn problem(&self, problem: &Problem) -> DrfError {
        DrfError::of(problem, self.request.headers())
    }

    /// The profile of the client; `None` if a reload removed it.
    fn profile(&self) -> Result<&ClientProfile, DrfError> {
        let profile = self.context.client(self.settings.client());
        let missing = || self.problem(&crate::error_code::ErrorCode::UnknownClient.into());
        profile.ok_or_else(missing)
    }

    fn refresh_error(&self, error: RefreshError) -> DrfError {
        match error {
            RefreshError::Ended(EndReason::AccountDisabled | EndReason::AccountDeleted) => {
                DrfError::detail(StatusCode::UNAUTHORIZED, NO_ACCOUNT)
            }
            RefreshError::Reused | RefreshError::Ended(_) => DrfError::token(BLACKLISTED),
            RefreshError::Expired => of_token(&SimpleJwtError::Expired),
            RefreshError::Service(error) => self.problem(&error.into()),
            RefreshError::Token(_)
            | RefreshError::Unknown
            | RefreshError::NotAllowed
            | RefreshError::Foreign
            | RefreshError::InvalidScope => DrfError::token(INVALID),
        }
    }

    /// `POST /api/token/`.
    async fn obtain(&self, payload: web::Payload) -> Answer {
        let address = self.state.client(self.request).address;
        let counted = self.state.count_login(&self.context, address).await;
        counted.map_err(|problem| self.problem(&problem))?;
        let mut fields = self.fields(payload).await?;
        // The name of the field is the USERNAME_FIELD of the user model.
        let by_email = fields.has("email") && !fields.has("username");
        let name = if by_email { "email" } else { "username" };
        let mut required = Required::new(&mut fields);
        let (username, password) = (required.text(name), required.text("password"));
        required.finish()?;
        let login = LogIn {
            email: username.trim().to_owned(),
            password: secret(password),
            client: self.profile()?,
            grant: Grant::Login,
            scope: Scope::default(),
            device: login::device(self.request, address, None),
        };
        match login::log_in(self.state, &self.context, login).await {
            Ok(granted) => Ok(json!({
                "refresh": self.new_token(&granted).as_ref().map(RefreshToken::expose),
                "access": granted.access.expose(),
            })),
            Err(LoginRejection::Login(LoginError::InvalidCredentials)) => {
                let detail = "No active account found with the given credentials";
                Err(DrfError::detail(StatusCode::UNAUTHORIZED, detail))
            }
            Err(rejection) => Err(self.problem(&rejection.into())),
        }
    }

    /// `POST /api/token/refresh/`.
    async fn refresh(&self, payload: web::Payload) -> Answer {
        let token = self.token(payload, "refresh").await?;
        let token = token.expose();
        let granted = match self.state.sessions.check_refresh(&self.context, token) {
            Ok(token) if token.claims().client_id == *self.settings.client() => {
                let counted = self.state.count_refresh(&token, self.context.now);
                counted.map_err(|problem| self.problem(&problem))?;
                self.renew(&token).await
            }
            _ => self.renew_old(&self.old(token)?).await,
        };
        let granted = granted.map_err(|error| self.refresh_error(error))?;
        let access = granted.access.expose();
        Ok(match self.new_token(&granted) {
            Some(refresh) => json!({ "access": access, "refresh": refresh.expose() }),
            None => json!({ "access": access }),
        })
    }

    /// The new refresh token in the form for clients of Django.
    fn new_token(&self, granted: &Granted) -> Option<RefreshToken> {
        let refresh = granted.refresh.as_ref()?;
        Some(self.settings.to_client(&self.context, &refresh.token))
    }

    async fn renew(
        &self,
        token: &aquaware_core::service::CheckedRefresh<'_>,
    ) -> Result<Granted, RefreshError> {
        let retry_key = retry_key(self.request).ok().flatten();
        let device = self.device();
        self.state
            .renew(
                &self.context,
                RefreshRequest {
                    token,
                    presenter: Presenter::FirstParty,
                    scope: None,
                    retry_key: retry_key.as_ref(),
                    device: Some(&device),
                },
            )
            .await
    }

    async fn renew_old(&self, token: &OldRefresh) -> Result<Granted, RefreshError> {
        let Some(profile) = self.context.client(self.settings.client()) else {
            return Err(RefreshError::NotAllowed);
        };
        let accounts = self.state.accounts.as_ref().ok_or(RefreshError::NotAllowed)?;
        let retry_key = retry_key(self.request).ok().flatten();
        let renewed = accounts.service.refresh_adopted(
            &self.context,
            profile,
            token,
            self.device(),
            retry_key.as_ref(),
        );
        self.state.renewed(token.claims(), renewed.await).await
    }

    /// `POST /api/token/verify/`: any token that is valid and not superseded.
    async fn verify(&self, payload: web::Payload) -> Answer {
        let token = self.token(payload, "token").await?;
        let (context, token) = (&self.context, token.expose());
        let sessions = &self.state.sessions;
        let blacklisted = || DrfError::non_field(BLACKLISTED);
        let current = if let Ok(refresh) = sessions.check_refresh(context, token) {
            let claims = refresh.claims();
            if claims.exp <= context.now {
                return Err(of_token(&SimpleJwtError::Expired));
            }
            sessions.is_current(context, &claims.sid, claims.generation).await
        } else if self.is_access(token)? {
            return match sessions.authenticate(context, token).await {
                Ok(_) => Ok(json!({})),
                Err(AuthError::Store(error)) => Err(self.problem(&error.into())),
                Err(AuthError::SessionOver | AuthError::Token(_)) => Err(blacklisted()),
            };
        } else {
            let claims = self.settings.check(context, token).map_err(|error| of_token(&error))?;
            let session = session_of(&claims);
            let current = sessions.is_current(context, &session, Generation::FIRST).await;
            current.map(|current| current.or(Some(true)))
        };
        match current.map_err(|error| self.problem(&error.into()))? {
            Some(true) => Ok(json!({})),
            Some(false) | None => Err(blacklisted()),
        }
    }

    /// `POST /api/token/blacklist/`: a logout.
    async fn blacklist(&self, payload: web::Payload) -> Answer {
        let token = self.token(payload, "refresh").await?;
        let (context, sessions, token) = (&self.context, &self.state.sessions, token.expose());
        let was_current = match sessions.check_refresh(context, token) {
            Ok(refresh) if refresh.claims().client_id == *self.settings.client() => {
                let claims = refresh.claims();
                let current = sessions.is_current(context, &claims.sid, claims.generation).await;
                let current = current.map_err(|error| self.problem(&error.into()))?;
                let ended = sessions.log_out(context, token).await;
                ended.map_err(|error| self.problem(&error.into()))?;
                current == Some(true)
            }
            _ => {
                let token = self.old(token)?;
                let accounts = self.state.accounts().map_err(|problem| self.problem(&problem))?;
                let retired = accounts.service.retire(context, self.profile()?, &token).await;
                retired.map_err(|error| self.refresh_error(error))?
            }
        };
        if was_current { Ok(json!({})) } else { Err(DrfError::token(BLACKLISTED)) }
    }

    /// The token in a body. A refresh token in the form that Django accepts too comes out of it.
    async fn token(&self, payload: web::Payload, name: &str) -> Result<RefreshToken, DrfError> {
        let mut fields = self.fields(payload).await?;
        let mut required = Required::new(&mut fields);
        let token = required.text(name);
        required.finish()?;
        Ok(self.state.refresh_token(&self.context, token))
    }

    /// Reads a refresh token of Django, within the limit of its session.
    fn old(&self, token: &str) -> Result<OldRefresh, DrfError> {
        if self.is_access(token)? {
            return Err(of_token(&SimpleJwtError::WrongType));
        }
        let old = self.settings.read(&self.context, token).map_err(|error| of_token(&error))?;
        let rotation = self.profile()?.rotation();
        let counted = self.state.limiter.refresh(old.claims(), rotation, self.context.now);
        counted.map_err(|problem| self.problem(&problem))?;
        Ok(old)
    }

    /// Whether this is a valid access token of this issuer.
    fn is_access(&self, token: &str) -> Result<bool, DrfError> {
        match self.context.check_access(token) {
            Ok(_) => Ok(true),
            Err(TokenError::Expired) => Err(of_token(&SimpleJwtError::Expired)),
            Err(_) => Ok(false),
        }
    }

    fn device(&self) -> aquaware_core::session::Device {
        login::device(self.request, self.state.client(self.request).address, None)
    }
}

fn of_token(error: &SimpleJwtError) -> DrfError {
    DrfError::token(error.to_string())
}

fn secret(mut text: Text) -> Password {
    Password::new(std::mem::take(&mut *text))
}

fn respond(answer: Answer) -> HttpResponse {
    match answer {
        Ok(body) => {
            HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(body)
        }
        Err(error) => error.response(),
    }
}

/// `POST /api/token/`.
#[cfg_attr(feature = "documents", utoipa::path(
    post, path = "/api/token", operation_id = "simplejwt_obtain", tag = schema::SIMPLEJWT, summary = "Open a session",
    description = "`username` or `email`, as USERNAME_FIELD of the Django project has it.",
    request_body = schema::SimpleJwtLogIn,
    responses((status = 200, description = "The tokens of the new session.", body = schema::SimpleJwtTokens)),
))]
async fn obtain(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    Ok(respond(Door::open(&request, &state)?.obtain(payload).await))
}

/// `POST /api/token/refresh/`.
#[cfg_attr(feature = "documents", utoipa::path(
    post, path = "/api/token/refresh", operation_id = "simplejwt_refresh", tag = schema::SIMPLEJWT, summary = "Renew the access token",
    description = "Takes refresh tokens of this server and, until the configured day, of Django.",
    request_body = schema::SimpleJwtRefresh,
    responses((status = 200, description = "The new tokens.", body = schema::SimpleJwtTokens)),
))]
async fn refresh(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    Ok(respond(Door::open(&request, &state)?.refresh(payload).await))
}

/// `POST /api/token/verify/`.
#[cfg_attr(feature = "documents", utoipa::path(
    post, path = "/api/token/verify", operation_id = "simplejwt_verify", tag = schema::SIMPLEJWT, summary = "Check a token",
    description = "A token of any type that is valid and not superseded.",
    request_body = schema::SimpleJwtVerify,
    responses((status = 200, description = "The token is valid.", body = Object)),
))]
async fn verify(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    Ok(respond(Door::open(&request, &state)?.verify(payload).await))
}

/// `POST /api/token/blacklist/`.
#[cfg_attr(feature = "documents", utoipa::path(
    post, path = "/api/token/blacklist", operation_id = "simplejwt_blacklist", tag = schema::SIMPLEJWT, summary = "End the session",
    description = "The session of the refresh token ends.",
    request_body = schema::SimpleJwtRefresh,
    responses((status = 200, description = "The session has ended.", body = Object)),
))]
async fn blacklist(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    Ok(respond(Door::open(&request, &state)?.blacklist(payload).await))
}
