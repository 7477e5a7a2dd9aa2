//! Rendering, and the bounds of the label sets.

use std::sync::Arc;

use aquaware_core::store::MemoryStore;
use aquaware_core::testing::fixture;

use super::*;

fn rendered(metrics: &Metrics, format: Format) -> String {
    let sessions = fixture::sessions(Arc::new(MemoryStore::new()), fixture::policy());
    metrics.render(format, &sessions.context(fixture::NOW))
}

#[test]
fn every_family_has_help_and_a_type_in_both_formats() {
    let metrics = Metrics::new();
    metrics.request("/auth/login".to_owned(), "POST", 200, Duration::from_millis(3));
    metrics.store_operation("sessions", "find", "ok", Duration::from_millis(1));
    let (text, open) = (rendered(&metrics, Format::Text), rendered(&metrics, Format::OpenMetrics));
    for sample in [
        r#"aquaware_http_requests_total{route="/auth/login",method="POST",status="200"} 1"#,
        r#"aquaware_http_request_duration_seconds_count{route="/auth/login"} 1"#,
        r#"aquaware_logins_total{outcome="invalid_credentials"} 0"#,
        r#"aquaware_refreshes_total{verdict="advanced"} 0"#,
        r#"aquaware_sessions_ended_total{reason="logout"} 0"#,
        r#"aquaware_store_operations_total{store="sessions",operation="find",outcome="ok"} 1"#,
        r#"aquaware_store_operation_duration_seconds_count{store="sessions",operation="find"} 1"#,
        "aquaware_password_hashes_waiting 0",
        r#"aquaware_deliveries_total{channel="mail",outcome="delivered"} 0"#,
        r#"aquaware_deliveries_total{channel="webhook",outcome="not_stored"} 0"#,
        "aquaware_outbox_entries 0",
        r#"aquaware_key_age_seconds{type="access",phase="active"} 0"#,
        "aquaware_log_lines_dropped_total 0",
        concat!(r#"aquaware_build_info{version=""#, env!("CARGO_PKG_VERSION"), "\"} 1"),
    ] {
        assert!(text.lines().any(|line| line == sample), "{sample} is missing in\n{text}");
        assert!(open.lines().any(|line| line == sample), "{sample} is missing in\n{open}");
    }
    assert!(open.ends_with("# EOF\n"));
    assert!(!text.contains("# EOF"));
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|it| name.strip_suffix(it));
        let help = format!("# HELP {} ", family.unwrap_or(name));
        assert!(text.contains(&help), "{help}\n{text}");
    }
}

#[test]
fn sources_are_read_at_each_scrape_and_counters_never_fall() {
    let (metrics, value) = (Metrics::new(), Arc::new(AtomicU64::new(3)));
    for add in [Metrics::hashes_waiting_of, Metrics::log_lines_dropped_of] {
        add(&metrics, &value);
    }
    let text = rendered(&metrics, Format::Text);
    assert!(text.contains("aquaware_password_hashes_waiting 3\n"), "{text}");
    assert!(text.contains("aquaware_log_lines_dropped_total 3\n"), "{text}");
    value.store(1, std::sync::atomic::Ordering::Relaxed);
    let text = rendered(&metrics, Format::Text);
    assert!(text.contains("aquaware_password_hashes_waiting 1\n"), "{text}");
    assert!(text.contains("aquaware_log_lines_dropped_total 3\n"), "{text}");
}

impl Metrics {
    fn hashes_waiting_of(&self, value: &Arc<AtomicU64>) {
        self.hashes_waiting(source(value));
    }

    fn log_lines_dropped_of(&self, value: &Arc<AtomicU64>) {
        self.log_lines_dropped(source(value));
    }
}

fn source(value: &Arc<AtomicU64>) -> impl Fn() -> u64 + Send + 'static {
    let value = Arc::clone(value);
    move || value.load(std::sync::atomic::Ordering::Relaxed)
}

#[test]
fn process_metrics_have_plausible_values() {
    let text = rendered(&Metrics::new(), Format::Text);
    let value = |name: &str| -> f64 {
        let line = text.lines().find(|line| line.split(' ').next() == Some(name));
        line.and_then(|line| line.split(' ').nth(1))
            .unwrap_or_else(|| panic!("{name}\n{text}"))
            .parse()
            .unwrap()
    };
    assert!(value("process_resident_memory_bytes") > 1e6);
    assert!(value("process_virtual_memory_bytes") >= value("process_resident_memory_bytes"));
    assert!(value("process_open_fds") >= 3.0);
    assert!(value("process_max_fds") >= value("process_open_fds"));
    assert!(value("process_cpu_seconds_total") >= 0.0);
    assert!(value("process_start_time_seconds") > 1.5e9);
}
