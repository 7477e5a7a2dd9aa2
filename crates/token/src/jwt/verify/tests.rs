//! Verification of valid tokens of every algorithm and of every kind of invalid one.
//!
//! Invalid tokens are signed with the issuer's own key unless the test is about signatures: a token
//! that breaks two rules proves neither.

use std::sync::LazyLock;

use serde_json::json;

use super::*;
use crate::jwt::{Algorithm, PublicKey, SigningKey, generate_key};
use crate::secret::KeyMaterial;
use crate::testing::SeededRandom;
use crate::testing::fixture::{self, NOW};

mod bearer;
mod claims;
mod form;
mod header;
mod message;
mod profiles;
mod published;
mod signature;
mod vectors;
mod wire;
mod wycheproof;

/// An issuer with keys of one algorithm, which also signs arbitrary headers and claims.
struct TestIssuer {
    /// The private key that signs access tokens.
    material: KeyMaterial,
    access: [SigningKey; 2],
    refresh: [SigningKey; 2],
}

impl TestIssuer {
    /// Two keys of each type: the first one signs, and both are published.
    fn new(algorithm: Algorithm) -> Self {
        let random = SeededRandom::new(7);
        let material = generate_key(algorithm, &random).unwrap();
        let kid = KeyId::generate(&random);
        let active = SigningKey::new(kid, TokenType::Access, algorithm, &material).unwrap();
        let access = [active, signing_key(TokenType::Access, algorithm, &random)];
        let refresh = [(); 2].map(|()| signing_key(TokenType::Refresh, Algorithm::Hs256, &random));
        Self { material, access, refresh }
    }

    /// Shared by all tests, because generating an RSA key is slow.
    fn of(algorithm: Algorithm) -> &'static Self {
        static ISSUERS: [LazyLock<TestIssuer>; 5] = [
            LazyLock::new(|| TestIssuer::new(Algorithm::EdDsa)),
            LazyLock::new(|| TestIssuer::new(Algorithm::Ed25519)),
            LazyLock::new(|| TestIssuer::new(Algorithm::Es256)),
            LazyLock::new(|| TestIssuer::new(Algorithm::Rs256)),
            LazyLock::new(|| TestIssuer::new(Algorithm::Hs256)),
        ];
        let position = Algorithm::ALL.iter().position(|known| *known == algorithm);
        &ISSUERS[position.unwrap()]
    }

    fn key(&self, token_type: TokenType) -> &SigningKey {
        &self.keys(token_type).0[0]
    }

    fn keys(&self, token_type: TokenType) -> KeysByType<'_> {
        KeysByType(match token_type {
            TokenType::Access => &self.access,
            TokenType::Refresh => &self.refresh,
        })
    }

    fn kid(&self, token_type: TokenType) -> &str {
        self.key(token_type).kid().as_str()
    }

    /// The header of a valid token, as JSON for a test to change.
    fn header(&self, token_type: TokenType) -> Map<String, Value> {
        let key = self.key(token_type);
        let header =
            json!({ "typ": token_type.typ(), "alg": key.algorithm().as_str(), "kid": key.kid() });
        header.as_object().unwrap().clone()
    }

    /// A token with exactly these bytes as header and claims, and a valid signature.
    fn forge(&self, token_type: TokenType, header: &[u8], claims: &[u8]) -> String {
        forge(self.key(token_type), header, claims)
    }

    fn access(&self) -> String {
        self.key(TokenType::Access).sign_access(&access_claims()).unwrap().expose().to_owned()
    }

    fn refresh(&self) -> String {
        self.key(TokenType::Refresh).sign_refresh(&refresh_claims()).unwrap().expose().to_owned()
    }

    fn check_access(&self, token: &str) -> Result<AccessClaims, TokenError> {
        self.check_access_at(token, Leeway::NONE, NOW)
    }

    fn check_access_at(
        &self,
        token: &str,
        leeway: Leeway,
        now: Timestamp,
    ) -> Result<AccessClaims, TokenError> {
        let check = AccessCheck { issuer: fixture::issuer(), audiences: audiences(), leeway };
        check.check(token, &self.keys(TokenType::Access), now).map(Verified::into_inner)
    }

    fn check_refresh(&self, token: &str) -> Result<RefreshClaims, TokenError> {
        let check = RefreshCheck { issuer: &fixture::issuer() };
        check.check(token, &self.keys(TokenType::Refresh), NOW).map(Verified::into_inner)
    }
}

