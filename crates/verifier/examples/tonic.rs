//! A gRPC service with tonic that requires access tokens.
//!
//! `cargo run -p aquaware-verifier --features tower --example tonic -- https://auth.example.com tanks`
//!
//! The service is written by hand, so that the example needs no protobuf compiler. A generated one is
//! added the same way, and its methods find the `Bearer` in the extensions of `tonic::Request`.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use aquaware_verifier::{Bearer, BearerAuth, Verifier};
use axum::http::{Request, Response};
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::transport::Server;
use tonic::{Code, Status};
use tower_service::Service;

#[derive(Clone, Debug)]
pub(crate) struct Tanks;

impl NamedService for Tanks {
    const NAME: &'static str = "reef.Tanks";
}

impl Service<Request<Body>> for Tanks {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let status = match request.extensions().get::<Bearer>() {
            Some(bearer) if bearer.require_scope("tanks:read").is_ok() => {
                Status::new(Code::Ok, format!("tanks of {}", bearer.sub))
            }
            _ => Status::permission_denied("the scope tanks:read is missing"),
        };
        ready(Ok(status.into_http()))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(issuer), Some(audience)) = (arguments.next(), arguments.next()) else {
        return Err("usage: tonic ISSUER AUDIENCE".into());
    };
    let verifier = Verifier::builder(issuer, audience).discover().await?;
    let server = Server::builder().layer(BearerAuth::new(verifier)).add_service(Tanks);
    Ok(server.serve("127.0.0.1:8083".parse()?).await?)
}
