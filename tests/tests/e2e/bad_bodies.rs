//! Malformed bodies: they are rejected with a 4xx, and the server keeps serving.

use aquaware_tests::{Client, Response, Setup, Tokens, exchange};

const POSTS: [&str; 5] =
    ["/auth/signup", "/auth/login", "/auth/refresh", "/auth/logout", "/auth/password"];

/// Sends the same body to every route that reads one, with a valid access token where required.
fn everywhere(
    client: &Client,
    tokens: &Tokens,
    kind: &str,
    body: &[u8],
) -> Vec<(String, Response)> {
    let send = |path: &&str| {
        let call = client.post(path).body(kind, body);
        let call = if *path == "/auth/password" { call.bearer(&tokens.access) } else { call };
        ((*path).to_owned(), call.send())
    };
    POSTS.iter().map(send).collect()
}

fn bad_json() -> Vec<Vec<u8>> {
    let texts = [
        "",
        " ",
        "{",
        "{\"email\"",
        "{\"email\": \"a@example.com\"",
        "{\"email\": \"a@example.com\", \"password\": \"x\"} x",
        "{\"email\": \"a@example.com\", \"password\": \"x\"}{}",
        "{'email': 'a@example.com'}",
        "{\"email\": \"\\ud800\", \"password\": \"x\", \"refresh_token\": \"\\ud800\"}",
        "{\"email\": \"a\nb\", \"password\": \"x\", \"refresh_token\": \"a\nb\"}",
        "null",
        "true",
        "42",
        "\"text\"",
        "[]",
        "[{\"email\": \"a@example.com\"}]",
        "{\"email\": 5, \"password\": 5, \"refresh_token\": 5, \"current_password\": 5}",
        "{\"email\": null, \"password\": [], \"refresh_token\": {}, \"new_password\": true}",
        "{\"email\": {\"$gt\": \"\"}, \"password\": {\"$gt\": \"\"}, \"refresh_token\": [1]}",
        "{\"colour\": 1e999999, \"refresh_token\": 1}",
        "\u{feff}{}x",
    ];
    let mut bodies: Vec<Vec<u8>> = texts.map(|text| text.as_bytes().to_vec()).into();
    bodies.push("[".repeat(16_000).into_bytes());
    bodies.push(format!("{}1{}", "{\"a\":".repeat(2500), "}".repeat(2500)).into_bytes());
    bodies.push(
        b"{\"email\": \"\xff\xfe\", \"password\": \"x\", \"refresh_token\": \"\xff\"}".into(),
    );
    bodies.push(b"\x00\x01\x02\x03".into());
    bodies
}

#[test]
fn bodies_other_than_objects_of_strings_are_rejected() {
    let server = Setup::new().start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    for body in bad_json() {
        for (path, response) in everywhere(&client, &tokens, "application/json", &body) {
            // A logout requires no body.
            let text = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
            if path == "/auth/logout" && text.trim().is_empty() {
                assert!((200..500).contains(&response.status), "{}", response.describe());
                continue;
            }
            assert_eq!(response.status, 400, "{path} {text:?}: {}", response.describe());
            response.is_problem(400, "invalid_request");
        }
    }
    client.me(&tokens.access).is(200);
    let _ = client.refreshed(tokens.refresh(), None);
}

#[test]
fn duplicate_fields_are_rejected() {
    let server = Setup::new().start();
    let client = server.client();
    let person = client.new_person();
    let (email, password) = (&person.email, &person.password);
    let json = format!(
        "{{\"email\": \"x@example.com\", \"email\": \"{email}\", \"password\": \"{password}\"}}"
    );
    let response = client.post("/auth/login").body("application/json", json.as_bytes()).send();
    response.is_problem(400, "invalid_request");
    let twice = [("email", email.as_str()), ("password", password), ("email", email)];
    client.post("/auth/login").form(&twice).send().is_problem(400, "invalid_request");
    client.post("/auth/login").multipart(&twice).send().is_problem(400, "invalid_request");
}

#[test]
fn malformed_forms_are_client_errors() {
    let server = Setup::new().start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    let forms: [&[u8]; 9] = [
        b"",
        b"&&&&",
        b"=",
        b"%",
        b"email=%zz&password=%0",
        b"email=%ff%fe&password=%00&refresh_token=%ff&current_password=%ff&new_password=%ff",
        b"\xff\xfe=\xff",
        b"email[]=a&email[b]=c",
        b"email=a%00b%40example.com&password=x&refresh_token=a%00b",
    ];
    let kind = "application/x-www-form-urlencoded";
    for form in forms {
        for (path, response) in everywhere(&client, &tokens, kind, form) {
            let fine = (400..500).contains(&response.status);
            // A logout with an invalid token is not an error.
            assert!(fine || path == "/auth/logout", "{path} {form:?}: {}", response.describe());
        }
    }
    client.me(&tokens.access).is(200);
}

