//! Issuers other than aquaware, several issuers at once, and other places of keys.

use std::time::Duration;

use aquaware_verifier::testing::{AUDIENCE, ISSUER, TestIssuer};
use aquaware_verifier::{BuildError, DocumentError, Profile, TokenError, Verifier, VerifyError};
use serde_json::json;

use crate::site::{KEYS, METADATA, Mood, Shelf, Site, long, pass};

const OTHER: &str = "https://other.test";

fn page(text: &str) -> Shelf {
    Shelf { body: Some(text.as_bytes().to_vec()), ..Shelf::default() }
}

/// Verifiers of two issuers with keys of their own, and both together.
fn two() -> (TestIssuer, TestIssuer, Verifier) {
    let (one, other) = (TestIssuer::new(), TestIssuer::new());
    let second = Verifier::builder(OTHER, AUDIENCE).clock(one.clock().clone());
    let second = second.profile(Profile::keycloak()).key_set(&other.key_set()).unwrap();
    let both = Verifier::any_of([one.verifier(), second]).unwrap();
    (one, other, both)
}

fn keycloak(issuer: &TestIssuer) -> aquaware_verifier::testing::TestToken<'_> {
    issuer.token().issuer(OTHER).claim("typ", "Bearer").claim("azp", "app").without("client_id")
}

#[test]
fn the_issuer_of_a_token_selects_its_verifier() {
    let (one, other, both) = two();
    let (first, second) = (one.token().sign(), keycloak(&other).sign());
    for _ in 0..2 {
        assert_eq!(both.verify(&first).unwrap().iss.as_str(), ISSUER);
        let claims = both.verify(&second).unwrap();
        assert_eq!((claims.iss.as_str(), claims.client_id.as_str()), (OTHER, "app"));
    }
    assert_eq!(both.issuers(), [ISSUER, OTHER]);
    assert_eq!(both.health().keys, 2);
}

#[test]
fn keys_and_profiles_of_several_issuers_are_never_mixed() {
    let (one, other, both) = two();
    let rejection = |token: String| both.verify(&token).unwrap_err();
    // Each issuer in the name of the other.
    assert_eq!(rejection(keycloak(&one).sign()), VerifyError::UnknownKey);
    assert_eq!(rejection(other.token().sign()), VerifyError::UnknownKey);
    // A token of one issuer in the form of the other.
    let missing = |claim| VerifyError::Token(TokenError::MissingClaim { claim });
    assert_eq!(rejection(keycloak(&one).issuer(ISSUER).sign()), missing("client_id"));
    assert_eq!(rejection(other.token().issuer(OTHER).sign()), missing("typ"));
    for stranger in
        [one.token().issuer("https://third.test"), one.token().issuer("https://issuer.test/")]
    {
        let error = rejection(stranger.sign());
        assert_eq!(error, VerifyError::Token(TokenError::WrongIssuer));
    }
    let error = rejection(one.token().without("iss").sign());
    assert_eq!(error, missing("iss"));
    assert_eq!(rejection("a.b.c".to_owned()), VerifyError::Token(TokenError::Malformed));
}

#[test]
fn several_verifiers_must_be_for_different_issuers() {
    let issuer = TestIssuer::new();
    let twice = Verifier::any_of([issuer.verifier(), issuer.verifier()]);
    assert!(matches!(twice, Err(BuildError::Issuers)));
    assert!(matches!(Verifier::any_of([]), Err(BuildError::Issuers)));
    let (_, _, both) = two();
    assert!(matches!(Verifier::any_of([both, issuer.verifier()]), Err(BuildError::Issuers)));
}

