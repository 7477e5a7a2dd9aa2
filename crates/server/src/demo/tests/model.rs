//! A server in a few lines, with a clock that waiting moves: it keeps every rule that the journey
//! checks, or all but one.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use aquaware_core::claims::{AccessClaims, Audiences, RefreshClaims, Scope};
use aquaware_core::id::{Audience, ClientId, Generation, Issuer, SessionId, Subject};
use aquaware_core::jwt::{Algorithm, PublicKey, SigningKey, TokenType, inspect};
use aquaware_core::keys::generate;
use aquaware_core::random::SystemRandom;
use aquaware_core::time::Timestamp;
use serde_json::{Map, Value, json};

use crate::demo::client::{Answer, Call, Unanswered, World};

/// The rule that is broken, and the step in which that must be noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    PasswordRepeated,
    TokensCached,
    StrangeKeys,
    SecretPublished,
    ExpiryIgnored,
    NoChallenge,
    RefreshStandsStill,
    RetryRefused,
    RetryForks,
    TabsFork,
    TabRefused,
    TheftUnnoticed,
    TheftSparesOwner,
    TheftEndsAll,
    DeviceRotates,
    CurrentUnmarked,
    LogoutLeavesAccess,
    LogoutAllLeavesOne,
    Silence,
}

pub(super) struct Model {
    fault: Option<Fault>,
    access: SigningKey,
    refresh: SigningKey,
    state: Mutex<State>,
}

struct State {
    now: Timestamp,
    serial: u64,
    sessions: Vec<Session>,
}

struct Session {
    id: SessionId,
    client: String,
    device: Value,
    generation: u64,
    stepped_at: Timestamp,
    key: Option<String>,
    live: bool,
}

const BASE: &str = "http://127.0.0.1:1";

fn key(token_type: TokenType, algorithm: Algorithm) -> SigningKey {
    let made = generate(token_type, algorithm, Timestamp::from_seconds(0), &SystemRandom).unwrap();
    SigningKey::new(made.kid, token_type, algorithm, &made.material).unwrap()
}

