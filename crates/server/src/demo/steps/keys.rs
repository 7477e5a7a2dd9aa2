//! How other services check tokens without asking.

use aquaware_core::id::{Audience, Issuer};
use aquaware_core::jwt::{AccessCheck, KeySet, TokenError, inspect};
use aquaware_core::time::Leeway;
use serde_json::Value;

use super::Tokens;
use crate::demo::client::{Answer, Call};
use crate::demo::stage::{Stage, Stop};

/// A second service gets the public keys and checks the laptop's access token by itself.
pub(in crate::demo) fn check_offline(stage: &mut Stage<'_>, laptop: &Tokens) -> Result<(), Stop> {
    stage.begin(
        "Check a token without asking the server",
        "Any other service that is called with Ann's access token fetches the public keys once, \
         and from then on checks tokens by itself: nobody is asked, and no secret is shared. The \
         kid in the token names the key. One signs now; the other is already public for when the \
         keys rotate.",
    )?;
    let answer = stage.send(Call::get("/.well-known/jwks.json"))?;
    stage.expect_status(&answer, 200, "anybody may have the public keys")?;
    let secret = entries(&answer).iter().any(|key| key.get("d").or(key.get("k")).is_some());
    stage.expect("they can check signatures, not make them", false, secret)?;
    let checked = check(stage, &answer, laptop.access.expose());
    let got = checked.map_or_else(|error| error.to_string(), |()| "accepted".to_owned());
    stage.expect("the access token passes a check made here, offline", "accepted", got)?;
    let kid = inspect(laptop.refresh.expose())?.header.get("kid").cloned();
    let published = entries(&answer).iter().any(|key| key.get("kid") == kid.as_ref());
    stage.expect("the key of the refresh token isn't published", false, published)
}

/// The check that a resource server makes, from the published set alone.
fn check(stage: &Stage<'_>, set: &Answer, token: &str) -> Result<(), TokenError> {
    let json = set.body.as_ref().map(Value::to_string).unwrap_or_default();
    let keys = KeySet::from_json(json.as_bytes()).unwrap_or_default();
    let issuer = Issuer::new(stage.world().base()).map_err(|_| TokenError::WrongIssuer)?;
    let audiences = vec![Audience::from(&issuer)];
    let check = AccessCheck { issuer, audiences, leeway: Leeway::NONE };
    check.check(token, &keys, stage.world().now()).map(|_| ())
}

fn entries(set: &Answer) -> &[Value] {
    set.field("keys").as_array().map_or(&[], Vec::as_slice)
}
