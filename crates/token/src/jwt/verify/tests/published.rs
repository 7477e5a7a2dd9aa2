//! The published key set: sufficient for verification, and nothing more (RFC 7517 §4, §5).

use std::collections::BTreeSet;

use super::*;
use crate::jwt::KeySet;

const ASYMMETRIC: [Algorithm; 4] =
    [Algorithm::EdDsa, Algorithm::Ed25519, Algorithm::Es256, Algorithm::Rs256];

fn published(issuer: &TestIssuer) -> Value {
    json!({ "keys": issuer.access.iter().filter_map(PublicKey::of).collect::<Vec<_>>() })
}

fn key_set(json: &Value) -> KeySet {
    KeySet::from_json(json.to_string().as_bytes()).unwrap()
}

fn check(token: &str, keys: &KeySet) -> Result<AccessClaims, TokenError> {
    let issuer = fixture::issuer();
    let audiences = vec![(&issuer).into()];
    let check = AccessCheck { issuer, audiences, leeway: Leeway::NONE };
    check.check(token, keys, NOW).map(Verified::into_inner)
}

#[test]
fn the_key_set_is_sufficient_for_verification() {
    for algorithm in ASYMMETRIC {
        let issuer = TestIssuer::of(algorithm);
        let keys = key_set(&published(issuer));
        assert_eq!(check(&issuer.access(), &keys), Ok(access_claims()), "{algorithm:?}");
        // Only the issuer can verify or sign a refresh token.
        let refresh = RefreshCheck { issuer: &fixture::issuer() };
        assert_eq!(refresh.check(&issuer.refresh(), &keys, NOW), Err(TokenError::UnknownKey));
    }
}

#[test]
fn entries_contain_only_their_public_members() {
    for (algorithm, members) in [
        (Algorithm::EdDsa, "alg crv kid kty use x"),
        (Algorithm::Ed25519, "alg crv kid kty use x"),
        (Algorithm::Es256, "alg crv kid kty use x y"),
        (Algorithm::Rs256, "alg e kid kty n use"),
    ] {
        let issuer = TestIssuer::of(algorithm);
        let set = published(issuer);
        let entries = set["keys"].as_array().unwrap();
        assert_eq!(entries.len(), 2, "the active and the next key");
        let kids: BTreeSet<&str> = entries.iter().map(|key| key["kid"].as_str().unwrap()).collect();
        assert_eq!(kids.len(), 2);
        assert!(kids.contains(issuer.kid(TokenType::Access)));
        for entry in entries {
            let names: Vec<&str> = entry
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect();
            assert_eq!(names.join(" "), members);
            assert_eq!((&entry["use"], &entry["alg"]), (&json!("sig"), &json!(algorithm.as_str())));
        }
    }
}

#[test]
fn a_shared_secret_is_never_published() {
    let issuer = TestIssuer::of(Algorithm::Hs256);
    assert_eq!(published(issuer), json!({ "keys": [] }));
    for algorithm in ASYMMETRIC {
        let text = published(TestIssuer::of(algorithm)).to_string();
        assert!(!text.contains(TestIssuer::of(algorithm).kid(TokenType::Refresh)));
    }
}

/// RFC 7517 §5.
#[test]
fn unsupported_entries_are_ignored() {
    let issuer = TestIssuer::of(Algorithm::EdDsa);
    let valid = published(issuer);
    let entry = |changes: Value| {
        let mut entry = valid["keys"][0].clone();
        entry.as_object_mut().unwrap().insert("kid".to_owned(), "other".into());
        for (name, value) in changes.as_object().unwrap() {
            entry.as_object_mut().unwrap().insert(name.clone(), value.clone());
        }
        entry
    };
    for odd in [
        json!({ "kty": "oct", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "alg": "HS256" }),
        json!({ "kty": "XYZ" }),
        json!({ "crv": "X25519" }),
        json!({ "crv": "Ed448" }),
        json!({ "use": "enc" }),
        json!({ "key_ops": ["encrypt"] }),
        json!({ "key_ops": [] }),
        json!({ "alg": "RS256" }),
        json!({ "alg": "HS256" }),
        json!({ "alg": "none" }),
        json!({ "alg": "XX512" }),
        json!({ "kid": null }),
        json!({ "kid": "" }),
        json!({ "x": "not base64url!" }),
        json!({ "x": null }),
    ] {
        let set = json!({ "keys": [entry(odd.clone()), valid["keys"][0], null, 5, "text", {}] });
        let keys = key_set(&set);
        assert_eq!(keys.len(), 1, "{odd}");
    }
    let unnamed = {
        let mut entry = entry(json!({}));
        entry.as_object_mut().unwrap().remove("kid");
        entry
    };
    assert!(key_set(&json!({ "keys": [unnamed] })).is_empty());
}

#[test]
fn entries_that_share_an_id_are_ignored() {
    let set = published(TestIssuer::of(Algorithm::EdDsa));
    let (one, other) = (&set["keys"][0], &set["keys"][1]);
    for twins in [json!([one, one, other]), json!([one, one, one, other])] {
        assert_eq!(key_set(&json!({ "keys": twins })).len(), 1);
    }
}

#[test]
fn an_entry_without_use_or_alg_is_accepted() {
    let issuer = TestIssuer::of(Algorithm::EdDsa);
    let mut set = published(issuer);
    for entry in set["keys"].as_array_mut().unwrap() {
        entry.as_object_mut().unwrap().remove("use");
        entry.as_object_mut().unwrap().remove("alg");
    }
    assert_eq!(check(&issuer.access(), &key_set(&set)), Ok(access_claims()));
    // The newer name of the same algorithm (RFC 9864).
    for entry in set["keys"].as_array_mut().unwrap() {
        entry.as_object_mut().unwrap().insert("alg".to_owned(), "Ed25519".into());
    }
    assert_eq!(check(&issuer.access(), &key_set(&set)), Ok(access_claims()));
}

#[test]
fn malformed_key_sets_are_rejected() {
    for invalid in
        ["", "null", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[]", "\u{feff}{\"keys\":[]}"]
    {
        assert!(KeySet::from_json(invalid.as_bytes()).is_err(), "{invalid}");
    }
    assert!(KeySet::from_json(b"{\"keys\":[]}").unwrap().is_empty());
}
