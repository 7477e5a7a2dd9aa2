//! What a service of another team uses: the builder, the token response and the one error.

use serde_json::json;

use super::*;
use crate::id::ClientId;
use crate::jwt::{Algorithm, TokenError};
use crate::policy::ProfileError;

fn build(issuer: &str, settings: ProfileSettings) -> Result<Sessions, Error> {
    let keys = fixture::key_records(Algorithm::EdDsa, 0);
    let store = Arc::new(MemoryStore::new());
    Sessions::builder(issuer).client("web", settings).build(store, &keys, fixture::NOW)
}

fn valid() -> Sessions {
    build("https://auth.example.com", ProfileSettings::default()).unwrap()
}

#[test]
fn a_token_response_has_the_members_of_rfc_6749_and_its_debug_form_has_no_token() {
    let sessions = valid();
    let context = sessions.context(fixture::NOW);
    let web = context.profile(&ClientId::new("web").unwrap()).unwrap();
    let granted = block_on(sessions.open(&context, web, fixture::login_of(1))).unwrap();
    let response = granted.response(context.now);
    let expected = json!({
        "access_token": granted.access.expose(),
        "token_type": "Bearer",
        "expires_in": 300,
        "refresh_token": token_of(&granted),
        "refresh_expires_in": 30 * 86_400,
        "session_id": granted.session.id.to_string(),
    });
    assert_eq!(serde_json::to_value(&response).unwrap(), expected);
    let formatted = format!("{response:?}");
    assert!(!formatted.contains(granted.access.expose()), "{formatted}");
    assert!(!formatted.contains(&token_of(&granted)), "{formatted}");
    let in_cookie = serde_json::to_value(response.without_refresh_token()).unwrap();
    assert!(in_cookie.get("refresh_token").is_none(), "{in_cookie}");
    assert!(in_cookie.get("refresh_expires_in").is_none(), "{in_cookie}");
}

#[test]
fn the_builder_reports_invalid_parts() {
    assert!(matches!(build("no URL", ProfileSettings::default()), Err(Error::Id(_))));
    let no_grants = ProfileSettings { grants: [].into(), ..ProfileSettings::default() };
    let error = build("https://auth.example.com", no_grants).unwrap_err();
    let Error::Settings { client, source } = error else { panic!("{error}") };
    assert_eq!((client.as_str(), source.0.as_slice()), ("web", &[ProfileError::NoGrants][..]));
    let store = Arc::new(MemoryStore::new());
    let no_keys = Sessions::builder("https://auth.example.com").build(store, &[], fixture::NOW);
    assert!(matches!(no_keys, Err(Error::Keys(_))));
}

#[test]
fn replaced_keys_sign_and_unusable_ones_change_nothing() {
    let sessions = valid();
    assert!(sessions.replace_keys(&[], fixture::NOW).is_err());
    let before = sessions.context(fixture::NOW).key_set();
    sessions.replace_keys(&fixture::key_records(Algorithm::EdDsa, 7), fixture::NOW).unwrap();
    let after = sessions.context(fixture::NOW).key_set();
    let text = |set| serde_json::to_string(set).unwrap();
    assert_ne!(text(&before), text(&after));
}

#[test]
fn the_kind_of_an_error_tells_outages_from_rejected_tokens() {
    let outage = || StoreError::Unreachable("down".into());
    let kind = |error: Error| error.kind();
    for error in [
        Error::from(outage()),
        AuthError::Store(outage()).into(),
        RefreshError::from(outage()).into(),
        ServiceError::Store(outage()).into(),
    ] {
        assert_eq!(kind(error), ErrorKind::Unavailable);
    }
    assert_eq!(kind(TokenError::Expired.into()), ErrorKind::Unauthenticated);
    assert_eq!(kind(RefreshError::Reused.into()), ErrorKind::Unauthenticated);
    assert_eq!(kind(RefreshError::InvalidScope.into()), ErrorKind::InvalidRequest);
    assert_eq!(kind(StoreError::corrupt("key", "what").into()), ErrorKind::Internal);
    let sessions = valid();
    let context = sessions.context(fixture::NOW);
    let unknown = context.profile(&ClientId::new("other").unwrap()).unwrap_err();
    assert_eq!(kind(unknown.into()), ErrorKind::InvalidRequest);
}
