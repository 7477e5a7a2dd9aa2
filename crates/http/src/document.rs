//! Public documents that clients may cache and revalidate by their entity tag.

use actix_web::http::header::{self, EntityTag, Header as _, IfNoneMatch};
use actix_web::{HttpRequest, HttpResponse, web};

/// A document and its caching headers.
#[derive(Debug)]
pub(crate) struct Document {
    /// Identifies this version, in characters of an `ETag`.
    pub(crate) tag: String,
    /// The value of `Cache-Control`.
    pub(crate) cache_control: String,
    /// The media type.
    pub(crate) media_type: &'static str,
    /// The content coding of `body`, if any.
    pub(crate) coding: Option<&'static str>,
    /// The bytes.
    pub(crate) body: web::Bytes,
}

impl Document {
    /// The document, or 304 if the client already has this version (RFC 9110 §13.1.2).
    pub(crate) fn response(self, request: &HttpRequest) -> HttpResponse {
        let Self { tag, cache_control, media_type, coding, body } = self;
        let tag = EntityTag::new_strong(tag);
        let known = match IfNoneMatch::parse(request) {
            Ok(IfNoneMatch::Any) => true,
            Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&tag)),
            Err(_) => false,
        };
        let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        response
            .insert_header((header::CACHE_CONTROL, cache_control))
            .insert_header(header::ETag(tag));
        if known {
            return response.finish();
        }
        if let Some(coding) = coding {
            response.insert_header((header::CONTENT_ENCODING, coding));
        }
        response.content_type(media_type).body(body)
    }
}