#[tokio::test(start_paused = true)]
async fn the_health_of_several_issuers_is_that_of_the_worst() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.mood(Mood::Down);
    let down = site.builder().start_without_keys().discover().await.unwrap();
    let other = Verifier::builder(OTHER, AUDIENCE).key_set(&issuer.key_set()).unwrap();
    let both = Verifier::any_of([other, down]).unwrap();
    let health = both.health();
    assert!(!health.ready && health.failures == 1 && health.last_error.is_some());
    assert!(both.refresh().await.is_err());
    site.mood(Mood::Up);
    assert!(both.refresh().await.is_ok());
    assert!(both.health().ready);
    // Waiting is up to the issuer of the token.
    pass(60).await;
    let next = issuer.successor();
    site.publish(&[&issuer, &next]);
    let wait = Duration::from_secs(1);
    assert!(both.verify_waiting(&long(&next), wait).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn openid_connect_discovery_serves_issuers_without_rfc_8414_metadata() {
    let issuer = TestIssuer::new();
    for (name, rfc8414, openid) in [
        (ISSUER, METADATA, "https://issuer.test/.well-known/openid-configuration"),
        (
            "https://issuer.test/realms/reef",
            "https://issuer.test/.well-known/oauth-authorization-server/realms/reef",
            "https://issuer.test/realms/reef/.well-known/openid-configuration",
        ),
    ] {
        let site = Site::publishing(&[&issuer]);
        if rfc8414 == METADATA {
            site.metadata(json!("<html>"));
        }
        let document = json!({ "issuer": name, "jwks_uri": KEYS, "subject_types_supported": [] });
        site.put_shelf(openid, page(&document.to_string()));
        let verifier = site.builder_for(name).discover().await.unwrap();
        let token = issuer.token().issuer(name).expires_in(Duration::from_secs(86_400)).sign();
        assert!(verifier.verify(&token).is_ok(), "{name}");
        let urls: Vec<String> = site.calls().into_iter().map(|call| call.url).collect();
        assert_eq!(urls, [rfc8414, openid, KEYS]);
    }
}

#[tokio::test(start_paused = true)]
async fn openid_connect_discovery_of_another_issuer_is_rejected() {
    let site = Site::publishing(&[&TestIssuer::new()]);
    let openid = "https://issuer.test/.well-known/openid-configuration";
    let document = json!({ "issuer": "https://evil.test", "jwks_uri": "https://evil.test/keys" });
    site.put_shelf(openid, page(&document.to_string()));
    // Metadata of another issuer is a wrong answer, not a missing one.
    site.metadata(document);
    let BuildError::Refresh(error) = site.builder().discover().await.unwrap_err() else {
        panic!("another error")
    };
    assert!(matches!(error.source, DocumentError::WrongIssuer { .. }));
    assert_eq!(site.requests_for(openid), 0);
    site.metadata(json!("<html>"));
    let BuildError::Refresh(error) = site.builder().discover().await.unwrap_err() else {
        panic!("another error")
    };
    assert!(matches!(error.source, DocumentError::NotMetadata), "the first error counts");
    assert!(site.calls().iter().all(|call| !call.url.contains("evil")));
}

#[tokio::test(start_paused = true)]
async fn keys_are_read_from_a_file_again_and_again() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[]);
    let path = std::env::temp_dir().join(format!("aquaware-keys-{}.json", std::process::id()));
    std::fs::write(&path, issuer.key_set()).unwrap();
    let verifier = site.builder().key_set_file(&path).await.unwrap();
    assert!(verifier.verify(&long(&issuer)).is_ok());
    let next = issuer.successor();
    std::fs::write(&path, next.key_set()).unwrap();
    pass(61).await;
    assert!(verifier.verify(&long(&next)).is_ok());
    assert_eq!(verifier.verify(&long(&issuer)).unwrap_err(), VerifyError::UnknownKey);
    // A broken file leaves the keys in use.
    std::fs::write(&path, "{").unwrap();
    pass(61).await;
    assert!(verifier.verify(&long(&next)).is_ok());
    let error = verifier.health().last_error.unwrap();
    assert!(error.url.contains("aquaware-keys"), "{error}");
    std::fs::remove_file(&path).unwrap();
    for unreadable in [path.clone(), std::env::temp_dir()] {
        let BuildError::Refresh(error) = site.builder().key_set_file(unreadable).await.unwrap_err()
        else {
            panic!("another error")
        };
        assert!(matches!(error.source, DocumentError::File(_)));
    }
    assert!(site.calls().is_empty(), "nothing was fetched");
}
