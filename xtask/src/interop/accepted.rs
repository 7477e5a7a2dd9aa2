//! The table "who accepts what" of docs/interop.md, made from what the scripts print.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::cargo;
use crate::error::TaskError;

const PAGE: &str = "docs/interop.md";
const START: &str = "<!-- accepted: written by `cargo xtask interop` -->\n";
const END: &str = "<!-- end of accepted -->\n";
/// The order of the columns.
const ALGORITHMS: [&str; 4] = ["EdDSA", "Ed25519", "ES256", "RS256"];

/// What libraries accept, by name and by what they read first.
#[derive(Debug, Default)]
pub(super) struct Accepted(BTreeMap<(String, String), BTreeSet<String>>);

impl Accepted {
    /// Reads the lines `accepted | library | reads | algorithm | yes or no` in a script's output.
    pub(super) fn read(&mut self, written: &str) {
        for line in written.lines() {
            let cells: Vec<_> = line.split(" | ").collect();
            let ["accepted", library, reads, algorithm, outcome] = cells.as_slice() else {
                continue;
            };
            let row = self.0.entry(((*library).to_owned(), (*reads).to_owned())).or_default();
            if *outcome == "yes" {
                row.insert((*algorithm).to_owned());
            }
        }
    }

    /// Writes the table into the page.
    ///
    /// # Errors
    /// The page differed: someone must look at the change.
    pub(super) fn update_page(&self) -> Result<(), TaskError> {
        let path = cargo::root().join(PAGE);
        let page =
            fs::read_to_string(&path).map_err(TaskError::io(format!("cannot read {PAGE}")))?;
        let updated = self
            .replaced(&page)
            .ok_or_else(|| TaskError::Message(format!("{PAGE} has no place for the table")))?;
        if updated == page {
            return Ok(());
        }
        fs::write(&path, updated).map_err(TaskError::io(format!("cannot write {PAGE}")))?;
        Err(TaskError::Message(format!(
            "the table in {PAGE} has changed: look at it and commit it"
        )))
    }

    fn replaced(&self, page: &str) -> Option<String> {
        let (before, rest) = page.split_once(START)?;
        let (_, after) = rest.split_once(END)?;
        Some(format!("{before}{START}{}{END}{after}", self.table()))
    }

    fn table(&self) -> String {
        let mut table = format!("| library or gateway | reads | {} |\n", ALGORITHMS.join(" | "));
        table.push_str("| --- | --- | --- | --- | --- | --- |\n");
        for ((library, reads), accepted) in &self.0 {
            let cells = ALGORITHMS.map(|name| if accepted.contains(name) { "yes" } else { "no" });
            table.push_str(&format!("| {library} | {reads} | {} |\n", cells.join(" | ")));
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_row_for_each_library_and_what_it_reads() {
        let mut accepted = Accepted::default();
        accepted.read("accepted | b | key set | ES256 | yes\nok something\n");
        accepted.read("accepted | b | key set | EdDSA | no\naccepted | a | metadata | RS256 | yes");
        let expected = "| library or gateway | reads | EdDSA | Ed25519 | ES256 | RS256 |\n\
                        | --- | --- | --- | --- | --- | --- |\n\
                        | a | metadata | no | no | no | yes |\n\
                        | b | key set | no | no | yes | no |\n";
        assert_eq!(accepted.table(), expected);
        let page = format!("x\n{START}old\n{END}y\n");
        let replaced = accepted.replaced(&page).unwrap();
        assert_eq!(replaced, format!("x\n{START}{expected}{END}y\n"));
        assert_eq!(accepted.replaced("no place"), None);
    }

    #[test]
    fn the_page_has_a_place_for_the_table() {
        let page = fs::read_to_string(cargo::root().join(PAGE)).unwrap();
        assert!(Accepted::default().replaced(&page).is_some());
    }
}
