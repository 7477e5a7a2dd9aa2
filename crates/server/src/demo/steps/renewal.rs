//! Renewal, and what must not go wrong with it: a lost answer, several tabs at once.

use serde_json::Value;

use super::account::me;
use super::{MARGIN, RETRY_WINDOW, Tokens, generation, next, refresh_call};
use crate::demo::client::Answer;
use crate::demo::stage::{Stage, Stop};

/// How many tabs wake up at the same moment.
const TABS: usize = 5;
/// What a client makes up for one attempt and repeats with it. Long enough to count.
const RETRY_KEY: &str = "a-word-made-up-for-this-attempt-7Hq2mVtX";

/// One refresh, and the proof that its access token works.
pub(in crate::demo) fn refresh(stage: &mut Stage<'_>, laptop: &Tokens) -> Result<Tokens, Stop> {
    stage.begin(
        "Refresh",
        "The client trades its refresh token for new tokens; Ann notices nothing. The old refresh \
         token is used up by this: the session moves on from generation 1 to generation 2. That \
         one number is all the server keeps about it.",
    )?;
    let answer = stage.send(refresh_call(&laptop.refresh))?;
    stage.expect_status(&answer, 200, "new tokens")?;
    let renewed = Tokens::of(&answer)?;
    stage.decode("new refresh token", renewed.refresh.expose(), &["sid", "gen", "iat", "exp"])?;
    let again = stage.send(me(&renewed).briefly())?;
    let session = renewed.session.as_str();
    stage.expect("the session is the same", laptop.session.as_str(), session)?;
    expect_successor(stage, laptop, &renewed)?;
    stage.expect_status(&again, 200, "the new access token works")?;
    Ok(renewed)
}

/// A refresh whose answer is lost, and its retry.
pub(in crate::demo) fn retry(stage: &mut Stage<'_>, laptop: &Tokens) -> Result<Tokens, Stop> {
    stage.begin(
        "Lose an answer and try again",
        "The server refreshes, but the answer never arrives: the train was in a tunnel. The \
         laptop still holds the used-up token, and many systems log it out now. Here it may ask \
         again. An Idempotency-Key shows that it is the same client, however much later.",
    )?;
    let call = refresh_call(&laptop.refresh).header("Idempotency-Key", RETRY_KEY);
    let lost = stage.send(call.clone().lost())?;
    stage.wait(RETRY_WINDOW + MARGIN, "the retry window goes by, so only the key counts")?;
    let answer = stage.send(call)?;
    stage.expect_status(&answer, 200, "the retry is answered")?;
    let (first, second) = (Tokens::of(&lost)?, Tokens::of(&answer)?);
    let (lost, got) = (first.refresh.expose(), second.refresh.expose());
    stage.expect("with the very refresh token that was lost", lost, got)?;
    let fresh = first.access.expose() != second.access.expose();
    stage.expect("and with a fresh access token", true, fresh)?;
    expect_successor(stage, laptop, &second)?;
    Ok(second)
}

/// Several refreshes of one token at the same moment.
pub(in crate::demo) fn tabs(stage: &mut Stage<'_>, laptop: &Tokens) -> Result<Tokens, Stop> {
    stage.begin(
        "Refresh in five tabs at once",
        "Ann's browser wakes up with five tabs, and each refreshes the one token that they share. \
         One of them is first. The others come within the retry window (1 s here, 30 s by \
         default) and are given what the first one got.",
    )?;
    let tab = |number| refresh_call(&laptop.refresh).by(format!("tab {number}"));
    let calls: Vec<_> =
        (1..=TABS).map(|number| if number == 1 { tab(1) } else { tab(number).briefly() }).collect();
    let answers = stage.send_together(&calls)?;
    let welcome = answers.iter().filter(|answer| answer.status == 200).count();
    stage.expect("all five get 200 OK", TABS, welcome)?;
    stage.expect("all five get the same refresh token", 1, distinct(&answers, "refresh_token"))?;
    let renewed = answers.first().map_or_else(|| Ok(laptop.clone()), Tokens::of)?;
    expect_successor(stage, laptop, &renewed)?;
    Ok(renewed)
}

/// The session moved by one place, and no further.
fn expect_successor(stage: &mut Stage<'_>, old: &Tokens, new: &Tokens) -> Result<(), Stop> {
    let (from, to) = (generation(&old.refresh)?, generation(&new.refresh)?);
    let expected = next(&from);
    stage.expect(&format!("one step: generation {from} is followed by {expected}"), expected, to)
}

fn distinct(answers: &[Answer], name: &str) -> usize {
    let mut seen: Vec<&Value> = Vec::new();
    for value in answers.iter().map(|answer| answer.field(name)) {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen.len()
}
