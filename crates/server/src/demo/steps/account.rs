//! From no account to a token that works, and to one that doesn't any more.

use serde_json::json;

use super::{ACCESS_LIFETIME, MARGIN, Person, Tokens};
use crate::demo::client::Call;
use crate::demo::stage::{Stage, Stop};

/// The person of this story.
const ANN: Person = Person { email: "ann@example.com", password: "nine snails on a wet lamp" };

/// An account comes to be.
pub(in crate::demo) fn sign_up(stage: &mut Stage<'_>) -> Result<Person, Stop> {
    stage.begin(
        "Sign up",
        "Ann makes an account. The server keeps a slow hash of her password (argon2id), so even a \
         stolen database doesn't give it away.",
    )?;
    let body = json!({
        "email": ANN.email, "password": ANN.password, "first_name": "Ann", "last_name": "Chovy",
    });
    let answer = stage.send(Call::post("/auth/signup", body))?;
    stage.expect_status(&answer, 201, "the account exists")?;
    stage.expect("Location says where it is", "/auth/me", answer.header("Location"))?;
    stage.expect("it is hers", ANN.email, answer.field("email").clone())?;
    let told = answer.body.as_ref().is_some_and(|body| body.to_string().contains(ANN.password));
    stage.expect("the answer doesn't repeat the password", false, told)?;
    Ok(ANN)
}

/// A password becomes two tokens: the session on the laptop begins.
pub(in crate::demo) fn log_in(stage: &mut Stage<'_>, ann: &Person) -> Result<Tokens, Stop> {
    stage.begin(
        "Log in",
        "The password is sent once and exchanged for two tokens. The access token goes with every \
         request and dies soon: after 2 seconds here, so that you can watch it, after 5 minutes \
         by default. The refresh token gets the next access token without another login.",
    )?;
    let answer = stage.send(log_in_call(ann, "web", "Ann's laptop"))?;
    stage.expect_status(&answer, 200, "Ann is logged in")?;
    let cache = answer.header("Cache-Control");
    stage.expect("no cache may keep the tokens", "no-store", cache)?;
    let tokens = Tokens::of(&answer)?;
    stage.say(
        "Anybody can read a token (it is signed, not encrypted), so nothing in it is secret.",
    )?;
    let access = stage.decode("access token", tokens.access.expose(), &[])?;
    let refresh = stage.decode("refresh token", tokens.refresh.expose(), &[])?;
    let typ = access.header.get("typ").cloned();
    stage.expect("one token is for access", "at+jwt", typ)?;
    let typ = refresh.header.get("typ").cloned();
    stage.expect("the other is for refreshing, and neither passes for the other", "rt+jwt", typ)?;
    let session = refresh.claims.get("sid").cloned();
    stage.expect("both belong to one session", access.claims.get("sid").cloned(), session)?;
    let generation = refresh.claims.get("gen").cloned();
    stage.expect("its succession begins at generation 1", 1, generation)?;
    Ok(tokens)
}

/// The login of `person` with `client` on a device.
pub(super) fn log_in_call(person: &Person, client: &str, device: &str) -> Call {
    let body = json!({
        "email": person.email, "password": person.password,
        "client_id": client, "device_name": device,
    });
    Call::post("/auth/login", body)
}

/// The access token is used.
pub(in crate::demo) fn ask(
    stage: &mut Stage<'_>,
    ann: &Person,
    laptop: &Tokens,
) -> Result<(), Stop> {
    stage.begin(
        "Ask with the access token",
        "Every request carries the access token in a header. Whoever has it is taken for Ann, \
         which is why it lives so short.",
    )?;
    let answer = stage.send(me(laptop))?;
    stage.expect_status(&answer, 200, "the token is accepted")?;
    stage.expect("the server knows whose it is", ann.email, answer.field("email").clone())?;
    let session = answer.field("session_id").clone();
    stage.expect("and of which session", laptop.session.as_str(), session)
}

/// The access token dies of age.
pub(in crate::demo) fn let_expire(stage: &mut Stage<'_>, laptop: &Tokens) -> Result<(), Stop> {
    stage.begin(
        "Let the access token expire",
        "A token that leaks is worth something only until its exp. The server has no leeway: at \
         that second it is over.",
    )?;
    stage.wait(ACCESS_LIFETIME + MARGIN, "the access token's exp goes by")?;
    let answer = stage.send(me(laptop))?;
    stage.expect_refusal(&answer, "invalid_token", "the token is dead")?;
    let challenge = answer.header("WWW-Authenticate").unwrap_or_default();
    let met = challenge.contains("error=\"invalid_token\"");
    let expected = "… error=\"invalid_token\" …";
    stage.expect_that("it tells the client to get a new token", met, expected, challenge)
}

/// The question that any access token of an account can ask.
pub(super) fn me(tokens: &Tokens) -> Call {
    Call::get("/auth/me").bearer(tokens.access.expose())
}
