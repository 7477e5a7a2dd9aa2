//! Checking, tried with good tokens of every algorithm and with every kind of bad one.
//!
//! Bad tokens are forged with the issuer's own key wherever the rule under test isn't about
//! signatures: a token that fails for two reasons proves neither.

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
mod published;
mod signature;
mod vectors;
mod wire;

/// An issuer with keys of one algorithm, and what is needed to forge its tokens.
struct Mint {
    /// The private half of the active key for access tokens.
    material: KeyMaterial,
    access: [SigningKey; 2],
    refresh: [SigningKey; 2],
}

impl Mint {
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

    /// Made once for all tests: an RSA key takes its time.
    fn of(algorithm: Algorithm) -> &'static Self {
        static MINTS: [LazyLock<Mint>; 4] = [
            LazyLock::new(|| Mint::new(Algorithm::EdDsa)),
            LazyLock::new(|| Mint::new(Algorithm::Es256)),
            LazyLock::new(|| Mint::new(Algorithm::Rs256)),
            LazyLock::new(|| Mint::new(Algorithm::Hs256)),
        ];
        let place = Algorithm::ALL.iter().position(|known| *known == algorithm);
        &MINTS[place.unwrap()]
    }

    fn key(&self, token_type: TokenType) -> &SigningKey {
        &self.keys(token_type).0[0]
    }

    fn keys(&self, token_type: TokenType) -> KeysOf<'_> {
        KeysOf(match token_type {
            TokenType::Access => &self.access,
            TokenType::Refresh => &self.refresh,
        })
    }

    fn kid(&self, token_type: TokenType) -> &str {
        self.key(token_type).kid().as_str()
    }

    /// The header of a good token, as JSON to be spoilt.
    fn header(&self, token_type: TokenType) -> Map<String, Value> {
        let key = self.key(token_type);
        let header =
            json!({ "typ": token_type.typ(), "alg": key.algorithm().as_str(), "kid": key.kid() });
        header.as_object().unwrap().clone()
    }

    /// A token with exactly these bytes in header and claims, and a good signature over them.
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

struct KeysOf<'a>(&'a [SigningKey]);

impl Keys for KeysOf<'_> {
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
fn every_algorithm_signs_what_its_ring_accepts() {
    for &algorithm in Algorithm::ALL {
        let mint = Mint::of(algorithm);
        assert_eq!(mint.check_access(&mint.access()), Ok(access_claims()), "{algorithm:?}");
        assert_eq!(mint.check_refresh(&mint.refresh()), Ok(refresh_claims()), "{algorithm:?}");
    }
}

#[test]
fn forged_with_the_real_key_and_nothing_spoilt_a_token_is_good() {
    for &algorithm in Algorithm::ALL {
        let mint = Mint::of(algorithm);
        let claims = serde_json::to_vec(&access_claims()).unwrap();
        let header = json_bytes(&mint.header(TokenType::Access));
        let token = mint.forge(TokenType::Access, &header, &claims);
        assert_eq!(mint.check_access(&token), Ok(access_claims()), "{algorithm:?}");
    }
}

#[test]
fn inspecting_shows_what_is_there_and_believes_nothing() {
    let mint = Mint::of(Algorithm::EdDsa);
    let token = mint.access();
    let (message, _) = token.rsplit_once('.').unwrap();
    let shown = inspect(&format!("{message}.AAAA")).unwrap();
    assert_eq!(shown.header, mint.header(TokenType::Access));
    assert_eq!(Value::Object(shown.claims), serde_json::to_value(access_claims()).unwrap());
    assert_eq!(inspect("a.b").unwrap_err(), TokenError::Malformed);
    assert_eq!(inspect(&"a".repeat(MAX_TOKEN_BYTES + 1)).unwrap_err(), TokenError::TooLong);
}
