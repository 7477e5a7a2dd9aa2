//! The steps of the demo: each explains itself, sends requests and checks the responses.

use std::io;
use std::slice;
use std::thread;
use std::time::Duration;

use aquaware_client::{MemoryStorage, Storage as _};
use aquaware_core::id::{Audience, Issuer};
use aquaware_core::jwt::{AccessCheck, KeySet, TokenError, inspect};
use aquaware_core::time::{Clock as _, Leeway, SystemClock};
use futures_util::future::join_all;
use serde_json::{Value, json};
use thiserror::Error;

use super::client::{Client, Request, Response};
use super::device::Device;
use super::report::Report;

/// The lifetime of access tokens of the client `web` in the demo. On a busy machine, the steps that
/// use one take a while.
pub(super) const ACCESS_LIFETIME: Duration = Duration::from_secs(5);
/// The retry window of the client `web` in the demo. Requests of several tabs must arrive within it.
pub(super) const RETRY_WINDOW: Duration = Duration::from_secs(3);
/// Added to every pause, so that the instant has passed for certain.
const MARGIN: Duration = Duration::from_millis(150);

const EMAIL: &str = "ann@example.com";
const PASSWORD: &str = "nine snails on a wet lamp";
/// The outcome of a successful call of the client library.
const REFRESHED: &str = "refreshed";

