//! `aquaware store`: migrates and diagnoses the stores.

use std::time::Duration;

use aquaware_core::store::StoreFacts;
use aquaware_core::time::{Clock as _, Timestamp};
use serde_json::{Value as Json, json};

use super::arguments::StoreCommand;
use super::context::Context;
use super::error::CommandError;
use super::progress::Progress;
use super::severity::Severity;
use crate::compose::{self, Facts, StoreReport};
use crate::config::load;
use aquaware_core::time::SystemClock;

/// The maximum difference between the clock of a store and this machine without a warning.
const MAX_CLOCK_DIFFERENCE: Duration = Duration::from_secs(1);

/// Runs the command.
pub(super) fn run(
    command: StoreCommand,
    context: &mut Context<'_, '_>,
) -> Result<(), CommandError> {
    let config = load(context.request)?.config;
    let stores = match command {
        StoreCommand::Migrate => {
            let _progress = Progress::spinner("migrating the stores");
            compose::migrate_stores(&config)
        }
        StoreCommand::Check => {
            let _progress = Progress::spinner("checking the stores and their accounts");
            compose::check_stores(&config)
        }
    };
    let stores =
        stores.map_err(|error| CommandError::Failed(aquaware_core::error_chain(&error)))?;
    let now = SystemClock.now();
    let reports: Vec<Report> = stores.into_iter().map(|store| Report::of(store, now)).collect();
    let text = if context.json {
        let stores: Vec<Json> = reports.iter().map(Report::json).collect();
        format!("{:#}\n", json!({ "stores": stores }))
    } else {
        reports.iter().map(Report::text).collect()
    };
    context.output.bytes(text.as_bytes())?;
    if reports.iter().any(|report| report.has(Severity::Error)) {
        return Err(CommandError::Negative);
    }
    Ok(())
}

/// The findings about one store.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) settings: Vec<&'static str>,
    pub(super) findings: Vec<(Severity, String)>,
}

impl Report {
    pub(super) fn of(store: StoreReport, now: Timestamp) -> Self {
        let mut findings = match store.outcome {
            Ok(None) => {
                vec![(
                    Severity::Warning,
                    "kept in memory, and lost when the server stops".to_owned(),
                )]
            }
            Ok(Some(Facts { facts, write })) => {
                let mut found = findings(&facts, now);
                found.push(match write {
                    Ok(()) => (Severity::Ok, "writable".to_owned()),
                    Err(cause) => (Severity::Error, format!("{cause}; the server needs to write")),
                });
                found
            }
            Err(error) => vec![(Severity::Error, error)],
        };
        findings.extend(shared_mailboxes(store.collisions));
        Self { settings: store.settings, findings }
    }

    fn has(&self, severity: Severity) -> bool {
        self.findings.iter().any(|finding| finding.0 == severity)
    }

    fn text(&self) -> String {
        let lines = self
            .findings
            .iter()
            .map(|(severity, text)| format!("  {:7}  {text}\n", severity.as_str()));
        format!("{}\n{}", self.settings.join(", "), lines.collect::<String>())
    }

    fn json(&self) -> Json {
        let findings = self.findings.iter();
        let findings: Vec<Json> = findings
            .map(|(severity, text)| json!({ "severity": severity.as_str(), "text": text }))
            .collect();
        json!({ "settings": self.settings, "ok": !self.has(Severity::Error), "findings": findings })
    }
}

