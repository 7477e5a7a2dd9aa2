//! The middleware around an application with every kind of error. Some tests use a real connection,
//! because a test service does not show what a `HEAD` or a panic looks like on the wire.

use std::io::{Read as _, Write};
use std::sync::{Arc, Mutex};

use actix_web::body::to_bytes;
use actix_web::test::{TestRequest, init_service, try_call_service};
use actix_web::{App, HttpRequest, HttpServer, web};

use super::*;
use crate::client_address::Client;
use crate::problem::PROBLEM_JSON;
use crate::route::{endpoint, not_found};

async fn panics() -> HttpResponse {
    panic!("a secret in a panic")
}

async fn echo(request: HttpRequest) -> String {
    let extensions = request.extensions();
    let client = extensions.get::<Client>().unwrap();
    format!("{} {}", extensions.get::<RequestId>().unwrap(), client.address)
}

fn routes(app: &mut web::ServiceConfig) {
    app.service(endpoint("/echo", [(Method::GET, web::to(echo))]))
        .service(endpoint("/panic", [(Method::GET, web::to(panics))]))
        .service(endpoint(
            "/number/{n}",
            [(Method::GET, web::to(|n: web::Path<u8>| async move { n.to_string() }))],
        ))
        .service(endpoint("/text", [(Method::POST, web::to(|text: String| async move { text }))]))
        .service(endpoint(
            "/unconfigured",
            [(Method::GET, web::to(|data: web::Data<u8>| async move { data.to_string() }))],
        ))
        .route("/bare", web::get().to(HttpResponse::Forbidden))
        .route(
            "/problem",
            web::get().to(|| async { Err::<String, _>(Problem::from(ErrorCode::AccountLocked)) }),
        )
        .route(
            "/oauth",
            web::get().to(|| async {
                HttpResponse::BadRequest().json(serde_json::json!({"error": "invalid_grant"}))
            }),
        )
        .default_service(web::to(not_found));
}

/// Status, headers and body of the response, including those to lost requests.
async fn respond(request: TestRequest) -> (u16, HeaderMap, String) {
    let app = init_service(App::new().configure(routes).wrap(management_middleware())).await;
    let response = match try_call_service(&app, request.to_request()).await {
        Ok(response) => response.into_parts().1,
        Err(error) => error.error_response(),
    };
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = to_bytes(response.into_body()).await.unwrap();
    (status, headers, String::from_utf8(body.to_vec()).unwrap())
}

#[actix_web::test]
async fn every_response_has_an_id_and_forbids_sniffing() {
    let large = TestRequest::post().uri("/text").set_payload(vec![b'x'; 300_000]);
    for (request, expected) in [
        (TestRequest::with_uri("/echo"), 200),
        (TestRequest::with_uri("/nowhere"), 404),
        (TestRequest::post().uri("/echo"), 405),
        (large, 413),
        (TestRequest::with_uri("/panic"), 500),
        (TestRequest::with_uri("/unconfigured"), 500),
        (TestRequest::with_uri("/number/x"), 404),
        (TestRequest::with_uri("/problem"), 429),
    ] {
        let (status, headers, _) = respond(request.insert_header(("x-request-id", "Me.1"))).await;
        assert_eq!(status, expected);
        assert_eq!(headers.get("x-request-id").unwrap(), "Me.1", "{expected}");
        assert_eq!(headers.get("x-content-type-options").unwrap(), "nosniff", "{expected}");
    }
}

#[actix_web::test]
async fn handlers_see_the_id_and_the_client() {
    let request = TestRequest::with_uri("/echo")
        .insert_header(("x-request-id", "Me.1"))
        .peer_addr("198.51.100.7:1".parse().unwrap());
    assert_eq!(respond(request).await.2, "Me.1 198.51.100.7");
}

