//! A stolen refresh token: how it is found out, and what that ends.

use serde_json::Value;

use super::account::log_in_call;
use super::{MARGIN, Person, RETRY_WINDOW, Tokens, refresh_call};
use crate::demo::stage::{Stage, Stop};

/// Another session of the same account, which will come to no harm.
pub(in crate::demo) fn second_session(
    stage: &mut Stage<'_>,
    ann: &Person,
    laptop: &Tokens,
) -> Result<Tokens, Stop> {
    stage.begin(
        "Log in on the phone too",
        "Each login is a session of its own. The phone's app is another client, whose access \
         tokens live for the usual 5 minutes: lifetimes are set per client.",
    )?;
    let answer = stage.send(log_in_call(ann, "app", "Ann's phone"))?;
    stage.expect_status(&answer, 200, "logged in")?;
    let phone = Tokens::of(&answer)?;
    let other = phone.session != laptop.session;
    stage.expect_that("it is another session", other, "another id", phone.session.as_str())?;
    Ok(phone)
}

/// The owner goes on, then the thief presents his copy. Gives what the owner holds afterwards.
pub(in crate::demo) fn steal(stage: &mut Stage<'_>, laptop: &Tokens) -> Result<Tokens, Stop> {
    stage.begin(
        "Steal a refresh token and be found out",
        "A thief has copied the laptop's refresh token. A copy can't be told from the original, \
         but a token is good for one step of the succession, so sooner or later both use the \
         same one. Whoever comes second raises the alarm.",
    )?;
    let answer = stage.send(refresh_call(&laptop.refresh).by("owner"))?;
    stage.wait(RETRY_WINDOW + MARGIN, "the retry window goes by, so this can't be a retry")?;
    let theft = stage.send(refresh_call(&laptop.refresh).by("thief"))?;
    stage.expect_status(&answer, 200, "the owner had refreshed as ever")?;
    stage.expect_refusal(&theft, "refresh_token_reused", "the thief gets nothing")?;
    let token = theft.field("refresh_token").clone();
    stage.expect("no token at all", Value::Null, token)?;
    Tokens::of(&answer)
}

/// The alarm ends the stolen session whole, and no other.
pub(in crate::demo) fn aftermath(
    stage: &mut Stage<'_>,
    owner: &Tokens,
    phone: &Tokens,
) -> Result<Tokens, Stop> {
    stage.begin(
        "See what the alarm ended",
        "The server can't know which of the two was the thief. Had he been first, he would hold \
         the good token now. So the whole session is over and the owner logs in again, on the \
         laptop only: the phone's session has nothing to do with it.",
    )?;
    let laptop_answer = stage.send(refresh_call(&owner.refresh).by("laptop"))?;
    let phone_answer = stage.send(refresh_call(&phone.refresh).by("phone"))?;
    let what = "the laptop's own token is dead too";
    stage.expect_refusal(&laptop_answer, "session_revoked", what)?;
    stage.expect_status(&phone_answer, 200, "the phone's session lives")?;
    Tokens::of(&phone_answer)
}
