//! Profiles: how an issuer writes access tokens, and what tells them from its other tokens.
//!
//! RFC 9068 settles both with `typ: at+jwt`. Issuers that do not follow it write `typ: JWT`, or
//! none, for access tokens and ID tokens alike. A profile for such an issuer therefore requires
//! a claim that its ID tokens do not have. An ID token tells a client who logged in, so a service
//! that accepted one would accept every client to which the user has ever logged in.

mod builder;
mod read;

pub use self::builder::{ProfileBuilder, ProfileError};

/// How an issuer writes access tokens. Claims that a profile does not name are never consulted,
/// so one issuer's conventions do not weaken the checks for another.
///
/// Every profile requires `iss`, `sub`, `exp` and `iat`, a `kid`, a signature, and one of the
/// audiences of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The accepted values of the header `typ`, in lower case.
    pub(super) types: Vec<String>,
    /// Whether a header without `typ` is accepted.
    pub(super) missing_type: bool,
    /// Claims that must have exactly this value.
    values: Vec<(&'static str, &'static str)>,
    /// Claims that must be present.
    present: Vec<&'static str>,
    /// Claims that must be absent, unless their value is required.
    absent: Vec<&'static str>,
    /// Whether a client among the audiences marks an ID token.
    client_is_no_audience: bool,
    /// Whether the client is the audience of a token without `aud`.
    client_as_audience: bool,
    client: Claim,
    token_id: Claim,
    session: Claim,
    /// The first one that is present counts.
    scopes: Vec<ScopeClaim>,
    scope_required: bool,
}

/// A claim that contains a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Claim {
    name: &'static str,
    required: bool,
}

const fn required(name: &'static str) -> Claim {
    Claim { name, required: true }
}

const fn optional(name: &'static str) -> Claim {
    Claim { name, required: false }
}

/// Claims that only ID tokens have (OpenID Connect Core 1.0 §2, §3.3.2.11).
const ID_TOKEN_HASHES: [&str; 3] = ["at_hash", "c_hash", "s_hash"];

/// Claims with which issuers mark the kind of a token. An issuer that does not write one has no
/// token with it.
const MARKS: [&str; 3] = ["typ", "token_use", "ver"];

/// A claim that contains scopes, or an array of them inside an object.
///
/// `scope` must be a space-delimited string, as RFC 9068 has it. Any other claim may also be an
/// array of strings; elements that are not scope tokens can never be required and are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScopeClaim {
    claim: &'static str,
    member: Option<&'static str>,
}

impl From<&'static str> for ScopeClaim {
    fn from(claim: &'static str) -> Self {
        Self { claim, member: None }
    }
}

/// A member of a claim that is an object, for example `("realm_access", "roles")`.
impl From<(&'static str, &'static str)> for ScopeClaim {
    fn from((claim, member): (&'static str, &'static str)) -> Self {
        Self { claim, member: Some(member) }
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::rfc9068()
    }
}

impl Profile {
    /// RFC 9068, which this system and a growing number of issuers follow: `typ` is `at+jwt`;
    /// `jti`, `client_id` and `aud` are present; scopes are in `scope`.
    #[must_use]
    pub fn rfc9068() -> Self {
        Self {
            types: vec!["at+jwt".to_owned()],
            missing_type: false,
            values: Vec::new(),
            present: Vec::new(),
            absent: Vec::new(),
            client_is_no_audience: false,
            client_as_audience: false,
            client: required("client_id"),
            token_id: required("jti"),
            session: optional("sid"),
            scopes: vec!["scope".into()],
            scope_required: false,
        }
    }

    /// What the profiles below have in common: `typ` is `JWT`, no claim is a hash of another token,
    /// and no claim marks the token as one of another kind.
    fn plain_jwt() -> Self {
        Self {
            types: vec!["jwt".to_owned()],
            absent: [ID_TOKEN_HASHES, MARKS].concat(),
            token_id: optional("jti"),
            ..Self::rfc9068()
        }
    }

    /// Keycloak.
    ///
    /// The *claim* `typ` is `Bearer`; ID, refresh and logout tokens have `ID`, `Refresh` and
    /// `Logout` there. The header `typ` is `JWT`, or `at+jwt` if the client is configured so. The
    /// client is `azp`, the session `sid`, and scopes are in `scope`; `jti` is present.
    ///
    /// Keycloak puts a service into `aud` only through an audience mapper or a client role.
    /// Roles remain in the extra claims: what a client was granted and what its user may do are
    /// different questions. To authorize by roles alone:
    /// `Profile::keycloak().scopes_from([("realm_access", "roles")])`.
    ///
    /// Source: Keycloak, *Server Administration Guide*, "OIDC token and SAML assertion mappings"
    /// and "Audience support" (<https://www.keycloak.org/docs/latest/server_admin/>).
    #[must_use]
    pub fn keycloak() -> Self {
        Self {
            types: vec!["jwt".to_owned(), "at+jwt".to_owned()],
            values: vec![("typ", "Bearer")],
            client: required("azp"),
            token_id: required("jti"),
            ..Self::plain_jwt()
        }
    }