/// Why the demo cannot continue.
#[derive(Debug, Error)]
pub(super) enum StepError {
    #[error("no response from the server: {0}")]
    NoResponse(#[from] reqwest::Error),
    #[error("the response with status {status} has no {field}")]
    Missing { field: &'static str, status: u16 },
    #[error("the server issued an invalid token: {0}")]
    Token(#[from] TokenError),
    #[error("failed to set up the client library: {0}")]
    Library(#[from] aquaware_client::BuildError),
    #[error("the client library: {0}")]
    Adopt(#[from] aquaware_client::Error),
    #[error("failed to write the output, or to use the storage of a device")]
    Output(#[from] io::Error),
}

/// The tokens of a session.
struct Tokens {
    access: String,
    refresh: String,
    session: String,
}

impl Tokens {
    fn of(response: &Response) -> Result<Self, StepError> {
        Ok(Self {
            access: text(response, "access_token")?,
            refresh: text(response, "refresh_token")?,
            session: text(response, "session_id")?,
        })
    }

    /// Those in the storage of a device; empty if there are none.
    fn stored(session: &Value) -> Self {
        let at = |path: &str| session.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let [access, refresh, session] = ["/access/token", "/refresh", "/session"].map(at);
        Self { access: access.into(), refresh: refresh.into(), session: session.into() }
    }

    fn generation(&self) -> Result<u64, StepError> {
        let generation = inspect(&self.refresh)?.claims.get("gen").and_then(Value::as_u64);
        Ok(generation.unwrap_or_default())
    }
}

fn text(response: &Response, field: &'static str) -> Result<String, StepError> {
    let found = response.field(field).as_str().map(ToOwned::to_owned);
    found.ok_or(StepError::Missing { field, status: response.status.as_u16() })
}

/// The demo: a client of a server, and the report about it.
pub(super) struct Demo<'a, 'o> {
    pub(super) client: Client,
    pub(super) report: &'a mut Report<'o>,
}

type Done<T = ()> = Result<T, StepError>;

impl Demo<'_, '_> {
    /// Runs all steps.
    pub(super) fn run(&mut self) -> Done {
        self.sign_up()?;
        let laptop = self.log_in()?;
        self.call_the_api(&laptop)?;
        self.verify_offline(&laptop)?;
        self.let_the_access_token_expire(&laptop)?;
        let laptop = self.refresh(&laptop)?;
        let phone = self.log_in_on_phone(&laptop)?;
        let device = self.lose_a_response(&laptop)?;
        let mut device = self.refresh_in_tabs(&device)?;
        self.steal(&mut device)?;
        let phone = self.after_the_theft(device, &phone)?;
        let controller = self.keep_one_token()?;
        let tablet = self.list_sessions()?;
        self.log_out(&phone)?;
        self.log_out_everywhere(&tablet, &controller)
    }

    fn sign_up(&mut self) -> Done {
        self.report.step(
            "Sign up",
            "Ann creates an account. The server stores a slow hash of her password (argon2id), so \
             a stolen database does not reveal it.",
        )?;
        let body = json!({ "email": EMAIL, "password": PASSWORD, "first_name": "Ann" });
        let response = self.send(Request::post("laptop", "/auth/signup").json(body))?;
        self.expect_status(&response, 201, "the account exists")?;
        self.expect(
            "Location is the path of the account",
            "/auth/me",
            response.header("Location"),
        )?;
        let repeated = response.body.to_string().contains(PASSWORD);
        self.expect("the response does not repeat the password", false, repeated)
    }

    fn log_in(&mut self) -> Done<Tokens> {
        self.report.step(
            "Log in",
            "Ann's password is sent once and exchanged for two tokens. The access token accompanies \
             every request and expires soon: after 5 seconds in this demo, after 5 minutes by \
             default. The refresh token replaces it without another login. Both tokens are signed, \
             not encrypted, and contain nothing secret.",
        )?;
        let response = self.send(login("laptop", "web", "Ann's laptop"))?;
        self.expect_status(&response, 200, "Ann is logged in")?;
        let tokens = Tokens::of(&response)?;
        let (access, refresh) = (inspect(&tokens.access)?, inspect(&tokens.refresh)?);
        self.report.token("access token", &access)?;
        self.report.token("refresh token", &refresh)?;
        self.expect("no cache stores the tokens", "no-store", response.header("Cache-Control"))?;
        let session = |claims: &serde_json::Map<String, Value>| claims.get("sid").cloned();
        let same = session(&access.claims) == session(&refresh.claims);
        self.expect("both tokens belong to one session", true, same)?;
        self.expect("the session starts at generation 1", 1, tokens.generation()?)?;
        Ok(tokens)
    }

    fn call_the_api(&mut self, laptop: &Tokens) -> Done {
        self.report.step(
            "Call the API",
            "Every request carries the access token in the Authorization header. Anyone who holds \
             the token can act as Ann, which is why its lifetime is short.",
        )?;
        let response = self.send(me("laptop", laptop))?;
        self.expect_status(&response, 200, "the access token is accepted")?;
        self.expect("the server knows the account", EMAIL, response.field("email").clone())
    }

    fn verify_offline(&mut self, laptop: &Tokens) -> Done {
        self.report.step(
            "Verify a token without the server",
            "Another service that receives Ann's access token fetches the public keys once and \
             verifies tokens locally from then on. The kid in the token selects the key. One key \
             signs now; the other is already published for the next rotation.",
        )?;
        let response = self.send(Request::get("service", "/.well-known/jwks.json"))?;
        self.expect_status(&response, 200, "the public keys are available to every service")?;
        let keys = response.field("keys").as_array().cloned().unwrap_or_default();
        let secret = keys.iter().any(|key| key.get("d").or(key.get("k")).is_some());
        self.expect("they contain no secret", false, secret)?;
        let outcome = self.verify(&response.body, &laptop.access);
        let outcome = outcome.map_or_else(|error| error.to_string(), |()| "valid".to_owned());
        self.expect("the access token is valid, as verified locally", "valid", outcome)?;
        let kid = inspect(&laptop.refresh)?.header.get("kid").cloned();
        let published = keys.iter().any(|key| key.get("kid") == kid.as_ref());
        self.expect("the key of the refresh token is not published", false, published)
    }

    /// What a resource server does, given nothing but the published key set.
    fn verify(&self, key_set: &Value, token: &str) -> Result<(), TokenError> {
        let keys = KeySet::from_json(key_set.to_string().as_bytes()).unwrap_or_default();
        let issuer = Issuer::new(&self.client.base).map_err(|_| TokenError::WrongIssuer)?;
        let audiences = vec![Audience::from(&issuer)];
        let check = AccessCheck { issuer, audiences, leeway: Leeway::NONE };
        check.check(token, &keys, SystemClock.now()).map(|_| ())
    }

    fn let_the_access_token_expire(&mut self, laptop: &Tokens) -> Done {
        self.report.step(
            "Let the access token expire",
            "A leaked access token is useful only until it expires. The server allows no leeway.",
        )?;
        self.pause(ACCESS_LIFETIME, "for the access token to expire")?;
        let response = self.send(me("laptop", laptop))?;
        self.expect_rejection(&response, "invalid_token", "the access token has expired")
    }

    fn refresh(&mut self, laptop: &Tokens) -> Done<Tokens> {
        self.report.step(
            "Refresh",
            "The laptop exchanges its refresh token for new tokens, and Ann notices nothing. The \
             session advances from generation 1 to generation 2, which supersedes the old refresh \
             token. The server stores only this one number.",
        )?;
        let response = self.send(refresh("laptop", laptop))?;
        self.expect_status(&response, 200, "the laptop has new tokens")?;
        let renewed = Tokens::of(&response)?;
        self.expect("the session is the same", laptop.session.as_str(), renewed.session.as_str())?;
        self.expect_successor(laptop, &renewed)?;
        let response = self.send(me("laptop", &renewed))?;
        self.expect_status(&response, 200, "the new access token is accepted")?;
        Ok(renewed)
    }

    fn lose_a_response(&mut self, laptop: &Tokens) -> Done<Device> {
        self.report.step(
            "Lose a response and retry",
            "The server refreshes, but the laptop loses power before the new tokens are on its disk. \
             It still holds the superseded refresh token, and many systems would log Ann out now. The \
             client library had stored an Idempotency-Key beside the token before it sent the \
             request. After the restart it repeats the request. The key proves that it is the same \
             client, no matter how late.",
        )?;
        let mut device = self.device("laptop", laptop)?;
        let before = device.storage.load()?;
        self.refresh_on(slice::from_mut(&mut device), "the server refreshes", REFRESHED)?;
        let lost = Tokens::stored(&device.saved());
        device.storage.save(before.as_deref())?;
        self.pause(RETRY_WINDOW, "for the retry window to pass, so that only the key counts")?;
        device = Device::start(&self.client.base, "laptop", device.storage)?;
        self.refresh_on(slice::from_mut(&mut device), "the retry succeeds", REFRESHED)?;
        let retried = Tokens::stored(&device.saved());
        let same = lost.refresh == retried.refresh;
        self.expect("it returns the refresh token that was lost", true, same)?;
        self.expect("and a new access token", true, lost.access != retried.access)?;
        self.expect_successor(laptop, &retried)?;
        Ok(device)
    }

    fn refresh_in_tabs(&mut self, laptop: &Device) -> Done<Device> {
        self.report.step(
            "Refresh in five tabs at once",
            "Ann's browser wakes up with five tabs, and all of them use the same refresh token at \
             the same moment, each with a key of its own. One request is first. The others arrive \
             within the retry window (3 s in this demo, 30 s by default) and receive the same \
             refresh token.",
        )?;
        let old = Tokens::stored(&laptop.saved());
        let tabs = ["tab 1", "tab 2", "tab 3", "tab 4", "tab 5"];
        let tabs = tabs.iter().map(|tab| self.device(tab, &old));
        let mut tabs = tabs.collect::<Result<Vec<_>, _>>()?;
        self.refresh_on(&mut tabs, "the tab refreshes", REFRESHED)?;
        let tokens: Vec<_> = tabs.iter().map(|tab| Tokens::stored(&tab.saved())).collect();
        let mut laptop = tabs.swap_remove(0);
        laptop.sender = "laptop";
        let [first, others @ ..] = tokens.as_slice() else { return Ok(laptop) };
        let same = others.iter().all(|other| other.refresh == first.refresh);
        self.expect("all five have the same refresh token", true, same)?;
        self.expect_successor(&old, first)?;
        Ok(laptop)
    }

    fn log_in_on_phone(&mut self, laptop: &Tokens) -> Done<Tokens> {
        self.report.step(
            "Log in on the phone",
            "Each login opens a session of its own. The app on the phone is another client; its \
             access tokens live for 5 minutes, because lifetimes are set per client.",
        )?;
        let response = self.send(login("phone", "app", "Ann's phone"))?;
        self.expect_status(&response, 200, "Ann is logged in on the phone too")?;
        let phone = Tokens::of(&response)?;
        self.expect("it is another session", true, phone.session != laptop.session)?;
        Ok(phone)
    }

    fn steal(&mut self, laptop: &mut Device) -> Done {
        self.report.step(
            "Steal a refresh token and be detected",
            "A thief has copied the laptop's refresh token. The copy looks like the original, but \
             each refresh token can be used only once. Sooner or later the thief and the laptop use \
             the same one, and the second use reveals the theft.",
        )?;
        let stolen = Tokens::stored(&laptop.saved());
        let laptop = slice::from_mut(laptop);
        self.refresh_on(laptop, "the laptop refreshed as usual", REFRESHED)?;
        self.pause(RETRY_WINDOW, "for the retry window to pass, so that this is not a retry")?;
        let theft = self.send(refresh("thief", &stolen))?;
        self.expect_rejection(&theft, "refresh_token_reused", "the thief is rejected")?;
        let token = theft.field("refresh_token").clone();
        self.expect("the thief receives no token", Value::Null, token)
    }

    fn after_the_theft(&mut self, mut laptop: Device, phone: &Tokens) -> Done<Tokens> {
        self.report.step(
            "See what the theft ended",
            "The server cannot know which of the two was the thief, so it ended the whole session, \
             and Ann has to log in again on the laptop. The session of the phone is not affected.",
        )?;
        let ended = "not logged in: session_revoked";
        self.refresh_on(slice::from_mut(&mut laptop), "the laptop's session has ended", ended)?;
        let response = self.send(refresh("phone", phone))?;
        self.expect_status(&response, 200, "the phone's session is live")?;
        Tokens::of(&response)
    }

    fn keep_one_token(&mut self) -> Done<Tokens> {
        self.report.step(
            "Use a device that cannot store new tokens",
            "The controller of Ann's aquarium wakes up every half hour on weak Wi-Fi and cannot \
             reliably store a new token each time. Its client, device, has rotation = \"never\": a \
             refresh returns only an access token, and the refresh token stays valid.",
        )?;
        let response = self.send(login("controller", "device", "Aquarium"))?;
        let controller = Tokens::of(&response)?;
        let first = self.send(refresh("controller", &controller))?;
        let second = self.send(refresh("controller", &controller))?;
        self.expect_status(&first, 200, "the controller has a new access token")?;
        let token = first.field("refresh_token").clone();
        self.expect("and no new refresh token", Value::Null, token)?;
        self.expect_status(&second, 200, "the same refresh token is accepted again")?;
        let differ = text(&first, "access_token")? != text(&second, "access_token")?;
        self.expect("each access token is new", true, differ)?;
        Ok(controller)
    }

    fn list_sessions(&mut self) -> Done<Tokens> {
        self.report.step(
            "List the sessions",
            "From a tablet, Ann lists the sessions in which she is logged in, newest first. The \
             session that was stolen is no longer among them.",
        )?;
        let response = self.send(login("tablet", "app", "Ann's tablet"))?;
        let tablet = Tokens::of(&response)?;
        let response =
            self.send(Request::get("tablet", "/auth/sessions").bearer(&tablet.access))?;
        self.expect_status(&response, 200, "the tablet has the list")?;
        let sessions = response.field("sessions").as_array().cloned().unwrap_or_default();
        let column = |name: &str| -> Value {
            sessions.iter().map(|it| it.get(name).cloned().unwrap_or_default()).collect()
        };
        let names = json!(["Ann's tablet", "Aquarium", "Ann's phone"]);
        self.expect("it contains three sessions", names, column("device_name"))?;
        let current = json!([true, false, false]);
        self.expect("it marks the current session", current, column("current"))?;
        Ok(tablet)
    }

    fn log_out(&mut self, phone: &Tokens) -> Done {
        self.report.step(
            "Log out",
            "Ann logs out on the phone. The server rejects the access token of the phone \
             immediately. Services that verify it offline accept it until it expires, unless they \
             read status lists.",
        )?;
        let body = json!({ "refresh_token": phone.refresh });
        let response = self.send(Request::post("phone", "/auth/logout").json(body))?;
        self.expect_status(&response, 204, "the session has ended")?;
        let response = self.send(me("phone", phone))?;
        self.expect_rejection(&response, "invalid_token", "the access token is revoked")
    }

    fn log_out_everywhere(&mut self, tablet: &Tokens, controller: &Tokens) -> Done {
        self.report.step(
            "Log out everywhere",
            "If a device is lost, one request ends all sessions of the account, including the \
             session of the caller and that of the device with its long-lived token.",
        )?;
        let request = Request::post("tablet", "/auth/logout-all").bearer(&tablet.access);
        let response = self.send(request)?;
        self.expect_status(&response, 200, "all sessions have ended")?;
        let revoked = response.field("revoked").clone();
        self.expect("there were two: the tablet's and the controller's", 2, revoked)?;
        let response = self.send(refresh("controller", controller))?;
        self.expect_rejection(&response, "session_revoked", "the controller is logged out")
    }

    fn send(&mut self, request: Request) -> Done<Response> {
        let response = self.client.send(&request)?;
        self.report.exchange(&request, &response)?;
        Ok(response)
    }

    /// A device with the client library, to which the refresh token was handed over.
    fn device(&self, sender: &'static str, tokens: &Tokens) -> Done<Device> {
        let device = Device::start(&self.client.base, sender, MemoryStorage::default())?;
        self.client.wait(device.adopt(&tokens.refresh))?;
        Ok(device)
    }

    /// Lets all devices refresh at the same moment.
    fn refresh_on(&mut self, devices: &mut [Device], what: &str, outcome: &str) -> Done {
        let outcomes = self.client.wait(join_all(devices.iter_mut().map(Device::refresh)));
        for (device, found) in devices.iter().zip(outcomes) {
            let found = found.map_or_else(|error| error.to_string(), |()| REFRESHED.to_owned());
            self.report.refresh(device.sender, &found, &device.saved())?;
            self.expect(what, outcome, found)?;
        }
        Ok(())
    }

    fn pause(&mut self, length: Duration, reason: &str) -> Done {
        let length = length + MARGIN;
        self.report.pause(length, reason)?;
        #[allow(clippy::disallowed_methods, reason = "real tokens expire in real time")]
        thread::sleep(length);
        Ok(())
    }

    fn expect(&mut self, what: &str, expected: impl Into<Value>, found: impl Into<Value>) -> Done {
        Ok(self.report.check(what, expected.into(), found.into())?)
    }

    fn expect_status(&mut self, response: &Response, status: u16, what: &str) -> Done {
        self.expect(&format!("{status}: {what}"), status, response.status.as_u16())
    }

    /// Checks for a 401 with this error code and a challenge (RFC 9110 §15.5.2).
    fn expect_rejection(&mut self, response: &Response, code: &str, what: &str) -> Done {
        self.expect_status(response, 401, what)?;
        self.expect(
            &format!("the body contains the code {code}"),
            code,
            response.field("code").clone(),
        )?;
        let challenge = response.header("WWW-Authenticate").starts_with("Bearer ");
        self.expect("WWW-Authenticate asks for a new token", true, challenge)
    }

    fn expect_successor(&mut self, old: &Tokens, new: &Tokens) -> Done {
        let next = old.generation()? + 1;
        self.expect(&format!("the session is at generation {next}"), next, new.generation()?)
    }
}

fn login(sender: &'static str, client: &str, device: &str) -> Request {
    let body = json!({
        "email": EMAIL, "password": PASSWORD, "client_id": client, "device_name": device,
    });
    Request::post(sender, "/auth/login").json(body)
}

fn refresh(sender: &'static str, tokens: &Tokens) -> Request {
    Request::post(sender, "/auth/refresh").json(json!({ "refresh_token": tokens.refresh }))
}

fn me(sender: &'static str, tokens: &Tokens) -> Request {
    Request::get(sender, "/auth/me").bearer(&tokens.access)
}
