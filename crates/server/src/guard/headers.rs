//! The headers that tell the service behind a proxy who calls.
//!
//! Every response carries all of them, empty if there is nothing to say, so that a proxy which
//! copies them replaces whatever the caller has sent under those names.

use std::collections::BTreeSet;

use actix_web::HttpResponseBuilder;
use actix_web::http::header::{HeaderName, HeaderValue};
use aquaware_verifier::Bearer;

/// The names of the headers.
#[derive(Clone, Debug)]
pub(crate) struct HeaderNames {
    pub(crate) issuer: HeaderName,
    pub(crate) subject: HeaderName,
    pub(crate) client: HeaderName,
    pub(crate) scope: HeaderName,
    pub(crate) session: HeaderName,
}

impl HeaderNames {
    fn all(&self) -> [&HeaderName; 5] {
        let Self { issuer, subject, client, scope, session } = self;
        [issuer, subject, client, scope, session]
    }

    /// Whether no two are the same.
    pub(crate) fn are_distinct(&self) -> bool {
        self.all().into_iter().map(HeaderName::as_str).collect::<BTreeSet<_>>().len() == 5
    }

    /// Sets all headers, empty without a `bearer`.
    pub(super) fn set(&self, response: &mut HttpResponseBuilder, bearer: Option<&Bearer>) {
        let values = bearer.map_or_else(Default::default, |bearer| {
            [
                bearer.iss.to_string(),
                bearer.sub.to_string(),
                bearer.client_id.clone(),
                bearer.scope.to_string(),
                bearer.sid.clone().unwrap_or_default(),
            ]
        });
        for (name, value) in self.all().into_iter().zip(values) {
            // Every encoded value is valid.
            let value = HeaderValue::try_from(encoded(&value));
            response.insert_header((name.clone(), value.unwrap_or(HeaderValue::from_static(""))));
        }
    }
}

/// The value with everything percent-encoded that could be lost or misread on the way: what is not
/// printable ASCII, spaces at the ends, and the percent sign. Different values stay different.
fn encoded(value: &str) -> String {
    let inner = value.trim_matches(' ');
    let start = value.len() - value.trim_start_matches(' ').len();
    let mut text = String::with_capacity(value.len());
    for (position, byte) in value.bytes().enumerate() {
        let inside = (start..start + inner.len()).contains(&position);
        match byte {
            b'%' => text.push_str("%25"),
            b' ' if inside => text.push(' '),
            b'!'..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_as_header_values_and_stay_different() {
        for (value, expected) in [
            ("", ""),
            ("auth0|5f7c8ec7c33c6c004bbafe82", "auth0|5f7c8ec7c33c6c004bbafe82"),
            ("read write", "read write"),
            (" a b ", "%20a b%20"),
            ("  ", "%20%20"),
            ("Zoë", "Zo%C3%AB"),
            ("100%", "100%25"),
            ("Zo%C3%AB", "Zo%25C3%25AB"),
            ("a\u{2028}b", "a%E2%80%A8b"),
        ] {
            assert_eq!(encoded(value), expected);
            assert!(HeaderValue::from_str(&encoded(value)).is_ok());
        }
    }

    #[test]
    fn two_headers_of_one_name_are_noticed() {
        let name = HeaderName::from_static;
        let names = HeaderNames {
            issuer: name("x-auth-issuer"),
            subject: name("x-auth-subject"),
            client: name("x-auth-client"),
            scope: name("x-auth-scope"),
            session: name("x-auth-session"),
        };
        assert!(names.are_distinct());
        assert!(!HeaderNames { client: name("x-auth-subject"), ..names }.are_distinct());
    }
}
