//! Reloads in the middle of a request: one request follows one snapshot of policy and keys.

use super::*;
use crate::policy::Grant;
use crate::service::Credentials;
use crate::testing::InlineHasher;

/// A policy under which the web client of [`TestService`] may do nothing that it could do before, and
/// whose lifetimes differ.
fn other_policy() -> TokenPolicy {
    let web = ProfileSettings {
        grants: [Grant::Login].into(),
        access_lifetime: Lifetime::from_seconds(7).unwrap(),
        refresh_lifetime: Lifetime::from_days(1),
        retry_window: Duration::ZERO,
        ..ProfileSettings::default()
    };
    fixture::policy_with([fixture::profile("web", web)])
}

fn reload(sessions: &Sessions) {
    sessions.replace_snapshot(fixture::snapshot(other_policy()));
}

fn request<'a>(token: &'a CheckedRefresh<'a>) -> RefreshRequest<'a> {
    RefreshRequest {
        token,
        presenter: Presenter::FirstParty,
        scope: None,
        retry_key: None,
        device: None,
    }
}

#[test]
fn a_reload_in_the_middle_of_a_refresh_does_not_change_its_response() {
    let service = TestService::new(with_window(WINDOW));
    let first = token_of(&service.open());
    let sessions = Arc::clone(&service.sessions);
    service.store.before("advance", move |_| reload(&sessions));
    let context = service.context();
    let token = service.sessions.check_refresh(&context, &first).unwrap();
    let (granted, _) = block_on(service.sessions.renew(&context, request(&token))).unwrap();
    let now = service.clock.now();
    assert_eq!(granted.access_expires_at, now.plus(Duration::from_secs(300)));
    assert_eq!(granted.refresh.unwrap().expires_at, now.plus(30 * DAY));
    // The next request follows the new policy.
    assert!(matches!(service.refresh(&first, None), Err(RefreshError::NotAllowed)));
}

#[test]
fn a_refresh_reads_the_snapshot_only_for_its_context() {
    let service = TestService::new(with_window(WINDOW));
    let first = token_of(&service.open());
    let context = service.context();
    reload(&service.sessions);
    let token = service.sessions.check_refresh(&context, &first).unwrap();
    let profile = token.profile().unwrap();
    assert!(profile.allows(Grant::RefreshToken), "the profile of the context");
    let renew = || block_on(service.sessions.renew(&context, request(&token))).unwrap();
    assert_eq!(renew().1, RefreshOutcome::Advanced);
    assert_eq!(renew().1, RefreshOutcome::Repeated, "the retry window of the context");
}

#[test]
fn every_other_use_case_follows_its_context() {
    let service = TestService::new(ProfileSettings::default());
    let granted = service.open();
    let (access, refresh) = (granted.access.expose(), token_of(&granted));
    let context = service.context();
    // Neither the issuer nor the keys of the new snapshot accept the old tokens.
    let issuer = crate::id::Issuer::new("https://elsewhere.example").unwrap();
    let policy = TokenPolicy::new(issuer, []);
    service.sessions.replace_snapshot(fixture::snapshot(policy));
    let sessions = &service.sessions;
    assert!(block_on(sessions.authenticate(&context, access)).is_ok());
    assert!(block_on(sessions.authenticate(&service.context(), access)).is_err());
    assert!(block_on(sessions.introspect(&context, &refresh)).unwrap().is_some());
    assert!(block_on(sessions.introspect(&service.context(), &refresh)).unwrap().is_none());
    let clients = Clients::new(Arc::new(InlineHasher::default()), Arc::new(SeededRandom::new(2)));
    let web = Credentials { id: fixture::client("web"), secret: None };
    assert!(block_on(clients.authenticate(&context, &web)).is_ok());
    assert!(block_on(clients.authenticate(&service.context(), &web)).is_err());
    let new = || fixture::login_of(2);
    let opened = block_on(sessions.open(&context, service.profile(), new())).unwrap();
    assert_eq!(inspect(opened.access.expose()).unwrap().claims["iss"], context.issuer().as_str());
    block_on(sessions.log_out(&service.context(), &refresh)).unwrap();
    assert!(block_on(sessions.authenticate(&context, access)).is_ok(), "not its token");
    block_on(sessions.log_out(&context, &refresh)).unwrap();
    assert!(block_on(sessions.authenticate(&context, access)).is_err());
}
