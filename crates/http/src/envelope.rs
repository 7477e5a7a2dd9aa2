//! What every request and every answer has, whoever handles it: an id, a line in the log, two
//! headers, and an error that is a problem document even where the HTTP library made it.
//!
//! This is the outermost middleware, so that nothing is answered without it. Only a request that
//! the library can't parse as HTTP at all is answered before.

mod documented;
mod request_id;

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::error::InternalError;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{Next, from_fn};
use actix_web::{Error, HttpMessage as _, HttpResponse};
use futures_util::FutureExt as _;
use tracing::Instrument as _;

pub(crate) use self::request_id::RequestId;
use super::client_address::TrustedProxies;
use super::problem::{Code, Problem};
use super::route;

/// The middleware of an application that only operators reach: as [`Aquaware::middleware`], but
/// without CORS and without trusted proxies.
///
/// [`Aquaware::middleware`]: crate::Aquaware::middleware
pub fn management_middleware<S, B>()
-> impl Transform<S, ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error, InitError = ()>
+ use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    envelope(TrustedProxies::default())
}

/// The middleware to wrap the whole application in, after every other.
///
/// It leaves the [`RequestId`] and the [`Client`](super::client_address::Client) in the request's
/// extensions, and runs everything inside of a span that carries the id.
pub(crate) fn envelope<S, B>(
    proxies: TrustedProxies,
) -> impl Transform<
    S,
    ServiceRequest,
    Response = ServiceResponse<BoxBody>,
    Error = Error,
    InitError = (),
> + use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    let proxies = Rc::new(proxies);
    from_fn(move |request: ServiceRequest, next: Next<B>| {
        enclose(Rc::clone(&proxies), request, next)
    })
}

async fn enclose<B: MessageBody + 'static>(
    proxies: Rc<TrustedProxies>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let id = RequestId::of(request.headers());
    let client = proxies.client(request.peer_addr().map(|peer| peer.ip()), request.headers());
    request.extensions_mut().insert(id.clone());
    request.extensions_mut().insert(client);
    let method = known(request.method());
    let span = tracing::info_span!("request", request_id = %id);
    async {
        let mut outcome = answer(request, next).await;
        let (status, headers) = match &mut outcome {
            Ok(response) => (response.status(), response.headers_mut()),
            Err(response) => (response.status(), response.headers_mut()),
        };
        label(headers, &id);
        // A handler that panicked took its request along, and so the route.
        let route =
            outcome.as_ref().map_or("unknown".to_owned(), |it| route::pattern(it.request()));
        let milliseconds = (started.elapsed().as_secs_f64() * 1e6).round() / 1e3;
        log(method, &route, status, milliseconds, &client.address.to_string());
        outcome.map_err(|response| InternalError::from_response("answered", response).into())
    }
    .instrument(span)
    .await
}

/// The answer, or what to answer where the request was lost with a panic or a failed middleware.
async fn answer<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, HttpResponse> {
    // Nothing of a handler that panicked is used again: its state is dropped with its future.
    let handled = AssertUnwindSafe(async move { next.call(request).await }).catch_unwind().await;
    match handled {
        Ok(Ok(response)) => Ok(documented::response(response.map_into_boxed_body())),
        Ok(Err(error)) => Err(documented::error(&error)),
        Err(_) => {
            tracing::error!("a handler panicked");
            Err(Problem::from(Code::InternalError).response())
        }
    }
}

fn label(headers: &mut HeaderMap, id: &RequestId) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        headers.insert(request_id::HEADER, value);
    }
}

/// One line per request. The path and the query are the client's and may hold anything; the
/// route's pattern is ours.
fn log(method: &str, route: &str, status: StatusCode, milliseconds: f64, client: &str) {
    tracing::info!(
        target: "aquaware::access",
        method,
        route,
        status = status.as_u16(),
        duration_ms = milliseconds,
        client,
        "answered"
    );
}

/// The method's name where it is a usual one; others are any text of the client's.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests;
