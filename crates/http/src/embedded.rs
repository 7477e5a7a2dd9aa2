//! Pages and their files in the binary. A page loads nothing from other hosts and runs no inline
//! script, and its policy forbids both.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::document::Document;

/// A page. `policy` is its `Content-Security-Policy`.
pub(crate) fn page(policy: &'static str, html: String) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::CONTENT_SECURITY_POLICY, policy))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::X_FRAME_OPTIONS, "DENY"))
        .content_type("text/html; charset=utf-8")
        .body(html)
}

/// A file of a page. Its tag is its digest, and caches revalidate it on every use: the next release
/// may change it.
pub(crate) fn file(
    media_type: &'static str,
    coding: Option<&'static str>,
    body: web::Bytes,
) -> Document {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &body);
    let tag = URL_SAFE_NO_PAD.encode(digest.as_ref());
    Document { tag, cache_control: "public, no-cache".to_owned(), media_type, coding, body }
}

/// The text as the value of an attribute in double quotes, or between tags.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}