struct KeysByType<'a>(&'a [SigningKey]);

impl Keys for KeysByType<'_> {
    fn verifying_key(&self, kid: &KeyId) -> Option<&VerifyingKey> {
        self.0.iter().find(|key| key.kid() == kid).map(SigningKey::verifying_key)
    }
}

fn signing_key(token_type: TokenType, algorithm: Algorithm, random: &SeededRandom) -> SigningKey {
    let material = generate_key(algorithm, random).unwrap();
    SigningKey::new(KeyId::generate(random), token_type, algorithm, &material).unwrap()
}

const fn malformed(claim: &'static str) -> TokenError {
    TokenError::MalformedClaim { claim }
}

fn audiences() -> Vec<Audience> {
    vec![Audience::from(&fixture::issuer())]
}

fn sign(key: &SigningKey, message: &[u8]) -> Vec<u8> {
    let factory = DEFAULT_PROVIDER.signer_factory;
    factory(&engine_algorithm(key.algorithm), &key.encoding).unwrap().try_sign(message).unwrap()
}

fn forge(key: &SigningKey, header: &[u8], claims: &[u8]) -> String {
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = sign(key, message.as_bytes());
    format!("{message}.{}", encode(&signature))
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn json_bytes(object: &Map<String, Value>) -> Vec<u8> {
    serde_json::to_vec(object).unwrap()
}

fn access_claims() -> AccessClaims {
    AccessClaims {
        iss: fixture::issuer(),
        sub: fixture::subject(1),
        aud: crate::claims::Audiences::One((&fixture::issuer()).into()),
        exp: NOW.plus(std::time::Duration::from_secs(300)),
        iat: NOW,
        nbf: None,
        jti: "AAAAAAAAAAAAAAAA".to_owned(),
        client_id: fixture::client("web"),
        sid: Some(crate::id::SessionId::from_bytes([3; 16])),
        auth_time: Some(NOW),
        scope: Default::default(),
        status: None,
        extra: Map::new(),
    }
}

fn refresh_claims() -> RefreshClaims {
    RefreshClaims {
        iss: fixture::issuer(),
        aud: (&fixture::issuer()).into(),
        sub: fixture::subject(1),
        sid: crate::id::SessionId::from_bytes([3; 16]),
        generation: crate::id::Generation::FIRST,
        client_id: fixture::client("web"),
        iat: NOW,
        exp: NOW.plus(std::time::Duration::from_secs(3600)),
    }
}

#[test]
fn every_algorithm_verifies_its_own_signatures() {
    for &algorithm in Algorithm::ALL {
        let issuer = TestIssuer::of(algorithm);
        assert_eq!(issuer.check_access(&issuer.access()), Ok(access_claims()), "{algorithm:?}");
        assert_eq!(issuer.check_refresh(&issuer.refresh()), Ok(refresh_claims()), "{algorithm:?}");
    }
}

#[test]
fn an_unaltered_forgery_with_the_real_key_is_accepted() {
    for &algorithm in Algorithm::ALL {
        let issuer = TestIssuer::of(algorithm);
        let claims = serde_json::to_vec(&access_claims()).unwrap();
        let header = json_bytes(&issuer.header(TokenType::Access));
        let token = issuer.forge(TokenType::Access, &header, &claims);
        assert_eq!(issuer.check_access(&token), Ok(access_claims()), "{algorithm:?}");
    }
}

#[test]
fn inspection_decodes_without_verifying() {
    let issuer = TestIssuer::of(Algorithm::EdDsa);
    let token = issuer.access();
    let (message, _) = token.rsplit_once('.').unwrap();
    let shown = inspect(&format!("{message}.AAAA")).unwrap();
    assert_eq!(shown.header, issuer.header(TokenType::Access));
    assert_eq!(Value::Object(shown.claims), serde_json::to_value(access_claims()).unwrap());
    assert_eq!(inspect("a.b").unwrap_err(), TokenError::Malformed);
    assert_eq!(inspect(&"a".repeat(MAX_TOKEN_BYTES + 1)).unwrap_err(), TokenError::TooLong);
}
