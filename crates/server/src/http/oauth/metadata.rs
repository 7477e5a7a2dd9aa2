//! `GET /.well-known/oauth-authorization-server` (RFC 8414): what is there, and nothing else.

use std::collections::BTreeSet;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use aquaware_core::policy::{Grant, TokenPolicy};
use serde::Serialize;

use crate::http::key_set::MAX_AGE;
use crate::http::problem::{Code, Problem};
use crate::http::state::State;

/// Where it is. For an issuer with a path, that path follows (RFC 8414 §3.1).
pub(super) const PATH: &str = "/.well-known/oauth-authorization-server";

#[derive(Serialize)]
struct Metadata<'a> {
    issuer: &'a str,
    token_endpoint: String,
    jwks_uri: String,
    revocation_endpoint: String,
    introspection_endpoint: String,
    /// Required (RFC 8414 §2), and empty: there is no authorization endpoint.
    response_types_supported: [&'static str; 0],
    grant_types_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes_supported: Vec<String>,
    token_endpoint_auth_methods_supported: Vec<&'static str>,
    revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    introspection_endpoint_auth_methods_supported: Vec<&'static str>,
}

impl<'a> Metadata<'a> {
    fn of(policy: &'a TokenPolicy) -> Self {
        let issuer = policy.issuer().as_str();
        let base = issuer.trim_end_matches('/');
        let confidential = policy.clients().any(|client| client.is_confidential());
        let public = policy.clients().any(|client| !client.is_confidential());
        let secrets = confidential.then_some(["client_secret_basic", "client_secret_post"]);
        let secrets: Vec<_> = secrets.into_iter().flatten().collect();
        let methods: Vec<_> = secrets.iter().copied().chain(public.then_some("none")).collect();
        Self {
            issuer,
            token_endpoint: format!("{base}/oauth2/token"),
            jwks_uri: format!("{base}/.well-known/jwks.json"),
            revocation_endpoint: format!("{base}/oauth2/revoke"),
            introspection_endpoint: format!("{base}/oauth2/introspect"),
            response_types_supported: [],
            grant_types_supported: grants(policy),
            scopes_supported: scopes(policy),
            token_endpoint_auth_methods_supported: methods.clone(),
            revocation_endpoint_auth_methods_supported: methods,
            introspection_endpoint_auth_methods_supported: secrets,
        }
    }
}

/// The grants that some client may use at the token endpoint.
fn grants(policy: &TokenPolicy) -> Vec<&'static str> {
    let allowed = |grant: &Grant| policy.clients().any(|client| client.allows(*grant));
    let oauth = Grant::ALL.into_iter().filter(|grant| *grant != Grant::Login);
    oauth.filter(allowed).map(Grant::word).collect()
}

fn scopes(policy: &TokenPolicy) -> Vec<String> {
    let all: BTreeSet<String> = policy
        .clients()
        .flat_map(|client| {
            client.scopes.to_string().split(' ').map(str::to_owned).collect::<Vec<_>>()
        })
        .filter(|scope| !scope.is_empty())
        .collect();
    all.into_iter().collect()
}

/// Answers with the document, at the place that belongs to the issuer's path.
pub(super) async fn metadata(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let authority = state.sessions.authority();
    let issuer = authority.policy().issuer().as_str();
    let wanted = request.match_info().get("path").unwrap_or_default().trim_matches('/');
    // Without a path the document is the issuer's too: there is no other one here.
    if !wanted.is_empty() && wanted != path_of(issuer) {
        return Err(Problem::from(Code::NotFound));
    }
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, format!("public, max-age={MAX_AGE}")))
        .json(Metadata::of(authority.policy())))
}

fn path_of(issuer: &str) -> &str {
    let rest = issuer.split_once("://").map_or("", |(_, rest)| rest);
    rest.split_once('/').map_or("", |(_, path)| path.trim_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuers_path_is_what_follows_the_host() {
        assert_eq!(path_of("https://a.example"), "");
        assert_eq!(path_of("https://a.example/"), "");
        assert_eq!(path_of("https://a.example/eu/prod/"), "eu/prod");
    }
}
