//! The command line as users see it: arguments in, two streams and an exit status out.

use std::path::Path;

use serde_json::Value as Json;

use super::*;

struct Finished {
    status: u8,
    output: String,
    error: String,
}

fn aquaware(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Finished {
    fed(directory, arguments, variables, b"")
}

fn fed(directory: &Path, arguments: &[&str], variables: &[(&str, &str)], stdin: &[u8]) -> Finished {
    let (mut output, mut error) = (Vec::new(), Vec::new());
    let mut input = Input::of_bytes(stdin);
    let arguments = ["aquaware"].iter().chain(arguments).map(OsString::from);
    let environment = variables.iter().copied().collect();
    let mut streams = Output::new(&mut output, &mut error);
    let status = run_with(arguments, environment, directory.to_owned(), &mut input, &mut streams);
    drop(streams);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Finished { status, output: text(output), error: text(error) }
}

fn with_file(content: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("aquaware.toml"), content).unwrap();
    directory
}

#[test]
fn invalid_arguments_exit_with_2_and_help_with_0() {
    let here = with_file("");
    for invalid in
        [&["--colour"][..], &["sing"], &["config"], &["completions", "tcsh"], &["serve", "x"]]
    {
        let finished = aquaware(here.path(), invalid, &[]);
        assert_eq!((finished.status, finished.output.as_str()), (2, ""), "{invalid:?}");
        assert!(!finished.error.is_empty(), "{invalid:?}");
    }
    for valid in
        [&["--help"][..], &["-h"], &["--version"], &["serve", "--help"], &["help", "config"]]
    {
        let finished = aquaware(here.path(), valid, &[]);
        assert_eq!((finished.status, finished.error.as_str()), (0, ""), "{valid:?}");
        assert!(!finished.output.is_empty(), "{valid:?}");
    }
}

#[test]
fn check_reports_success_or_all_errors() {
    let here = with_file("log.level = 'off'");
    let finished = aquaware(here.path(), &["config", "check"], &[]);
    assert_eq!(finished.status, 0, "{}", finished.error);
    assert!(finished.output.contains("aquaware.toml"), "{}", finished.output);

    let here = with_file("log.level = 'loud'\nisuer = ''");
    let finished = aquaware(here.path(), &["config", "check"], &[("AQUAWARE_X", "1")]);
    assert_eq!((finished.status, finished.output.as_str()), (2, ""));
    assert!(
        finished.error.starts_with("aquaware: 3 errors in the configuration\n"),
        "{}",
        finished.error
    );
    assert_eq!(finished.error.lines().count(), 4, "{}", finished.error);
}

#[test]
fn check_prints_json() {
    let here = with_file("log.level = 'loud'");
    let finished = aquaware(here.path(), &["--json", "config", "check"], &[]);
    assert_eq!(finished.status, 2);
    let printed: Json = serde_json::from_str(&finished.error).unwrap();
    assert_eq!(printed["ok"], false);
    assert_eq!(printed["errors"][0]["key"], "log.level");
    assert_eq!(printed["errors"][0]["source"], "aquaware.toml:1");

    let here = with_file("");
    let finished = aquaware(here.path(), &["config", "check", "--json"], &[]);
    assert_eq!(finished.status, 0);
    assert_eq!(serde_json::from_str::<Json>(&finished.output).unwrap()["ok"], true);
}

#[test]
fn show_prints_toml_or_json() {
    let here = with_file("log.level = 'off'");
    let variables = [("AQUAWARE_LISTEN__WORKERS", "2")];
    let finished = aquaware(here.path(), &["config", "show"], &variables);
    assert_eq!(finished.status, 0, "{}", finished.error);
    let workers = "workers = 2 # environment variable AQUAWARE_LISTEN__WORKERS";
    assert!(finished.output.contains(workers), "{}", finished.output);
    let finished = aquaware(here.path(), &["config", "show", "--json"], &variables);
    let shown: Json = serde_json::from_str(&finished.output).unwrap();
    assert_eq!(shown["configuration"]["log"]["level"], "off");
}

#[test]
fn an_invalid_configuration_prevents_the_server_from_starting() {
    let here = with_file("log.level = 'loud'");
    for arguments in [&[][..], &["serve"]] {
        let finished = aquaware(here.path(), arguments, &[]);
        assert_eq!((finished.status, finished.output.as_str()), (2, ""));
        assert!(finished.error.contains("aquaware.toml:1: log.level"), "{}", finished.error);
    }
}

#[test]
fn completions_are_printed_for_every_shell() {
    let here = with_file("not TOML, but never read");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let finished = aquaware(here.path(), &["completions", shell], &[]);
        assert_eq!(finished.status, 0, "{shell}");
        assert!(finished.output.contains("aquaware"), "{shell}");
    }
}
