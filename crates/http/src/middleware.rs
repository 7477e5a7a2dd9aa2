//! The middleware around a whole application: a request id, one log line per request, protective
//! headers, and problem documents for errors that the HTTP library answers.
//!
//! It must be the outermost middleware, so that every response passes through it. Requests that
//! never reach an application are answered by the server that owns the connection, with an
//! [`UnroutedResponse`].

mod chain;
mod cors;
mod problem_documents;
mod request_id;
mod trace;
mod tracer;
mod unrouted;

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
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

pub(crate) use self::chain::Chain;
pub(crate) use self::cors::{cors, publish};
use self::request_id::RequestId;
pub use self::trace::TraceContext;
pub use self::tracer::{AnsweredRequest, RequestTracer};
pub use self::unrouted::UnroutedResponse;
use crate::client_address::TrustedProxies;
use crate::error_code::ErrorCode;
use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::route;

/// The middleware for an application that only operators reach: like [`Aquaware::middleware`], but
/// without CORS, metrics of requests and trusted proxies.
///
/// [`Aquaware::middleware`]: crate::Aquaware::middleware
pub fn management_middleware<S, B>()
-> impl Transform<S, ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error, InitError = ()>
+ use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    request_middleware(Shared::default())
}

/// What the middleware uses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared {
    pub(crate) proxies: TrustedProxies,
    pub(crate) metrics: Option<Arc<Metrics>>,
    pub(crate) tracer: Option<Arc<dyn RequestTracer>>,
}

/// Stores the [`RequestId`] and the [`Client`](crate::client_address::Client) in the extensions of
/// the request, and runs its handler in a span with the id.
pub(crate) fn request_middleware<S, B>(
    shared: Shared,
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
    let shared = Rc::new(shared);
    from_fn(move |request: ServiceRequest, next: Next<B>| handle(Rc::clone(&shared), request, next))
}

async fn handle<B: MessageBody + 'static>(
    shared: Rc<Shared>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let Shared { proxies, metrics, tracer } = &*shared;
    let id = RequestId::of(request.headers());
    let client = proxies.client(request.peer_addr().map(|peer| peer.ip()), request.headers());
    request.extensions_mut().insert(id.clone());
    request.extensions_mut().insert(client);
    let method = known(request.method());
    let traced = tracer.as_ref().map(|tracer| (tracer, TraceContext::of(request.headers())));
    let span = tracing::info_span!(
        "request",
        request_id = %id,
        trace_id = traced.as_ref().map(|(_, it)| display(format!("{:032x}", it.trace_id))),
    );
    async {
        let mut outcome = respond(request, next).await;
        let (status, headers) = match &mut outcome {
            Ok(response) => (response.status(), response.headers_mut()),
            Err(response) => (response.status(), response.headers_mut()),
        };
        set_headers(headers, &id);
        // The request, and with it the route, is lost when a handler panics.
        let route =
            outcome.as_ref().map_or("unknown".to_owned(), |it| route::pattern(it.request()));
        let duration = started.elapsed();
        let milliseconds = (duration.as_secs_f64() * 1e6).round() / 1e3;
        log(method, &route, status, milliseconds, &client.address.to_string());
        if let Some((tracer, trace)) = traced.filter(|(_, trace)| trace.is_sampled) {
            let (trace, route, status) = (&trace, &*route, status.as_u16());
            tracer.answered(&AnsweredRequest { trace, method, route, status, duration });
        }
        if let Some(metrics) = metrics {
            metrics.request(route, method, status.as_u16(), duration);
        }
        outcome.map_err(|response| InternalError::from_response("failed", response).into())
    }
    .instrument(span)
    .await
}

/// The response; `Err` if the request was lost to a panic or an error of an inner middleware.
async fn respond<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, HttpResponse> {
    // Unwind safe: the state of a handler that panicked is dropped with its future.
    let handled = AssertUnwindSafe(async move { next.call(request).await }).catch_unwind().await;
    match handled {
        Ok(Ok(response)) => Ok(problem_documents::response(response.map_into_boxed_body())),
        Ok(Err(error)) => Err(problem_documents::error(&error)),
        Err(_) => {
            tracing::error!("a handler panicked");
            Err(Problem::from(ErrorCode::InternalError).response())
        }
    }
}

fn set_headers(headers: &mut HeaderMap, id: &RequestId) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        headers.insert(request_id::HEADER, value);
    }
}

/// Logs one line per request. It contains the pattern of the route and neither the path nor the
/// query, in which clients may send secrets.
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

/// The name of a standard method; others may be any text.
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
