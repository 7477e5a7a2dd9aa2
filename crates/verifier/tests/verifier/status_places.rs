//! The origins of status lists, and the aggregation.

use aquaware_verifier::limits::MAX_DOCUMENT_BYTES;
use aquaware_verifier::testing::{ISSUER, STATUS_LIST, TestIssuer};
use aquaware_verifier::{BuildError, DocumentError, VerifyError};
use serde_json::json;

use crate::site::{AGGREGATION, KEYS, METADATA, Shelf, Site, listed, long, pass, settle};
use crate::status_trust::problem;

#[tokio::test(start_paused = true)]
async fn status_lists_at_untrusted_origins_are_never_fetched() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    let elsewhere = "https://status.test/lists/0";
    site.put(elsewhere, &issuer.status_list().uri(elsewhere).sign());
    let token = issuer.token().status_at(elsewhere, 1).sign();
    let strict = site.verifier().await;
    for uri in [
        elsewhere,
        "http://issuer.test/status-lists/0",
        "https://issuer.test:444/status-lists/0",
        "https://user@issuer.test/status-lists/0",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "0",
        "",
    ] {
        let token = issuer.token().status_at(uri, 1).sign();
        let error = strict.verify(&token).unwrap_err();
        assert_eq!(error, VerifyError::UntrustedStatusList, "{uri}");
        assert!(!error.is_retryable() && !error.is_unavailable());
    }
    pass(100).await;
    assert!(site.calls().iter().all(|call| [METADATA, KEYS].contains(&&*call.url)));
    let error = strict.health().status.last_error.unwrap();
    assert_eq!((error.url.as_str(), strict.health().status.lists), (elsewhere, 0));

    let allowing = site.builder().status_lists_at("https://status.test").discover().await.unwrap();
    assert_eq!(allowing.verify(&token).unwrap_err(), VerifyError::NoStatusList);
    settle().await;
    assert!(allowing.verify(&token).is_ok());
    for origin in ["http://status.test", "status.test", ""] {
        let started = site.builder().status_lists_at(origin).discover().await;
        assert!(matches!(started, Err(BuildError::InsecureUrl(_))), "{origin}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_aggregation_is_read_from_the_issuer_and_adds_only_its_own_lists() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.show(&issuer);
    let foreign = "https://evil.test/status-lists/0";
    site.aggregate(&[foreign, STATUS_LIST]);
    let verifier = site.verifier().await;
    assert!(verifier.verify(&listed(&issuer, 1)).is_ok());
    assert_eq!(site.requests_for(foreign), 0);

    for endpoint in [json!("https://evil.test/status-lists"), json!("http://issuer.test/x")] {
        let jwks_uri = KEYS;
        site.metadata(json!({
            "issuer": ISSUER, "jwks_uri": jwks_uri, "status_list_aggregation_endpoint": endpoint,
        }));
        let verifier = site.verifier().await;
        assert_eq!(problem(&verifier), DocumentError::UntrustedOrigin.to_string());
        assert!(verifier.verify(&long(&issuer)).is_ok());
        assert_eq!(site.requests_for(endpoint.as_str().unwrap()), 0);
    }
    // A malformed endpoint is ignored.
    site.metadata(json!({
        "issuer": ISSUER, "jwks_uri": KEYS, "status_list_aggregation_endpoint": 7,
    }));
    assert!(site.verifier().await.health().status.last_error.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_invalid_aggregation_does_not_prevent_the_start() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.show(&issuer);
    site.aggregate(&[]);
    let long_one = " ".repeat(MAX_DOCUMENT_BYTES + 1);
    for body in ["[]", "{}", "{\"status_lists\":[1]}", "<html>", &long_one] {
        let body = Some(body.as_bytes().to_vec());
        site.put_shelf(AGGREGATION, Shelf { body, ..Shelf::default() });
        let verifier = site.verifier().await;
        assert_eq!(verifier.health().status.failures, 1);
        assert!(verifier.verify(&long(&issuer)).is_ok());
    }
}
