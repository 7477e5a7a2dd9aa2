//! The three body types that every route of `/auth/*` accepts, their limits, and other types.

use aquaware_tests::{Client, Person, Response, Setup, Tokens, exchange};
use serde_json::{Map, json};

type Fields<'a> = [(&'a str, &'a str)];
type Post = fn(&Client, &str, &Fields<'_>, Option<&str>) -> Response;

const TYPES: [(&str, Post); 3] = [
    ("json", |client, path, fields, access| {
        let members = fields.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
        let body = members.collect::<Map<_, _>>().into();
        with(client.post(path).json(&body), access)
    }),
    ("form", |client, path, fields, access| with(client.post(path).form(fields), access)),
    ("multipart", |client, path, fields, access| with(client.post(path).multipart(fields), access)),
];

fn with(call: aquaware_tests::Call, access: Option<&str>) -> Response {
    match access {
        Some(access) => call.bearer(access).send(),
        None => call.send(),
    }
}

#[test]
fn every_request_accepts_json_forms_and_multipart() {
    let server = Setup::new().start();
    let client = server.client();
    for (kind, post) in TYPES {
        let post = |path: &str, fields: &Fields<'_>, access| post(&client, path, fields, access);
        let Person { email, password } = Person::new();
        let awkward = "Zoë & Söhne = 100 % + \"quoted\"; 🐟";
        let wish = [
            ("email", email.as_str()),
            ("password", &password),
            ("password2", &password),
            ("first_name", awkward),
        ];
        let account = post("/auth/signup", &wish, None);
        assert_eq!(account.status, 201, "{kind}: {}", account.describe());
        assert_eq!(account.text_of("first_name"), awkward, "{kind}");
        let login =
            [("email", email.as_str()), ("password", &password), ("device_name", "a+b%20c")];
        let tokens = Tokens::of(&post("/auth/login", &login, None));
        assert_eq!(client.sessions(&tokens.access)[0]["device_name"], "a+b%20c", "{kind}");
        let renewed =
            Tokens::of(&post("/auth/refresh", &[("refresh_token", tokens.refresh())], None));
        let new = Person::new().password;
        let change = [("current_password", password.as_str()), ("new_password", &new)];
        post("/auth/password", &change, Some(&renewed.access)).is(204);
        post("/auth/logout", &[("refresh_token", renewed.refresh())], None).is(204);
        client.me(&renewed.access).is_invalid_token();
    }
}

#[test]
fn unknown_fields_are_reported_in_json_and_ignored_in_forms() {
    let server = Setup::new().start();
    let client = server.client();
    let Person { email, password } = client.new_person();
    let fields = [("email", email.as_str()), ("password", &password), ("colour", "blue")];
    for (kind, post) in TYPES {
        let response = post(&client, "/auth/login", &fields, None);
        match kind {
            "json" => response.names_fields(&["colour"]),
            _ => response.is(200),
        }
    }
}

#[test]
fn all_missing_fields_are_reported() {
    let server = Setup::new().start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    for (_, post) in TYPES {
        let post = |path, access| post(&client, path, &[("ignored", "x")][..0], access);
        post("/auth/signup", None).names_fields(&["email", "password"]);
        post("/auth/login", None).names_fields(&["email", "password"]);
        let access = Some(tokens.access.as_str());
        post("/auth/password", access).names_fields(&["current_password", "new_password"]);
    }
    client.post("/auth/refresh").json(&json!({})).send().is_problem(400, "invalid_request");
}

#[test]
fn other_content_types_are_415() {
    let server = Setup::new().start();
    let client = server.client();
    let Person { email, password } = client.new_person();
    let body = json!({ "email": email, "password": password }).to_string();
    let other = [
        "text/plain",
        "application/xml",
        "application/octet-stream",
        "application/jsonx",
        "text/json",
        "application/vnd.api+json",
        "multipart/mixed; boundary=x",
    ];
    for kind in other {
        let response = client.post("/auth/login").body(kind, body.as_bytes()).send();
        assert_eq!(response.status, 415, "{kind}: {}", response.describe());
        response.is_problem(415, "unsupported_media_type");
    }
    for kind in [
        "application/json; charset=utf-8",
        "application/json; charset=utf8",
        "application/json; charset=latin1",
        "Application/JSON",
        "application/json ;x=y",
    ] {
        client.post("/auth/login").body(kind, body.as_bytes()).send().is(200);
    }
    client
        .post("/auth/login")
        .bytes(body.as_bytes())
        .send()
        .is_problem(415, "unsupported_media_type");
}

#[test]
fn a_body_of_16_kib_is_accepted_and_one_byte_more_is_413() {
    const MOST: usize = 16 * 1024;
    let server = Setup::new().start();
    let client = server.client();
    let Person { email, password } = client.new_person();
    let body = json!({ "email": email, "password": password }).to_string();
    let padded = |length: usize| format!("{body}{}", " ".repeat(length - body.len()));
    let post =
        |bytes: &str| client.post("/auth/login").body("application/json", bytes.as_bytes()).send();
    post(&padded(MOST)).is(200);
    post(&padded(MOST + 1)).is_problem(413, "payload_too_large");
    for kind in ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let body = "x".repeat(MOST + 1);
        let response = client.post("/auth/login").body(kind, body.as_bytes()).send();
        response.is_problem(413, "payload_too_large");
    }
}

