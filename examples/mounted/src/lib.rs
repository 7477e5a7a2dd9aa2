//! An application with its own users that takes sessions and tokens from `aquaware-http`.
//!
//! [`users`] is what the team had before. This file opens sessions and keys and adds the routes that
//! belong to the application: its login, and a resource that needs an access token.

pub mod users;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use aquaware_core::prelude::*;
use aquaware_http::{Aquaware, Authenticated, ErrorCode, Problem};
use aquaware_key_directory::{KeyDirectory, KeyFollower};
use aquaware_store_sql::{SqliteOptions, SqliteStore};
use serde::{Deserialize, Serialize};

use crate::users::Users;

/// The client that users log in with.
const CLIENT: &str = "app";
/// How long a key signs.
const QUARTER: Duration = Duration::from_secs(90 * 24 * 3600);

/// Sessions in a SQLite file, and signing keys in a directory.
#[derive(Debug)]
pub struct Issuer {
    /// What the routes are mounted over.
    pub sessions: Arc<Sessions>,
    keys: KeyFollower,
}

impl Issuer {
    /// Opens the store and the keys in `directory`, and creates what is missing.
    ///
    /// # Errors
    /// When the keys or the store cannot be opened.
    pub fn open(directory: &Path, issuer: &str, now: Timestamp) -> Result<Self, Error> {
        let keys =
            KeyDirectory::new(directory.join("keys"), Algorithm::EdDsa).rotate_every(QUARTER);
        let records = keys.load(now)?;
        let store = SqliteStore::open(SqliteOptions::new(directory.join("sessions.db")))?;
        let sessions = Sessions::builder(issuer).client(CLIENT, ProfileSettings::default()).build(
            Arc::new(store),
            &records,
            now,
        )?;
        Ok(Self { sessions: Arc::new(sessions), keys: keys.follow(&records) })
    }

    /// Rotates the keys when it is time, and uses keys that other replicas added. Call this about
    /// once a second.
    ///
    /// # Errors
    /// When the keys cannot be read. The current keys stay in use.
    pub fn follow_keys(&mut self, now: Timestamp) -> Result<bool, Error> {
        self.keys.poll(now, |records| Ok(self.sessions.replace_keys(records, now)?))
    }
}

/// The application's own routes.
pub fn routes(app: &mut ServiceConfig) {
    app.route("/login", web::post().to(log_in)).route("/tank", web::get().to(tank));
}

#[derive(Debug, Deserialize)]
struct LoginForm {
    email: String,
    code: String,
}

/// Checks the user against the application's own table, and opens a session.
async fn log_in(
    request: HttpRequest,
    form: web::Form<LoginForm>,
    users: web::Data<Users>,
    aquaware: Aquaware,
) -> Result<HttpResponse, Problem> {
    aquaware.count_login(&request).await?;
    let user = users.authenticate(&form.email, &form.code).ok_or(ErrorCode::InvalidCredentials)?;
    let subject = Subject::new(user.id.to_string()).map_err(|_| ErrorCode::InternalError)?;
    let client = ClientId::new(CLIENT).map_err(|_| ErrorCode::UnknownClient)?;
    aquaware.open_session(&request, &client, NewSession::new(subject)).await
}

#[derive(Debug, Serialize)]
struct Tank<'a> {
    owner: &'a str,
    tank: &'a str,
}

/// A resource of the caller's: reached only with a valid access token of a live session.
async fn tank(caller: Authenticated, users: web::Data<Users>) -> Result<HttpResponse, Problem> {
    let user = users.by_id(caller.session.subject.as_str()).ok_or(ErrorCode::NotFound)?;
    Ok(HttpResponse::Ok().json(Tank { owner: &user.email, tank: &user.tank }))
}
