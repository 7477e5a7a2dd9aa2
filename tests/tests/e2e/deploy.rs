//! The files in `deploy/` fit the program: the metrics they name, and the settings they set.

use std::collections::{BTreeMap, BTreeSet};

use aquaware_tests::{Client, Server, Setup};
use serde_json::Value;

const ALERTS: &str = include_str!("../../../deploy/prometheus/alerts.yml");
const DASHBOARD: &str = include_str!("../../../deploy/grafana/aquaware.json");

/// The metrics of a server that has been used, with the names of their labels.
fn metrics(server: &Server) -> BTreeMap<String, BTreeSet<String>> {
    let (_, tokens) = server.client().new_session();
    let _ = server.client().refreshed(tokens.refresh(), None);
    let text = Client::of(server.management()).get("/metrics").send().expect(200).text().to_owned();
    let mut metrics: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().expect("a name");
        let labels = line.split_once('{').map_or("", |(_, rest)| rest);
        let labels = labels.split("\",").filter_map(|pair| pair.split_once("=\""));
        metrics.entry(name.to_owned()).or_default().extend(labels.map(|it| it.0.to_owned()));
    }
    metrics
}

/// The expressions of the alerts, which continue on more indented lines.
fn alert_expressions() -> Vec<String> {
    let mut expressions = Vec::new();
    for rule in ALERTS.split("- alert:").skip(1) {
        let (_, rest) = rule.split_once("expr:").expect("an expression");
        let end = rest.find("\n        for:").or(rest.find("\n        labels:"));
        expressions.push(rest[..end.expect("labels")].trim_start_matches([' ', '|']).to_owned());
    }
    expressions
}

fn dashboard_expressions() -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("expr").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| collect(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(&serde_json::from_str(DASHBOARD).expect("JSON"), &mut found);
    found
}

/// The words of an expression outside its texts, in order.
fn words(expression: &str) -> Vec<String> {
    let outside: String = expression.split('"').step_by(2).collect::<Vec<_>>().join("\"");
    let words = outside.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The names in `keyword (…)` and before the operators of `{…}`.
fn labels(expression: &str) -> BTreeSet<String> {
    let grouped = expression.split("by (").skip(1).filter_map(|rest| rest.split(')').next());
    let grouped = grouped.flat_map(|list| list.split(',')).map(str::trim);
    let matched = expression.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let matched = matched.flat_map(|list| list.split(", "));
    let matched = matched.filter_map(|pair| pair.split(['=', '!']).next());
    grouped.chain(matched).map(str::to_owned).collect()
}

#[test]
fn every_expression_of_alerts_and_dashboard_names_metrics_of_the_server() {
    let server = Setup::new().start();
    let known = metrics(&server);
    let expressions: Vec<_> =
        alert_expressions().into_iter().chain(dashboard_expressions()).collect();
    assert!(expressions.len() > 30, "{}", expressions.len());
    for expression in &expressions {
        let words = words(expression);
        let named =
            words.iter().filter(|it| it.starts_with("aquaware_") || it.starts_with("process_"));
        let named: BTreeSet<_> = named.collect();
        assert!(!named.is_empty() || words.contains(&"up".to_owned()), "{expression}");
        // Prometheus adds these labels itself; `le` belongs to histograms.
        let mut allowed: BTreeSet<String> = ["job", "instance"].map(str::to_owned).into();
        for name in named {
            let labels = known.get(name);
            allowed.extend(
                labels.unwrap_or_else(|| panic!("no {name} in /metrics: {expression}")).clone(),
            );
        }
        for label in labels(expression) {
            assert!(allowed.contains(&label), "no label {label}: {expression}");
        }
    }
}

#[test]
fn outcomes_verdicts_and_phases_in_expressions_exist() {
    let server = Setup::new().start();
    let text = Client::of(server.management()).get("/metrics").send().expect(200).text().to_owned();
    let expressions = alert_expressions().join("\n") + &dashboard_expressions().join("\n");
    // Outcomes of stores are counted from their first occurrence on.
    let of_stores = ["ok", "unreachable", "unknown_outcome", "rejected", "corrupt"];
    for label in ["outcome", "verdict", "phase"] {
        for operator in ["=\"", "=~\"", "!=\""] {
            for rest in expressions.split(&format!("{label}{operator}")).skip(1) {
                for value in rest.split('"').next().expect("a value").split('|') {
                    let counted = text.contains(&format!("{label}=\"{value}\""));
                    assert!(counted || of_stores.contains(&value), "{label} {value}");
                }
            }
        }
    }
}

#[test]
fn the_configurations_in_deploy_are_valid() {
    for (name, text) in [
        ("the service", include_str!("../../../deploy/aquaware.toml")),
        ("Kubernetes", include_str!("../../../deploy/kubernetes/aquaware.toml")),
    ] {
        let setup = Setup::new().with_file("store", "postgres://aquaware@db.example/aquaware");
        let store = format!("file:{}", setup.file("store").display());
        let text = text.replace("file:/etc/aquaware/store/url", &store);
        let setup = setup
            .with_file("deploy.toml", &text)
            .unset("issuer")
            .unset("store.sessions")
            .unset("store.accounts");
        let finished = setup.run(&["config", "check", "--config", "deploy.toml"]);
        assert_eq!(finished.stderr, "", "{name}");
        finished.is(0);
    }
}

#[test]
fn health_reports_whether_the_server_is_ready() {
    let server = Setup::new().start();
    let management = server.management().to_string();
    let ask = |address: &str| Setup::new().set("listen.management", address).run(&["health"]);
    let ready = ask(&management);
    ready.is(0);
    assert_eq!(ready.stdout, "ready\n");
    let _stopped = server.stop();
    let gone = ask(&management);
    gone.is(1);
    assert!(gone.stderr.contains(&management), "{}", gone.stderr);
}
