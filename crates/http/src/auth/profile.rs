//! The caller's account and sessions.

use actix_web::{HttpRequest, HttpResponse, web};
use aquaware_core::id::{SessionId, Subject};
use aquaware_core::service::SessionCursor;

use super::response::{self, Me, SessionItem, SessionList};
use crate::error_code::ErrorCode;
use crate::problem::{FieldError, Problem};
#[cfg(feature = "documents")]
use crate::schema::{self, errors};
use crate::state::State;

/// `GET /auth/me`.
#[cfg_attr(feature = "documents", utoipa::path(
    get, path = "/auth/me", tag = schema::ACCOUNTS, summary = "The caller's account",
    responses((status = 200, description = "The account, and the session of the access token.", body = Me)),
    security(("access_token" = [])),
))]
pub(super) async fn me(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let context = state.context();
    let caller = state.caller(&request, false, &context).await?;
    let account = state.accounts()?.service.of_caller(&context, &caller).await?;
    let account = account.ok_or_else(Problem::invalid_token)?;
    Ok(response::private(&Me::new(&account, &caller)))
}

/// `GET /auth/sessions`.
#[cfg_attr(feature = "documents", utoipa::path(
    get, path = "/auth/sessions", tag = schema::SESSIONS, summary = "The live sessions of the account",
    description = "Newest first. The list does not show when another session was last refreshed within the last two retry windows.",
    params(("limit" = Option<u32>, Query, minimum = 1, description = "How many sessions a page has: 50 by default. Values above 100 count as 100."),
        ("cursor" = Option<String>, Query, description = "`next` of the previous page.")),
    responses((status = 200, description = "A page of the list.", body = SessionList)),
    security(("access_token" = [])),
    extensions(("x-errors" = json!(errors![InvalidRequest]))),
))]
pub(super) async fn sessions(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let context = state.context();
    let caller = state.caller(&request, false, &context).await?;
    let subject = &caller.session.subject;
    let Page { after, limit } = page(request.query_string(), subject)?;
    let (sessions, next) = state.sessions.page_of(&context, &caller.session, after, limit).await?;
    Ok(response::private(&SessionList {
        sessions: sessions.iter().map(SessionItem::from).collect(),
        next: next.map(|cursor| cursor.encode(subject)),
    }))
}

/// The part of a list that is requested.
#[derive(Debug, PartialEq, Eq)]
struct Page {
    after: Option<SessionCursor>,
    limit: u32,
}

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 100;

/// The page that a query asks for. Unknown parameters are ignored.
fn page(query: &str, subject: &Subject) -> Result<Page, Problem> {
    let invalid = |name: &str, what: &'static str| {
        Problem::new(ErrorCode::InvalidRequest, "Some parameters are malformed.")
            .with_errors(vec![FieldError::new(name, what)])
    };
    let pairs = web::Query::<Vec<(String, String)>>::from_query(query);
    let mut page = Page { after: None, limit: DEFAULT_LIMIT };
    let mut seen = Vec::new();
    for (name, value) in pairs.map_err(|_| invalid("query", "is malformed"))?.into_inner() {
        if seen.contains(&name) {
            return Err(invalid(&name, "occurs more than once"));
        }
        match name.as_str() {
            "limit" => {
                page.limit =
                    limit(&value).ok_or_else(|| invalid("limit", "must be a positive number"))?
            }
            "cursor" => {
                let cursor = SessionCursor::parse(&value, subject);
                page.after = Some(cursor.map_err(|_| {
                    invalid("cursor", "must be the value of next in an earlier response")
                })?);
            }
            _ => continue,
        }
        seen.push(name);
    }
    Ok(page)
}

/// Larger limits are cut to [`MAX_LIMIT`].
fn limit(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_positive = text.bytes().any(|b| b != b'0');
    (is_number && is_positive).then(|| text.parse().map_or(MAX_LIMIT, |it: u32| it.min(MAX_LIMIT)))
}

/// `DELETE /auth/sessions/{id}`.
#[cfg_attr(feature = "documents", utoipa::path(
    delete, path = "/auth/sessions/{id}", tag = schema::SESSIONS, summary = "End a session",
    params(("id" = String, Path, description = "The id of one of the caller's live sessions.")),
    responses((status = 204, description = "The session has ended.", headers(("Set-Cookie" = String, description = "For a client with the transport `cookie`: clears the cookie.")))),
    security(("access_token" = [])),
    extensions(("x-errors" = json!(errors![NotFound]))),
))]
pub(super) async fn end_session(
    request: HttpRequest,
    id: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let context = state.context();
    let caller = state.caller(&request, false, &context).await?;
    let not_found = || Problem::from(ErrorCode::NotFound);
    let id: SessionId = id.parse().map_err(|_| not_found())?;
    if !state.sessions.end_of(&context, &caller.session.subject, &id).await? {
        return Err(not_found());
    }
    let mut response = response::no_content();
    if id == caller.session.id {
        state.clear_cookie_of(context.client(&caller.session.client), &request, &mut response);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_positive_numbers_and_at_most_a_hundred() {
        let subject = Subject::new("ann").unwrap();
        let limit = |query: &str| page(query, &subject).ok().map(|page| page.limit);
        for (query, expected) in [
            ("", 50),
            ("limit=1", 1),
            ("limit=100&other=0", 100),
            ("limit=101", 100),
            ("limit=0007", 7),
            ("limit=99999999999999999999999", 100),
        ] {
            assert_eq!(limit(query), Some(expected), "{query}");
        }
        for query in [
            "limit=",
            "limit=0",
            "limit=00",
            "limit=-1",
            "limit=%2B1",
            "limit=1.5",
            "limit=ten",
            "limit=1&limit=2",
            "limit",
            "cursor=",
            "cursor=x",
            "cursor=AAAA",
        ] {
            assert_eq!(limit(query), None, "{query}");
        }
    }
}
