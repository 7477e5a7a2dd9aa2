//! Prints the effective configuration as TOML or JSON.
//!
//! Values are printed as they were written, with secrets masked, so that the output can be compared
//! with the file.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

use super::raw::{Entry, Raw};
use super::schema::{CLIENT_SETTINGS, Key, SETTINGS, Secrecy, key_part};
use super::secret::masked;
use super::source::Source;
use super::value::Value;

/// The configuration as TOML, with the sources of non-default values and the place where limits are
/// counted as comments.
pub(super) fn toml(raw: &Raw, shared_limits: bool) -> String {
    let mut text = String::new();
    let mut table = String::new();
    for (key, parent) in keys(raw) {
        if parent != table {
            let _ = write!(text, "\n[{parent}]\n");
            if parent == "limits" {
                let _ = writeln!(text, "# {}", limits_are_counted(shared_limits));
            }
            table = parent;
        }
        let _ = match masked_entry(raw, &key) {
            Some((value, Source::Default)) => writeln!(text, "{} = {value}", key.name()),
            Some((value, source)) => writeln!(text, "{} = {value} # {source}", key.name()),
            None => writeln!(text, "# {} is not set", key.name()),
        };
    }
    text
}

/// The configuration as JSON: `{"configuration": {…}, "sources": {"listen.public":
/// "aquaware.toml:12"}, "shared_limits": false}`. Missing values are null; values without a source are
/// defaults.
pub(super) fn json(raw: &Raw, shared_limits: bool) -> Json {
    let mut configuration = Map::new();
    let mut sources = Map::new();
    for (key, _) in keys(raw) {
        let value = masked_entry(raw, &key).map_or(Json::Null, |(value, source)| {
            if source != Source::Default {
                sources.insert(key.to_string(), source.to_string().into());
            }
            value.json()
        });
        insert(&mut configuration, &key.parts(), value);
    }
    json!({
        "configuration": configuration,
        "sources": sources,
        "shared_limits": shared_limits,
    })
}

const fn limits_are_counted(shared: bool) -> &'static str {
    match shared {
        true => "counted by all replicas together, in store.sessions; refreshes by each replica",
        false => "counted by each replica; sessions by all replicas together",
    }
}

/// All keys with their tables, in the order of the schema.
fn keys(raw: &Raw) -> Vec<(Key, String)> {
    let plain = SETTINGS.iter().map(|setting| Key::plain(setting.path));
    let clients = raw.clients().flat_map(|(id, _)| {
        CLIENT_SETTINGS.iter().map(move |setting| Key::of_client(id, setting.path))
    });
    plain.chain(clients).map(|key| (key.clone(), table(&key))).collect()
}

fn table(key: &Key) -> String {
    let parts = key.parts();
    let parents = parts.split_last().map_or(&[][..], |(_, parents)| parents);
    parents.iter().map(|part| key_part(part)).collect::<Vec<_>>().join(".")
}

fn masked_entry(raw: &Raw, key: &Key) -> Option<(Value, Source)> {
    let Entry { value, source } = raw.effective(key)?;
    let secrecy = key.setting().map_or(Secrecy::Secret, |setting| setting.secrecy);
    Some((masked(&value, secrecy), source))
}

fn insert(into: &mut Map<String, Json>, path: &[&str], value: Json) {
    match path {
        [] => {}
        [name] => {
            into.insert((*name).to_owned(), value);
        }
        [name, rest @ ..] => {
            let inner = into.entry(*name).or_insert_with(|| Json::Object(Map::new()));
            if let Json::Object(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(file: &str) -> Raw {
        let mut raw = Raw::new();
        raw.add_file("a.toml", file.as_bytes());
        assert_eq!(raw.problems, []);
        raw
    }

    #[test]
    fn the_output_is_a_valid_configuration_file() {
        let file = "issuer = 'https://a \\ \"b'\n[clients.'my.app']\nscopes = ['a', 'b']";
        let once = toml(&raw(file), false);
        assert!(once.contains("[clients.\"my.app\"]"), "{once}");
        let twice = toml(&raw(&once), false);
        let without_sources = |text: &str| -> Vec<String> {
            text.lines().map(|line| line.split(" # ").next().unwrap().to_owned()).collect()
        };
        assert_eq!(without_sources(&once), without_sources(&twice));
    }

    #[test]
    fn only_non_default_values_have_a_source() {
        let text = toml(&raw("[log]\nlevel = 'off'"), false);
        assert!(text.contains("\nlevel = \"off\" # a.toml:2\n"), "{text}");
        assert!(text.contains("\nformat = \"auto\"\n"), "{text}");
        assert!(text.starts_with("# issuer is not set\ndata_dir = \".\"\n"), "{text}");
    }

    #[test]
    fn secrets_are_masked_in_both_formats() {
        let file = "store.sessions = 'redis://ann:horse@db'\nclients.web.secret_hash = 'horse'";
        let raw = raw(file);
        let (toml, json) = (toml(&raw, false), json(&raw, false));
        assert!(!toml.contains("horse") && !json.to_string().contains("horse"));
        assert!(toml.contains("sessions = \"redis://ann:***@db\" # a.toml:1"), "{toml}");
        assert_eq!(json["configuration"]["clients"]["web"]["secret_hash"], "***");
        assert_eq!(json["sources"]["store.sessions"], "a.toml:1");
        assert_eq!(json["configuration"]["listen"]["workers"], 0);
        assert_eq!(json["configuration"]["issuer"], Json::Null);
    }

    #[test]
    fn the_place_where_limits_are_counted_is_shown() {
        let raw = raw("");
        for (shared, line) in [
            (true, "[limits]\n# counted by all replicas together, in store.sessions; refreshes"),
            (false, "[limits]\n# counted by each replica;"),
        ] {
            assert!(toml(&raw, shared).contains(line), "{shared}");
            assert_eq!(json(&raw, shared)["shared_limits"], shared);
        }
    }
}
