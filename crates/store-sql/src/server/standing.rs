//! Migrations: steps that are part of the program, known by their version, forwards only.
//!
//! The steps a database has been through are kept in the table in which diesel's own tools keep
//! them.

use std::collections::BTreeSet;

/// One step.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    /// As in its folder's name, without the dashes.
    pub(crate) version: &'static str,
    /// Its statements.
    pub(crate) sql: &'static str,
}

/// Where a database stands, beside where this program wants it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Current,
    /// With the versions it lacks.
    Behind(Vec<&'static str>),
    /// With the first step that is unknown here.
    Ahead(String),
}

/// Compares what this program knows with what a database has been through.
pub(crate) fn standing(known: &[Step], applied: &[String]) -> Standing {
    let known: BTreeSet<&'static str> = known.iter().map(|step| step.version).collect();
    let applied: BTreeSet<&str> = applied.iter().map(String::as_str).collect();
    if let Some(unknown) = applied.iter().find(|version| !known.contains(**version)) {
        return Standing::Ahead((*unknown).to_owned());
    }
    let missing: Vec<_> = known.into_iter().filter(|version| !applied.contains(version)).collect();
    if missing.is_empty() { Standing::Current } else { Standing::Behind(missing) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_behind_current_or_ahead() {
        let known = [Step { version: "1", sql: "" }, Step { version: "2", sql: "" }];
        let of = |applied: &[&str]| {
            let applied: Vec<String> = applied.iter().map(|&version| version.into()).collect();
            standing(&known, &applied)
        };
        assert_eq!(of(&[]), Standing::Behind(vec!["1", "2"]));
        assert_eq!(of(&["1"]), Standing::Behind(vec!["2"]));
        assert_eq!(of(&["2", "1"]), Standing::Current);
        assert_eq!(of(&["1", "2", "3"]), Standing::Ahead("3".to_owned()));
        assert_eq!(of(&["3"]), Standing::Ahead("3".to_owned()));
    }
}
