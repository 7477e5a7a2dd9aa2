//! The layer for tower: axum, hyper and whatever else has `http` requests.
//!
//! A request with a good token goes on with its claims, a `Verified<BearerClaims>`, in its
//! extensions. Any other is answered here, with an empty body. Every decision is
//! `protection.rs`'s. A layer that answers CORS preflights must be outside this one.

use std::future::{Future, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use aquaware_token::claims::BearerClaims;
use aquaware_token::claims::ExtraClaims;
use aquaware_token::jwt::Verified;
use http::{HeaderValue, Request, Response, StatusCode, header};
use tower_layer::Layer;
use tower_service::Service;

use crate::protection::{Protection, Refusal, presented};

type Claims = Verified<BearerClaims<ExtraClaims>>;

impl<S> Layer<S> for Protection {
    type Service = Protected<S>;

    fn layer(&self, inner: S) -> Protected<S> {
        Protected { inner, protection: self.clone() }
    }
}

/// A service behind a [`Protection`].
#[derive(Clone, Debug)]
pub struct Protected<S> {
    inner: S,
    protection: Protection,
}

impl<S, B, R> Service<Request<B>> for Protected<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Send + 'static,
    R: Default + Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let token = match token(&request) {
            Ok(token) => token,
            Err(refusal) => return Box::pin(ready(Ok(self.answer(&refusal)))),
        };
        match self.protection.admit(&token) {
            Ok(claims) => {
                request.extensions_mut().insert::<Claims>(claims);
                Box::pin(self.inner.call(request))
            }
            Err(refusal) if self.protection.may_wait(&refusal) => {
                // The service that was polled ready goes with the request, its clone stays.
                let clone = self.clone();
                let ready = std::mem::replace(self, clone);
                Box::pin(ready.call_waiting(request, token))
            }
            Err(refusal) => Box::pin(ready(Ok(self.answer(&refusal)))),
        }
    }
}

impl<S> Protected<S> {
    async fn call_waiting<B, R>(
        mut self,
        mut request: Request<B>,
        token: String,
    ) -> Result<Response<R>, S::Error>
    where
        S: Service<Request<B>, Response = Response<R>>,
        R: Default,
    {
        match self.protection.admit_waiting(&token).await {
            Ok(claims) => {
                request.extensions_mut().insert::<Claims>(claims);
                self.inner.call(request).await
            }
            Err(refusal) => Ok(self.answer(&refusal)),
        }
    }

    fn answer<R: Default>(&self, refusal: &Refusal) -> Response<R> {
        let mut answer = Response::new(R::default());
        *answer.status_mut() =
            StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::UNAUTHORIZED);
        let challenge = refusal.challenge(self.protection.challenge_realm());
        if let Some(Ok(value)) = challenge.map(HeaderValue::try_from) {
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, value);
        }
        if let Some(seconds) = refusal.retry_after() {
            answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        answer
    }
}

fn token<B>(request: &Request<B>) -> Result<String, Refusal> {
    let values = request.headers().get_all(header::AUTHORIZATION);
    let values = values.iter().map(HeaderValue::as_bytes);
    presented(values, request.uri().query()).map(str::to_owned)
}
