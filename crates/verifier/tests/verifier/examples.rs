//! The examples, served on a port of their own and asked as a client would.

use std::net::{SocketAddr, TcpListener};

use aquaware_verifier::testing::TestIssuer;
use serde_json::Value;

use crate::http::{Answer, send};

#[path = "../../examples/actix.rs"]
#[allow(dead_code, reason = "its main is for people")]
mod actix;
#[path = "../../examples/axum.rs"]
#[allow(dead_code, reason = "its main is for people")]
mod axum;

fn get(to: SocketAddr, token: &str) -> Answer {
    send(to, "GET", "/tanks", &[&format!("Authorization: Bearer {token}")])
}

/// What both services must do, as they promise the same.
fn is_protected(to: SocketAddr, issuer: &TestIssuer) {
    assert_eq!(send(to, "GET", "/health", &[]).status, 200);

    let good = issuer.token().subject("ann").scope("tanks:read");
    let answer = get(to, &good.clone().sign());
    assert_eq!((answer.status, answer.body.as_str()), (200, "tanks of ann (free)"));
    let answer = get(to, &good.clone().claim("plan", "reef").sign());
    assert_eq!(answer.body, "tanks of ann (reef)");
    let lower = format!("authorization: bearer {}", good.clone().sign());
    assert_eq!(send(to, "GET", "/tanks", &[&lower]).status, 200);

    let nobody = send(to, "GET", "/tanks", &[]);
    assert_eq!(challenge(&nobody), (401, Some("Bearer realm=\"tanks\"")));
    let in_query = send(to, "GET", &format!("/tanks?access_token={}", good.clone().sign()), &[]);
    assert_eq!(challenge(&in_query), (401, Some("Bearer realm=\"tanks\"")));
    let expired = get(to, &issuer.token().expired().sign());
    let expected = "Bearer realm=\"tanks\", error=\"invalid_token\", \
                    error_description=\"the token has expired\"";
    assert_eq!(challenge(&expired), (401, Some(expected)));
    let refresh = get(to, &issuer.token().as_refresh_token().sign());
    assert_eq!(refresh.status, 401);

    let header = format!("Authorization: Bearer {}", good.clone().sign());
    let expected = "Bearer realm=\"tanks\", error=\"invalid_request\", \
                    error_description=\"the token is presented in more than one way\"";
    let twice = send(to, "GET", "/tanks", &[&header, &header]);
    assert_eq!(challenge(&twice), (400, Some(expected)));
    let both = send(to, "GET", "/tanks?access_token=x", &[&header]);
    assert_eq!(challenge(&both), (400, Some(expected)));

    let poor = send(to, "POST", "/tanks", &[&header]);
    let expected = "Bearer realm=\"tanks\", error=\"insufficient_scope\", scope=\"tanks:write\"";
    assert_eq!(challenge(&poor), (403, Some(expected)));
    let rich = issuer.token().scope("tanks:read tanks:write").sign();
    let rich = send(to, "POST", "/tanks", &[&format!("Authorization: Bearer {rich}")]);
    assert_eq!(challenge(&rich), (201, None));
    assert_eq!(send(to, "POST", "/tanks", &[]).status, 401);
    let odd = get(to, &issuer.token().claim("plan", Value::from(5)).sign());
    assert!([401, 403].contains(&odd.status), "{odd:?}");
}

fn challenge(answer: &Answer) -> (u16, Option<&str>) {
    (answer.status, answer.header("www-authenticate"))
}

#[test]
fn the_actix_service_lets_in_whom_it_should() {
    let issuer = TestIssuer::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let verifier = issuer.verifier();
    let (send_handle, handle) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = actix::server(listener, verifier).unwrap();
            send_handle.send(server.handle()).unwrap();
            server.await.unwrap();
        });
    });
    is_protected(address, &issuer);
    drop(handle.recv().unwrap().stop(false));
    thread.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_axum_service_lets_in_whom_it_should() {
    let issuer = TestIssuer::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = axum::router(issuer.verifier()).unwrap();
    let server = tokio::spawn(async move { ::axum::serve(listener, router).await });
    tokio::task::spawn_blocking(move || is_protected(address, &issuer)).await.unwrap();
    server.abort();
}
