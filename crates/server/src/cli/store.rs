//! `aquaware store`: bringing the stores up to date, and telling what is wrong with them.

use std::time::Duration;

use aquaware_core::store::StoreFacts;
use aquaware_core::time::{Clock as _, Timestamp};
use serde_json::{Value as Json, json};

use super::CommandError;
use super::arguments::StoreCommand;
use super::dialogue::Dialogue;
use crate::compose::{self, StoreLook};
use crate::config::load;
use aquaware_core::time::SystemClock;

/// How far the clock of a store's host may be from this machine's before it is worth a word.
const CLOCK_DIFFERENCE: Duration = Duration::from_secs(1);

/// Runs one of them.
pub(super) fn run(
    command: StoreCommand,
    dialogue: &mut Dialogue<'_, '_>,
) -> Result<(), CommandError> {
    let config = load(dialogue.request)?.config;
    let looks = match command {
        StoreCommand::Migrate => compose::migrate_stores(&config),
        StoreCommand::Check => compose::look_at_stores(&config),
    };
    let looks = looks.map_err(|error| CommandError::Failed(crate::causes::chain(&error)))?;
    let now = SystemClock.now();
    let reports: Vec<Report> = looks.into_iter().map(|look| Report::of(look, now)).collect();
    let text = if dialogue.json {
        let stores: Vec<Json> = reports.iter().map(Report::json).collect();
        format!("{:#}\n", json!({ "stores": stores }))
    } else {
        reports.iter().map(Report::text).collect()
    };
    dialogue.output.bytes(text.as_bytes())?;
    if reports.iter().any(|report| report.has(Weight::Wrong)) {
        return Err(CommandError::Told);
    }
    Ok(())
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    Good,
    Warning,
    Wrong,
}

impl Weight {
    const fn word(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warning => "warning",
            Self::Wrong => "wrong",
        }
    }
}

/// What was found out about one store.
#[derive(Debug)]
struct Report {
    settings: Vec<&'static str>,
    findings: Vec<(Weight, String)>,
}

impl Report {
    fn of(look: StoreLook, now: Timestamp) -> Self {
        let findings = match look.outcome {
            Ok(None) => {
                vec![(Weight::Warning, "kept in memory: gone when the server ends".to_owned())]
            }
            Ok(Some(facts)) => findings(&facts, now),
            Err(told) => vec![(Weight::Wrong, told)],
        };
        Self { settings: look.settings, findings }
    }

    fn has(&self, weight: Weight) -> bool {
        self.findings.iter().any(|finding| finding.0 == weight)
    }

    fn text(&self) -> String {
        let lines =
            self.findings.iter().map(|(weight, told)| format!("  {:7}  {told}\n", weight.word()));
        format!("{}\n{}", self.settings.join(", "), lines.collect::<String>())
    }

    fn json(&self) -> Json {
        let findings = self.findings.iter();
        let findings: Vec<Json> = findings
            .map(|(weight, told)| json!({ "weight": weight.word(), "text": told }))
            .collect();
        json!({ "settings": self.settings, "ok": !self.has(Weight::Wrong), "findings": findings })
    }
}

fn findings(facts: &StoreFacts, now: Timestamp) -> Vec<(Weight, String)> {
    let mut found = vec![(Weight::Good, format!("{} {}, reachable", facts.engine, facts.version))];
    found.push(match facts.migrated {
        true => (Weight::Good, "migrated".to_owned()),
        false => (Weight::Wrong, "not migrated: run `aquaware store migrate`".to_owned()),
    });
    if facts.read_only {
        let told = "read-only: a replica, or a setting; the server needs one that takes writes";
        found.push((Weight::Wrong, told.to_owned()));
    }
    if facts.encrypted == Some(false) {
        let told = "the connection is not encrypted: fine on one machine, not over a network";
        found.push((Weight::Warning, told.to_owned()));
    }
    found.extend(facts.durability.iter().map(|setting| {
        let told = format!("{} = {}", setting.name, setting.value);
        match setting.durable {
            true => (Weight::Good, told),
            false => (Weight::Warning, format!("{told}: a crash may lose what was acknowledged")),
        }
    }));
    if let Some(clock) = facts.clock {
        found.push(clock_difference(clock, now));
    }
    found.push((
        Weight::Good,
        format!("round trip {:.1} ms", facts.round_trip.as_secs_f64() * 1000.0),
    ));
    found
}

fn clock_difference(clock: Timestamp, now: Timestamp) -> (Weight, String) {
    let millis = clock.millis().abs_diff(now.millis());
    let told = format!("clock {millis} ms from this machine's");
    if Duration::from_millis(millis) <= CLOCK_DIFFERENCE {
        (Weight::Good, told)
    } else {
        (Weight::Warning, format!("{told}: keep both in step, by NTP say"))
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

    fn weights(facts: &StoreFacts) -> Vec<Weight> {
        findings(facts, NOW).into_iter().map(|finding| finding.0).collect()
    }

    #[test]
    fn a_good_store_is_good_in_every_way() {
        assert!(weights(&facts()).iter().all(|weight| *weight == Weight::Good));
    }

    #[test]
    fn what_keeps_a_server_from_working_is_wrong_and_the_unwise_a_warning() {
        let wrong = |facts: StoreFacts| weights(&facts).contains(&Weight::Wrong);
        assert!(wrong(StoreFacts { migrated: false, ..facts() }));
        assert!(wrong(StoreFacts { read_only: true, ..facts() }));
        let warned =
            |facts: StoreFacts| weights(&facts).contains(&Weight::Warning) && !wrong(facts);
        assert!(warned(StoreFacts { encrypted: Some(false), ..facts() }));
        let off = Setting::new("fsync", "off".to_owned(), &["on"]);
        assert!(warned(StoreFacts { durability: vec![off], ..facts() }));
        let late = Some(NOW.minus(Duration::from_millis(1001)));
        assert!(warned(StoreFacts { clock: late, ..facts() }));
    }
}
