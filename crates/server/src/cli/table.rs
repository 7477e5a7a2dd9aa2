//! Tables of plain text.

/// Columns as wide as their longest cell, separated by two spaces.
#[derive(Debug)]
pub(super) struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table with this header and no rows.
    pub(super) fn new(header: [&str; N]) -> Self {
        Self { rows: vec![header.map(str::to_owned)] }
    }

    /// A table without a header.
    pub(super) const fn plain() -> Self {
        Self { rows: Vec::new() }
    }

    /// Adds a row, without control characters: those could move the cursor or break a line.
    pub(super) fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| cell.chars().filter(|it| !it.is_control()).collect()));
    }

    /// The table as text, each line indented by `indent` spaces.
    pub(super) fn text(&self, indent: usize) -> String {
        let mut widths = [0; N];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::new();
        for row in &self.rows {
            let cells: Vec<String> =
                row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            let line = format!("{:indent$}{}", "", cells.join("  "));
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_longest_cell() {
        let mut table = Table::new(["NAME", "N"]);
        table.row(["René".to_owned(), "1".to_owned()]);
        table.row(["a long one".to_owned(), "22".to_owned()]);
        assert_eq!(table.text(1), " NAME        N\n René        1\n a long one  22\n");
    }

    #[test]
    fn control_characters_are_removed() {
        let mut table = Table::plain();
        table.row(["\u{1b}[2Ja\nb\u{7f}".to_owned()]);
        assert_eq!(table.text(0), "[2Jab\n");
    }
}
