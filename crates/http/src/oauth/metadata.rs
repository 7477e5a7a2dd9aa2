//! `GET /.well-known/oauth-authorization-server` (RFC 8414), and the same document as
//! `/.well-known/openid-configuration` for libraries that know only OpenID Connect Discovery. The
//! issuer issues no ID tokens.

use std::collections::BTreeSet;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use aquaware_core::jwt::TokenType;
use aquaware_core::policy::{Grant, TokenPolicy};
use aquaware_core::service::RequestContext;
use serde::Serialize;

use crate::error_code::ErrorCode;
use crate::key_set::cache_control;
use crate::origin::path_of;
use crate::problem::Problem;
#[cfg(feature = "documents")]
use crate::schema;
use crate::state::State;
use crate::status_lists;

/// The path of the metadata. The path of the issuer, if it has one, follows (RFC 8414 §3.1).
pub(super) const PATH: &str = "/.well-known/oauth-authorization-server";

/// The path of OpenID Connect Discovery 1.0 §4, which follows the path of the issuer.
pub(super) const OPENID_PATH: &str = "/.well-known/openid-configuration";

/// The metadata with the members that readers of OpenID Connect Discovery 1.0 §3 require.
#[derive(Serialize)]
#[cfg_attr(feature = "documents", derive(utoipa::ToSchema))]
struct OpenidMetadata<'a> {
    #[serde(flatten)]
    metadata: Metadata<'a>,
    #[cfg_attr(feature = "documents", schema(value_type = Vec<String>))]
    subject_types_supported: [&'static str; 1],
    /// The algorithm of access tokens, because there are no ID tokens.
    id_token_signing_alg_values_supported: Vec<&'static str>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "documents", derive(utoipa::ToSchema))]
struct Metadata<'a> {
    issuer: &'a str,
    token_endpoint: String,
    jwks_uri: String,
    revocation_endpoint: String,
    introspection_endpoint: String,
    #[cfg_attr(feature = "documents", schema(value_type = Vec<String>))]
    /// Required (RFC 8414 §2); empty without an authorization endpoint.
    response_types_supported: [&'static str; 0],
    grant_types_supported: Vec<&'static str>,
    #[cfg_attr(feature = "documents", schema(required = false))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes_supported: Vec<String>,
    token_endpoint_auth_methods_supported: Vec<&'static str>,
    revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    #[cfg_attr(feature = "documents", schema(required = false))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    introspection_endpoint_auth_methods_supported: Vec<&'static str>,
    /// draft-ietf-oauth-status-list-20 §9.3; present if the tokens of some client have a status.
    #[cfg_attr(feature = "documents", schema(nullable = false))]
    #[serde(skip_serializing_if = "Option::is_none")]
    status_list_aggregation_endpoint: Option<String>,
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
            status_list_aggregation_endpoint: policy
                .clients()
                .any(|client| client.has_status())
                .then(|| format!("{base}{}", status_lists::PATH)),
        }
    }
}

/// The grants that at least one client may use at the token endpoint.
pub(crate) fn grants(policy: &TokenPolicy) -> Vec<&'static str> {
    let allowed = |grant: &Grant| policy.clients().any(|client| client.allows(*grant));
    let oauth = Grant::ALL.into_iter().filter(|grant| *grant != Grant::Login);
    oauth.filter(allowed).map(Grant::as_str).collect()
}

fn scopes(policy: &TokenPolicy) -> Vec<String> {
    let all: BTreeSet<String> = policy
        .clients()
        .flat_map(|client| {
            client.scopes().to_string().split(' ').map(str::to_owned).collect::<Vec<_>>()
        })
        .filter(|scope| !scope.is_empty())
        .collect();
    all.into_iter().collect()
}

/// Returns the metadata, also with the path of the issuer behind the well-known one.
#[cfg_attr(feature = "documents", utoipa::path(
    get, path = "/.well-known/oauth-authorization-server", tag = schema::DISCOVERY,
    summary = "The metadata of the issuer (RFC 8414)",
    responses((status = 200, description = "What is switched on.", body = Metadata, headers(("Cache-Control" = String), ("Access-Control-Allow-Origin" = String, description = "`*`")))),
))]
pub(super) async fn metadata(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let context = state.context();
    check_path(&request, &context)?;
    Ok(respond(&Metadata::of(context.snapshot.policy())))
}