impl Model {
    pub(super) fn new(fault: Option<Fault>) -> Self {
        let now = Timestamp::from_millis(1_790_000_000_250);
        Self {
            fault,
            access: key(TokenType::Access, Algorithm::EdDsa),
            refresh: key(TokenType::Refresh, Algorithm::Hs256),
            state: Mutex::new(State { now, serial: 0, sessions: Vec::new() }),
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn sign_up(&self, call: &Call) -> Answer {
        let mut body = json!({ "email": field(call, "email"), "id": "1" });
        if self.has(Fault::PasswordRepeated) {
            body["detail"] = field(call, "password");
        }
        answer(201, body, &[("location", "/auth/me")])
    }

    fn log_in(&self, state: &mut State, call: &Call) -> Answer {
        let session = Session {
            id: SessionId::generate(&SystemRandom),
            client: field(call, "client_id").as_str().unwrap().to_owned(),
            device: field(call, "device_name"),
            generation: 1,
            stepped_at: state.now,
            key: None,
            live: true,
        };
        let answer = self.tokens(state, &session, true);
        state.sessions.push(session);
        answer
    }

    fn renew(&self, state: &mut State, call: &Call) -> Answer {
        let claims = inspect(field(call, "refresh_token").as_str().unwrap()).unwrap().claims;
        let key = call.headers.iter().find(|header| header.0 == "Idempotency-Key");
        let key = key.map(|(_, value)| value.clone());
        let (now, tab) = (state.now, call.by.as_deref().unwrap_or_default().starts_with("tab"));
        let place =
            state.sessions.iter().position(|session| claims["sid"] == sid(session)).unwrap();
        let session = &mut state.sessions[place];
        let presented = claims["gen"].as_u64().unwrap();
        let keeps = session.client == "device" && !self.has(Fault::DeviceRotates);
        let in_window = now < session.stepped_at.plus(Duration::from_secs(1));
        let repeats = presented + 1 == session.generation
            && (in_window || (key.is_some() && key == session.key));
        let unnoticed = self.has(Fault::TheftUnnoticed) && call.by.as_deref() == Some("thief");
        if !session.live {
            return self.refused("session_revoked");
        }
        if repeats && tab && self.has(Fault::TabRefused)
            || repeats && key.is_some() && self.has(Fault::RetryRefused)
            || !(keeps || repeats || presented == session.generation || unnoticed)
        {
            session.live = self.has(Fault::TheftSparesOwner);
            if self.has(Fault::TheftEndsAll) {
                state.sessions.iter_mut().for_each(|session| session.live = false);
            }
            return self.refused("refresh_token_reused");
        }
        let forks = repeats
            && (tab && self.has(Fault::TabsFork) || key.is_some() && self.has(Fault::RetryForks));
        let steps = presented == session.generation && !self.has(Fault::RefreshStandsStill);
        if !keeps && (steps || forks) {
            session.generation += 1;
            (session.stepped_at, session.key) = (now, key);
        }
        let session = state.sessions.remove(place);
        let answer = self.tokens(state, &session, !keeps);
        state.sessions.insert(place, session);
        answer
    }

    fn tokens(&self, state: &mut State, session: &Session, both: bool) -> Answer {
        state.serial += 1;
        let (sub, client_id) =
            (Subject::new("1").unwrap(), ClientId::new(&*session.client).unwrap());
        let (iss, sid) = (Issuer::new(BASE).unwrap(), session.id);
        let lifetime = if session.client == "web" { 2 } else { 300 };
        let access = self.access.sign_access(&AccessClaims {
            iss: iss.clone(),
            sub: sub.clone(),
            aud: Audiences::One(Audience::from(&iss)),
            exp: state.now.floor().plus(Duration::from_secs(lifetime)),
            iat: state.now,
            nbf: None,
            jti: state.serial.to_string(),
            client_id: client_id.clone(),
            sid: Some(sid),
            auth_time: None,
            scope: Scope::default(),
            status: None,
            extra: Map::new(),
        });
        let refresh = self.refresh.sign_refresh(&RefreshClaims {
            aud: Audience::from(&iss),
            iss,
            sub,
            sid,
            generation: Generation::new(session.generation).unwrap(),
            client_id,
            iat: session.stepped_at,
            exp: session.stepped_at.floor().plus(Duration::from_secs(86_400)),
        });
        let mut body = json!({
            "access_token": access.unwrap().expose(), "token_type": "Bearer",
            "session_id": sid.to_string(),
        });
        if both {
            body["refresh_token"] = refresh.unwrap().expose().into();
        }
        let cache = if self.has(Fault::TokensCached) { "public" } else { "no-store" };
        answer(200, body, &[("cache-control", cache)])
    }

    /// The place of the session whose access token is good, or the refusal.
    fn bearer(&self, state: &State, call: &Call) -> Result<usize, Answer> {
        let header = call.headers.iter().find(|header| header.0 == "Authorization").unwrap();
        let claims = inspect(header.1.strip_prefix("Bearer ").unwrap()).unwrap().claims;
        let place =
            state.sessions.iter().position(|session| claims["sid"] == sid(session)).unwrap();
        let over = claims["exp"].as_i64().unwrap() <= state.now.seconds();
        let live = state.sessions[place].live || self.has(Fault::LogoutLeavesAccess);
        let good = live && (!over || self.has(Fault::ExpiryIgnored));
        if good { Ok(place) } else { Err(self.refused("invalid_token")) }
    }

    fn me(&self, state: &State, call: &Call) -> Result<Answer, Answer> {
        let session = sid(&state.sessions[self.bearer(state, call)?]);
        Ok(answer(200, json!({ "email": "ann@example.com", "session_id": session }), &[]))
    }

    fn list(&self, state: &State, call: &Call) -> Result<Answer, Answer> {
        let caller = self.bearer(state, call)?;
        let live = state.sessions.iter().enumerate().rev().filter(|(_, session)| session.live);
        let told = live.map(|(place, session)| {
            let current = place == caller && !self.has(Fault::CurrentUnmarked);
            json!({ "device_name": session.device, "current": current })
        });
        Ok(answer(200, json!({ "sessions": told.collect::<Vec<_>>() }), &[]))
    }

    fn log_out(state: &mut State, call: &Call) -> Answer {
        let claims = inspect(field(call, "refresh_token").as_str().unwrap()).unwrap().claims;
        state.sessions.iter_mut().find(|session| claims["sid"] == sid(session)).unwrap().live =
            false;
        Answer { status: 204, headers: Vec::new(), body: None }
    }

    fn log_out_everywhere(&self, state: &mut State, call: &Call) -> Result<Answer, Answer> {
        self.bearer(state, call)?;
        let spared = usize::from(self.has(Fault::LogoutAllLeavesOne));
        let live: Vec<_> = state.sessions.iter_mut().filter(|session| session.live).collect();
        let ended = live.into_iter().skip(spared).map(|session| session.live = false).count();
        Ok(answer(200, json!({ "revoked": ended }), &[]))
    }

    fn key_set(&self) -> Answer {
        let strange = key(TokenType::Access, Algorithm::EdDsa);
        let shown = if self.has(Fault::StrangeKeys) { &strange } else { &self.access };
        let mut keys = vec![json!(PublicKey::of(shown).unwrap())];
        if self.has(Fault::SecretPublished) {
            keys.push(json!({ "kty": "oct", "kid": self.refresh.kid().as_str(), "k": "AAAA" }));
        }
        answer(200, json!({ "keys": keys }), &[])
    }

    fn refused(&self, code: &str) -> Answer {
        let challenge =
            [("www-authenticate", "Bearer realm=\"aquaware\", error=\"invalid_token\"")];
        let headers: &[_] = if self.has(Fault::NoChallenge) { &[] } else { &challenge };
        answer(401, json!({ "code": code }), headers)
    }
}

impl World for Model {
    fn send(&self, call: &Call) -> Result<Answer, Unanswered> {
        let mut state = self.state();
        if self.has(Fault::Silence) && state.serial == 3 {
            return Err(Unanswered("silence".to_owned()));
        }
        Ok(match call.path.as_str() {
            "/auth/signup" => self.sign_up(call),
            "/auth/login" => self.log_in(&mut state, call),
            "/auth/refresh" => self.renew(&mut state, call),
            "/auth/me" => self.me(&state, call).unwrap_or_else(|refused| refused),
            "/auth/sessions" => self.list(&state, call).unwrap_or_else(|refused| refused),
            "/auth/logout" => Self::log_out(&mut state, call),
            "/auth/logout-all" => {
                self.log_out_everywhere(&mut state, call).unwrap_or_else(|refused| refused)
            }
            "/.well-known/jwks.json" => self.key_set(),
            other => panic!("{other}"),
        })
    }

    fn wait(&self, span: Duration) {
        let mut state = self.state();
        state.now = state.now.plus(span);
    }

    fn now(&self) -> Timestamp {
        self.state().now
    }

    fn base(&self) -> &str {
        BASE
    }
}

fn sid(session: &Session) -> String {
    session.id.to_string()
}

fn field(call: &Call, name: &str) -> Value {
    call.body.as_ref().unwrap()[name].clone()
}

fn answer(status: u16, body: Value, headers: &[(&str, &str)]) -> Answer {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Answer { status, headers: headers.iter().map(owned).collect(), body: Some(body) }
}
