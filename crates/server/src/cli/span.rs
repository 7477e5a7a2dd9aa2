//! Durations and relative instants in words.

use aquaware_core::time::Timestamp;

/// "in 4 minutes", "5 days ago", "now".
pub(super) fn relative(at: Timestamp, now: Timestamp) -> String {
    match (at.seconds_after(now), now.seconds_after(at)) {
        (0, 0) => "now".to_owned(),
        (ahead, 0) => format!("in {}", length(ahead)),
        (_, ago) => format!("{} ago", length(ago)),
    }
}

/// `seconds` in the largest unit of which there are at least two, rounded down.
pub(super) fn length(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(365 * 86_400, "year"), (86_400, "day"), (3600, "hour"), (60, "minute")];
    let fits = UNITS.into_iter().find(|(unit, _)| seconds / unit >= 2);
    let (unit, name) = fits.unwrap_or((1, "second"));
    let count = seconds / unit;
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    #[test]
    fn instants_are_described_relative_to_now() {
        let at = |seconds: i64| relative(Timestamp::from_seconds(1_790_000_000 + seconds), NOW);
        assert_eq!(at(0), "now");
        assert_eq!(at(1), "in 1 second");
        assert_eq!(at(119), "in 119 seconds");
        assert_eq!(at(300), "in 5 minutes");
        assert_eq!(at(-7200), "2 hours ago");
        assert_eq!(at(-30 * 86_400), "30 days ago");
        assert_eq!(at(3 * 365 * 86_400), "in 3 years");
    }
}
