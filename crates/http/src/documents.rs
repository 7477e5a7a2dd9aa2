//! `GET /openapi.json`: the description of the API (OpenAPI 3.1), and `GET /docs`: a page that shows
//! it, from files in the binary.
//!
//! The description is generated from the handlers, each of which is annotated with
//! `utoipa::path`. An annotation names what is special about its operation; `completion` adds what
//! all operations have in common. Operations that the configuration switches off are left out.

mod completion;
mod description;
mod errors;
mod facts;
mod page;

use std::sync::{Arc, Mutex, PoisonError};

use actix_web::HttpResponse;
use actix_web::http::{Method, header};
use actix_web::web::{self, ServiceConfig};

use self::facts::Facts;
use crate::route::endpoint;
use crate::schema;
use crate::state::State;

/// The operations of this module.
#[derive(utoipa::OpenApi)]
#[openapi(paths(openapi, page::page, page::file))]
pub(crate) struct Operations;

/// Mounts the resources.
pub(crate) fn routes(app: &mut ServiceConfig) {
    app.app_data(web::Data::new(Latest::default()))
        .service(endpoint("/openapi.json", [(Method::GET, web::to(openapi))]))
        .service(endpoint("/docs", [(Method::GET, web::to(page::page))]))
        .service(endpoint("/docs/{file}", [(Method::GET, web::to(page::file))]));
}

/// The latest description, and the facts that it was made from.
#[derive(Debug, Default)]
struct Latest(Mutex<Option<Arc<Description>>>);

#[derive(Debug)]
struct Description {
    facts: Facts,
    text: web::Bytes,
}

impl Latest {
    /// The description for these facts, which change only when the configuration is reloaded.
    fn of(&self, facts: Facts) -> Arc<Description> {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*latest {
            Some(made) if made.facts == facts => Arc::clone(made),
            _ => {
                let text = description::of(&facts).to_string().into();
                let made = Arc::new(Description { facts, text });
                *latest = Some(Arc::clone(&made));
                made
            }
        }
    }
}

/// `GET /openapi.json`.
#[utoipa::path(
    get, path = "/openapi.json", tag = schema::DOCUMENTS, summary = "This description (OpenAPI 3.1)",
    responses((status = 200, description = "What this server serves.", body = Object)),
)]
async fn openapi(state: web::Data<State>, latest: web::Data<Latest>) -> HttpResponse {
    let made = latest.of(Facts::of(&state));
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("application/json")
        .body(made.text.clone())
}

#[cfg(test)]
mod tests;
