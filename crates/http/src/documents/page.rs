//! `GET /docs`: Swagger UI from files in the binary.
//!
//! The page loads nothing from other hosts, and its policy forbids it. Scripts are files, so that
//! the policy can forbid all others.

use std::io::Read as _;
use std::sync::LazyLock;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use flate2::read::GzDecoder;

use crate::embedded;
use crate::error_code::ErrorCode;
use crate::origin::path_of;
use crate::problem::Problem;
use crate::schema::{self, errors};
use crate::state::State;
use crate::status_lists::accepts_gzip;

/// Swagger UI sets some styles of elements from scripts, which the policy does not concern, and
/// has images in its style sheet.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of Swagger UI, or our own that starts it.
struct File {
    name: &'static str,
    media_type: &'static str,
    gzipped: &'static [u8],
    plain: LazyLock<web::Bytes>,
}

macro_rules! file {
    ($name:literal, $media_type:literal) => {{
        const GZIPPED: &[u8] = include_bytes!(concat!("../../assets/swagger-ui/", $name, ".gz"));
        File {
            name: $name,
            media_type: $media_type,
            gzipped: GZIPPED,
            plain: LazyLock::new(|| inflated(GZIPPED)),
        }
    }};
}

static FILES: [File; 2] = [
    file!("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
    file!("swagger-ui.css", "text/css; charset=utf-8"),
];

const START: &str = "start.js";

/// Reads the address of the description from the element that loads it, because an inline script
/// would need a weaker policy.
const START_SCRIPT: &str = r##"SwaggerUIBundle({
  url: document.currentScript.dataset.description,
  dom_id: "#swagger-ui",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  validatorUrl: null,
});
"##;

fn inflated(gzipped: &'static [u8]) -> web::Bytes {
    let mut plain = Vec::new();
    // A file that is part of the program; a test reads them all.
    let read = GzDecoder::new(gzipped).read_to_end(&mut plain);
    if read.is_ok() { plain.into() } else { web::Bytes::new() }
}

/// `GET /docs`.
#[utoipa::path(
    get, path = "/docs", tag = schema::DOCUMENTS, operation_id = "docs",
    summary = "This description as a page",
    responses((status = 200, description = "Swagger UI. The page loads nothing from other hosts.",
        body = String, content_type = "text/html; charset=utf-8",
        headers(("Content-Security-Policy" = String)))),
)]
pub(super) async fn page(state: web::Data<State>) -> HttpResponse {
    embedded::page(POLICY, html(path_of(state.context().issuer().as_str())))
}

/// The page below `base`, the path of the issuer.
fn html(base: &str) -> String {
    let base = embedded::escaped(base);
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Aquaware API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{base}/docs/swagger-ui.css">
<script src="{base}/docs/swagger-ui-bundle.js" defer></script>
<script src="{base}/docs/{START}" defer data-description="{base}/openapi.json"></script>
</head>
<body>
<div id="swagger-ui"></div>
<noscript>This page needs JavaScript. The description is at {base}/openapi.json.</noscript>
</body>
</html>
"#
    )
}

/// `GET /docs/{file}`.
#[utoipa::path(
    get, path = "/docs/{file}", tag = schema::DOCUMENTS, operation_id = "docs_file", summary = "A file of the page",
    params(("file" = String, Path, example = "swagger-ui.css", description = "The name of the file.")),
    responses((status = 200, description = "The file.", content(
            (String = "text/javascript; charset=utf-8"), (String = "text/css; charset=utf-8")),
        headers(("Cache-Control" = String), ("ETag" = String), ("Vary" = String),
            ("Content-Encoding" = String, description = "`gzip` if the client accepts it"))),
        (status = 304, description = "The client has this version.",
            headers(("Cache-Control" = String), ("ETag" = String), ("Vary" = String)))),
    extensions(("x-errors" = json!(errors![NotFound]))),
)]
pub(super) async fn file(
    request: HttpRequest,
    name: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let name = name.as_str();
    let gzip = accepts_gzip(request.headers());
    let (media_type, coding, body) = match FILES.iter().find(|file| file.name == name) {
        Some(file) if gzip => {
            (file.media_type, Some("gzip"), web::Bytes::from_static(file.gzipped))
        }
        Some(file) => (file.media_type, None, file.plain.clone()),
        None if name == START => {
            let body = web::Bytes::from_static(START_SCRIPT.as_bytes());
            ("text/javascript; charset=utf-8", None, body)
        }
        None => return Err(Problem::from(ErrorCode::NotFound)),
    };
    let document = embedded::file(media_type, coding, body);
    let mut response = document.response(&request);
    let vary = header::HeaderValue::from_static("Accept-Encoding");
    response.headers_mut().append(header::VARY, vary);
    Ok(response)
}
