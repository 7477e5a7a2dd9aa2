//! Signing: from claims to a compact token.
//!
//! Each thread parses a private key once instead of once per token, which halves the cost of an
//! Ed25519 signature. The header is encoded once per key.

use std::cell::RefCell;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::JwtSigner;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use serde::Serialize;
use thiserror::Error;

use super::key::{SigningKey, encoded_header, engine_algorithm};
use super::token_type::{MESSAGE_TYP, STATUS_LIST_TYP};
use crate::claims::{AccessClaims, MessageClaims, RefreshClaims};
use crate::secret::{AccessToken, MessageToken, RefreshToken};
use crate::status::{PackedList, StatusListClaims};

/// Signing failed. Keys are checked when they are loaded, so the cause is a failure of the
/// cryptographic library, for example for lack of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("failed to sign the token")]
pub struct SignError;

impl SigningKey {
    /// Signs `claims` as an access token.
    ///
    /// # Errors
    /// [`SignError`] when the cryptographic library fails.
    pub fn sign_access(&self, claims: &AccessClaims) -> Result<AccessToken, SignError> {
        self.sign(claims).map(AccessToken::new)
    }

    /// Signs arbitrary claims as a token of the key's type. For tests only.
    ///
    /// # Errors
    /// [`SignError`] when `claims` cannot be serialized or the cryptographic library fails.
    #[cfg(any(test, feature = "testing"))]
    pub fn sign_unchecked<T: Serialize>(&self, claims: &T) -> Result<AccessToken, SignError> {
        self.sign(claims).map(AccessToken::new)
    }

    /// Signs `claims` as a refresh token. Equal claims give equal tokens: HMAC is deterministic and
    /// the order of the claims is fixed.
    ///
    /// # Errors
    /// [`SignError`] when the cryptographic library fails.
    pub fn sign_refresh(&self, claims: &RefreshClaims) -> Result<RefreshToken, SignError> {
        self.sign(claims).map(RefreshToken::new)
    }

    /// Signs `claims` as a status list (draft-ietf-oauth-status-list-20 §5.1). Lists are signed
    /// rarely, so the header is encoded on each call.
    ///
    /// # Errors
    /// [`SignError`] when the cryptographic library fails.
    pub fn sign_status_list(
        &self,
        claims: &StatusListClaims<&PackedList>,
    ) -> Result<String, SignError> {
        let header = encoded_header(STATUS_LIST_TYP, self.algorithm, &self.kid);
        self.sign_with_header(&header, claims)
    }

    /// Signs `claims` as a token in a message to a user.
    ///
    /// # Errors
    /// [`SignError`] when the cryptographic library fails.
    pub fn sign_message(&self, claims: &MessageClaims) -> Result<MessageToken, SignError> {
        let header = encoded_header(MESSAGE_TYP, self.algorithm, &self.kid);
        self.sign_with_header(&header, claims).map(MessageToken::new)
    }

    fn sign<T: Serialize>(&self, claims: &T) -> Result<String, SignError> {
        self.sign_with_header(&self.header, claims)
    }

    fn sign_with_header<T: Serialize>(
        &self,
        header: &str,
        claims: &T,
    ) -> Result<String, SignError> {
        let claims = serde_json::to_vec(claims).map_err(|_| SignError)?;
        // Base64 grows the claims by a third; an RSA-2048 signature takes 342 characters.
        let mut token = String::with_capacity(header.len() + claims.len() * 4 / 3 + 350);
        token.push_str(header);
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.signature(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        /// More keys than an issuer uses at a time. A full cache is cleared, which also drops the
        /// signers of keys that no longer exist.
        const MAX_SIGNERS: usize = 16;
        thread_local! {
            static SIGNERS: RefCell<HashMap<u64, Box<dyn JwtSigner>>> = RefCell::default();
        }
        SIGNERS.with_borrow_mut(|signers| {
            if !signers.contains_key(&self.serial) {
                let algorithm = engine_algorithm(self.algorithm);
                let signer = (DEFAULT_PROVIDER.signer_factory)(&algorithm, &self.encoding)
                    .map_err(|_| SignError)?;
                if signers.len() >= MAX_SIGNERS {
                    signers.clear();
                }
                signers.insert(self.serial, signer);
            }
            let signer = signers.get(&self.serial).ok_or(SignError)?;
            signer.try_sign(message).map_err(|_| SignError)
        })
    }
}
