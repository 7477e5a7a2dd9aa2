//! Seeing one's sessions, and ending them.

use serde_json::{Value, json};

use super::account::{log_in_call, me};
use super::{Person, Tokens, refresh_call};
use crate::demo::client::Call;
use crate::demo::stage::{Stage, Stop};

/// The owner looks at her sessions from a tablet.
pub(in crate::demo) fn list(stage: &mut Stage<'_>, ann: &Person) -> Result<Tokens, Stop> {
    stage.begin(
        "List the sessions",
        "Ann wants to know where she is logged in. From a tablet she sees the live sessions, \
         newest first. The stolen one isn't among them.",
    )?;
    let login = stage.send(log_in_call(ann, "app", "Ann's tablet").by("tablet").briefly())?;
    let tablet = Tokens::of(&login)?;
    let answer = stage.send(Call::get("/auth/sessions").bearer(tablet.access.expose()))?;
    let sessions = answer.field("sessions").as_array().cloned().unwrap_or_default();
    let column = |name: &str| -> Vec<Value> {
        sessions.iter().map(|session| session.get(name).cloned().unwrap_or_default()).collect()
    };
    stage.expect_status(&answer, 200, "the list")?;
    let names = json!(["Ann's tablet", "Aquarium", "Ann's phone"]);
    stage.expect("three devices, newest first", names, column("device_name"))?;
    let current = json!([true, false, false]);
    stage.expect("the one that asks is marked", current, column("current"))?;
    Ok(tablet)
}

/// One session is ended by its own client.
pub(in crate::demo) fn log_out(stage: &mut Stage<'_>, phone: &Tokens) -> Result<(), Stop> {
    stage.begin(
        "Log out",
        "The phone's session ends. Other services may accept its access token for the minutes \
         that it has left, since they check it offline. The server itself looks the session up \
         and refuses it at once.",
    )?;
    let body = json!({ "refresh_token": phone.refresh.expose() });
    let answer = stage.send(Call::post("/auth/logout", body).by("phone"))?;
    let after = stage.send(me(phone).by("phone"))?;
    stage.expect_status(&answer, 204, "logged out")?;
    stage.expect_refusal(&after, "invalid_token", "the access token is refused, unexpired as it is")
}

/// Every session is ended from one of them.
pub(in crate::demo) fn log_out_everywhere(
    stage: &mut Stage<'_>,
    tablet: &Tokens,
    controller: &Tokens,
) -> Result<(), Stop> {
    stage.begin(
        "Log out everywhere",
        "For a lost phone, or a bad feeling: one call ends all sessions of the account, that of \
         the caller included. Even the device with its year-long token is out.",
    )?;
    let call = Call::bare_post("/auth/logout-all").bearer(tablet.access.expose());
    let answer = stage.send(call.by("tablet"))?;
    let after = stage.send(refresh_call(&controller.refresh).by("controller"))?;
    stage.expect_status(&answer, 200, "all sessions are over")?;
    let revoked = answer.field("revoked").clone();
    stage.expect("two there were: the tablet's and the controller's", 2, revoked)?;
    stage.expect_refusal(&after, "session_revoked", "the controller is out")
}
