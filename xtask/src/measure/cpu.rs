//! The CPU time of processes, from `/proc`.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

/// The CPU time that a process and its descendants have used so far, in all their threads.
pub(super) fn used_by(id: u32) -> Duration {
    tree(id).into_iter().map(used_by_one).sum()
}

/// A process and its descendants.
fn tree(id: u32) -> BTreeSet<u32> {
    let parents: Vec<(u32, u32)> = processes().collect();
    let mut found = BTreeSet::from([id]);
    loop {
        let children = parents.iter().filter(|(_, parent)| found.contains(parent));
        let children: Vec<u32> =
            children.map(|(id, _)| *id).filter(|id| !found.contains(id)).collect();
        if children.is_empty() {
            return found;
        }
        found.extend(children);
    }
}

/// Every process with its parent.
fn processes() -> impl Iterator<Item = (u32, u32)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        Some((id, parent(&fs::read_to_string(entry.path().join("stat")).ok()?)?))
    })
}

/// The parent in a line of `/proc/ID/stat`: the name before it may contain anything.
fn parent(line: &str) -> Option<u32> {
    let (_, rest) = line.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

fn used_by_one(id: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let nanoseconds = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_follows_a_name_of_any_form() {
        assert_eq!(parent("12 (a) b) c) S 7 12 12 0"), Some(7));
        assert_eq!(parent("12 S 7"), None);
    }

    #[test]
    fn this_process_uses_cpu_time() {
        let id = std::process::id();
        let before = used_by(id);
        let mut number = 1_u64;
        while used_by(id) < before + Duration::from_millis(5) {
            number = std::hint::black_box(number.wrapping_mul(31));
        }
    }
}
