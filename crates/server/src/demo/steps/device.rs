//! A device that keeps one refresh token for its life.

use serde_json::Value;

use super::account::log_in_call;
use super::{Person, Tokens, access_of, refresh_call};
use crate::demo::stage::{Stage, Stop};

/// The aquarium's controller logs in once and refreshes twice with the same token.
pub(in crate::demo) fn keep_one_token(stage: &mut Stage<'_>, ann: &Person) -> Result<Tokens, Stop> {
    stage.begin(
        "A device that can't store a new token",
        "The controller of Ann's aquarium wakes up every half hour on weak Wi-Fi and can't be \
         trusted to store a new token each time. Its client, device, has rotation = \"never\": \
         a refresh gives an access token only, and the one refresh token stays good.",
    )?;
    let login = stage.send(log_in_call(ann, "device", "Aquarium").by("controller").briefly())?;
    let controller = Tokens::of(&login)?;
    let call = refresh_call(&controller.refresh).by("controller");
    let first = stage.send(call.clone())?;
    let second = stage.send(call.briefly())?;
    stage.expect_status(&first, 200, "a new access token")?;
    let token = first.field("refresh_token").clone();
    stage.expect("and no new refresh token", Value::Null, token)?;
    stage.expect_status(&second, 200, "the same refresh token again, and again it is good")?;
    let (one, two) = (access_of(&first)?, access_of(&second)?);
    let fresh = one.expose() != two.expose();
    stage.expect("each access token is a new one", true, fresh)?;
    Ok(controller)
}
