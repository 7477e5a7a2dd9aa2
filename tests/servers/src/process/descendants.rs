//! The descendants of a process.
//!
//! PostgreSQL serves each connection in a process that leads its own group, so a signal to
//! the server's group does not reach it.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use nix::unistd::Pid;

/// A process as the system describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    id: i32,
    parent: i32,
    /// It has ended, but its parent has not waited for it.
    is_dead: bool,
    /// A signal has suspended it.
    is_stopped: bool,
}

impl Entry {
    fn new(id: i32, parent: &str, state: &str) -> Option<Self> {
        let is_dead = state.starts_with(['Z', 'X']);
        let is_stopped = state.starts_with(['T', 't']);
        Some(Self { id, parent: parent.parse().ok()?, is_dead, is_stopped })
    }
}

/// All processes below this one, parents before children.
pub(super) fn below(id: Pid) -> Vec<Pid> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for entry in processes() {
        children.entry(entry.parent).or_default().push(entry.id);
    }
    let mut found = Vec::new();
    let mut open = vec![id.as_raw()];
    while let Some(parent) = open.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            found.push(Pid::from_raw(child));
            open.push(child);
        }
    }
    found
}

/// Whether a process still runs.
pub(super) fn is_alive(id: Pid) -> bool {
    processes().iter().any(|entry| entry.id == id.as_raw() && !entry.is_dead)
}

/// Whether a process is suspended, or has ended.
pub(super) fn is_still(id: Pid) -> bool {
    let found = processes().into_iter().find(|entry| entry.id == id.as_raw());
    found.is_none_or(|entry| entry.is_stopped || entry.is_dead)
}

fn processes() -> Vec<Entry> {
    let Ok(names) = fs::read_dir("/proc") else { return from_ps() };
    let stats =
        names.flatten().filter_map(|name| fs::read_to_string(name.path().join("stat")).ok());
    let entries: Vec<Entry> = stats.filter_map(|stat| of_stat(&stat)).collect();
    if entries.is_empty() { from_ps() } else { entries }
}

/// `ID (NAME) STATE PARENT …`, where the name may contain any character.
fn of_stat(stat: &str) -> Option<Entry> {
    let (start, rest) = stat.rsplit_once(')')?;
    let id = start.split_once(' ')?.0.parse().ok()?;
    let mut words = rest.split_whitespace();
    let state = words.next()?;
    Entry::new(id, words.next()?, state)
}

/// For systems without `/proc`.
fn from_ps() -> Vec<Entry> {
    let output = Command::new("ps").args(["-A", "-o", "pid=,stat=,ppid="]).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.unwrap_or_default().lines().filter_map(of_ps).collect()
}

fn of_ps(line: &str) -> Option<Entry> {
    let mut words = line.split_whitespace();
    let id = words.next()?.parse().ok()?;
    let state = words.next()?;
    Entry::new(id, words.next()?, state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_names_may_contain_blanks_and_brackets() {
        let entry = of_stat("12 (a) b (c) S 7 12 12 0").unwrap();
        assert_eq!(Some(entry), Entry::new(12, "7", "S"));
        assert!(of_stat("12 (a) Z 7 12").unwrap().is_dead);
        assert_eq!(of_stat("no stat"), None);
    }

    #[test]
    fn both_sources_of_process_information_agree() {
        assert_eq!(of_ps("  12 Ss  7"), Entry::new(12, "7", "S"));
        assert!(of_ps("12 Z+ 7").unwrap().is_dead);
        assert!(of_ps("12 T 7").unwrap().is_stopped && of_stat("12 (a) T 7").unwrap().is_stopped);
    }

    #[test]
    fn this_process_is_alive_and_an_unknown_one_has_no_children() {
        assert!(is_alive(Pid::this()));
        assert_eq!(below(Pid::from_raw(i32::MAX)), []);
    }
}
