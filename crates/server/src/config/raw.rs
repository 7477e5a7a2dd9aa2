//! The raw configuration: values by key with their sources. Only the keys are checked here.
//!
//! The file overrides the defaults of the schema, and environment variables override the file.

mod environment;
mod file;

use std::collections::{BTreeMap, BTreeSet};

use super::problem::Problem;
use super::schema::{self, Key};
use super::source::{Environment, Source};
use super::value::Value;

/// The value of one key.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) value: Value,
    pub(super) source: Source,
}

/// All values that were set, and the errors found while reading them.
#[derive(Clone, Debug, Default)]
pub(super) struct Raw {
    entries: BTreeMap<Key, Entry>,
    clients: BTreeMap<String, Source>,
    pub(super) problems: Vec<Problem>,
    /// Whether the file could not be parsed, so that values may be missing.
    pub(super) incomplete: bool,
}

impl Raw {
    pub(super) fn new() -> Self {
        let clients = schema::BUILT_IN_CLIENTS.map(|id| (id.to_owned(), Source::Default));
        Self { clients: BTreeMap::from(clients), ..Self::default() }
    }

    /// Adds the values of the file `path` with the content `bytes`.
    pub(super) fn add_file(&mut self, path: &str, bytes: &[u8]) {
        file::add(self, path, bytes);
    }

    /// Adds the values of environment variables.
    pub(super) fn add_environment(&mut self, environment: &Environment) {
        environment::add(self, environment);
    }

    /// Records that the file cannot be used.
    pub(super) fn add_unusable_file(&mut self, problem: Problem) {
        self.incomplete = true;
        self.problems.push(problem);
    }

    /// The effective value of `key` and its source; `None` if it has neither a value nor a default.
    pub(super) fn effective(&self, key: &Key) -> Option<Entry> {
        self.entries.get(key).cloned().or_else(|| {
            let value = Value::from_default(key.setting()?.default)?;
            Some(Entry { value, source: Source::Default })
        })
    }

    /// All clients and where each is first named.
    pub(super) fn clients(&self) -> impl Iterator<Item = (&str, &Source)> {
        self.clients.iter().map(|(id, source)| (id.as_str(), source))
    }

    /// The clients of `new`, its values that `apply` selects, and otherwise the values of `self`; and
    /// the keys of the values of `new` that differ and are not applied.
    pub(super) fn reloaded(&self, new: &Self, apply: impl Fn(&Key) -> bool) -> (Self, Vec<Key>) {
        let value = |raw: &Self, key: &Key| raw.effective(key).map(|entry| entry.value);
        let keys: BTreeSet<&Key> = self.entries.keys().chain(new.entries.keys()).collect();
        let (applied, kept): (Vec<&Key>, Vec<&Key>) = keys.into_iter().partition(|key| apply(key));
        let entry = |raw: &Self, key: &Key| Some((key.clone(), raw.entries.get(key)?.clone()));
        let entries = applied.into_iter().filter_map(|key| entry(new, key));
        let entries = entries.chain(kept.iter().filter_map(|key| entry(self, key))).collect();
        let differing = kept.into_iter().filter(|key| value(self, key) != value(new, key));
        let differing = differing.cloned().collect();
        (Self { entries, clients: new.clients.clone(), ..Self::default() }, differing)
    }

    fn set(&mut self, key: Key, value: Value, source: Source) {
        self.entries.insert(key, Entry { value, source });
    }

    fn add_client(&mut self, id: &str, source: Source) {
        let known = self.clients.entry(id.to_owned()).or_insert(Source::Default);
        if *known == Source::Default {
            *known = source;
        }
    }

    fn report(&mut self, key: Option<String>, source: Source, what: String) {
        self.problems.push(Problem { key, value: None, source, what });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(raw: &Raw, key: &Key) -> String {
        let entry = raw.effective(key).unwrap();
        format!("{} from {}", entry.value, entry.source)
    }

    #[test]
    fn variables_override_the_file_and_the_file_the_defaults() {
        let mut raw = Raw::new();
        raw.add_file("a.toml", b"[listen]\nworkers = 2\n[store]\ntimeout = '5s'");
        let variables = [("AQUAWARE_LISTEN__WORKERS", "3")];
        raw.add_environment(&Environment::from_iter(variables));
        assert_eq!(raw.problems, []);
        let listen = "3 from environment variable AQUAWARE_LISTEN__WORKERS";
        assert_eq!(shown(&raw, &Key::plain("listen.workers")), listen);
        assert_eq!(shown(&raw, &Key::plain("store.timeout")), "\"5s\" from a.toml:4");
        assert_eq!(shown(&raw, &Key::plain("store.pool_size")), "16 from default");
        assert!(raw.effective(&Key::plain("issuer")).is_none());
    }

    #[test]
    fn device_has_defaults_of_its_own() {
        let raw = Raw::new();
        let rotation = |id| shown(&raw, &Key::of_client(id, "rotation"));
        assert_eq!(rotation("device"), "\"never\" from default");
        assert_eq!(rotation("anything"), "\"always\" from default");
    }
}
