//! Why a check failed, in a message that never exceeds a screen.

use std::error::Error as StdError;
use std::fmt;

use aquaware_core::error_chain;
use aquaware_core::store::StoreError;

/// Longest message, in lines.
const MAX_LINES: usize = 40;
/// Longest message, in bytes.
const MAX_BYTES: usize = 4_000;
/// Longest excerpt of one value, in bytes.
const MAX_VALUE_BYTES: usize = 400;
/// Number of items that are named when two lists differ.
const MAX_ITEMS: usize = 3;

/// Why a check failed: a message for the author of the store, of at most 40 lines and 4,000 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct CheckError(String);

/// The result of a check.
pub type CheckResult = Result<(), CheckError>;

impl CheckError {
    /// An error with this message. A message longer than a screen is cut.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self(cut(message.into()))
    }
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// A test that returns an error prints its `Debug` form, where escaped line breaks are unreadable.
impl fmt::Debug for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for CheckError {}

impl From<StoreError> for CheckError {
    fn from(error: StoreError) -> Self {
        let error = error_chain(&error);
        Self::new(format!("the store returned an error instead of a result: {error}"))
    }
}

/// Fails with this message unless `holds`.
pub(crate) fn ensure(holds: bool, message: impl FnOnce() -> String) -> CheckResult {
    if holds { Ok(()) } else { Err(CheckError::new(message())) }
}

/// Fails unless both values are equal. `what` describes the value.
pub(crate) fn same<T: PartialEq + fmt::Debug>(what: &str, expected: &T, found: &T) -> CheckResult {
    ensure(expected == found, || format!("{what}: {}", difference(expected, found)))
}

/// Fails unless both lists contain the same items, in any order.
pub(crate) fn same_items<T: Ord + fmt::Debug>(
    what: &str,
    mut expected: Vec<T>,
    mut found: Vec<T>,
) -> CheckResult {
    expected.sort();
    found.sort();
    ensure(expected == found, || {
        let only_in = |one: &[T], other: &[T]| -> String {
            let items = one.iter().filter(|item| other.binary_search(item).is_err());
            excerpt(&format!("{:?}", items.take(MAX_ITEMS).collect::<Vec<_>>()), 0)
        };
        let (missing, extra) = (only_in(&expected, &found), only_in(&found, &expected));
        let (wanted, count) = (expected.len(), found.len());
        format!(
            "{what}: expected {wanted} items, found {count}\n  missing: {missing}\n  unexpected: {extra}"
        )
    })
}

/// Both values in their `Debug` form, long ones cut to the part around the first difference.
pub(crate) fn difference<T: fmt::Debug>(expected: &T, found: &T) -> String {
    let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
    let pairs = expected.bytes().zip(found.bytes());
    let first = pairs.take_while(|(one, other)| one == other).count();
    format!("expected {}, found {}", excerpt(&expected, first), excerpt(&found, first))
}

fn excerpt(text: &str, around: usize) -> String {
    if text.len() <= MAX_VALUE_BYTES {
        return text.to_owned();
    }
    let start = boundary(text, around.saturating_sub(MAX_VALUE_BYTES / 4));
    let end = boundary(text, start + MAX_VALUE_BYTES);
    format!("…{}… ({} bytes)", text.get(start..end).unwrap_or_default(), text.len())
}

fn cut(mut text: String) -> String {
    let lines_end = text.match_indices('\n').nth(MAX_LINES - 1).map(|(at, _)| at);
    let end = boundary(&text, MAX_BYTES.min(lines_end.unwrap_or(usize::MAX)));
    let omitted = text.len() - end;
    if omitted > 0 {
        text.truncate(end);
        text.push_str(&format!("… ({omitted} more bytes)"));
    }
    text
}

/// The last character boundary at or before `at`.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_one_screen_is_kept_unchanged() {
        let text = "a line\n".repeat(MAX_LINES - 1);
        assert_eq!(CheckError::new(&*text).to_string(), text);
    }

    #[test]
    fn a_longer_message_is_cut_by_lines_and_by_bytes() {
        for text in ["x\n".repeat(1_000), "🐟".repeat(10_000)] {
            let cut = CheckError::new(text).to_string();
            assert!(cut.lines().count() <= MAX_LINES, "{cut}");
            assert!(cut.len() <= MAX_BYTES + 30 && cut.ends_with(" more bytes)"), "{cut}");
        }
    }

    #[test]
    fn two_long_values_are_shown_around_their_first_difference() {
        let expected = "🐟".repeat(5_000);
        let found = format!("{}HERE{}", "🐟".repeat(2_000), "🐟".repeat(3_000));
        let error = same("a text", &expected, &found).unwrap_err().to_string();
        assert!(error.contains("HERE") && error.len() < 3 * MAX_VALUE_BYTES, "{error}");
    }

    #[test]
    fn two_lists_are_compared_in_any_order_and_only_differing_items_are_named() {
        assert!(same_items("a list", vec![1, 2, 3], vec![3, 1, 2]).is_ok());
        let found = (1..=5_000).chain([7_000]).collect();
        let error = same_items("a list", (0..5_000).collect(), found).unwrap_err().to_string();
        assert!(error.contains("missing: [0]\n") && error.contains("unexpected: [5000, 7000]"));
        // A duplicate is neither missing nor unexpected, but the counts differ.
        assert!(same_items("a list", vec![1], vec![1, 1]).is_err());
    }
}
