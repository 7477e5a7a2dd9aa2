//! `aquaware demo`: every step that it prints succeeds.

use aquaware_tests::{Outcome, Setup};

#[test]
fn every_step_of_the_demo_succeeds() {
    let finished = Setup::new().run(&["demo", "--json"]);
    assert_eq!(finished.outcome, Outcome::Exit(0), "{}", finished.stderr);
    let steps: Vec<serde_json::Value> =
        finished.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(steps.len() >= 12, "{} steps", steps.len());
    for step in steps {
        assert_eq!(step["ok"], true, "{step}");
    }
}
