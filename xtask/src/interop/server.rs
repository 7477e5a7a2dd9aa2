//! A throwaway server for one script: the built program on loopback ports, in a directory that is
//! removed with it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aquaware_servers::Port;
use serde_json::Value;
use tempfile::TempDir;

use crate::cargo;
use crate::error::TaskError;

const CONFIGURATION: &str = "aquaware.toml";
const LOG: &str = "log";
/// Signs the messages of the webhook; nothing else uses it.
const WEBHOOK_SECRET: &str = "whsec_dGhlIHdlYmhvb2sgb2YgdGhlIGludGVyb3AgdGVzdHM=";
/// How many lines of the log are printed after a failure.
const SHOWN: usize = 20;
const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// An environment variable: its name and its value.
type Variable = (OsString, OsString);

/// A running server. It is killed when dropped.
#[derive(Debug)]
pub(super) struct Server {
    program: PathBuf,
    directory: TempDir,
    algorithm: &'static str,
    secret: String,
    child: Child,
    public: Port,
    management: Port,
    /// Where the webhook is sent: a script may listen there.
    webhook: Port,
}

impl Server {
    /// Starts a server that signs access tokens with `algorithm`, and waits until it is ready.
    ///
    /// # Errors
    /// The program does not start.
    pub(super) fn start(program: &Path, algorithm: &'static str) -> Result<Self, TaskError> {
        let directory = TempDir::new().map_err(TaskError::io("cannot create a directory"))?;
        let (public, management, webhook) = (port()?, port()?, port()?);
        let (secret, hash) = client_secret(program, directory.path())?;
        let [one, two, three] = [&public, &management, &webhook].map(Port::address);
        let text = configuration(one, two, three, algorithm, &hash);
        let path = directory.path().join(CONFIGURATION);
        fs::write(path, text).map_err(TaskError::io("cannot write a configuration"))?;
        let child =
            spawn(program, directory.path()).map_err(TaskError::io("cannot start the program"))?;
        let program = program.to_owned();
        let mut server =
            Self { program, directory, algorithm, secret, child, public, management, webhook };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Passes a script the address and the secrets of this server, and keeps it from inheriting the
    /// settings of another server from `outside`.
    pub(super) fn describe_to(
        &self,
        script: &mut Command,
        outside: impl IntoIterator<Item = Variable>,
    ) {
        without_settings(script, outside).envs(self.variables());
    }

    fn variables(&self) -> [(&'static str, OsString); 10] {
        [
            ("INTEROP_ISSUER", issuer(self.public.address()).into()),
            ("INTEROP_ALGORITHM", self.algorithm.into()),
            ("INTEROP_SECRET", self.secret.clone().into()),
            ("INTEROP_PROGRAM", self.program.clone().into()),
            ("INTEROP_DIRECTORY", self.directory.path().into()),
            ("INTEROP_PROCESS", self.child.id().to_string().into()),
            ("INTEROP_WEBHOOK_PORT", self.webhook.address().port().to_string().into()),
            ("INTEROP_WEBHOOK_SECRET", WEBHOOK_SECRET.into()),
            // Loopback addresses must not be reached through the machine's proxy. Some clients read
            // only the one spelling, and some only the other.
            ("NO_PROXY", "127.0.0.1".into()),
            ("no_proxy", "127.0.0.1".into()),
        ]
    }

    /// The last lines of its log.
    pub(super) fn log(&self) -> String {
        let log = fs::read_to_string(self.directory.path().join(LOG)).unwrap_or_default();
        last_lines(&log)
    }

    fn wait_until_ready(&mut self) -> Result<(), TaskError> {
        let end = Instant::now() + STARTS_WITHIN;
        while !is_ready(self.management.address()) {
            let ended = self.child.try_wait().map_err(TaskError::io("cannot wait for it"))?;
            if ended.is_some() || Instant::now() > end {
                let why = format!("the server did not start\n{}", self.log());
                return Err(TaskError::Message(why));
            }
            pause();
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail if it has already ended, which its script will have noticed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn port() -> Result<Port, TaskError> {
    Port::claim().map_err(|error| TaskError::Message(format!("{error:?}")))
}

/// The program in this directory, without settings from the environment.
fn command(program: &Path, directory: &Path) -> Command {
    let mut command = Command::new(program);
    without_settings(&mut command, std::env::vars_os());
    command.current_dir(directory).stdin(Stdio::null());
    command
}

/// Removes the program's settings from the command's environment: a script that runs
/// `aquaware keys rotate` would otherwise rotate the keys of another server.
fn without_settings(
    command: &mut Command,
    outside: impl IntoIterator<Item = Variable>,
) -> &mut Command {
    for (name, _) in outside {
        if name.to_string_lossy().to_ascii_uppercase().starts_with("AQUAWARE_") {
            command.env_remove(name);
        }
    }
    command
}

fn spawn(program: &Path, directory: &Path) -> io::Result<Child> {
    let log = File::create(directory.join(LOG))?;
    command(program, directory).stdout(log.try_clone()?).stderr(log).spawn()
}

/// A secret of a confidential client and its hash, created as an operator would.
fn client_secret(program: &Path, directory: &Path) -> Result<(String, String), TaskError> {
    let mut command = command(program, directory);
    let text = cargo::output(command.args(["clients", "secret", "--json"]))?;
    let made: Option<Value> = serde_json::from_str(&text).ok();
    let part = |name| made.as_ref()?.get(name)?.as_str().map(str::to_owned);
    part("secret")
        .zip(part("secret_hash"))
        .ok_or_else(|| TaskError::Message("`aquaware clients secret` printed no secret".into()))
}

fn issuer(public: SocketAddr) -> String {
    format!("http://{public}")
}

/// Clients of every kind. Requests are not limited, and hashing is cheap.
fn configuration(
    public: SocketAddr,
    management: SocketAddr,
    webhook: SocketAddr,
    algorithm: &str,
    secret_hash: &str,
) -> String {
    let issuer = issuer(public);
    format!(
        r#"issuer = "{issuer}"

[listen]
public = "{public}"
management = "{management}"

[keys]
algorithm = "{algorithm}"

[accounts.argon2]
memory_kib = 64
iterations = 1

[limits]
login_per_address = "unlimited"
signup_per_address = "unlimited"
refresh_per_session = "unlimited"

[compat.simplejwt]
enabled = true
signing_key = "interop-signing-key-of-django-0123456789"
until = "2099-12-31"
[webhook]
url = "http://{webhook}/"
secret = "{WEBHOOK_SECRET}"

[clients.web]

[clients.watched]
status = true

[clients.hasty]
access_lifetime = "3s"

[clients.strict]
retry_window = "0s"

[clients.shop]
secret_hash = "{secret_hash}"
grants = ["password", "refresh_token", "client_credentials"]
scopes = ["feed", "read"]
audience = ["https://tank.example"]

[clients.hasty-shop]
secret_hash = "{secret_hash}"
grants = ["password", "refresh_token", "client_credentials"]
access_lifetime = "3s"
"#
    )
}

/// Whether the management listener reports that the server is ready.
fn is_ready(management: SocketAddr) -> bool {
    let request = || -> io::Result<String> {
        let mut stream = TcpStream::connect(management)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let request = format!(
            "GET /health/ready HTTP/1.1\r\nHost: {management}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    request().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}

fn last_lines(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    let (_, last) = lines.split_at(lines.len().saturating_sub(SHOWN));
    last.join("\n")
}

fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn a_script_gets_only_the_settings_of_its_server_and_no_proxy() {
        let server = Server {
            program: "aquaware".into(),
            directory: TempDir::new().unwrap(),
            algorithm: "EdDSA",
            secret: "s".into(),
            child: Command::new("true").spawn().unwrap(),
            public: port().unwrap(),
            management: port().unwrap(),
            webhook: port().unwrap(),
        };
        let outside = ["AQUAWARE_CONFIG", "aquaware_keys__directory", "PATH", "no_proxy"];
        let mut script = Command::new("script");
        server.describe_to(&mut script, outside.map(|name| (name.into(), "elsewhere".into())));
        let variables: HashMap<_, _> = script.get_envs().collect();
        let variable = |name| variables.get(OsStr::new(name)).copied();
        for setting in ["AQUAWARE_CONFIG", "aquaware_keys__directory"] {
            assert_eq!(variable(setting), Some(None), "{setting} is not inherited");
        }
        assert_eq!(variable("PATH"), None, "other variables are inherited");
        for name in ["NO_PROXY", "no_proxy"] {
            assert_eq!(variable(name), Some(Some(OsStr::new("127.0.0.1"))), "{name}");
        }
        let issuer = issuer(server.public.address());
        assert_eq!(variable("INTEROP_ISSUER"), Some(Some(OsStr::new(&issuer))));
    }

    #[test]
    fn the_issuer_is_the_address_of_the_public_listener() {
        let [public, management, webhook] =
            ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"].map(|it| it.parse().unwrap());
        let text = configuration(public, management, webhook, "ES256", "$argon2id$x");
        assert!(text.starts_with("issuer = \"http://127.0.0.1:1\"\n"), "{text}");
        for line in ["public = \"127.0.0.1:1\"", "management = \"127.0.0.1:2\"", "\"ES256\""] {
            assert!(text.contains(line), "{text}");
        }
        assert_eq!(text.matches("secret_hash = \"$argon2id$x\"").count(), 2);
    }

    #[test]
    fn only_the_last_lines_are_shown() {
        assert_eq!(last_lines("a\nb\n"), "a\nb");
        let long: String = (0..=SHOWN).map(|number| format!("{number}\n")).collect();
        assert_eq!(last_lines(&long).lines().next(), Some("1"));
    }

    #[test]
    fn a_server_is_ready_when_it_answers_200() {
        for (status, expected) in [("200 OK", true), ("503 Service Unavailable", false)] {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let answering = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 512];
                let _ = stream.read(&mut request).unwrap();
                write!(stream, "HTTP/1.1 {status}\r\n\r\n").unwrap();
            });
            assert_eq!(is_ready(address), expected, "{status}");
            answering.join().unwrap();
            assert!(!is_ready(address), "the listener is closed");
        }
    }
}