#[actix_web::test]
async fn errors_of_the_library_become_problem_documents() {
    for (uri, code) in [
        ("/number/x", "not_found"),
        ("/number/300", "not_found"),
        ("/unconfigured", "internal_error"),
        ("/panic", "internal_error"),
        ("/bare", "invalid_request"),
        ("/nowhere", "not_found"),
        ("/problem", "account_locked"),
    ] {
        let (_, headers, body) = respond(TestRequest::with_uri(uri)).await;
        assert_eq!(headers.get("content-type").unwrap(), PROBLEM_JSON, "{uri}");
        assert_eq!(headers.get("cache-control").unwrap(), "no-store", "{uri}");
        assert!(body.contains(&format!(r#""code":"{code}""#)), "{uri} {body}");
        assert!(!body.contains("secret") && !body.contains("data"), "{uri} {body}");
    }
}

#[actix_web::test]
async fn json_errors_of_handlers_are_unchanged() {
    let (status, headers, body) = respond(TestRequest::with_uri("/oauth")).await;
    assert_eq!((status, body.as_str()), (400, r#"{"error":"invalid_grant"}"#));
    assert_eq!(headers.get("content-type").unwrap(), "application/json");
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[actix_web::test]
async fn the_log_has_one_line_per_request_without_path_and_query() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber =
        tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    // With a single subscriber, the first test that reaches a log line decides for all threads
    // whether it is enabled; a second subscriber with all levels prevents that.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let guard = tracing::subscriber::set_default(subscriber);
    for uri in ["/number/7?access_token=horse", "/horse?x=horse", "/panic?x=horse"] {
        let _ = respond(TestRequest::with_uri(uri).insert_header(("x-request-id", "Me.1"))).await;
    }
    let brew = TestRequest::with_uri("/echo").method(Method::from_bytes(b"HORSE").unwrap());
    let _ = respond(brew).await;
    drop(guard);
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let access: Vec<_> = text.lines().filter(|line| line.contains("aquaware::access")).collect();
    assert_eq!(access.len(), 4, "{text}");
    assert!(access[0].contains("INFO request{request_id=Me.1}"), "{text}");
    assert!(access[0].contains(r#"method="GET" route="/number/{n}" status=200 duration_ms="#));
    assert!(access[0].contains(r#"client="0.0.0.0""#), "{text}");
    assert!(access[1].contains(r#"route="unmatched" status=404"#), "{text}");
    assert!(access[2].contains(r#"route="unknown" status=500"#), "{text}");
    assert!(access[3].contains(r#"method="other" route="/echo" status=405"#), "{text}");
    assert!(!text.to_lowercase().contains("horse") && !text.contains("secret"), "{text}");
}

/// The responses of a server to these requests, each on its own connection.
fn exchange<const N: usize>(requests: [&[u8]; N]) -> [String; N] {
    let (sender, receiver) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server =
                HttpServer::new(|| App::new().configure(routes).wrap(management_middleware()))
                    .workers(1)
                    .disable_signals()
                    .bind(("127.0.0.1", 0))
                    .unwrap();
            let address = server.addrs()[0];
            let server = server.run();
            sender.send((address, server.handle())).unwrap();
            server.await.unwrap();
        });
    });
    let (address, handle) = receiver.recv().unwrap();
    let responses = requests.map(|request| {
        let mut connection = std::net::TcpStream::connect(address).unwrap();
        let mut response = Vec::new();
        // A server that rejects the request midway may reset the connection.
        let _ = connection.write_all(request).and_then(|()| connection.read_to_end(&mut response));
        String::from_utf8_lossy(&response).into_owned()
    });
    drop(handle.stop(false));
    thread.join().unwrap();
    responses
}

#[test]
fn head_has_the_length_of_the_body_without_the_body() {
    let [response] = exchange([b"HEAD /number/7 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"]);
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(response.to_lowercase().contains("content-length: 1\r\n"), "{response}");
    assert!(response.ends_with("\r\n\r\n"), "{response}");
}

#[test]
fn a_panic_is_a_500_and_the_connection_stays_open() {
    let [response] = exchange([b"GET /panic HTTP/1.1\r\nHost: x\r\nX-Request-Id: Me.1\r\n\r\n\
          GET /number/7 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"]);
    assert!(response.starts_with("HTTP/1.1 500 Internal Server Error\r\n"), "{response}");
    assert!(response.contains("x-request-id: Me.1\r\n"), "{response}");
    assert!(response.contains(r#""code":"internal_error"}"#), "{response}");
    assert!(response.contains("HTTP/1.1 200 OK\r\n"), "{response}");
}

#[test]
fn invalid_paths_and_endless_heads_are_rejected() {
    let mut huge = b"GET /echo HTTP/1.1\r\nHost: x\r\nX-Huge: ".to_vec();
    huge.extend(std::iter::repeat_n(b'x', 500_000));
    huge.extend(b"\r\nConnection: close\r\n\r\n");
    let [invalid_path, endless, after] = exchange([
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        &huge,
        b"GET /number/7 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ]);
    assert!(invalid_path.starts_with("HTTP/1.1 40"), "{invalid_path}");
    assert!(!endless.starts_with("HTTP/1.1 2"), "{endless}");
    assert!(after.starts_with("HTTP/1.1 200 OK\r\n"), "{after}");
}
