//! Signing: claims to a compact token.
//!
//! The private key is parsed once per thread, not once per token, which halves the cost of an
//! Ed25519 signature. The header is encoded once per key.

use std::cell::RefCell;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::JwtSigner;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use serde::Serialize;
use thiserror::Error;

use super::STATUS_LIST;
use super::key::{SigningKey, header};
use crate::claims::{AccessClaims, RefreshClaims};
use crate::secret::{AccessToken, RefreshToken};
use crate::status::{PackedList, StatusListClaims};

/// A token that could not be signed: the key was checked when it was loaded, so this is an exhausted
/// machine or a broken library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the token could not be signed")]
pub struct SignError;

impl SigningKey {
    /// Signs `claims` as an access token.
    ///
    /// # Errors
    /// [`SignError`] when the cryptographic library fails.
    pub fn sign_access(&self, claims: &AccessClaims) -> Result<AccessToken, SignError> {
        self.sign(claims).map(AccessToken::new)
    }

    /// Signs whatever `claims` says as a token of the key's type: for tests that need claims which
    /// no issuer would write.
    ///
    /// # Errors
    /// [`SignError`] when `claims` is no JSON or the cryptographic library fails.
    pub fn sign_anything<T: Serialize>(&self, claims: &T) -> Result<AccessToken, SignError> {
        self.sign(claims).map(AccessToken::new)
    }

    /// Signs `claims` as a refresh token. The same claims give the same token: the algorithm is
    /// deterministic and the order of the claims is fixed.
    ///
    /// # Errors
    /// [`SignError`] when the cryptographic library fails.
    pub fn sign_refresh(&self, claims: &RefreshClaims) -> Result<RefreshToken, SignError> {
        self.sign(claims).map(RefreshToken::new)
    }

    /// Signs `claims` as a status list (draft-ietf-oauth-status-list-20 §5.1). Rare, so its header is
    /// encoded anew each time.
    ///
    /// # Errors
    /// [`SignError`] when the cryptographic library fails.
    pub fn sign_status_list(
        &self,
        claims: &StatusListClaims<&PackedList>,
    ) -> Result<String, SignError> {
        self.sign_under(&header(STATUS_LIST, self.algorithm, &self.kid), claims)
    }

    fn sign<T: Serialize>(&self, claims: &T) -> Result<String, SignError> {
        self.sign_under(&self.header, claims)
    }

    fn sign_under<T: Serialize>(&self, header: &str, claims: &T) -> Result<String, SignError> {
        let claims = serde_json::to_vec(claims).map_err(|_| SignError)?;
        // Claims grow by a third; the longest usual signature (RSA 2048) takes 342 characters.
        let mut token = String::with_capacity(header.len() + claims.len() * 4 / 3 + 350);
        token.push_str(header);
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.signature(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        /// More keys than any ring has in use; what is left of dropped keys goes with the rest.
        const MOST: usize = 16;
        thread_local! {
            static SIGNERS: RefCell<HashMap<u64, Box<dyn JwtSigner>>> = RefCell::default();
        }
        SIGNERS.with_borrow_mut(|signers| {
            if !signers.contains_key(&self.serial) {
                let signer =
                    (DEFAULT_PROVIDER.signer_factory)(&self.algorithm.into(), &self.encoding)
                        .map_err(|_| SignError)?;
                if signers.len() >= MOST {
                    signers.clear();
                }
                signers.insert(self.serial, signer);
            }
            let signer = signers.get(&self.serial).ok_or(SignError)?;
            signer.try_sign(message).map_err(|_| SignError)
        })
    }
}
