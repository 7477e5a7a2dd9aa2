//! The HTTP client of the webhook: one signed POST, in a bounded time, without redirects.

use std::time::Duration;

use aquaware_core::time::{Clock as _, SystemClock, Timestamp};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{StatusCode, Url};
use thiserror::Error;
use zeroize::Zeroizing;

use super::secret::SigningSecret;

/// How long a receiver may take for the connection, and for everything together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(15);
/// What is read of a response, so that its connection can be used again.
const MAX_RESPONSE_BYTES: usize = 16 * 1024;

/// Sends messages to one receiver.
#[derive(Clone, Debug)]
pub(crate) struct WebhookClient {
    client: reqwest::Client,
    url: Url,
    secret: SigningSecret,
}

/// Why a message was not delivered. The texts contain no URL, because a URL can be a secret.
#[derive(Debug, Error)]
pub(crate) enum WebhookError {
    #[error("the URL is not valid")]
    InvalidUrl,
    #[error("the HTTP client could not be set up")]
    Setup(#[source] reqwest::Error),
    #[error("the receiver did not answer within {} s", TIMEOUT.as_secs())]
    Timeout,
    #[error("the receiver could not be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("the receiver answered {0}")]
    Status(StatusCode),
}

/// The body of a message.
pub(crate) struct Message(Zeroizing<String>);

impl Message {
    /// A message of this type about something that happened at `at`. `data` is JSON.
    pub(crate) fn new(kind: &str, at: Timestamp, data: &str) -> Self {
        let (kind, at) = (serde_json::Value::from(kind), at.to_rfc3339());
        Self(Zeroizing::new(format!(r#"{{"type":{kind},"timestamp":"{at}","data":{data}}}"#)))
    }
}

impl WebhookClient {
    /// # Errors
    /// If TLS cannot be set up, for example because the system has no root certificates.
    pub(crate) fn new(url: Url, secret: SigningSecret) -> Result<Self, WebhookError> {
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .user_agent(concat!("aquaware/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(WebhookError::Setup)?;
        Ok(Self { client, url, secret })
    }

    /// Sends a message; returns the status of the response, which is 2xx.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub(crate) async fn send(&self, id: &str, message: &Message) -> Result<u16, WebhookError> {
        let timestamp = SystemClock.now().seconds().to_string();
        let body = message.0.as_bytes();
        let signature = self.secret.sign(id, &timestamp, body);
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(body.to_vec());
        let mut response = request.send().await.map_err(|error| {
            let error = error.without_url();
            if error.is_timeout() {
                WebhookError::Timeout
            } else {
                WebhookError::Unreachable(error)
            }
        })?;
        let status = response.status();
        if !status.is_success() {
            return Err(WebhookError::Status(status));
        }
        let mut read = 0;
        while let Ok(Some(chunk)) = response.chunk().await {
            read += chunk.len();
            if read > MAX_RESPONSE_BYTES {
                break;
            }
        }
        Ok(status.as_u16())
    }
}

/// The URL of a receiver: https, or http on the loopback. `None` for anything else.
pub(crate) fn webhook_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_plain =
        url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let host = url.host_str()?;
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = host == "localhost"
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    let is_secure = url.scheme() == "https" || (url.scheme() == "http" && is_loopback);
    (is_plain && is_secure).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_is_reached_over_https_or_on_the_loopback() {
        for url in [
            "https://hooks.example.com/aquaware?key=1",
            "http://127.0.0.1:9000/",
            "http://127.9.9.9",
            "http://[::1]:9000/hook",
            "http://localhost:9000",
        ] {
            assert!(webhook_url(url).is_some(), "{url}");
        }
        for url in [
            "",
            "hooks.example.com",
            "ftp://127.0.0.1",
            "http://hooks.example.com",
            "http://10.0.0.1",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "https://ann:horse@hooks.example.com",
            "https://hooks.example.com/#a",
            "https://",
        ] {
            assert!(webhook_url(url).is_none(), "{url}");
        }
    }

    #[test]
    fn a_message_has_type_timestamp_and_data() {
        let at = Timestamp::from_millis(1_790_000_000_250);
        let Message(body) = Message::new("login_succeeded", at, r#"{"account_id":"a-1"}"#);
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        let expected = serde_json::json!({
            "type": "login_succeeded",
            "timestamp": at.to_rfc3339(),
            "data": { "account_id": "a-1" },
        });
        assert_eq!(body, expected);
    }
}
