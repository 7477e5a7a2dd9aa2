//! `GET /status-lists/{id}` and `GET /status-lists`: the revoked sessions, for services that verify
//! tokens offline (draft-ietf-oauth-status-list-20 §8, §9).

use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpRequest, HttpResponse, web};
use aquaware_core::service::SignedList;
use aquaware_core::status::ListId;
use serde::Serialize;

use crate::document::Document;
use crate::error_code::ErrorCode;
use crate::key_set::cache_control;
use crate::problem::Problem;
#[cfg(feature = "documents")]
use crate::schema::{self, errors};
use crate::state::State;

/// The path of the list of all status lists.
pub(crate) const PATH: &str = "/status-lists";

/// The media type of a status list (§8.1).
const MEDIA_TYPE: &str = "application/statuslist+jwt";

/// Returns a list, or 304 if the client already has it.
#[cfg_attr(feature = "documents", utoipa::path(
    get, path = "/status-lists/{id}", tag = schema::DISCOVERY, operation_id = "status_list", summary = "A status list",
    description = "A signed JWT (Token Status List). Historical lists (`time`) are not kept.",
    params(("id" = u32, Path, minimum = 0, description = "The number of the list."),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of the version that the client has.")),
    responses((status = 200, description = "The list.", body = String,
            content_type = "application/statuslist+jwt",
            headers(("Cache-Control" = String), ("ETag" = String), ("Access-Control-Allow-Origin" = String, description = "`*`"), ("Content-Encoding" = String, description = "`gzip` if the client accepts it"), ("Vary" = String))),
        (status = 304, description = "The client has this version.", headers(("Cache-Control" = String), ("ETag" = String), ("Access-Control-Allow-Origin" = String, description = "`*`"), ("Vary" = String)))),
    extensions(("x-errors" = json!(errors![NotFound, NotAcceptable, StoreUnavailable, ClockUnreliable]))),
))]
pub(crate) async fn list(
    request: HttpRequest,
    id: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let id: ListId = id.parse().map_err(|_| Problem::from(ErrorCode::NotFound))?;
    if asks_for_history(&request) {
        // §8.4: historical lists are not kept.
        return Err(Problem::from(ErrorCode::NotFound));
    }
    if !accepts(request.headers(), header::ACCEPT, MEDIA_TYPE) {
        return Err(Problem::from(ErrorCode::NotAcceptable));
    }
    let signed = state.status_lists.list(&state.context(), id).await?;
    let gzip = accepts_gzip(request.headers());
    let mut response = document(&signed, gzip).response(&request);
    let vary = header::HeaderValue::from_static("Accept, Accept-Encoding");
    response.headers_mut().append(header::VARY, vary);
    Ok(response)
}

/// Caches must revalidate the list on every use: caching it would prolong its `ttl`.
fn document(signed: &SignedList, gzip: bool) -> Document {
    let tag = signed.tag();
    let (tag, coding, body) = match gzip {
        true => (format!("{tag}-gzip"), Some("gzip"), signed.gzipped().to_vec()),
        false => (tag.to_owned(), None, signed.token().as_bytes().to_vec()),
    };
    let cache_control = "public, no-cache".to_owned();
    Document { tag, cache_control, media_type: MEDIA_TYPE, coding, body: body.into() }
}

#[derive(Serialize)]
#[cfg_attr(feature = "documents", derive(utoipa::ToSchema))]
struct Aggregation {
    status_lists: Vec<String>,
}

/// Returns the URIs of all lists, including the next one.
#[cfg_attr(feature = "documents", utoipa::path(
    get, path = "/status-lists", tag = schema::DISCOVERY, operation_id = "status_lists", summary = "The status lists in use",
    responses((status = 200, description = "The addresses of all lists, and of the next one.",
        body = Aggregation, headers(("Cache-Control" = String), ("Access-Control-Allow-Origin" = String, description = "`*`")))),
))]
pub(crate) async fn all(state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let context = state.context();
    if context.snapshot.ring().signing_for_others(context.now).is_none() {
        return Err(Problem::from(ErrorCode::NotFound));
    }
    let issuer = context.issuer();
    let status_lists = state.status_lists.ids().map(|id| id.uri(issuer)).collect();
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, cache_control()))
        .json(Aggregation { status_lists }))
}

