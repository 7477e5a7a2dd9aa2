//! Serves on port 8083, with its keys and sessions in `./own-users-data`.
//!
//! `cargo run -p own-users`, then in another terminal:
//! ```sh
//! B=http://127.0.0.1:8083
//! curl -s $B/login/code -d email=ann@example.com          # the code appears in the first terminal
//! curl -s $B/login -d email=ann@example.com -d code=123456
//! curl -s $B/tank -H "Authorization: Bearer $A"           # $A and $R are from the answer
//! curl -s $B/refresh -H 'Idempotency-Key: 4e1c5a0e-6f0b-4c7e' -d refresh_token=$R
//! ```

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aquaware_core::time::SystemClock;
use own_users::users::{User, Users};
use own_users::{Service, router};
use tokio::net::TcpListener;

const ISSUER: &str = "http://127.0.0.1:8083";

/// In place of the team's mail server.
#[allow(clippy::print_stderr, reason = "the code appears in the terminal")]
fn show(email: &str, code: &str) {
    eprintln!("to {email}: your code is {code}");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let ann = User { id: 1, email: "ann@example.com".to_owned(), plan: "reef".to_owned() };
    let directory = Path::new("own-users-data");
    let users = Users::new(vec![ann]);
    let service = Service::open(directory, ISSUER, users, Arc::new(SystemClock), Box::new(show))?;
    let service = Arc::new(service);
    let followed = Arc::clone(&service);
    tokio::spawn(async move {
        let mut every = tokio::time::interval(Duration::from_secs(1));
        for second in 0_u64.. {
            let _ = every.tick().await;
            let _ = followed.follow_keys();
            if second % 3600 == 0 {
                let _ = followed.purge().await;
            }
        }
    });
    axum::serve(TcpListener::bind("127.0.0.1:8083").await?, router(service)).await?;
    Ok(())
}
