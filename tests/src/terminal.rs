//! A program at a terminal, which `script` (util-linux) provides; the test types the answers.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::program::{Outcome, wait};
use crate::time::wait_for;

/// How long the program may take for one step.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `command` at a terminal and types each answer when its question appears, in this order. The
/// answer to a question for a password is typed once the terminal does not show it.
pub(crate) fn run(command: &Command, answers: &[(&str, &str)]) -> (Outcome, String) {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<String> = words.map(|word| quoted(&word.to_string_lossy())).collect();
    let mut script = Command::new("script");
    let _ = script
        .args(["--quiet", "--return", "--command"])
        .arg(format!("tty; exec {}", words.join(" ")))
        .arg("/dev/null")
        .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    for (name, _) in command.get_envs().filter(|(_, value)| value.is_none()) {
        let _ = script.env_remove(name);
    }
    if let Some(directory) = command.get_current_dir() {
        let _ = script.current_dir(directory);
    }
    let mut child = script.spawn().expect("util-linux has script");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut stream = child.stdout.take().expect("it is a pipe");
    let reader = std::thread::spawn({
        let seen = Arc::clone(&seen);
        move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                lock(&seen).extend_from_slice(&buffer[..read]);
            }
        }
    });
    let mut stdin = child.stdin.take().expect("it is a pipe");
    let text = || String::from_utf8_lossy(&lock(&seen)).into_owned();
    // The first line is that of `tty`.
    let (device, start) = wait_for("the terminal", PATIENCE, || {
        text().split_once('\n').map(|(line, _)| (line.trim_end().to_owned(), line.len() + 1))
    });
    let mut past = start;
    for (question, answer) in answers {
        past = wait_for(question, PATIENCE, || {
            text().get(past..)?.find(question).map(|place| past + place + question.len())
        });
        if question.contains("password") {
            wait_for("a terminal without echo", PATIENCE, || (!echoes(&device)).then_some(()));
        }
        stdin.write_all(format!("{answer}\n").as_bytes()).expect("it listens");
    }
    let outcome = wait(&mut child, PATIENCE);
    drop(stdin);
    reader.join().expect("what it shows can be read");
    (outcome, text()[start..].to_owned())
}

/// Whether the terminal shows what is typed.
fn echoes(device: &str) -> bool {
    let settings = Command::new("stty").args(["-a", "-F", device]).output();
    let settings = settings.expect("coreutils has stty");
    !String::from_utf8_lossy(&settings.stdout).split_whitespace().any(|word| word == "-echo")
}

fn lock(seen: &Mutex<Vec<u8>>) -> std::sync::MutexGuard<'_, Vec<u8>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Quotes a word for a shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