fn asks_for_history(request: &HttpRequest) -> bool {
    let names = request.query_string().split('&').map(|pair| pair.split('=').next());
    names.into_iter().flatten().any(|name| name == "time")
}

/// The members of a weighted list (RFC 9110 §12.4.2): those with a positive weight, and those with
/// a weight of zero.
fn weighted(headers: &HeaderMap, name: header::HeaderName) -> (Vec<String>, Vec<String>) {
    let lines = headers.get_all(name).filter_map(|value| value.to_str().ok());
    let members = lines.flat_map(|line| line.split(','));
    let (wanted, unwanted): (Vec<_>, Vec<_>) = members
        .map(|member| {
            let mut parts = member.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
            let weight = weight.map_or(Some(1.0), |weight| weight.trim().parse::<f32>().ok());
            (name, weight.is_some_and(|weight| weight > 0.0))
        })
        .filter(|(name, _)| !name.is_empty())
        .partition(|(_, wanted)| *wanted);
    let names = |members: Vec<(String, bool)>| members.into_iter().map(|it| it.0).collect();
    (names(wanted), names(unwanted))
}

/// Whether the client accepts a media type; without the header it accepts all.
fn accepts(headers: &HeaderMap, name: header::HeaderName, media_type: &str) -> bool {
    let (wanted, unwanted) = weighted(headers, name);
    let matches = |range: &String| [media_type, "application/*", "*/*"].contains(&range.as_str());
    let excluded = unwanted.iter().any(|range| range == media_type);
    (wanted.is_empty() && unwanted.is_empty()) || (!excluded && wanted.iter().any(matches))
}

pub(crate) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let (wanted, unwanted) = weighted(headers, header::ACCEPT_ENCODING);
    let gzip = |coding: &String| ["gzip", "x-gzip"].contains(&coding.as_str());
    wanted.iter().any(gzip) || (wanted.iter().any(|it| it == "*") && !unwanted.iter().any(gzip))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        let request = TestRequest::default().insert_header((name, value)).to_http_request();
        request.headers().clone()
    }

    #[test]
    fn accept_is_read_with_its_weights() {
        let accepted = |value| accepts(&headers("accept", value), header::ACCEPT, MEDIA_TYPE);
        for accepted_value in [
            MEDIA_TYPE,
            "APPLICATION/StatusList+JWT",
            "*/*",
            "text/html, application/*;q=0.1",
            "application/statuslist+cwt, application/statuslist+jwt;q=0.5",
        ] {
            assert!(accepted(accepted_value), "{accepted_value}");
        }
        for other in [
            "application/statuslist+cwt",
            "text/html",
            "*/*, application/statuslist+jwt;q=0",
            "application/statuslist+jwt; q=0.0",
            "application/statuslist+jwt;Q=0",
        ] {
            assert!(!accepted(other), "{other}");
        }
        assert!(accepts(&HeaderMap::new(), header::ACCEPT, MEDIA_TYPE));
    }

    #[test]
    fn gzip_is_used_only_if_it_is_accepted() {
        let accepted = |value| accepts_gzip(&headers("accept-encoding", value));
        for accepted_value in ["gzip", "br, GZIP;q=0.1", "x-gzip", "*", "identity;q=0, *;q=0.2"] {
            assert!(accepted(accepted_value), "{accepted_value}");
        }
        for other in ["", "br", "gzip;q=0", "*, gzip;q=0", "identity"] {
            assert!(!accepted(other), "{other}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[test]
    fn only_the_parameter_time_asks_for_history() {
        let asks = |uri: &str| asks_for_history(&TestRequest::with_uri(uri).to_http_request());
        assert!(asks("/status-lists/0?time=1686925000") && asks("/status-lists/0?a=b&time"));
        assert!(!asks("/status-lists/0") && !asks("/status-lists/0?timeout=1&a=time"));
    }
}