/// Returns the metadata with the members of OpenID Connect, also with the path of the issuer in
/// front of the well-known one.
#[cfg_attr(feature = "documents", utoipa::path(
    get, path = "/.well-known/openid-configuration", tag = schema::DISCOVERY,
    summary = "The metadata for readers of OpenID Connect Discovery",
    description = "The issuer issues no ID tokens.",
    responses((status = 200, description = "The metadata, with the members that such readers require.",
        body = OpenidMetadata, headers(("Cache-Control" = String), ("Access-Control-Allow-Origin" = String, description = "`*`")))),
))]
pub(super) async fn openid_metadata(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let context = state.context();
    check_path(&request, &context)?;
    let key = context.snapshot.ring().signing(TokenType::Access, context.now);
    Ok(respond(&OpenidMetadata {
        metadata: Metadata::of(context.snapshot.policy()),
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: key
            .map(|key| key.algorithm().as_str())
            .into_iter()
            .collect(),
    }))
}

fn check_path(request: &HttpRequest, context: &RequestContext) -> Result<(), Problem> {
    let issuer = context.issuer().as_str();
    let wanted = request.match_info().get("path").unwrap_or_default().trim_matches('/');
    // Without a path, too: there is only one issuer.
    if !wanted.is_empty() && wanted != path_of(issuer).trim_matches('/') {
        return Err(Problem::from(ErrorCode::NotFound));
    }
    Ok(())
}

fn respond(metadata: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, cache_control())).json(metadata)
}

#[cfg(test)]
mod tests {
    use aquaware_core::claims::Scope;
    use aquaware_core::id::{ClientId, Issuer};
    use aquaware_core::policy::{ClientProfile, ProfileSettings};
    use aquaware_core::secret::PasswordHash;
    use serde_json::{Value, json};

    use super::*;

    fn client(id: &str, grants: &[Grant], secret: bool, scopes: &str) -> ClientProfile {
        let settings = ProfileSettings {
            grants: grants.iter().copied().collect(),
            secret: secret.then(|| PasswordHash::new("$argon2id$".to_owned())),
            scopes: Scope::parse(scopes).unwrap(),
            ..ProfileSettings::default()
        };
        ClientProfile::new(ClientId::new(id).unwrap(), settings).unwrap()
    }

    fn document(issuer: &str, clients: Vec<ClientProfile>) -> Value {
        let policy = TokenPolicy::new(Issuer::new(issuer).unwrap(), clients);
        serde_json::to_value(Metadata::of(&policy)).unwrap()
    }

    #[test]
    fn what_no_client_may_use_is_not_listed() {
        let web = || client("web", &[Grant::Login, Grant::RefreshToken], false, "");
        let shop = || client("shop", &[Grant::Password], true, "read feed");
        let robot = || client("robot", &[Grant::ClientCredentials], true, "feed");
        let secrets = ["client_secret_basic", "client_secret_post"];
        let all = ["client_secret_basic", "client_secret_post", "none"];
        for (clients, grants, scopes, methods) in [
            (vec![web()], &["refresh_token"][..], &[][..], &all[2..]),
            (vec![web(), shop()], &["refresh_token", "password"], &["feed", "read"], &all),
            (vec![robot()], &["client_credentials"], &["feed"], &secrets),
            (
                vec![robot(), shop()],
                &["password", "client_credentials"],
                &["feed", "read"],
                &secrets,
            ),
        ] {
            let document = document("https://a.example", clients);
            assert_eq!(document["grant_types_supported"], json!(grants));
            assert_eq!(document["token_endpoint_auth_methods_supported"], json!(methods));
            assert_eq!(document["revocation_endpoint_auth_methods_supported"], json!(methods));
            let scopes = (!scopes.is_empty()).then(|| json!(scopes));
            assert_eq!(document.get("scopes_supported"), scopes.as_ref());
            let asking = (methods.len() > 1).then(|| json!(secrets));
            let listed = document.get("introspection_endpoint_auth_methods_supported");
            assert_eq!(listed, asking.as_ref());
        }
    }

    #[test]
    fn the_issuer_is_unchanged_and_the_endpoints_are_below_it() {
        for (issuer, base) in [
            ("https://a.example", "https://a.example"),
            ("https://a.example/", "https://a.example"),
            ("https://a.example/eu/prod", "https://a.example/eu/prod"),
        ] {
            let document = document(issuer, Vec::new());
            assert_eq!(document["issuer"], issuer);
            for (member, path) in [
                ("token_endpoint", "/oauth2/token"),
                ("revocation_endpoint", "/oauth2/revoke"),
                ("introspection_endpoint", "/oauth2/introspect"),
                ("jwks_uri", "/.well-known/jwks.json"),
            ] {
                assert_eq!(document[member], format!("{base}{path}"));
            }
            assert_eq!(document["response_types_supported"], json!([]));
        }
    }
}