fn findings(facts: &StoreFacts, now: Timestamp) -> Vec<(Severity, String)> {
    let mut found = vec![(Severity::Ok, format!("{} {}, reachable", facts.engine, facts.version))];
    found.push(match facts.migrated {
        true => (Severity::Ok, "migrated".to_owned()),
        false => (Severity::Error, "not migrated; run `aquaware store migrate`".to_owned()),
    });
    if facts.read_only {
        let text = "read-only (a replica, or a setting), but the server needs to write";
        found.push((Severity::Error, text.to_owned()));
    }
    if facts.encrypted == Some(false) {
        let text = "the connection is not encrypted, which is safe only on one machine";
        found.push((Severity::Warning, text.to_owned()));
    }
    found.extend(facts.durability.iter().map(|setting| {
        let text = format!("{} = {}", setting.name, setting.value);
        match setting.durable {
            true => (Severity::Ok, text),
            false => (Severity::Warning, format!("{text}; a crash may lose acknowledged writes")),
        }
    }));
    if let Some(clock) = facts.clock {
        found.push(clock_difference(clock, now));
    }
    found.push((
        Severity::Ok,
        format!("round trip {:.1} ms", facts.round_trip.as_secs_f64() * 1000.0),
    ));
    found
}

/// Accounts of earlier releases with addresses of one mailbox.
fn shared_mailboxes(groups: Result<Vec<Vec<String>>, String>) -> Vec<(Severity, String)> {
    let warning = |text| (Severity::Warning, text);
    let shared = |group: &Vec<String>| {
        let accounts = group.join(" and ");
        format!("the accounts {accounts} share a mailbox; each logs in with its own spelling")
    };
    match groups {
        Ok(groups) => groups.iter().map(shared).map(warning).collect(),
        Err(error) => vec![warning(format!("failed to compare the accounts: {error}"))],
    }
}

fn clock_difference(clock: Timestamp, now: Timestamp) -> (Severity, String) {
    let millis = clock.millis().abs_diff(now.millis());
    let text = format!("clock differs by {millis} ms");
    if Duration::from_millis(millis) <= MAX_CLOCK_DIFFERENCE {
        (Severity::Ok, text)
    } else {
        (Severity::Warning, format!("{text}; synchronize both clocks, for example with NTP"))
    }
}

#[cfg(test)]
mod tests {
    use aquaware_core::store::Setting;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn facts() -> StoreFacts {
        StoreFacts {
            engine: "PostgreSQL",
            version: "15.18".to_owned(),
            migrated: true,
            read_only: false,
            encrypted: Some(true),
            durability: vec![Setting::new("fsync", "on".to_owned(), &["on"])],
            clock: Some(NOW),
            round_trip: Duration::from_micros(1250),
        }
    }

    fn severities(facts: &StoreFacts) -> Vec<Severity> {
        findings(facts, NOW).into_iter().map(|finding| finding.0).collect()
    }

    #[test]
    fn a_healthy_store_has_no_findings_to_act_on() {
        assert!(severities(&facts()).iter().all(|severity| *severity == Severity::Ok));
    }

    #[test]
    fn unusable_stores_are_errors_and_risky_settings_are_warnings() {
        let wrong = |facts: StoreFacts| severities(&facts).contains(&Severity::Error);
        assert!(wrong(StoreFacts { migrated: false, ..facts() }));
        assert!(wrong(StoreFacts { read_only: true, ..facts() }));
        let warned =
            |facts: StoreFacts| severities(&facts).contains(&Severity::Warning) && !wrong(facts);
        assert!(warned(StoreFacts { encrypted: Some(false), ..facts() }));
        let off = Setting::new("fsync", "off".to_owned(), &["on"]);
        assert!(warned(StoreFacts { durability: vec![off], ..facts() }));
        let groups = Ok(vec![vec!["a (1)".to_owned(), "b (2)".to_owned()]]);
        let found = shared_mailboxes(groups);
        assert_eq!(found.len(), 1);
        assert!(found.iter().all(|(severity, _)| *severity == Severity::Warning), "{found:?}");
        assert!(found.iter().all(|(_, text)| text.contains("a (1) and b (2)")), "{found:?}");
        assert!(shared_mailboxes(Ok(Vec::new())).is_empty());
        assert_eq!(shared_mailboxes(Err("gone".to_owned())).len(), 1);
        let late = Some(NOW.minus(Duration::from_millis(1001)));
        assert!(warned(StoreFacts { clock: late, ..facts() }));
    }
}
