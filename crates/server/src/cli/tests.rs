//! The command line as its users see it: arguments in, two streams and an exit status out.

use std::path::Path;

use serde_json::Value as Json;

use super::*;

struct Answer {
    status: u8,
    output: String,
    error: String,
}

fn aquaware(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Answer {
    fed(directory, arguments, variables, b"")
}

fn fed(directory: &Path, arguments: &[&str], variables: &[(&str, &str)], stdin: &[u8]) -> Answer {
    let (mut output, mut error) = (Vec::new(), Vec::new());
    let mut input = Input::of_bytes(stdin);
    let arguments = ["aquaware"].iter().chain(arguments).map(OsString::from);
    let environment = variables.iter().copied().collect();
    let mut streams = Output::new(&mut output, &mut error);
    let status = run_with(arguments, environment, directory.to_owned(), &mut input, &mut streams);
    drop(streams);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Answer { status, output: text(output), error: text(error) }
}

fn with_file(content: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("aquaware.toml"), content).unwrap();
    directory
}

#[test]
fn wrong_use_is_status_2_and_help_is_an_answer() {
    let here = with_file("");
    for wrong in
        [&["--colour"][..], &["sing"], &["config"], &["completions", "tcsh"], &["serve", "x"]]
    {
        let answer = aquaware(here.path(), wrong, &[]);
        assert_eq!((answer.status, answer.output.as_str()), (2, ""), "{wrong:?}");
        assert!(!answer.error.is_empty(), "{wrong:?}");
    }
    for good in
        [&["--help"][..], &["-h"], &["--version"], &["serve", "--help"], &["help", "config"]]
    {
        let answer = aquaware(here.path(), good, &[]);
        assert_eq!((answer.status, answer.error.as_str()), (0, ""), "{good:?}");
        assert!(!answer.output.is_empty(), "{good:?}");
    }
}

#[test]
fn check_says_that_all_is_good_or_all_that_is_wrong() {
    let here = with_file("log.level = 'off'");
    let answer = aquaware(here.path(), &["config", "check"], &[]);
    assert_eq!(answer.status, 0, "{}", answer.error);
    assert!(answer.output.contains("aquaware.toml"), "{}", answer.output);

    let here = with_file("log.level = 'loud'\nisuer = ''");
    let answer = aquaware(here.path(), &["config", "check"], &[("AQUAWARE_X", "1")]);
    assert_eq!((answer.status, answer.output.as_str()), (2, ""));
    assert!(
        answer.error.starts_with("aquaware: 3 errors in the configuration\n"),
        "{}",
        answer.error
    );
    assert_eq!(answer.error.lines().count(), 4, "{}", answer.error);
}

#[test]
fn check_speaks_json() {
    let here = with_file("log.level = 'loud'");
    let answer = aquaware(here.path(), &["--json", "config", "check"], &[]);
    assert_eq!(answer.status, 2);
    let told: Json = serde_json::from_str(&answer.error).unwrap();
    assert_eq!(told["ok"], false);
    assert_eq!(told["errors"][0]["key"], "log.level");
    assert_eq!(told["errors"][0]["source"], "aquaware.toml:1");

    let here = with_file("");
    let answer = aquaware(here.path(), &["config", "check", "--json"], &[]);
    assert_eq!(answer.status, 0);
    assert_eq!(serde_json::from_str::<Json>(&answer.output).unwrap()["ok"], true);
}

#[test]
fn show_prints_toml_or_json() {
    let here = with_file("log.level = 'off'");
    let variables = [("AQUAWARE_LISTEN__WORKERS", "2")];
    let answer = aquaware(here.path(), &["config", "show"], &variables);
    assert_eq!(answer.status, 0, "{}", answer.error);
    let workers = "workers = 2 # environment variable AQUAWARE_LISTEN__WORKERS";
    assert!(answer.output.contains(workers), "{}", answer.output);
    let answer = aquaware(here.path(), &["config", "show", "--json"], &variables);
    let shown: Json = serde_json::from_str(&answer.output).unwrap();
    assert_eq!(shown["configuration"]["log"]["level"], "off");
}

#[test]
fn a_wrong_configuration_stops_the_server_before_it_starts() {
    let here = with_file("log.level = 'loud'");
    for arguments in [&[][..], &["serve"]] {
        let answer = aquaware(here.path(), arguments, &[]);
        assert_eq!((answer.status, answer.output.as_str()), (2, ""));
        assert!(answer.error.contains("aquaware.toml:1: log.level"), "{}", answer.error);
    }
}

#[test]
fn completions_are_printed_for_every_shell() {
    let here = with_file("isn't TOML, but nobody asks");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let answer = aquaware(here.path(), &["completions", shell], &[]);
        assert_eq!(answer.status, 0, "{shell}");
        assert!(answer.output.contains("aquaware"), "{shell}");
    }
}
