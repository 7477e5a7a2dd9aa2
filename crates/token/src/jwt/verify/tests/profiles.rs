//! Tokens shaped like those of known issuers: each profile accepts its own and no other's, and no
//! profile accepts an ID token.

use super::*;
use crate::jwt::{Profile, ProfileError};

const CLIENT: &str = "client-1";

fn api() -> String {
    fixture::issuer().to_string()
}

fn claims(more: Value) -> Value {
    let mut claims = json!({
        "iss": fixture::issuer(), "sub": "user-1", "aud": api(),
        "iat": NOW.seconds(), "exp": NOW.seconds() + 300,
    });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn with(mut claims: Value, name: &str, value: impl Into<Value>) -> Value {
    claims[name] = value.into();
    claims
}

/// An access token of an issuer, and an ID token that it issues for the same login. The audience
/// of the ID token is set to that of the service: the worst case.
struct Sample {
    name: &'static str,
    profile: Profile,
    typ: Option<&'static str>,
    access: Value,
    id: Value,
}

fn samples() -> Vec<Sample> {
    let id = json!({ "auth_time": NOW.seconds(), "email": "a@example.com", "name": "Ann" });
    let id = |more: Value| {
        let mut merged = claims(id.clone());
        for (name, value) in more.as_object().unwrap() {
            merged[name] = value.clone();
        }
        merged
    };
    vec![
        Sample {
            name: "rfc9068",
            profile: Profile::rfc9068(),
            typ: Some("at+jwt"),
            access: claims(json!({ "jti": "j", "client_id": CLIENT, "scope": "read write" })),
            id: id(json!({ "jti": "j", "client_id": CLIENT })),
        },
        Sample {
            name: "keycloak",
            profile: Profile::keycloak(),
            typ: Some("JWT"),
            access: claims(json!({
                "jti": "onrtac:1", "typ": "Bearer", "azp": CLIENT, "sid": "s-1", "acr": "1",
                "realm_access": { "roles": ["offline_access", "admin"] },
                "resource_access": { "account": { "roles": ["view-profile"] } },
                "scope": "read write", "preferred_username": "ann",
            })),
            id: id(json!({ "jti": "1", "typ": "ID", "azp": CLIENT, "sid": "s-1", "at_hash": "x" })),
        },
        Sample {
            name: "auth0",
            profile: Profile::auth0(),
            typ: Some("JWT"),
            access: claims(json!({
                "aud": [api(), "https://tenant.auth0.com/userinfo"], "azp": CLIENT,
                "scope": "read write", "permissions": ["admin"],
            })),
            id: id(json!({ "sid": "s-1" })),
        },
        Sample {
            name: "entra",
            profile: Profile::entra(),
            typ: Some("JWT"),
            access: claims(json!({
                "ver": "2.0", "azp": CLIENT, "azpacr": "1", "scp": "read write", "uti": "u",
                "oid": "o", "tid": "t", "rh": "r", "nbf": NOW.seconds(), "roles": ["admin"],
            })),
            id: id(json!({ "ver": "2.0", "uti": "u", "oid": "o", "tid": "t", "roles": ["admin"] })),
        },
        Sample {
            name: "cognito",
            profile: Profile::cognito(),
            typ: None,
            access: without(
                claims(json!({
                    "client_id": api(), "token_use": "access", "scope": "read write", "jti": "j",
                    "origin_jti": "o", "event_id": "e", "username": "ann", "version": 2,
                    "auth_time": NOW.seconds(), "cognito:groups": ["admin"],
                })),
                "aud",
            ),
            id: id(json!({ "token_use": "id", "jti": "j", "origin_jti": "o", "at_hash": "x" })),
        },
        Sample {
            name: "supabase",
            profile: Profile::supabase(),
            typ: Some("JWT"),
            access: claims(json!({
                "role": "authenticated", "aal": "aal1", "session_id": "s-1", "email": "a@b.test",
                "phone": "", "is_anonymous": false, "amr": [{ "method": "password" }],
            })),
            id: id(json!({ "client_id": CLIENT, "nonce": "n" })),
        },
    ]
}

fn read(profile: &Profile, typ: Option<&str>, claims: &Value) -> Result<BearerClaims, TokenError> {
    let issuer = TestIssuer::of(Algorithm::EdDsa);
    let mut header = json!({ "alg": "EdDSA", "kid": "k" });
    if let Some(typ) = typ {
        header["typ"] = typ.into();
    }
    let (header, claims) = (header.to_string(), claims.to_string());
    let token = issuer.forge(TokenType::Access, header.as_bytes(), claims.as_bytes());
    let check =
        AccessCheck { issuer: fixture::issuer(), audiences: audiences(), leeway: Leeway::NONE };
    let find = |_: &str| Ok(issuer.key(TokenType::Access).verifying_key());
    check.check_bearer(profile, &token, find, NOW).map(Verified::into_inner)
}

#[test]
fn each_profile_accepts_the_tokens_of_its_issuer_and_of_no_other() {
    let samples = samples();
    for Sample { name, profile, .. } in &samples {
        for other in &samples {
            let accepted = read(profile, other.typ, &other.access).is_ok();
            assert_eq!(accepted, *name == other.name, "{name} reads a token of {}", other.name);
        }
    }
}

#[test]
fn no_profile_accepts_an_id_token() {
    let samples = samples();
    for Sample { name, profile, .. } in &samples {
        for other in &samples {
            for typ in [Some("JWT"), None] {
                let outcome = read(profile, typ, &other.id);
                assert!(outcome.is_err(), "{name} reads an ID token of {}", other.name);
            }
        }
    }
}

#[test]
fn scopes_client_session_and_id_are_read_where_the_issuer_writes_them() {
    for Sample { name, profile, typ, access, .. } in samples() {
        let claims = read(&profile, typ, &access).unwrap();
        let (scope, client, sid, jti) = match name {
            "rfc9068" => ("read write", CLIENT.to_owned(), None, "j"),
            "keycloak" => ("read write", CLIENT.to_owned(), Some("s-1"), "onrtac:1"),
            "auth0" => ("read write", CLIENT.to_owned(), None, ""),
            "entra" => ("read write", CLIENT.to_owned(), None, "u"),
            "cognito" => ("read write", api(), None, "j"),
            _ => ("", String::new(), Some("s-1"), ""),
        };
        assert_eq!(claims.scope.to_string(), scope, "{name}");
        assert_eq!(claims.client_id, client, "{name}");
        assert_eq!(claims.sid.as_deref(), sid, "{name}");
        assert_eq!(claims.jti, jti, "{name}");
        assert!(claims.require_scope("admin").is_err(), "{name}: roles are not scopes");
    }
}

#[test]
fn roles_are_scopes_only_where_the_service_says_so() {
    let samples = samples();
    let keycloak = Profile::keycloak().scopes_from([("realm_access", "roles")]);
    let claims = read(&keycloak, samples[1].typ, &samples[1].access).unwrap();
    assert_eq!(claims.scope.to_string(), "admin offline_access");
    let auth0 = Profile::auth0().scopes_from(["permissions"]);
    let claims = read(&auth0, samples[2].typ, &samples[2].access).unwrap();
    assert_eq!(claims.scope.to_string(), "admin");
    // Without roles there is no scope, and a role with a space can never be required.
    let plain = without(samples[1].access.clone(), "realm_access");
    assert!(read(&keycloak, Some("JWT"), &plain).unwrap().scope.is_empty());
    let odd = with(samples[1].access.clone(), "realm_access", json!({ "roles": ["a b", "c"] }));
    assert_eq!(read(&keycloak, Some("JWT"), &odd).unwrap().scope.to_string(), "c");
    for broken in [json!([]), json!("admin"), json!({ "roles": [1] }), json!({ "roles": {} })] {
        let token = with(samples[1].access.clone(), "realm_access", broken);
        let error = read(&keycloak, Some("JWT"), &token);
        assert_eq!(error.unwrap_err(), malformed("realm_access"));
    }
}

#[test]
fn the_claims_of_one_issuer_mean_nothing_to_the_profile_of_another() {
    for Sample { name, profile, typ, access, .. } in samples() {
        let mut token = access.clone();
        for (claim, value) in [
            ("scp", json!("admin")),
            ("permissions", json!(["admin"])),
            ("groups", json!(["admin"])),
            ("cognito:groups", json!(["admin"])),
        ] {
            if name != "entra" || claim != "scp" {
                token[claim] = value;
            }
        }
        if !["rfc9068", "keycloak", "auth0", "cognito"].contains(&name) {
            token["scope"] = "admin".into();
        }
        let claims = read(&profile, typ, &token).unwrap();
        assert!(claims.require_scope("admin").is_err(), "{name}");
    }
}

#[test]
fn each_mark_of_an_access_token_is_required() {
    let samples = samples();
    let rejection = |sample: usize, claims: Value| {
        read(&samples[sample].profile, samples[sample].typ, &claims).unwrap_err()
    };
    let access = |sample: usize| samples[sample].access.clone();
    let missing = |claim| TokenError::MissingClaim { claim };
    for (sample, claim) in [
        (1, "typ"),
        (1, "azp"),
        (1, "jti"),
        (2, "azp"),
        (3, "ver"),
        (3, "azp"),
        (3, "uti"),
        (4, "token_use"),
        (4, "jti"),
        (5, "role"),
        (5, "aal"),
        (5, "session_id"),
    ] {
        assert_eq!(rejection(sample, without(access(sample), claim)), missing(claim));
    }
    for (sample, claim, value) in [
        (1, "typ", "ID"),
        (1, "typ", "Refresh"),
        (1, "typ", "bearer"),
        (2, "nonce", "n"),
        (2, "aud", ""),
        (3, "ver", "1.0"),
        (3, "nonce", "n"),
        (4, "token_use", "id"),
        (5, "nonce", "n"),
        (5, "at_hash", "h"),
    ] {
        let changed = if claim == "aud" {
            with(access(sample), claim, json!([api(), CLIENT]))
        } else {
            with(access(sample), claim, value)
        };
        assert_eq!(rejection(sample, changed), TokenError::WrongType, "{sample} {claim}");
    }
    // A token of Entra without permissions: any application of the tenant can get one.
    let bare = without(without(access(3), "scp"), "roles");
    assert_eq!(rejection(3, bare), missing("scp"));
    // An empty permission is none; what the user may do does not replace it.
    assert_eq!(rejection(3, with(access(3), "scp", "")), missing("scp"));
    let own = without(access(3), "scp");
    let claims = read(&samples[3].profile, Some("JWT"), &own).unwrap();
    assert_eq!(claims.scope.to_string(), "admin");
    for typ in [Some("JWT"), Some("at+jwt"), Some("")] {
        let outcome = read(&samples[4].profile, typ, &access(4));
        assert_eq!(outcome.unwrap_err(), TokenError::WrongType);
    }
}

#[test]
fn the_client_of_a_cognito_token_is_its_audience_only_without_aud() {
    let samples = samples();
    let token = |aud: &str| with(samples[4].access.clone(), "aud", aud);
    let read = |token: &Value| read(&Profile::cognito(), None, token);
    assert!(read(&token(&api())).is_ok());
    assert_eq!(read(&token("https://another.test")).unwrap_err(), TokenError::WrongAudience);
    let other = with(samples[4].access.clone(), "client_id", "another");
    assert_eq!(read(&other).unwrap_err(), TokenError::WrongAudience);
}

#[test]
fn two_claims_that_name_different_clients_are_rejected() {
    let samples = samples();
    let both = |client: &str| with(samples[1].access.clone(), "client_id", client);
    assert!(read(&Profile::keycloak(), Some("JWT"), &both(CLIENT)).is_ok());
    let outcome = read(&Profile::keycloak(), Some("JWT"), &both("another"));
    assert_eq!(outcome.unwrap_err(), malformed("client_id"));
}

#[test]
fn keycloak_tokens_may_have_the_header_of_rfc_9068() {
    let samples = samples();
    assert!(read(&Profile::keycloak(), Some("at+jwt"), &samples[1].access).is_ok());
    assert!(read(&Profile::keycloak(), Some("application/at+JWT"), &samples[1].access).is_ok());
}

#[test]
fn a_profile_that_cannot_tell_id_tokens_apart_cannot_be_built() {
    let jwt = || Profile::builder().header_type("JWT");
    assert_eq!(Profile::builder().build(), Err(ProfileError::NoType));
    for profile in [
        jwt(),
        Profile::builder().without_header_type(),
        jwt().require("azp"),
        jwt().require("email"),
        jwt().require_value("iss", "https://issuer.test"),
        Profile::builder().header_type("at+jwt").header_type("jwt"),
    ] {
        assert_eq!(profile.build(), Err(ProfileError::IdTokens));
    }
    assert!(Profile::builder().header_type("application/AT+JWT").build().is_ok());
    let none: [&'static str; 0] = [];
    assert_eq!(
        jwt().require("x").scopes_from(none).require_scopes().build(),
        Err(ProfileError::NoScope)
    );
    let profile = jwt()
        .require_value("use", "access")
        .client_from("app")
        .session_from("session")
        .token_id_from("id")
        .scopes_from(["scp"])
        .reject("bad")
        .build()
        .unwrap();
    let token = claims(json!({
        "use": "access", "app": CLIENT, "session": "s", "id": "i", "scp": ["read"],
    }));
    let found = read(&profile, Some("jwt"), &token).unwrap();
    assert_eq!((found.client_id.as_str(), found.sid.as_deref()), (CLIENT, Some("s")));
    assert_eq!((found.jti.as_str(), found.scope.to_string().as_str()), ("i", "read"));
    assert_eq!(found.extra.get("app"), Some(&json!(CLIENT)), "the source remains");
    let bad = with(token.clone(), "bad", 1);
    assert_eq!(read(&profile, Some("JWT"), &bad).unwrap_err(), TokenError::WrongType);
    let id = with(token, "nonce", "n");
    assert_eq!(read(&profile, Some("JWT"), &id).unwrap_err(), TokenError::WrongType);
}
