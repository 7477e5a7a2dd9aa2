//! The arguments of `aquaware guard`.

use std::net::SocketAddr;

use actix_web::http::header::HeaderName;
use aquaware_verifier::{Profile, Scope};
use clap::Args;

use crate::guard::{GuardOptions, HeaderNames, IssuerOptions};

/// The options of the guard.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct GuardArguments {
    /// Accept tokens of this issuer; may be repeated
    ///
    /// The URL must equal the `iss` of the tokens. PROFILE says how the issuer writes tokens:
    /// rfc9068 (the default), keycloak, auth0, entra, cognito or supabase, as in
    /// `keycloak=https://sso.example.com/realms/reef`.
    #[arg(long, required = true, value_name = "[PROFILE=]URL", value_parser = issuer)]
    issuer: Vec<IssuerOptions>,

    /// Accept tokens for this audience; may be repeated
    ///
    /// For Cognito, the id of an app client. An aquaware server uses its issuer unless the client
    /// profile names an audience.
    #[arg(long, required = true)]
    audience: Vec<String>,

    /// Listen on this address
    ///
    /// Only the proxy needs to reach it. Anyone who can may ask whether a token is valid.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9180")]
    listen: SocketAddr,

    /// Require this scope of every request, space-delimited
    #[arg(long, default_value = "", hide_default_value = true)]
    scope: Scope,

    /// Read a required scope from this request header
    #[arg(long, value_name = "NAME", default_value = "X-Required-Scope")]
    required_scope_header: HeaderName,

    /// Read the keys from this URL or file instead of finding them through the metadata
    ///
    /// A file contains a JWK set and is read again every minute. For one issuer only.
    #[arg(long, value_name = "URL|FILE")]
    keys: Option<String>,

    /// Serve protected resource metadata for this URL, and name it in challenges (RFC 9728)
    #[arg(long, value_name = "URL")]
    resource: Option<String>,

    /// The realm of challenges
    #[arg(long, default_value = "api")]
    realm: String,

    /// Allow status lists from this origin, besides that of the issuer; may be repeated
    #[arg(long, value_name = "ORIGIN")]
    status_lists_at: Vec<String>,

    /// Ignore the status of tokens: revoked ones are accepted until they expire
    #[arg(long)]
    ignore_status: bool,

    /// Allow plain http to the issuer. An attacker on the network can then forge any token
    #[arg(long)]
    allow_http: bool,

    /// Start even if the issuer is unreachable; every check is 503 until its keys arrive
    #[arg(long)]
    start_without_keys: bool,

    /// The response header with the issuer of the token
    #[arg(long, value_name = "NAME", default_value = "X-Auth-Issuer")]
    issuer_header: HeaderName,

    /// The response header with the subject
    #[arg(long, value_name = "NAME", default_value = "X-Auth-Subject")]
    subject_header: HeaderName,

    /// The response header with the client
    #[arg(long, value_name = "NAME", default_value = "X-Auth-Client")]
    client_header: HeaderName,

    /// The response header with the granted scope
    #[arg(long, value_name = "NAME", default_value = "X-Auth-Scope")]
    scope_header: HeaderName,

    /// The response header with the session
    #[arg(long, value_name = "NAME", default_value = "X-Auth-Session")]
    session_header: HeaderName,

    /// The level of the log, or directives
    ///
    /// `info` logs a line for each check.
    #[arg(long, value_name = "LEVEL", default_value = "info,aquaware::access=warn")]
    pub(in crate::cli) log_level: String,
}

impl GuardArguments {
    /// The checked options, or what is wrong with them.
    pub(in crate::cli) fn options(&self) -> Result<GuardOptions, &'static str> {
        let headers = HeaderNames {
            issuer: self.issuer_header.clone(),
            subject: self.subject_header.clone(),
            client: self.client_header.clone(),
            scope: self.scope_header.clone(),
            session: self.session_header.clone(),
        };
        if !headers.are_distinct() {
            return Err("two response headers have the same name");
        }
        if self.keys.is_some() && self.issuer.len() > 1 {
            return Err("--keys is for one issuer: the keys of several must not be mixed");
        }
        Ok(GuardOptions {
            listen: self.listen,
            issuers: self.issuer.clone(),
            audiences: self.audience.clone(),
            keys: self.keys.clone(),
            scope: self.scope.clone(),
            scope_header: self.required_scope_header.clone(),
            headers,
            realm: self.realm.clone(),
            resource: self.resource.clone(),
            status_lists_at: self.status_lists_at.clone(),
            ignore_status: self.ignore_status,
            allow_http: self.allow_http,
            start_without_keys: self.start_without_keys,
        })
    }
}

fn issuer(text: &str) -> Result<IssuerOptions, String> {
    let (name, issuer) = match text.split_once('=') {
        Some((name, issuer)) if !name.contains(':') => (name, issuer),
        _ => ("rfc9068", text),
    };
    let profile = match name {
        "rfc9068" => Profile::rfc9068(),
        "keycloak" => Profile::keycloak(),
        "auth0" => Profile::auth0(),
        "entra" => Profile::entra(),
        "cognito" => Profile::cognito(),
        "supabase" => Profile::supabase(),
        _ => {
            return Err(
                "the profiles are rfc9068, keycloak, auth0, entra, cognito and supabase".to_owned()
            );
        }
    };
    Ok(IssuerOptions { issuer: issuer.to_owned(), profile })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_may_name_its_profile() {
        let read = |text| issuer(text).unwrap();
        assert_eq!(read("https://a.test").profile, Profile::rfc9068());
        let keycloak = read("keycloak=https://a.test/realms/b=c");
        assert_eq!(keycloak.profile, Profile::keycloak());
        assert_eq!(keycloak.issuer, "https://a.test/realms/b=c");
        assert_eq!(read("https://a.test/b=c").issuer, "https://a.test/b=c");
        assert!(issuer("okta=https://a.test").is_err());
    }
}
