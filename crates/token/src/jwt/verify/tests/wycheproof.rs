//! The JSON Web Signature vectors of Wycheproof: forged, truncated and confused signatures.
//!
//! `wycheproof/json_web_signature_test.json` is `testvectors_v1/json_web_signature_test.json` of
//! C2SP/wycheproof at commit dac1dd4729fd1f8dd9e1e9f3dce51d783da6c166, unchanged, under the
//! Apache License 2.0.
//!
//! The vectors are signatures, not access tokens, so the rules for `typ` and claims are left out.

use std::collections::BTreeMap;

use super::*;
use crate::jwt::KeySet;
use crate::jwt::key::VerifyingKey;

const VECTORS: &str = include_str!("wycheproof/json_web_signature_test.json");

/// Vectors with a question mark inside a part, marked as valid because some readers ignore
/// characters outside the alphabet. RFC 7515 §2 and §5.2 do not allow that.
const NOT_BASE64URL: [u64; 2] = [372, 373];

/// Vectors about padding that have lost it: they are the same text as the valid vector 357.
const WITHOUT_PADDING: [u64; 2] = [367, 370];

#[derive(Deserialize)]
struct Vectors {
    #[serde(rename = "testGroups")]
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    public: Option<Value>,
    private: Value,
    tests: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    #[serde(rename = "tcId")]
    id: u64,
    jws: Value,
    result: String,
}

/// The group's key as a verifier loads it: a published key, or a shared secret.
fn key_of(group: &Group) -> Option<(String, VerifyingKey)> {
    let Some(public) = &group.public else {
        let kid = group.private["kid"].as_str()?.to_owned();
        let secret = URL_SAFE_NO_PAD.decode(group.private["k"].as_str()?).ok()?;
        let decoding = jsonwebtoken::DecodingKey::from_secret(&secret).ok()?;
        let supported = group.private["alg"] == "HS256";
        return supported.then(|| (kid, VerifyingKey::published(Algorithm::Hs256, decoding)));
    };
    let set = KeySet::from_json(json!({ "keys": [public] }).to_string().as_bytes()).unwrap();
    let kid = public["kid"].as_str()?.to_owned();
    set.into_key(&kid).map(|key| (kid, key))
}

fn verifies(jws: &str, key: Option<&(String, VerifyingKey)>) -> bool {
    let find = |kid: &str| match key {
        Some((known, key)) if known == kid => Ok(key),
        _ => Err(TokenError::UnknownKey),
    };
    parts(jws, MAX_TOKEN_BYTES).and_then(|parts| verified_payload(parts, find)).is_ok()
}

#[test]
fn the_wycheproof_vectors_pass() {
    let vectors: Vectors = serde_json::from_str(VECTORS).unwrap();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for group in &vectors.groups {
        let key = key_of(group);
        let supported = key.is_some();
        for Vector { id, jws, result, .. } in &group.tests {
            let jws = jws.as_str().map_or_else(|| jws.to_string(), str::to_owned);
            let valid = match id {
                id if NOT_BASE64URL.contains(id) => false,
                id if WITHOUT_PADDING.contains(id) => true,
                _ => result == "valid" && supported,
            };
            assert_eq!(verifies(&jws, key.as_ref()), valid, "vector {id}");
            let outcome = match (valid, supported) {
                (true, _) => "accepted",
                (false, true) => "rejected",
                (false, false) => "of an algorithm that is not supported",
            };
            *counts.entry(outcome).or_default() += 1;
        }
    }
    println!("{counts:?}");
    assert_eq!(counts.values().sum::<usize>(), 401);
    assert!(counts["accepted"] >= 15 && counts["rejected"] >= 200, "{counts:?}");
}