#[test]
fn malformed_multipart_bodies_are_client_errors() {
    let server = Setup::new().start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    let part = "--x\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\na@example.com";
    let file = "--x\r\nContent-Disposition: form-data; name=\"email\"; filename=\"a\"\r\n\
                Content-Type: application/octet-stream\r\n\r\na\r\n--x--\r\n";
    let nameless = "--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n";
    let headless = "--x\r\n\r\na\r\n--x--\r\n";
    let many = format!(
        "{}--x--\r\n",
        "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n".repeat(250)
    );
    let bodies: [(&str, &[u8]); 9] = [
        ("multipart/form-data", part.as_bytes()),
        ("multipart/form-data; boundary=", part.as_bytes()),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", part.as_bytes()),
        ("multipart/form-data; boundary=y", part.as_bytes()),
        ("multipart/form-data; boundary=x", file.as_bytes()),
        ("multipart/form-data; boundary=x", nameless.as_bytes()),
        ("multipart/form-data; boundary=x", headless.as_bytes()),
        ("multipart/form-data; boundary=x", many.as_bytes()),
    ];
    for (kind, body) in bodies {
        for (path, response) in everywhere(&client, &tokens, kind, body) {
            let fine = (400..500).contains(&response.status);
            let text = String::from_utf8_lossy(body);
            assert!(
                fine || path == "/auth/logout",
                "{path} {kind} {text}: {}",
                response.describe()
            );
        }
    }
    client.me(&tokens.access).is(200);
}

#[test]
fn huge_fields_are_rejected_or_stored_completely() {
    let server = Setup::new().start();
    let client = server.client();
    let person = client.new_person();
    let long = "ü".repeat(7_000);
    for field in ["first_name", "last_name", "email", "password"] {
        let other = aquaware_tests::Person::new();
        let mut body = serde_json::json!({ "email": other.email, "password": other.password });
        body[field] = long.as_str().into();
        let response = client.post("/auth/signup").json(&body).send();
        match response.status {
            201 => assert_eq!(response.text_of(field), long),
            status => assert!([400, 422].contains(&status), "{}", response.describe()),
        }
    }
    for field in ["device_name", "client_id", "scope"] {
        let mut body = serde_json::json!({ "email": person.email, "password": person.password });
        body[field] = long.as_str().into();
        let response = client.post("/auth/login").json(&body).send();
        if response.status == 200 {
            let listed = client.sessions(&response.text_of("access_token"));
            assert_eq!(listed[0][field], long.as_str());
        } else {
            assert_eq!(response.status, 400, "{}", response.describe());
        }
    }
    let agent = "u".repeat(9_000);
    let body = serde_json::json!({ "email": person.email, "password": person.password });
    let response = client.post("/auth/login").json(&body).header("user-agent", &agent).send();
    response.is(200);
}

#[test]
fn nul_characters_never_cause_a_server_error() {
    let server = Setup::new().start();
    let client = server.client();
    let person = aquaware_tests::Person::new();
    let fields = ["email", "password", "first_name", "last_name"];
    for field in fields {
        let mut body = serde_json::json!({ "email": person.email, "password": person.password });
        body[field] = format!("quartz\0otter@example.com{field}").into();
        let response = client.post("/auth/signup").json(&body).send();
        assert!(response.status < 500, "{field}: {}", response.describe());
        let response = client.post("/auth/login").json(&serde_json::json!({
            "email": "a\0b@example.com", "password": "x\0y", "device_name": "z\0",
        }));
        assert!((400..500).contains(&response.send().status));
    }
}

#[test]
fn malformed_http_does_not_harm_the_server() {
    let server = Setup::new().start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    let long_path = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(200_000));
    let many_headers =
        format!("GET /auth/me HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(5_000));
    let requests: [&[u8]; 10] = [
        b"\r\n\r\n\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /auth/me HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /auth/me\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /auth/%ff%fe%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
        long_path.as_bytes(),
        many_headers.as_bytes(),
    ];
    for request in requests {
        let mut closing = request.to_vec();
        // If the server waits for more, closing the sending side ends the request.
        closing.extend_from_slice(b"GET / HTTP/0\r\n\r\n");
        if let Some(response) = exchange(server.public(), &closing) {
            assert!((400..500).contains(&response.status), "{request:?}: {}", response.describe());
        }
    }
    client.me(&tokens.access).is(200);
    let _ = client.refreshed(tokens.refresh(), None);
}