#[test]
fn a_chunked_body_over_the_limit_is_413() {
    let server = Setup::new().start();
    let head = "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    let request = format!("{head}{}0\r\n\r\n", chunk.repeat(5));
    let response = exchange(server.public(), request.as_bytes()).expect("an response");
    let response = response.checked("POST", "/auth/login");
    response.is_problem(413, "payload_too_large");
    let (person, tokens) = server.client().new_session();
    server.client().me(&tokens.access).is(200);

    let body = json!({ "email": person.email, "password": person.password }).to_string();
    let request = format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    exchange(server.public(), request.as_bytes()).expect("an response").is(200);
}

#[test]
fn an_announced_length_over_the_limit_is_413_before_the_body_arrives() {
    let server = Setup::new().start();
    let request = "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                   Content-Length: 16385\r\n\r\n";
    let response = exchange(server.public(), request.as_bytes()).expect("an response");
    let response = response.checked("POST", "/auth/login");
    response.is_problem(413, "payload_too_large");
}

#[test]
fn an_empty_body_of_any_type_has_no_fields() {
    let server = Setup::new().start();
    let client = server.client();
    let kinds = [
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "multipart/form-data",
    ];
    for kind in kinds {
        let (_, tokens) = client.new_session();
        for path in ["/auth/logout-all", "/auth/logout"] {
            let call = client.post(path).body(kind, b"").bearer(&tokens.access);
            let response = call.send();
            assert!(response.status < 300, "{kind} {path}: {}", response.describe());
        }
        client.post("/auth/login").body(kind, b"").send().names_fields(&["email", "password"]);
    }
    client.post("/auth/logout-all").body("text/plain", b"").send().is(415);
}

#[test]
fn declared_encodings_count_where_they_have_a_meaning() {
    let server = Setup::new().start();
    let client = server.client();
    let Person { email, password } = client.new_person();
    let json = json!({ "email": email, "password": password }).to_string();
    let form =
        format!("email={}&password={}", email.replace('@', "%40"), password.replace(' ', "+"));
    let log_in = |kind: &str, body: &str| {
        let call = client.post("/auth/login").body(kind, body.as_bytes());
        call.header("content-encoding", "identity").send()
    };
    log_in("application/json", &format!("\u{feff}{json}")).is(200);
    for (charset, status) in
        [("utf-8", 200), ("utf8", 200), ("us-ascii", 200), ("ISO-8859-1", 200), ("utf-16", 415)]
    {
        let kind = format!("application/x-www-form-urlencoded; charset={charset}");
        log_in(&kind, &form).is(status);
        let kind = format!("multipart/form-data; boundary=XX; charset={charset}");
        let part = |name: &str, value: &str| {
            format!(
                "--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\
                 Content-Type: text/plain; charset={charset}\r\n\r\n{value}\r\n"
            )
        };
        let body = part("email", &email) + &part("password", &password) + "--XX--\r\n";
        log_in(&kind, &body).is(status);
        log_in("multipart/form-data; boundary=XX", &body).is(status);
    }
    let call = client.post("/auth/login").body("application/json", json.as_bytes());
    call.header("content-encoding", "gzip").send().is_problem(415, "unsupported_media_type");
}
