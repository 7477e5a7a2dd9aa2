//! `aquaware guard`: the check itself, and nginx, Caddy and HAProxy with the samples of docs/guard.md.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use aquaware_tests::{Server, Setup, free_address, wait_for};

const WITHIN: Duration = Duration::from_secs(30);
const NAMES: [&str; 5] =
    ["x-auth-issuer", "x-auth-subject", "x-auth-client", "x-auth-scope", "x-auth-session"];

/// A program that is killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn start(command: &mut Command, listens: SocketAddr) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let running = Self(child.expect("the program can be started"));
        wait_for("a listener", WITHIN, || TcpStream::connect(listens).ok());
        running
    }
}

/// A response: its status, and its headers in lower case.
struct Answer {
    status: u16,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.text.lines().take_while(|line| !line.is_empty());
        let mut found = lines.filter_map(|line| line.split_once(':'));
        let value = found.find(|(found, _)| found.eq_ignore_ascii_case(name));
        value.map(|(_, value)| value.trim())
    }

    fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }
}

fn get(to: SocketAddr, target: &str, headers: &[&str]) -> Answer {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(WITHIN)).unwrap();
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let request =
        format!("GET {target} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    Answer { status: status.unwrap_or(0), text }
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

/// An issuer, a guard for it, and the token of a session with the scope `tanks:read`.
struct Guarded {
    server: Server,
    guard: SocketAddr,
    token: String,
    _process: Running,
    _setup: Setup,
}

fn guarded(more: &[&str]) -> Guarded {
    let scopes = "tanks:read,tanks:write";
    let setup = Setup::new().unset("issuer").set("clients.web.scopes", scopes);
    let server = setup.set("clients.web.status", "true").start();
    let issuer = format!("http://{}", server.public());
    let client = server.client();
    let person = client.new_session().0;
    let body = serde_json::json!({
        "email": person.email, "password": person.password, "scope": "tanks:read",
    });
    let response = client.post("/auth/login").json(&body).send();
    let token = response.expect(200).text_of("access_token");
    let guard = free_address();
    let setup = Setup::new();
    let mut command = setup.command();
    command.args(["guard", "--issuer", &issuer, "--audience", &issuer]);
    command.args(["--listen", &guard.to_string()]).args(more);
    let process = Running::start(&mut command, guard);
    Guarded { server, guard, token, _process: process, _setup: setup }
}

#[test]
fn the_guard_answers_with_the_headers_or_a_challenge() {
    let guarded = guarded(&["--realm", "tanks"]);
    let Guarded { server, guard, token, .. } = &guarded;
    let (guard, good) = (*guard, bearer(token));
    for target in ["/check", "/check?scope=tanks:read", "/check/any/path?x=y"] {
        let answer = get(guard, target, &[&good, "X-Auth-Subject: forged"]);
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(answer.header("x-auth-issuer").unwrap(), format!("http://{}", server.public()));
        assert_eq!(answer.header("x-auth-client"), Some("web"));
        assert_eq!(answer.header("x-auth-scope"), Some("tanks:read"));
        assert!(answer.header("x-auth-subject").unwrap().len() > 30);
        assert_eq!(answer.header("x-auth-session").unwrap().len(), 22);
    }
    let invalid = bearer("a.b.c");
    for (target, headers, status, error) in [
        ("/check", vec![], 401, "Bearer realm=\"tanks\""),
        ("/check", vec![&*invalid], 401, "error=\"invalid_token\""),
        ("/check", vec![&*good, &*good], 401, "error=\"invalid_request\""),
        ("/check?access_token=x", vec![&*good], 401, "error=\"invalid_request\""),
        ("/check?scope=tanks:write", vec![&*good], 403, "scope=\"tanks:write\""),
        ("/check?scope=tanks:read&scope=tanks:write", vec![&*good], 403, "insufficient_scope"),
        ("/check?scope=%22", vec![&*good], 403, "insufficient_scope"),
        ("/check", vec![&*good, "X-Required-Scope: tanks:write"], 403, "scope=\"tanks:write\""),
        ("/check?scope=", vec![&*good, "X-Required-Scope: tanks:write"], 403, "insufficient"),
    ] {
        let answer = get(guard, target, &headers);
        assert_eq!(answer.status, status, "{target} {headers:?}");
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.contains(error), "{target} {headers:?}: {challenge}");
        for name in NAMES {
            assert_eq!(answer.header(name), Some(""), "{name} is there, and empty");
        }
    }
    assert_eq!(get(guard, "/", &[&good]).status, 404);
    assert_eq!(get(guard, "/health", &[]).status, 200);
    // A revocation reaches the guard through the status list.
    let client = server.client();
    let all = client.post("/auth/logout-all").bearer(token).send();
    assert!([200, 204].contains(&all.status), "{all:?}");
    let revoked = || (get(guard, "/check", &[&good]).status == 401).then_some(());
    wait_for("the revocation", WITHIN * 2, revoked);
}

