//! The HTTP API of Aquaware as routes for actix-web applications: `/auth/*`, `/oauth2/*`, the key
//! set, the authorization server metadata and the status lists.
//!
//! An application brings its [`Sessions`](aquaware_core::service::Sessions) over any store, builds an
//! [`Aquaware`], and mounts it beside its own routes:
//!
//! ```no_run
//! # use std::sync::Arc;
//! use actix_web::{App, HttpResponse, HttpServer, web};
//! use aquaware_core::service::Sessions;
//! use aquaware_http::{Aquaware, Authenticated};
//!
//! async fn tank(caller: Authenticated) -> HttpResponse {
//!     HttpResponse::Ok().body(format!("the tank of {}", caller.session.subject))
//! }
//!
//! async fn serve(sessions: Arc<Sessions>) -> Result<(), Box<dyn std::error::Error>> {
//!     let aquaware = Aquaware::builder(sessions)
//!         .allow_origins(["https://app.example.com"])
//!         .build()?;
//!     HttpServer::new(move || {
//!         App::new()
//!             .configure(|app| aquaware.configure(app))
//!             .route("/tank", web::get().to(tank))
//!             .wrap(aquaware.middleware())
//!     })
//!     .bind("127.0.0.1:8080")?
//!     .run()
//!     .await?;
//!     Ok(())
//! }
//! ```
//!
//! With [`Builder::accounts`], sign-up, login and password change are mounted too. Without accounts,
//! the application authenticates its users and opens sessions with [`Aquaware::open_session`].
//!
//! Every error is a [`Problem`]; `error_map` is the only place that turns errors of the use cases
//! into problems. No rule about tokens is in this crate: handlers parse, call a use case, and
//! respond.

mod aquaware;
mod auth;
mod bearer;
mod body;
mod builder;
mod client_address;
mod cookie;
mod document;
mod error_chain;
mod error_code;
mod error_map;
mod failed_logins;
mod hashing;
mod health;
mod key_set;
mod limiter;
mod limits;
mod login;
mod middleware;
mod oauth;
mod origin;
mod problem;
mod request_limit;
mod route;
mod state;
mod status_lists;
mod token_response;

pub use self::aquaware::{Aquaware, Authenticated};
pub use self::builder::{BuildError, Builder};
pub use self::error_code::ErrorCode;
pub use self::hashing::{HashingPool, PoolSize};
pub use self::key_set::KEY_SET_MAX_AGE;
pub use self::limits::{Limits, Rate};
pub use self::middleware::management_middleware;
pub use self::problem::{FieldError, Problem};
pub use self::route::not_found;
