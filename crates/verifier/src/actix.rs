//! The extractor for actix-web: a handler that takes a [`Bearer`] runs for good tokens only.
//!
//! Every decision is `protection.rs`'s; here its answers become actix's.

use std::fmt;
use std::future::{Future, ready};
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::{StatusCode, header};
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError};
use aquaware_token::claims::BearerClaims;
use aquaware_token::claims::ExtraClaims;
use aquaware_token::jwt::Verified;
use serde::de::DeserializeOwned;

use crate::protection::{Protection, Refusal, presented};

/// The claims of the request's token, which has been checked by the innermost [`Protection`] in
/// the application's data. `E` is what else than RFC 9068's claims the handler wants to know.
#[derive(Clone, Debug)]
pub struct Bearer<E = ExtraClaims> {
    claims: Verified<BearerClaims<E>>,
    realm: Arc<str>,
}

impl<E> Bearer<E> {
    /// Asks for scope tokens, space-delimited, beyond what the [`Protection`] asks for.
    ///
    /// # Errors
    /// 403 `insufficient_scope`, ready to be returned by the handler.
    pub fn require_scope(&self, needed: &str) -> Result<(), Refused> {
        self.claims.require_scope(needed).map_err(|missing| Refused::new(missing, &self.realm))
    }

    /// The claims by themselves.
    #[must_use]
    pub fn into_inner(self) -> Verified<BearerClaims<E>> {
        self.claims
    }
}

impl<E> Deref for Bearer<E> {
    type Target = BearerClaims<E>;

    fn deref(&self) -> &BearerClaims<E> {
        &self.claims
    }
}

impl<E: DeserializeOwned + 'static> FromRequest for Bearer<E> {
    type Error = Refused;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Refused>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let Some(protection) = request.app_data::<Protection>() else {
            return Box::pin(ready(Err(Refused(Kind::Unprotected))));
        };
        let values = request.headers().get_all(header::AUTHORIZATION);
        let token = presented(values.map(|value| value.as_bytes()), request.uri().query());
        let realm = Arc::clone(protection.challenge_realm());
        let token = match token {
            Ok(token) => token,
            Err(refusal) => return Box::pin(ready(answer(Err(refusal), realm))),
        };
        match protection.admit(token) {
            Err(refusal) if protection.may_wait(&refusal) => {
                let (protection, token) = (protection.clone(), token.to_owned());
                Box::pin(async move { answer(protection.admit_waiting(&token).await, realm) })
            }
            verdict => Box::pin(ready(answer(verdict, realm))),
        }
    }
}

fn answer<E>(
    verdict: Result<Verified<BearerClaims<E>>, Refusal>,
    realm: Arc<str>,
) -> Result<Bearer<E>, Refused> {
    match verdict {
        Ok(claims) => Ok(Bearer { claims, realm }),
        Err(refusal) => Err(Refused::new(refusal, &realm)),
    }
}

/// A request that isn't let in, as actix-web answers it.
#[derive(Debug)]
pub struct Refused(Kind);

#[derive(Debug)]
enum Kind {
    Refusal(Refusal, Arc<str>),
    /// A handler takes a [`Bearer`], but nothing says how it is checked: nobody gets in.
    Unprotected,
}

impl Refused {
    fn new(refusal: impl Into<Refusal>, realm: &Arc<str>) -> Self {
        Self(Kind::Refusal(refusal.into(), Arc::clone(realm)))
    }

    /// Why, unless the service itself is at fault.
    #[must_use]
    pub const fn refusal(&self) -> Option<&Refusal> {
        match &self.0 {
            Kind::Refusal(refusal, _) => Some(refusal),
            Kind::Unprotected => None,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Refusal(refusal, _) => refusal.fmt(f),
            Kind::Unprotected => f.write_str("there is no Protection in the application's data"),
        }
    }
}

impl std::error::Error for Refused {}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        let status = self.refusal().map_or(500, Refusal::status);
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status_code());
        if let Kind::Refusal(refusal, realm) = &self.0 {
            if let Some(challenge) = refusal.challenge(realm) {
                answer.insert_header((header::WWW_AUTHENTICATE, challenge));
            }
            if let Some(seconds) = refusal.retry_after() {
                answer.insert_header((header::RETRY_AFTER, seconds));
            }
        }
        answer.finish()
    }
}