#[test]
fn options_of_the_guard_are_checked_before_it_listens() {
    let setup = Setup::new();
    let run = |arguments: &[&str]| setup.run(&[&["guard"], arguments].concat());
    let issuer = ["--issuer", "https://issuer.test", "--audience", "api"];
    let with = |more: &[&str]| run(&[&issuer[..], more].concat());
    run(&[]).is_rejected(2, "--issuer");
    run(&["--issuer", "okta=https://a.test", "--audience", "a"])
        .is_rejected(2, "rfc9068, keycloak");
    with(&["--subject-header", "X-Auth-Client"]).is_rejected(2, "same name");
    with(&["--subject-header", "a b"]).is_rejected(2, "--subject-header");
    with(&["--scope", "\""]).is_rejected(2, "--scope");
    let two = ["--issuer", "https://b.test", "--keys", "keys.json"];
    with(&two).is_rejected(2, "--keys");
    let missing = with(&["--keys", "missing.json", "--listen", "127.0.0.1:0"]);
    missing.is(1);
    assert!(missing.stderr.contains("missing.json"), "{}", missing.stderr);
    let http = ["--issuer", "http://issuer.test", "--audience", "a", "--listen", "127.0.0.1:0"];
    run(&http).is_rejected(1, "not an https URL");
}

/// Answers every request with its head, so that a test sees what the proxy passed on.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = Vec::new();
            let mut buffer = [0; 4096];
            while !head.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
                match stream.read(&mut buffer) {
                    Ok(0) | Err(_) => break,
                    Ok(read) => head.extend_from_slice(&buffer[..read]),
                }
            }
            let length = head.len();
            let answer =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(&[answer.as_bytes(), &head].concat());
        }
    });
    address
}

/// The sample of docs/guard.md in this language, with the addresses of this test.
fn sample(language: &str, proxy: SocketAddr, guard: SocketAddr, service: SocketAddr) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guard.md");
    let page = fs::read_to_string(page).unwrap();
    let start = format!("```{language}\n");
    let (_, rest) = page.split_once(&start).expect("the page has a sample");
    let (sample, _) = rest.split_once("```").unwrap();
    sample
        .replace("127.0.0.1:8080", &proxy.to_string())
        .replace("127.0.0.1:9180", &guard.to_string())
        .replace("127.0.0.1:3000", &service.to_string())
}

