//! From hyper's requests to actix-web's and back. Nothing is interpreted here: method, target,
//! headers and body pass through.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future as _, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_http::body::{BodySize, BoxBody, MessageBody as _};
use actix_http::{BoxedPayloadStream, ConnectionType, Payload, Request, Uri};
use actix_web::dev::{Service, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{Method, Version};
use actix_web::web::Bytes;
use actix_web::{Error, HttpResponse};
use futures_util::future::LocalBoxFuture;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header;
use tokio::time::{Sleep, sleep_until, timeout};

use super::activity::Activity;

/// How much of a body that no handler reads is read for the sake of the connection, and for how
/// long.
const MAX_DRAINED: usize = 64 * 1024;
const MAX_DRAIN_TIME: Duration = Duration::from_millis(50);
const CLOSE: header::HeaderValue = header::HeaderValue::from_static("close");

/// The application as one connection calls it.
pub(super) struct Bridge<S> {
    pub(super) application: Rc<S>,
    pub(super) peer: SocketAddr,
    pub(super) activity: Arc<Activity>,
}

impl<S> hyper::service::Service<hyper::Request<Incoming>> for Bridge<S>
where
    S: Service<Request, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
{
    type Response = hyper::Response<ResponseBody>;
    type Error = Infallible;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, request: hyper::Request<Incoming>) -> Self::Future {
        self.activity.request();
        let activity = Arc::clone(&self.activity);
        let unread = Unread::default();
        let expects = request.headers().contains_key(header::EXPECT);
        let Some(request) = to_actix(request, self.peer, &activity, &unread) else {
            // hyper and actix-web parse targets and headers by the same crate, in two versions.
            let response = HttpResponse::BadRequest().finish();
            return Box::pin(async move { Ok(to_hyper(response, activity)) });
        };
        let answer = self.application.call(request);
        Box::pin(async move {
            let response = match answer.await {
                Ok(response) => response.into_parts().1,
                Err(error) => error.error_response(),
            };
            let left = unread.take();
            let mut response = to_hyper(response, activity);
            if let Some(body) = left
                && (expects || !drain(body).await)
            {
                // The next request on this connection could not be told from the rest of the body.
                response.headers_mut().insert(header::CONNECTION, CLOSE);
            }
            Ok(response)
        })
    }
}

fn to_actix(
    request: hyper::Request<Incoming>,
    peer: SocketAddr,
    activity: &Arc<Activity>,
    unread: &Unread,
) -> Option<Request> {
    let (parts, body) = request.into_parts();
    let payload = if body.is_end_stream() {
        Payload::None
    } else {
        let (activity, unread) = (Arc::clone(activity), Rc::clone(unread));
        let body = RequestBody { body: Some(body), activity, deadline: None, unread };
        let payload: BoxedPayloadStream = Box::pin(body);
        Payload::Stream { payload }
    };
    let mut request = Request::with_payload(payload);
    let head = request.head_mut();
    head.method = Method::from_bytes(parts.method.as_str().as_bytes()).ok()?;
    head.uri = Uri::try_from(parts.uri.to_string()).ok()?;
    head.version =
        if parts.version == hyper::Version::HTTP_10 { Version::HTTP_10 } else { Version::HTTP_11 };
    head.peer_addr = Some(peer);
    for (name, value) in &parts.headers {
        let name = HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
        head.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
    }
    Some(request)
}

fn to_hyper(response: HttpResponse, activity: Arc<Activity>) -> hyper::Response<ResponseBody> {
    let response = actix_http::Response::from(response);
    let closes = response.head().connection_type() == ConnectionType::Close;
    let (head, body) = response.into_parts();
    let mut converted = hyper::Response::new(ResponseBody { body, activity });
    // Both are three digits, so the status always converts; so do names and values below.
    *converted.status_mut() = hyper::StatusCode::from_u16(head.status().as_u16())
        .unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    let headers = converted.headers_mut();
    for (name, value) in head.headers() {
        let name = header::HeaderName::from_bytes(name.as_str().as_bytes());
        let value = header::HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    if closes {
        headers.insert(header::CONNECTION, CLOSE);
    }
    converted
}

/// Reads what a handler left of a body, if there is little of it and it has arrived. Whether the
/// connection can go on.
async fn drain(mut body: Incoming) -> bool {
    let read = async {
        let mut length = 0;
        while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            let Ok(frame) = frame else { return false };
            length += frame.data_ref().map_or(0, Bytes::len);
            if length > MAX_DRAINED {
                return false;
            }
        }
        true
    };
    timeout(MAX_DRAIN_TIME, read).await.unwrap_or(false)
}

/// The body of a request, once its handler has dropped it without reading all of it.
type Unread = Rc<Cell<Option<Incoming>>>;

/// A request's body, with the connection's deadlines.
struct RequestBody {
    /// `None` once it has ended.
    body: Option<Incoming>,
    activity: Arc<Activity>,
    deadline: Option<Pin<Box<Sleep>>>,
    unread: Unread,
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.unread.set(self.body.take());
    }
}

impl futures_util::Stream for RequestBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        while let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(context) {
            match frame {
                // Trailers mean nothing here.
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                Some(Err(_)) => return Poll::Ready(Some(Err(PayloadError::Incomplete(None)))),
                None => {
                    this.body = None;
                    return Poll::Ready(None);
                }
            }
        }
        let deadline = this.activity.request_deadline();
        let sleep = this.deadline.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        ready!(sleep.as_mut().poll(context));
        let late = io::Error::from(io::ErrorKind::TimedOut);
        Poll::Ready(Some(Err(PayloadError::Io(late))))
    }
}

/// A response's body. hyper drops it when all of it has been written to the connection's buffer.
pub(super) struct ResponseBody {
    body: BoxBody,
    activity: Arc<Activity>,
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let polled = ready!(Pin::new(&mut self.body).poll_next(context));
        Poll::Ready(polled.map(|chunk| match chunk {
            Ok(bytes) => Ok(Frame::data(bytes)),
            Err(error) => Err(io::Error::other(error.to_string())),
        }))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.body.size(), BodySize::None | BodySize::Sized(0))
    }

    fn size_hint(&self) -> SizeHint {
        match self.body.size() {
            BodySize::None => SizeHint::with_exact(0),
            BodySize::Sized(length) => SizeHint::with_exact(length),
            BodySize::Stream => SizeHint::default(),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        self.activity.responded();
    }
}
