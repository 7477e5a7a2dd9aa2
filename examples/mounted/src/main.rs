//! Serves on port 8084; keys and sessions are kept in `./mounted-data`.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix_web::{App, HttpServer, rt, web};
use aquaware_core::time::{Clock as _, SystemClock};
use aquaware_http::Aquaware;
use mounted::users::{User, Users};
use mounted::{Issuer, routes};

const ISSUER: &str = "http://127.0.0.1:8084";

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let ann = User {
        id: 1,
        email: "ann@example.com".to_owned(),
        code: "123456".to_owned(),
        tank: "reef".to_owned(),
    };
    let users = web::Data::new(Users::new(vec![ann]));
    let mut issuer = Issuer::open(Path::new("mounted-data"), ISSUER, SystemClock.now())?;
    let sessions = Arc::clone(&issuer.sessions);
    let aquaware = Aquaware::builder(Arc::clone(&sessions)).insecure_cookies(true).build()?;
    rt::spawn(async move {
        for second in 0_u64.. {
            rt::time::sleep(Duration::from_secs(1)).await;
            // Errors leave the keys and the records as they are; the next round tries again.
            let _ = issuer.follow_keys(SystemClock.now());
            if second % 3600 == 0 {
                let _ = sessions.purge(1000, SystemClock.now()).await;
            }
        }
    });
    let server = HttpServer::new(move || {
        App::new()
            .app_data(users.clone())
            .configure(|app| aquaware.configure(app))
            .configure(routes)
            .wrap(aquaware.middleware())
    });
    server.bind("127.0.0.1:8084")?.run().await?;
    Ok(())
}