/// What every proxy must do with the sample.
fn check_proxy(proxy: SocketAddr, guarded: &Guarded, challenges_403: bool) {
    let Guarded { server, token, .. } = guarded;
    let good = bearer(token);
    let forged: Vec<String> = NAMES.iter().map(|name| format!("{name}: forged")).collect();
    let underscores = NAMES.map(|name| format!("{}: forged", name.replace('-', "_")));
    let mut headers = vec![&*good];
    headers.extend(forged.iter().map(String::as_str));
    headers.extend(underscores.iter().map(String::as_str));
    let answer = get(proxy, "/tanks?x=y", &headers);
    assert_eq!(answer.status, 200, "{}", answer.text);
    let seen = answer.body().to_ascii_lowercase();
    assert!(seen.starts_with("get /tanks?x=y http/1."), "{seen}");
    assert!(seen.contains("\r\nx-auth-client: web\r\n"), "{seen}");
    assert!(seen.contains("\r\nx-auth-scope: tanks:read\r\n"), "{seen}");
    assert!(!seen.contains("forged"), "{seen}");

    // A token without scope and without session: its headers are empty, and not the caller's.
    let missing = get(proxy, "/tanks", &headers[1..]);
    assert_eq!(missing.status, 401);
    assert_eq!(missing.header("www-authenticate"), Some("Bearer realm=\"api\""));
    assert_eq!(get(proxy, "/tanks", &[&bearer("a.b.c")]).status, 401);
    let without = server.client().new_session().1;
    let denied = get(proxy, "/tanks", &[&bearer(&without.access)]);
    assert_eq!(denied.status, 403);
    if challenges_403 {
        assert!(denied.header("www-authenticate").unwrap().contains("insufficient_scope"));
    }
}

#[test]
fn nginx_with_the_sample_passes_only_what_the_guard_says() {
    let guarded = guarded(&[]);
    let proxy = free_address();
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {path}/{name};\n"))
        .concat();
    let sample = sample("nginx", proxy, guarded.guard, echo());
    let config = format!(
        "daemon off;\nmaster_process off;\npid {path}/pid;\nerror_log stderr;\nevents {{}}\n\
         http {{\naccess_log off;\n{temporary}\n{sample}\n}}\n"
    );
    let file = directory.path().join("nginx.conf");
    fs::write(&file, config).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-p").arg(directory.path()).arg("-c").arg(&file).stderr(Stdio::null());
    let _nginx = Running::start(&mut command, proxy);
    check_proxy(proxy, &guarded, false);
}

#[test]
fn caddy_with_the_sample_passes_only_what_the_guard_says() {
    let guarded = guarded(&[]);
    let proxy = free_address();
    let directory = tempfile::TempDir::new().unwrap();
    let sample = sample("caddy", proxy, guarded.guard, echo());
    let file = directory.path().join("Caddyfile");
    fs::write(&file, format!("{{\n\tadmin off\n}}\n{sample}")).unwrap();
    let mut command = Command::new("caddy");
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&file);
    command.env("XDG_DATA_HOME", directory.path()).env("XDG_CONFIG_HOME", directory.path());
    command.stderr(Stdio::null());
    let _caddy = Running::start(&mut command, proxy);
    check_proxy(proxy, &guarded, true);
}

#[test]
fn haproxy_with_the_sample_passes_only_what_the_guard_says() {
    let guarded = guarded(&[]);
    let (proxy, service) = (free_address(), echo());
    let directory = tempfile::TempDir::new().unwrap();
    let script = directory.path().join("guard.lua");
    fs::write(&script, sample("lua", proxy, guarded.guard, service)).unwrap();
    let sample = sample("haproxy", proxy, guarded.guard, service);
    let sample = sample.replace("/etc/haproxy/guard.lua", &script.display().to_string());
    let file = directory.path().join("haproxy.cfg");
    let timeouts = "defaults\n timeout connect 9s\n timeout client 9s\n timeout server 9s\n";
    fs::write(&file, format!("{timeouts}{sample}")).unwrap();
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(&file).stderr(Stdio::null());
    let _haproxy = Running::start(&mut command, proxy);
    check_proxy(proxy, &guarded, true);
}

#[test]
fn a_guard_that_waits_for_its_issuer_answers_503() {
    let nothing = free_address();
    let guard = free_address();
    let setup = Setup::new();
    let mut command = setup.command();
    let issuer = format!("http://{nothing}");
    command.args(["guard", "--issuer", &issuer, "--audience", "a", "--start-without-keys"]);
    command.args(["--listen", &guard.to_string()]);
    let _guard = Running::start(&mut command, guard);
    let answer = get(guard, "/check", &["Authorization: Bearer eyJhbGciOiJFZERTQSJ9.e30.AA"]);
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), Some("10"));
    assert_eq!(get(guard, "/health", &[]).status, 503);
}
