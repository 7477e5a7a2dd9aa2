//! `aquaware doctor`: checks everything that a server needs, and prints what to do, the most urgent
//! first.
//!
//! The checks are those of other commands and of the server; here they are only run and sorted. They run
//! at the same time, each on a thread with a deadline, so one that hangs costs no other.

mod keys;
mod listeners;
mod outside;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use aquaware_core::error_chain;
use aquaware_core::time::{Clock as _, SystemClock};
use serde_json::{Value as Json, json};

use super::context::Context;
use super::error::CommandError;
use super::severity::Severity;
use super::store::Report;
use super::table::Table;
use crate::compose::probe_stores;
use crate::config::{Config, load};

/// How long all checks together may take. Opening a store that does not answer takes a few times its
/// timeout, which is two seconds by default.
const DEADLINE: Duration = Duration::from_secs(25);

/// What one check found out. The text names the remedy.
#[derive(Debug)]
struct Finding {
    severity: Severity,
    /// The setting or the subject.
    about: String,
    text: String,
}

impl Finding {
    fn new(severity: Severity, about: impl Into<String>, text: impl Into<String>) -> Self {
        Self { severity, about: about.into(), text: text.into() }
    }

    fn ok(about: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Severity::Ok, about, text)
    }

    fn warning(about: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Severity::Warning, about, text)
    }

    fn error(about: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Severity::Error, about, text)
    }
}

/// Runs the command.
///
/// # Errors
/// Something is urgent, or the result cannot be written.
pub(super) fn run(context: &mut Context<'_, '_>) -> Result<(), CommandError> {
    let mut findings = match load(context.request) {
        Ok(loaded) => {
            let warnings = loaded.warnings.iter();
            let mut found: Vec<Finding> =
                warnings.map(|it| Finding::warning("configuration", it.to_string())).collect();
            found.push(Finding::ok("configuration", "valid"));
            found.extend(all(&CHECKS, &Arc::new(loaded.config), DEADLINE));
            found
        }
        // Without a configuration there is nothing to check.
        Err(problems) => vec![Finding::error("configuration", problems.to_string())],
    };
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    context.print(&as_json(&findings), &as_text(&findings))?;
    if has_error(&findings) { Err(CommandError::Negative) } else { Ok(()) }
}

fn has_error(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}

type Check = fn(&Config) -> Vec<Finding>;

const CHECKS: [(&str, Check); 5] = [
    ("stores", stores),
    ("keys.directory", keys::check),
    ("listen", listeners::check),
    ("file descriptors", listeners::check_descriptors),
    ("outgoing connections", outside::check),
];

/// The findings of these checks, in their order.
fn all(checks: &[(&'static str, Check)], config: &Arc<Config>, deadline: Duration) -> Vec<Finding> {
    let end = Instant::now() + deadline;
    let running: Vec<_> = checks
        .iter()
        .map(|&(about, check)| {
            let (done, result) = mpsc::channel();
            let config = Arc::clone(config);
            let work = move || {
                let _ = done.send(catch_unwind(AssertUnwindSafe(|| check(&config))));
            };
            let started = thread::Builder::new().name("doctor".to_owned()).spawn(work);
            (about, started.map(|_| result))
        })
        .collect();
    let finish = |(about, result): (&str, std::io::Result<mpsc::Receiver<_>>)| {
        let left = end.saturating_duration_since(Instant::now());
        match result.map(|result| result.recv_timeout(left)) {
            Ok(Ok(Ok(findings))) => findings,
            Ok(Ok(Err(_))) => vec![Finding::error(about, "the check panicked; this is a bug")],
            Ok(Err(_)) => {
                let text = format!("the check did not end within {} s", deadline.as_secs());
                vec![Finding::error(about, text)]
            }
            Err(error) => vec![Finding::error(about, error.to_string())],
        }
    };
    running.into_iter().flat_map(finish).collect()
}

/// What `aquaware store check` reports, except for the accounts, of which there may be many.
fn stores(config: &Config) -> Vec<Finding> {
    let reports = match probe_stores(config) {
        Ok(reports) => reports,
        Err(error) => return vec![Finding::error("stores", error_chain(&error))],
    };
    let of_store = |store| {
        let Report { settings, findings } = Report::of(store, SystemClock.now());
        let about = settings.join(", ");
        findings.into_iter().map(move |(severity, text)| Finding::new(severity, &*about, text))
    };
    reports.into_iter().flat_map(of_store).collect()
}

fn as_json(findings: &[Finding]) -> Json {
    let listed: Vec<Json> = findings
        .iter()
        .map(|finding| {
            json!({
                "severity": finding.severity.as_str(),
                "about": finding.about,
                "text": finding.text,
            })
        })
        .collect();
    json!({ "ok": !has_error(findings), "findings": listed })
}

fn as_text(findings: &[Finding]) -> String {
    let mut table = Table::plain();
    for Finding { severity, about, text } in findings {
        // Errors in a configuration have a line each.
        for (number, line) in text.lines().enumerate() {
            let first = |text: &str| if number == 0 { text.to_owned() } else { String::new() };
            table.row([first(severity.as_str()), first(about), line.to_owned()]);
        }
    }
    let of = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let summary = match (of(Severity::Error), of(Severity::Warning)) {
        (0, 0) => "nothing to do".to_owned(),
        (0, warnings) => format!("nothing urgent; warnings: {warnings}"),
        (errors, warnings) => format!("to do now: {errors}; warnings: {warnings}"),
    };
    format!("{}{summary}\n", table.text(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Request};

    fn config(directory: &std::path::Path) -> Arc<Config> {
        let variables = [
            ("AQUAWARE_LISTEN__PUBLIC", "127.0.0.1:0"),
            ("AQUAWARE_LISTEN__MANAGEMENT", "[::1]:0"),
        ];
        let environment: Environment = variables.into_iter().collect();
        let request = Request { file: None, environment, directory: directory.to_owned() };
        Arc::new(load(&request).unwrap().config)
    }

    #[test]
    fn urgent_findings_come_first_and_decide_the_status() {
        let mut findings = vec![
            Finding::ok("a", "fine"),
            Finding::error("b", "broken; do this\nand that"),
            Finding::warning("c", "odd"),
        ];
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        assert_eq!(
            as_text(&findings),
            "error    b  broken; do this\n            and that\nwarning  c  odd\nok       a  fine\n\
             to do now: 1; warnings: 1\n"
        );
        assert_eq!(as_json(&findings)["ok"], false);
        assert_eq!(as_json(&findings[1..])["ok"], true);
        assert_eq!(as_json(&findings)["findings"][0]["about"], "b");
    }

    #[test]
    fn a_check_that_does_not_end_is_a_finding() {
        let directory = tempfile::tempdir().unwrap();
        let hangs: Check = |_| {
            loop {
                thread::park();
            }
        };
        let found = all(&[("a", hangs)], &config(directory.path()), Duration::from_millis(20));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((&*found[0].about, found[0].severity), ("a", Severity::Error));
        assert!(found[0].text.contains("did not end"), "{found:?}");
    }

    #[test]
    fn every_check_reports_something_and_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let findings = all(&CHECKS, &config(directory.path()), DEADLINE);
        for about in ["store.sessions", "keys.directory", "listen.public", "file descriptors"] {
            assert!(findings.iter().any(|it| it.about.starts_with(about)), "{about}: {findings:?}");
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
