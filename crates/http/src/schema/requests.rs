//! The fields of requests. An empty text, or `null` in JSON, counts as absent.
#![allow(dead_code, reason = "the types are described, not created")]

use serde::Serialize;
use utoipa::ToSchema;

/// A new account.
#[derive(ToSchema)]
#[schema(example = json!({
    "email": "ann@example.com",
    "password": "correct horse battery staple",
    "first_name": "Ann",
    "last_name": "Lee",
}))]
pub(crate) struct SignUp {
    /// The login. Addresses are compared by mailbox: without regard to case, and the domain as
    /// A-labels.
    #[schema(format = "email", min_length = 1, max_length = 254, example = "ann@example.com")]
    email: String,
    /// At least as long as the server requires; common passwords and those made of the address or
    /// the names are rejected.
    #[schema(
        format = "password",
        min_length = 1,
        max_length = 512,
        example = "correct horse battery staple"
    )]
    password: String,
    /// If sent, it must equal `password`.
    #[schema(format = "password")]
    password2: Option<String>,
    #[schema(max_length = 100, pattern = r"^[^\u0000-\u001F\u007F-\u009F]*$", example = "Ann")]
    first_name: Option<String>,
    #[schema(max_length = 100, pattern = r"^[^\u0000-\u001F\u007F-\u009F]*$", example = "Lee")]
    last_name: Option<String>,
}

/// Credentials, and what the session is for.
#[derive(ToSchema)]
#[schema(example = json!({
    "email": "ann@example.com",
    "password": "correct horse battery staple",
    "device_name": "Ann's phone",
}))]
pub(crate) struct LogIn {
    #[schema(format = "email", min_length = 1, max_length = 254, example = "ann@example.com")]
    email: String,
    #[schema(format = "password", min_length = 1, example = "correct horse battery staple")]
    password: String,
    /// The client profile.
    #[schema(default = "web", example = "web")]
    client_id: Option<String>,
    /// Scopes of the client, separated by spaces.
    scope: Option<String>,
    /// The name of the device in the list of sessions.
    #[schema(
        max_length = 100,
        pattern = r"^[^\u0000-\u001F\u007F-\u009F]*$",
        example = "Ann's phone"
    )]
    device_name: Option<String>,
    resource: Option<Resources>,
}

/// RFC 8707: the audiences of the access token in this response. Without it, the token has all
/// audiences of the client.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Resources {
    One(String),
    Several(Vec<String>),
}

/// The refresh token, unless it is in the cookie.
#[derive(ToSchema)]
pub(crate) struct Refresh {
    #[schema(format = "password")]
    refresh_token: Option<String>,
    resource: Option<Resources>,
}

/// The refresh token of the session to end, unless the request has the cookie or a bearer token.
#[derive(ToSchema)]
pub(crate) struct LogOut {
    #[schema(format = "password")]
    refresh_token: Option<String>,
}

/// Names. One that is not sent stays as it is; one sent empty or as `null` is removed.
#[derive(ToSchema)]
pub(crate) struct NameChange {
    #[schema(max_length = 100)]
    first_name: Option<String>,
    #[schema(max_length = 100)]
    last_name: Option<String>,
}

/// The password that confirms a step.
#[derive(ToSchema)]
pub(crate) struct Confirmation {
    #[schema(format = "password", min_length = 1)]
    current_password: String,
}

/// The address of an account. Any text gets the same response.
#[derive(ToSchema)]
pub(crate) struct ResetRequest {
    #[schema(min_length = 1, example = "ann@example.com")]
    email: String,
}

/// The token of a message, and a new password.
#[derive(ToSchema)]
pub(crate) struct PasswordReset {
    #[schema(format = "password", min_length = 1)]
    token: String,
    #[schema(format = "password", min_length = 1, max_length = 512)]
    new_password: String,
}

/// The token of a message.
#[derive(ToSchema)]
pub(crate) struct Verification {
    #[schema(format = "password", min_length = 1)]
    token: String,
}

/// A new address.
#[derive(ToSchema)]
pub(crate) struct EmailChange {
    #[schema(format = "email", min_length = 1, max_length = 254, example = "ann@example.com")]
    new_email: String,
    #[schema(format = "password", min_length = 1)]
    current_password: String,
}

/// A new password.
#[derive(ToSchema)]
pub(crate) struct PasswordChange {
    #[schema(format = "password", min_length = 1)]
    current_password: String,
    #[schema(format = "password", min_length = 1, max_length = 512)]
    new_password: String,
}

/// The parameters of a grant. A client that does not authenticate with HTTP Basic sends its
/// `client_id`, and `client_secret` if it has a secret.
#[derive(ToSchema)]
pub(crate) struct TokenRequest {
    /// The grants that some client of this server may use.
    #[schema(min_length = 1, example = "refresh_token")]
    grant_type: String,
    #[schema(example = "web")]
    client_id: Option<String>,
    #[schema(format = "password")]
    client_secret: Option<String>,
    /// Required by the grant `refresh_token`.
    #[schema(format = "password")]
    refresh_token: Option<String>,
    /// Required by the grant `password`: the e-mail address.
    username: Option<String>,
    /// Required by the grant `password`.
    #[schema(format = "password")]
    password: Option<String>,
    /// Scopes, separated by spaces. A refresh can narrow the scope of the session.
    scope: Option<String>,
    resource: Option<Resources>,
}

/// The token to revoke.
#[derive(ToSchema)]
pub(crate) struct Revoke {
    /// An access or a refresh token.
    #[schema(format = "password", min_length = 1)]
    token: String,
    /// Ignored: a token contains its type.
    token_type_hint: Option<String>,
    #[schema(example = "web")]
    client_id: Option<String>,
    #[schema(format = "password")]
    client_secret: Option<String>,
}

/// The token in question.
#[derive(ToSchema)]
pub(crate) struct Introspect {
    /// An access or a refresh token.
    #[schema(format = "password", min_length = 1)]
    token: String,
    /// Ignored: a token contains its type.
    token_type_hint: Option<String>,
    client_id: Option<String>,
    #[schema(format = "password")]
    client_secret: Option<String>,
}

/// Credentials for the endpoints of simplejwt; `username` or `email` is required.
#[derive(ToSchema)]
#[schema(example = json!({ "username": "ann", "password": "correct horse battery staple" }))]
pub(crate) struct SimpleJwtLogIn {
    /// The user name or the address.
    #[schema(min_length = 1, example = "ann")]
    username: Option<String>,
    /// Used without `username`.
    #[schema(min_length = 1, example = "ann@example.com")]
    email: Option<String>,
    #[schema(format = "password", min_length = 1, example = "correct horse battery staple")]
    password: String,
}

/// A refresh token of this server or of Django.
#[derive(ToSchema)]
pub(crate) struct SimpleJwtRefresh {
    #[schema(format = "password", min_length = 1)]
    refresh: String,
}

/// A token of any type.
#[derive(ToSchema)]
pub(crate) struct SimpleJwtVerify {
    #[schema(format = "password", min_length = 1)]
    token: String,
}
