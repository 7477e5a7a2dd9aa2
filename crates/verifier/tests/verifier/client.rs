//! The built-in HTTP client, over real sockets.

use aquaware_verifier::fetch::{Fetch, Request, Response};
use aquaware_verifier::limits::MAX_DOCUMENT_BYTES;
use aquaware_verifier::testing::TestIssuer;
use aquaware_verifier::{BuildError, DocumentError, HttpClient, Verifier};

use crate::http::serve;

async fn get(response: Vec<u8>, if_none_match: Option<&str>) -> (Response, String) {
    let (address, thread) = serve(vec![response]);
    let url = format!("http://{address}/keys");
    let request = Request::json(url).if_none_match(if_none_match.map(str::to_owned));
    let response = HttpClient::new().unwrap().get(&request).await.unwrap();
    // Not on this thread: the client closes its connection on it.
    let requests = tokio::task::spawn_blocking(move || thread.join().unwrap()).await.unwrap();
    (response, requests.into_iter().next().unwrap())
}

fn ok(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn the_status_headers_and_body_of_a_response_are_returned() {
    let response = b"HTTP/1.1 200 OK\r\nETag: \"a\"\r\nCache-Control: max-age=7\r\nAge: 3\r\n\
        Content-Length: 2\r\n\r\n{}";
    let (response, request) = get(response.to_vec(), None).await;
    let expected = Response {
        status: 200,
        etag: Some("\"a\"".to_owned()),
        cache_control: Some("max-age=7".to_owned()),
        age: Some(3),
        content_encoding: None,
        body: b"{}".to_vec(),
    };
    assert_eq!(response, expected);
    assert!(request.starts_with("get /keys http/1.1\r\n"), "{request}");
    assert!(request.contains("\r\naccept: application/jwk-set+json, application/json\r\n"));
    assert!(!request.contains("if-none-match"));
    assert!(!request.contains("accept-encoding"), "{request}");
}

#[tokio::test]
async fn status_list_requests_accept_gzip_and_bodies_arrive_compressed() {
    let body = [b' '; MAX_DOCUMENT_BYTES + 10];
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let (address, thread) = serve(vec![[head.as_bytes(), &body].concat()]);
    let request = Request::status_list(format!("http://{address}/status-lists/0"));
    let response = HttpClient::new().unwrap().get(&request).await.unwrap();
    let requests = tokio::task::spawn_blocking(move || thread.join().unwrap()).await.unwrap();
    assert!(requests[0].contains("\r\naccept: application/statuslist+jwt\r\n"), "{requests:?}");
    assert!(requests[0].contains("\r\naccept-encoding: gzip\r\n"), "{requests:?}");
    assert_eq!(response.content_encoding.as_deref(), Some("gzip"));
    assert_eq!(response.body.len(), body.len(), "a list may be larger than a key set");
}

#[tokio::test]
async fn a_known_etag_makes_the_request_conditional() {
    let response = b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec();
    let (response, request) = get(response, Some("\"a\"")).await;
    assert_eq!((response.status, response.body.len()), (304, 0));
    assert!(request.contains("\r\nif-none-match: \"a\"\r\n"), "{request}");
}

#[tokio::test]
async fn redirects_are_returned_and_not_followed() {
    let (elsewhere, never) = serve(vec![]);
    let response =
        format!("HTTP/1.1 302 Found\r\nLocation: http://{elsewhere}/\r\nContent-Length: 0\r\n\r\n");
    let (response, _) = get(response.into_bytes(), None).await;
    assert_eq!(response.status, 302);
    assert!(never.join().unwrap().is_empty());
}

#[tokio::test]
async fn bodies_are_read_little_further_than_the_limit() {
    let (response, _) = get(ok(&vec![b' '; 40 * MAX_DOCUMENT_BYTES]), None).await;
    assert!(
        response.body.len() > MAX_DOCUMENT_BYTES && response.body.len() < 2 * MAX_DOCUMENT_BYTES
    );
}

#[tokio::test]
async fn a_refused_connection_is_an_error() {
    // A port that no other test listens at.
    let request = Request::json("http://127.0.0.1:1/".to_owned());
    assert!(HttpClient::new().unwrap().get(&request).await.is_err());
}

#[tokio::test]
async fn a_verifier_starts_over_http_on_loopback() {
    let issuer = TestIssuer::new();
    let (address, thread) = serve(vec![ok(&issuer.key_set())]);
    let builder = || issuer.builder();
    let verifier = builder().jwks_uri(&format!("http://{address}/keys")).await.unwrap();
    thread.join().unwrap();
    assert!(verifier.verify(&issuer.token().sign()).is_ok());
    let (address, _) = serve(vec![b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n".to_vec()]);
    let started: Result<Verifier, _> = builder().jwks_uri(&format!("http://{address}/keys")).await;
    let Err(BuildError::Refresh(error)) = started else { panic!("{started:?}") };
    assert!(matches!(error.source, DocumentError::Status(302)));
}
