//! `GET /account`: a page on which users manage their account, from files in the binary.
//!
//! The page is a client like any other: it uses the public API as the client `web`, through the
//! published JavaScript library. What the server decides is written into the attributes of its root
//! element; the scripts read it there, because an inline script would need a weaker policy.

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use aquaware_core::id::ClientId;
use aquaware_core::policy::{ClientProfile, Grant, Transport};

use crate::embedded;
use crate::error_code::ErrorCode;
use crate::origin::path_of;
use crate::problem::Problem;
use crate::route::{endpoint, pattern};
use crate::state::State;

/// The path of the page; its files are below.
const PATH: &str = "/account";

/// Where links in messages lead, below the page. Their token is in the fragment.
const LINKS: [&str; 2] = ["/reset-password", "/verify-email"];

/// The client that the page is.
const CLIENT: &str = "web";

/// A route that exists if the server can send messages.
const MESSAGES: &str = "/auth/password/reset-request";

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

const PAGE: &str = include_str!("../assets/account/account.html");

/// A file of the page: its name, its media type and its text.
struct File(&'static str, &'static str, &'static str);

macro_rules! file {
    ($name:literal, $media_type:literal) => {
        File($name, $media_type, include_str!(concat!("../assets/account/", $name)))
    };
}

const FILES: [File; 8] = [
    file!("account.css", "text/css; charset=utf-8"),
    file!("account.js", "text/javascript; charset=utf-8"),
    file!("api.js", "text/javascript; charset=utf-8"),
    file!("client.js", "text/javascript; charset=utf-8"),
    file!("forms.js", "text/javascript; charset=utf-8"),
    file!("icon.svg", "image/svg+xml"),
    file!("sessions.js", "text/javascript; charset=utf-8"),
    file!("views.js", "text/javascript; charset=utf-8"),
];

/// Mounts the resources.
pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(endpoint(PATH, [(Method::GET, web::to(page))]));
    for link in LINKS {
        app.service(endpoint(&format!("{PATH}{link}"), [(Method::GET, web::to(page))]));
    }
    app.service(endpoint(&format!("{PATH}/{{file}}"), [(Method::GET, web::to(file))]));
}

/// Returns the page; 404 if the client `web` cannot be used by it.
async fn page(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let context = state.context();
    let client = ClientId::new(CLIENT).ok();
    let client = client.and_then(|id| context.client(&id)).filter(|client| logs_in(client));
    let client = client.ok_or_else(|| Problem::from(ErrorCode::NotFound))?;
    let signup = state.accounts.as_ref().is_some_and(|accounts| accounts.signup_open);
    let html = PAGE
        .replace("{base}", &embedded::escaped(path_of(context.issuer().as_str())))
        .replace("{transport}", transport(client))
        .replace("{signup}", on(signup))
        .replace("{messages}", on(sends_messages(&request)));
    Ok(embedded::page(POLICY, html))
}

fn logs_in(client: &ClientProfile) -> bool {
    client.allows(Grant::Login) && client.allows(Grant::RefreshToken) && !client.is_confidential()
}

fn transport(client: &ClientProfile) -> &'static str {
    match client.transport() {
        Transport::Body => "body",
        Transport::Cookie => "cookie",
    }
}

fn on(it: bool) -> &'static str {
    if it { "on" } else { "off" }
}

/// Whether the application has the routes for messages, beside this one.
fn sends_messages(request: &HttpRequest) -> bool {
    let own = pattern(request);
    let scope = own.rsplit_once(PATH).map_or("", |(scope, _)| scope);
    request.resource_map().has_resource(&format!("{scope}{MESSAGES}"))
}

async fn file(request: HttpRequest, name: web::Path<String>) -> Result<HttpResponse, Problem> {
    let File(_, media_type, text) = FILES
        .iter()
        .find(|file| file.0 == name.as_str())
        .ok_or_else(|| Problem::from(ErrorCode::NotFound))?;
    let body = web::Bytes::from_static(text.as_bytes());
    Ok(embedded::file(media_type, None, body).response(&request))
}

#[cfg(test)]
mod tests;
