//! `/oauth2/*` while its store is down: a temporary error, never a statement about a token.

use std::time::Duration;

use aquaware_servers::{Redis, RedisOptions};
use aquaware_tests::{Tokens, wait_for};

use crate::oauth_support::{
    APP, By, INTROSPECT, REVOKE, THE_ROBOT, THE_SHOP, WEB, ask, granted, is_rejected, refresh,
    refresh_call, robot_token, send_password, session_of, setup,
};

#[test]
fn an_outage_is_a_503_without_side_effects_or_details() {
    let mut redis = Redis::start(RedisOptions::default()).unwrap();
    let server = setup()
        .set("store.sessions", &redis.url())
        .set("store.accounts", &redis.url())
        .set("clients.web.retry_window", "0s")
        .start();
    let client = server.client();
    let person = client.new_person();
    let web = session_of(&client, "web", "feed");
    let robot = granted(robot_token(&client, "introspect")).text_of("access_token");
    redis.kill().unwrap();

    let token = |token: &'static str| [("token", token)];
    let (access, refresh_token) = ([("token", web.access.as_str())], [("token", web.refresh())]);
    let calls = [
        refresh_call(&client, WEB, web.refresh(), ""),
        refresh_call(&client, WEB, web.refresh(), "feed"),
        refresh_call(&client, WEB, web.refresh(), "wide"),
        ask(&client, REVOKE, WEB, &access),
        ask(&client, REVOKE, By::Anonymous, &refresh_token),
        ask(&client, INTROSPECT, THE_SHOP, &access),
        ask(&client, INTROSPECT, THE_SHOP, &refresh_token),
        ask(&client, INTROSPECT, By::Anonymous, &refresh_token).bearer(&web.access),
        ask(&client, INTROSPECT, By::Anonymous, &access).bearer(&robot),
    ];
    for call in calls {
        call.send().is_problem(503, "store_unavailable");
    }
    let response = send_password(&client, APP, &person, &person.password, "");
    response.is_problem(503, "store_unavailable");

    // Requests that need no store still succeed.
    let _ = granted(robot_token(&client, "feed"));
    is_rejected(&refresh(&client, WEB, "garbage"), "invalid_grant");
    ask(&client, REVOKE, WEB, &token("garbage")).send().is(200);
    let response = ask(&client, INTROSPECT, THE_ROBOT, &[("token", &robot)]).send().expect(200);
    assert_eq!(response.member("active"), true);
    client.get("/.well-known/oauth-authorization-server").send().is(200);

    redis.restart().unwrap();
    let renewed = wait_for("the store to be back", Duration::from_secs(60), || {
        let response = refresh(&client, WEB, web.refresh());
        (response.status != 503).then(|| Tokens::of(&granted(response)))
    });
    assert_eq!(renewed.generation(), 2);
}
