//! Servers leave nothing behind when their handles are dropped or their process is killed.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aquaware_servers::{Kind, Redis, RedisOptions};

/// Polls until the condition is true.
#[allow(clippy::disallowed_methods, reason = "other processes can only be asked again")]
pub(crate) fn wait_for(what: &str, check: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !check() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The processes with this directory as an argument or working directory, as `id command`.
pub(crate) fn processes_in(directory: &Path) -> Vec<String> {
    let name = directory.to_str().unwrap();
    let Ok(entries) = fs::read_dir("/proc") else { return from_ps(name) };
    let mut found = Vec::new();
    for process in entries.flatten() {
        let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let place = fs::read_link(process.path().join("cwd")).unwrap_or_default();
        if line.contains(name) || place.starts_with(directory) {
            found.push(format!("{} {line}", process.file_name().display()));
        }
    }
    found
}

fn from_ps(name: &str) -> Vec<String> {
    let output = Command::new("ps").args(["-A", "-o", "pid=,args="]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().filter(|line| line.contains(name)).map(str::to_owned).collect()
}

/// Panics unless the directory and all processes in it disappear.
pub(crate) fn assert_nothing_is_left(directory: &Path) {
    wait_for("nothing to be left", || processes_in(directory).is_empty() && !directory.exists());
}

/// Starts `hold-servers` and returns when its servers run.
fn hold(names: &[&str]) -> (Child, Vec<PathBuf>) {
    let mut holder = Command::new(env!("CARGO_BIN_EXE_hold-servers"))
        .args(names)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(holder.stdout.take().unwrap()).lines().map(Result::unwrap);
    let directories: Vec<_> = lines.take_while(|line| line != "ready").map(PathBuf::from).collect();
    assert_eq!(directories.len(), names.len(), "not all of {names:?} started");
    for directory in &directories {
        assert!(!processes_in(directory).is_empty(), "{}", directory.display());
    }
    (holder, directories)
}

#[test]
fn a_killed_holder_leaves_nothing_of_any_kind() {
    let names = Kind::ALL.map(Kind::name);
    let (mut holder, directories) = hold(&names);
    holder.kill().unwrap();
    holder.wait().unwrap();
    for directory in directories {
        assert_nothing_is_left(&directory);
    }
}

#[test]
fn a_killed_holder_leaves_nothing_of_servers_that_hang() {
    let (mut holder, directories) = hold(&["postgres-paused", "redis-paused"]);
    holder.kill().unwrap();
    holder.wait().unwrap();
    for directory in directories {
        assert_nothing_is_left(&directory);
    }
}

#[test]
fn a_holder_that_exits_normally_leaves_nothing() {
    let (mut holder, directories) = hold(&["redis", "postgres"]);
    drop(holder.stdin.take());
    assert!(holder.wait().unwrap().success());
    for directory in directories {
        // The watchdogs may need a moment more than the programs that they watch.
        assert!(!directory.exists(), "{}", directory.display());
        assert_nothing_is_left(&directory);
    }
}

#[test]
fn a_panicking_test_leaves_nothing() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let result = std::thread::spawn(move || {
        let redis = Redis::start(RedisOptions::default()).unwrap();
        sender.send(redis.directory().to_owned()).unwrap();
        panic!("on purpose");
    })
    .join();
    assert!(result.is_err());
    let directory = receiver.recv().unwrap();
    assert!(!directory.exists());
    assert_nothing_is_left(&directory);
}