    /// Auth0, with the *Auth0* token profile, which is its default. For APIs set to *RFC 9068* use
    /// [`rfc9068`](Self::rfc9068).
    ///
    /// `typ` is `JWT`, the client is `azp`, scopes are in `scope`; there is no `jti`. ID tokens have
    /// no `azp`, and their audience is the client: a token whose client is among its audiences is
    /// rejected, as is one with a `nonce`. The issuer ends with a slash: `https://TENANT.auth0.com/`.
    /// With role-based access control, permissions are in a claim of their own:
    /// `Profile::auth0().scopes_from(["permissions"])`.
    ///
    /// Source: Auth0, "Access Token Profiles"
    /// (<https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles>).
    #[must_use]
    pub fn auth0() -> Self {
        let profile = Self { client: required("azp"), ..Self::plain_jwt() };
        Self { client_is_no_audience: true, ..profile }.without_nonce()
    }

    /// Microsoft Entra ID, access tokens of version 2.0 of one tenant.
    ///
    /// `typ` is `JWT`, `ver` is `2.0`, the client is `azp`, which only access tokens have, and the
    /// token's id is `uti`. Permissions are in `scp` if the client acts for a user, and in `roles`
    /// if it acts on its own behalf; a token with neither grants nothing and is rejected. The
    /// `roles` beside a `scp` describe the user and remain in the extra claims.
    ///
    /// The issuer is `https://login.microsoftonline.com/TENANT/v2.0` and the audience is the
    /// application id of the API, whose manifest must set `requestedAccessTokenVersion` to 2.
    ///
    /// Source: Microsoft identity platform, "Access token claims reference"
    /// (<https://learn.microsoft.com/en-us/entra/identity-platform/access-token-claims-reference>).
    #[must_use]
    pub fn entra() -> Self {
        Self {
            values: vec![("ver", "2.0")],
            client: required("azp"),
            token_id: required("uti"),
            scopes: vec!["scp".into(), "roles".into()],
            scope_required: true,
            ..Self::plain_jwt()
        }
        .without_nonce()
    }

    /// Amazon Cognito user pools.
    ///
    /// The header has no `typ`; the claim `token_use` is `access`, while ID tokens have `id`. The
    /// client is `client_id`, scopes are in `scope`, `jti` is present. Without resource binding,
    /// access tokens have no `aud`: then the client is the audience, so that the audiences given to
    /// the verifier are the ids of the app clients that it trusts. An `aud` that is present must
    /// contain an audience of the service.
    ///
    /// Source: Amazon Cognito Developer Guide, "Understanding the access token"
    /// (<https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html>).
    #[must_use]
    pub fn cognito() -> Self {
        Self {
            types: Vec::new(),
            missing_type: true,
            values: vec![("token_use", "access")],
            token_id: required("jti"),
            client_as_audience: true,
            ..Self::plain_jwt()
        }
        .without_nonce()
    }

    /// Supabase Auth, for projects with asymmetric signing keys. Tokens signed with the legacy
    /// shared secret are rejected.
    ///
    /// `typ` is `JWT`; `role`, `aal` and `session_id` are present, which only access tokens have.
    /// The session is `session_id`. Applications of the project itself have no client: only tokens
    /// of its OAuth server have a `client_id`. They have no scopes; to authorize by role, use
    /// `Profile::supabase().scopes_from(["role"])`. The audience is `authenticated`, and the issuer
    /// `https://PROJECT.supabase.co/auth/v1`.
    ///
    /// Source: Supabase, "JWT Claims Reference" (<https://supabase.com/docs/guides/auth/jwt-fields>).
    #[must_use]
    pub fn supabase() -> Self {
        Self {
            present: vec!["role", "aal"],
            client: optional("client_id"),
            session: required("session_id"),
            scopes: Vec::new(),
            ..Self::plain_jwt()
        }
        .without_nonce()
    }

    /// Reads scopes from these claims instead; the first one that is present counts.
    #[must_use]
    pub fn scopes_from(self, claims: impl IntoIterator<Item = impl Into<ScopeClaim>>) -> Self {
        Self { scopes: claims.into_iter().map(Into::into).collect(), ..self }
    }

    /// A `nonce` is sent back in ID tokens (OpenID Connect Core 1.0 §2).
    fn without_nonce(mut self) -> Self {
        self.absent.push("nonce");
        self
    }
}
