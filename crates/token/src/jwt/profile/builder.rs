//! Profiles for issuers that this crate does not know.

use thiserror::Error;

use super::{Claim, ID_TOKEN_HASHES, Profile, ScopeClaim, optional, required};

/// The profile would accept tokens that are not access tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// No header would be accepted.
    #[error("the profile accepts no token: call header_type or without_header_type")]
    NoType,
    /// Nothing tells access tokens from ID tokens.
    #[error(
        "the profile cannot tell access tokens from ID tokens: \
         require a claim that only access tokens have"
    )]
    IdTokens,
    /// No scope can be granted, but one is required.
    #[error("the profile reads no scope")]
    NoScope,
}

/// Builds a [`Profile`]. It starts without any accepted `typ`; the rest is as in RFC 9068, but `jti`
/// may be missing.
///
/// ```
/// use aquaware_token::jwt::{Profile, ProfileError};
///
/// let profile = Profile::builder()
///     .without_header_type()
///     .client_from("cid") // which ID tokens of this issuer do not have
///     .scopes_from(["scp"])
///     .build()?;
/// assert_ne!(profile, Profile::rfc9068());
///
/// // Every ID token would be accepted as an access token.
/// assert_eq!(Profile::builder().header_type("JWT").build(), Err(ProfileError::IdTokens));
/// # Ok::<(), ProfileError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ProfileBuilder(Profile);

impl Profile {
    /// Starts building a profile for another issuer.
    #[must_use]
    pub fn builder() -> ProfileBuilder {
        let absent = ID_TOKEN_HASHES.to_vec();
        let profile = Self { types: Vec::new(), absent, ..Self::plain_jwt() };
        ProfileBuilder(profile.without_nonce())
    }
}

impl ProfileBuilder {
    /// Accepts this value of the header `typ`, compared without case and without `application/`
    /// (RFC 7515 §4.1.9).
    #[must_use]
    pub fn header_type(mut self, typ: &str) -> Self {
        let typ = typ.to_ascii_lowercase();
        self.0.types.push(typ.strip_prefix("application/").unwrap_or(&typ).to_owned());
        self
    }

    /// Accepts a header without `typ`.
    #[must_use]
    pub fn without_header_type(mut self) -> Self {
        self.0.missing_type = true;
        self
    }

    /// Requires a claim with exactly this value.
    #[must_use]
    pub fn require_value(mut self, claim: &'static str, value: &'static str) -> Self {
        self.0.values.push((claim, value));
        self
    }

    /// Requires a claim, whatever its value.
    #[must_use]
    pub fn require(mut self, claim: &'static str) -> Self {
        self.0.present.push(claim);
        self
    }

    /// Rejects tokens with this claim.
    #[must_use]
    pub fn reject(mut self, claim: &'static str) -> Self {
        self.0.absent.push(claim);
        self
    }

    /// Reads the client from this claim, which must be present.
    #[must_use]
    pub fn client_from(mut self, claim: &'static str) -> Self {
        self.0.client = required(claim);
        self
    }

    /// Accepts tokens that do not name their client.
    #[must_use]
    pub fn client_optional(mut self) -> Self {
        self.0.client = Claim { required: false, ..self.0.client };
        self
    }

    /// Takes the client as the audience of tokens without `aud`.
    #[must_use]
    pub fn client_as_audience(mut self) -> Self {
        self.0.client_as_audience = true;
        self
    }

    /// Reads the session from this claim, if it is present.
    #[must_use]
    pub fn session_from(mut self, claim: &'static str) -> Self {
        self.0.session = optional(claim);
        self
    }

    /// Reads the token's id from this claim, which must be present.
    #[must_use]
    pub fn token_id_from(mut self, claim: &'static str) -> Self {
        self.0.token_id = required(claim);
        self
    }

    /// Reads scopes from these claims; the first one that is present counts.
    #[must_use]
    pub fn scopes_from(self, claims: impl IntoIterator<Item = impl Into<ScopeClaim>>) -> Self {
        Self(self.0.scopes_from(claims))
    }

    /// Rejects tokens without any of the claims that contain scopes.
    #[must_use]
    pub fn require_scopes(mut self) -> Self {
        self.0.scope_required = true;
        self
    }

    /// Finishes the profile.
    ///
    /// # Errors
    /// [`ProfileError`]. A profile that accepts a `typ` other than `at+jwt` must require a claim
    /// other than those that ID tokens have (OpenID Connect Core 1.0 §2), or one with a certain value.
    pub fn build(self) -> Result<Profile, ProfileError> {
        let Self(profile) = self;
        if profile.types.is_empty() && !profile.missing_type {
            return Err(ProfileError::NoType);
        }
        if profile.scope_required && profile.scopes.is_empty() {
            return Err(ProfileError::NoScope);
        }
        let typed = !profile.missing_type && profile.types.iter().all(|typ| typ == "at+jwt");
        let marked = profile.values.iter().any(|(claim, _)| *claim != "iss")
            || profile.present.iter().any(|claim| !IN_ID_TOKENS.contains(claim))
            || (profile.client.required && !IN_ID_TOKENS.contains(&profile.client.name));
        if typed || marked { Ok(profile) } else { Err(ProfileError::IdTokens) }
    }
}

/// Claims of ID tokens: those of OpenID Connect Core 1.0 §2, §5.1, and common additions.
const IN_ID_TOKENS: [&str; 21] = [
    "acr",
    "amr",
    "aud",
    "auth_time",
    "azp",
    "client_id",
    "email",
    "email_verified",
    "exp",
    "family_name",
    "given_name",
    "iat",
    "iss",
    "jti",
    "name",
    "nbf",
    "picture",
    "preferred_username",
    "sid",
    "sub",
    "tid",
];
