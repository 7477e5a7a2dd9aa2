//! The HTTP client of the crate, against a real socket.

use aquaware_verifier::fetch::{Fetch, HttpClient, MAX_BYTES, Request, Response};
use aquaware_verifier::testing::{AUDIENCE, ISSUER, TestIssuer};
use aquaware_verifier::{Problem, StartError, Verifier};

use crate::http::answering;

async fn get(answer: Vec<u8>, if_none_match: Option<&str>) -> (Response, String) {
    let (address, thread) = answering(vec![answer]);
    let url = format!("http://{address}/keys");
    let request = Request::json(url).unless(if_none_match.map(str::to_owned));
    let response = HttpClient::new().unwrap().get(&request).await.unwrap();
    // The client hangs up on a thread of its own runtime, which must not stand still meanwhile.
    let asked = tokio::task::spawn_blocking(move || thread.join().unwrap()).await.unwrap();
    (response, asked.into_iter().next().unwrap())
}

fn ok(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn what_matters_of_an_answer_arrives() {
    let answer = b"HTTP/1.1 200 OK\r\nETag: \"a\"\r\nCache-Control: max-age=7\r\nAge: 3\r\n\
        Content-Length: 2\r\n\r\n{}";
    let (response, request) = get(answer.to_vec(), None).await;
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
async fn a_status_list_is_asked_for_as_such_and_comes_packed() {
    let body = [b' '; MAX_BYTES + 10];
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let (address, thread) = answering(vec![[head.as_bytes(), &body].concat()]);
    let request = Request::status_list(format!("http://{address}/status-lists/0"));
    let response = HttpClient::new().unwrap().get(&request).await.unwrap();
    let asked = tokio::task::spawn_blocking(move || thread.join().unwrap()).await.unwrap();
    assert!(asked[0].contains("\r\naccept: application/statuslist+jwt\r\n"), "{asked:?}");
    assert!(asked[0].contains("\r\naccept-encoding: gzip\r\n"), "{asked:?}");
    assert_eq!(response.content_encoding.as_deref(), Some("gzip"));
    assert_eq!(response.body.len(), body.len(), "a list may be longer than a key set");
}

#[tokio::test]
async fn what_is_known_is_asked_for_by_name() {
    let answer = b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec();
    let (response, request) = get(answer, Some("\"a\"")).await;
    assert_eq!((response.status, response.body.len()), (304, 0));
    assert!(request.contains("\r\nif-none-match: \"a\"\r\n"), "{request}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let (elsewhere, never) = answering(vec![]);
    let answer =
        format!("HTTP/1.1 302 Found\r\nLocation: http://{elsewhere}/\r\nContent-Length: 0\r\n\r\n");
    let (response, _) = get(answer.into_bytes(), None).await;
    assert_eq!(response.status, 302);
    assert!(never.join().unwrap().is_empty());
}

#[tokio::test]
async fn of_an_answer_without_end_not_much_more_than_the_limit_is_read() {
    let (response, _) = get(ok(&vec![b' '; 40 * MAX_BYTES]), None).await;
    assert!(response.body.len() > MAX_BYTES && response.body.len() < 2 * MAX_BYTES);
}

#[tokio::test]
async fn nobody_there_is_an_error() {
    let (address, thread) = answering(vec![]);
    thread.join().unwrap();
    let request = Request::json(format!("http://{address}/"));
    assert!(HttpClient::new().unwrap().get(&request).await.is_err());
}

#[tokio::test]
async fn a_verifier_starts_over_http_on_this_machine() {
    let issuer = TestIssuer::new();
    let (address, thread) = answering(vec![ok(&issuer.key_set())]);
    let builder = || issuer.builder().issuer(ISSUER).audience(AUDIENCE);
    let verifier = builder().jwks_uri(&format!("http://{address}/keys")).await.unwrap();
    thread.join().unwrap();
    assert!(verifier.verify(&issuer.token().sign()).is_ok());
    let (address, _) = answering(vec![b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n".to_vec()]);
    let refused: Result<Verifier, _> = builder().jwks_uri(&format!("http://{address}/keys")).await;
    let Err(StartError::Refresh(error)) = refused else { panic!("{refused:?}") };
    assert!(matches!(error.problem, Problem::Status(302)));
}
