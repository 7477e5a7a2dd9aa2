//! What can be configured but isn't built yet: refused by name, never silently ignored.
//!
//! Each part that gets built deletes its rows here; everything else reads and checks it already.

use super::value::Value;

/// Which values of a setting ask for the part.
#[derive(Clone, Copy)]
enum Asks {
    /// Anything but an empty text.
    Set,
}

struct Part {
    /// The setting, `*` for any client.
    setting: &'static str,
    asks: Asks,
    /// What isn't there, and what to write instead.
    what: &'static str,
}

const fn part(setting: &'static str, asks: Asks, what: &'static str) -> Part {
    Part { setting, asks, what }
}

const NOT_YET: &[Part] =
    &[part("telemetry.otlp_endpoint", Asks::Set, "traces are not available yet; leave it \"\"")];

/// What `value` at the setting `pattern` asks for and isn't there.
pub(super) fn check<'a>(
    pattern: &'a str,
    value: &'a Value,
) -> impl Iterator<Item = &'static str> + use<'a> {
    let wanted = move |part: &&Part| part.setting == pattern && part.asks.for_it(value);
    NOT_YET.iter().filter(wanted).map(|part| part.what)
}

impl Asks {
    fn for_it(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Set, Value::Text(text)) => !text.is_empty(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema::{CLIENT_SETTINGS, SETTINGS, find};
    use super::*;

    #[test]
    fn every_row_is_about_a_setting_that_exists() {
        for part in NOT_YET {
            let known = match part.setting.strip_prefix("clients.*.") {
                Some(name) => find(CLIENT_SETTINGS, name),
                None => find(SETTINGS, part.setting),
            };
            assert!(known.is_some(), "{}", part.setting);
            assert!(part.what.contains("not available yet"), "{}", part.what);
        }
    }
}
