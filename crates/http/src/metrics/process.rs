//! The `process_*` metrics that Prometheus clients agree on, from `/proc/self` of Linux.

use std::fs;
use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The unit of times in `/proc`: `USER_HZ`, which is 100 on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

pub(super) struct ProcessMetrics {
    cpu: Counter<f64, AtomicU64>,
    resident: Gauge,
    virtual_memory: Gauge,
    open_files: Gauge,
    max_files: Gauge,
}

impl ProcessMetrics {
    /// `None` on systems without `/proc`.
    pub(super) fn register(registry: &mut Registry) -> Option<Self> {
        let started = Stat::read()?.started + boot_time()?;
        let metrics = Self {
            cpu: Counter::default(),
            resident: Gauge::default(),
            virtual_memory: Gauge::default(),
            open_files: Gauge::default(),
            max_files: Gauge::default(),
        };
        registry.register("process_cpu_seconds", "User and system CPU time", metrics.cpu.clone());
        registry.register(
            "process_resident_memory_bytes",
            "Resident memory",
            metrics.resident.clone(),
        );
        registry.register(
            "process_virtual_memory_bytes",
            "Virtual memory",
            metrics.virtual_memory.clone(),
        );
        registry.register("process_open_fds", "Open file descriptors", metrics.open_files.clone());
        registry.register(
            "process_max_fds",
            "Maximum number of open file descriptors",
            metrics.max_files.clone(),
        );
        let start = Gauge::<f64, AtomicU64>::default();
        start.set(started);
        registry.register(
            "process_start_time_seconds",
            "Start of the process, in Unix time",
            start,
        );
        Some(metrics)
    }

    /// Reads the current values. A file that cannot be read leaves its values unchanged, for example
    /// when all descriptors are in use.
    pub(super) fn read(&self) {
        if let Some(stat) = Stat::read() {
            self.cpu.inc_by((stat.cpu - self.cpu.get()).max(0.0));
        }
        if let Ok(status) = fs::read_to_string("/proc/self/status") {
            set(&self.resident, kibibytes(&status, "VmRSS:"));
            set(&self.virtual_memory, kibibytes(&status, "VmSize:"));
        }
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            // The listing itself has one open.
            set(&self.open_files, i64::try_from(files.count().saturating_sub(1)).ok());
        }
        if let Ok(limits) = fs::read_to_string("/proc/self/limits") {
            set(&self.max_files, max_files(&limits));
        }
    }
}

fn set(gauge: &Gauge, value: Option<i64>) {
    if let Some(value) = value {
        gauge.set(value);
    }
}

/// Times from `/proc/self/stat`, in seconds.
#[derive(Debug, PartialEq)]
struct Stat {
    cpu: f64,
    /// Since the start of the system.
    started: f64,
}

impl Stat {
    fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/self/stat").ok()?)
    }

    /// The name of the program in parentheses may contain anything, so fields are counted from its
    /// end: the first is number 3 in proc_pid_stat(5).
    fn parse(stat: &str) -> Option<Self> {
        let (_, fields) = stat.rsplit_once(')')?;
        let field = |number: usize| -> Option<f64> {
            fields.split_ascii_whitespace().nth(number - 3)?.parse().ok()
        };
        Some(Self {
            cpu: (field(14)? + field(15)?) / TICKS_PER_SECOND,
            started: field(22)? / TICKS_PER_SECOND,
        })
    }
}

/// When the system was started, in Unix time.
fn boot_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

fn kibibytes(status: &str, name: &str) -> Option<i64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: i64 = value.split_ascii_whitespace().next()?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// The soft limit; `None` if there is none.
fn max_files(limits: &str) -> Option<i64> {
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    limit.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_program_does_not_shift_the_fields() {
        let fields: Vec<String> = (3..=52).map(|number| number.to_string()).collect();
        let stat = format!("1 (a) b (c d) {}", fields.join(" "));
        assert_eq!(Stat::parse(&stat), Some(Stat { cpu: 0.29, started: 0.22 }));
        assert_eq!(Stat::parse("1 (a) S 0"), None);
    }

    #[test]
    fn memory_and_descriptors_are_parsed() {
        assert_eq!(kibibytes("VmSize:\t  10 kB\nVmRSS:\t   3 kB\n", "VmRSS:"), Some(3072));
        assert_eq!(kibibytes("", "VmRSS:"), None);
        let limits = "Max open files            1024                 524288               files";
        assert_eq!(max_files(limits), Some(1024));
        assert_eq!(max_files("Max open files   unlimited  unlimited  files"), None);
    }
}
