//! Reads settings one by one and continues after errors, so that all errors are reported at once.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::PathBuf;

use super::parse::Parsed;
use super::problem::Problem;
use super::raw::{Entry, Raw};
use super::schema::{Key, Secrecy};
use super::secret::{display, resolve};
use super::source::Source;
use super::value::Value;

/// Parses raw values and collects the errors.
///
/// A setting with an error is `None`, so that the caller can read all settings before it stops.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    raw: &'a Raw,
    /// The base of relative paths of secrets.
    pub(super) base: PathBuf,
    read: BTreeSet<Key>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(raw: &'a Raw, base: PathBuf) -> Self {
        Self { raw, base, read: BTreeSet::new(), problems: Vec::new() }
    }

    pub(super) fn read<T>(
        &mut self,
        path: &'static str,
        parse: impl FnOnce(&Value) -> Parsed<T>,
    ) -> Option<T> {
        self.read_key(&Key::plain(path), parse)
    }

    /// Like [`Reader::read`], for any key.
    pub(super) fn read_key<T>(
        &mut self,
        key: &Key,
        parse: impl FnOnce(&Value) -> Parsed<T>,
    ) -> Option<T> {
        match self.optional(key, parse) {
            Some(Some(value)) => Some(value),
            Some(None) => {
                self.report(key, Source::Default, None, "is missing".to_owned());
                None
            }
            None => None,
        }
    }

    /// Reads a setting that may be absent: `Some(None)` if it is, `None` after an error.
    pub(super) fn optional<T>(
        &mut self,
        key: &Key,
        parse: impl FnOnce(&Value) -> Parsed<T>,
    ) -> Option<Option<T>> {
        self.read.insert(key.clone());
        let Some(Entry { value, source }) = self.raw.effective(key) else {
            return Some(None);
        };
        let resolved = resolve(&value, secrecy(key), &self.base);
        match resolved.and_then(|resolved| parse(&resolved).map(|parsed| (resolved, parsed))) {
            Ok((resolved, parsed)) => {
                if let Some(what) = unavailable(key, &resolved) {
                    self.report(key, source, Some(&value), what.to_owned());
                }
                Some(Some(parsed))
            }
            Err(expected) => {
                self.report(key, source, Some(&value), expected.to_string());
                None
            }
        }
    }

    /// Reports that the value of `key` conflicts with another setting.
    pub(super) fn conflict(&mut self, key: &Key, what: impl Display) {
        let entry = self.raw.effective(key);
        let (value, source) = entry.map_or((None, Source::Default), |e| (Some(e.value), e.source));
        self.report(key, source, value.as_ref(), what.to_string());
    }

    /// Reports that the name of a table is invalid.
    pub(super) fn invalid_table(&mut self, table: String, source: Source, what: impl Display) {
        let problem = Problem { key: Some(table), value: None, source, what: what.to_string() };
        self.problems.push(problem);
    }

    /// Whether `key` was set explicitly.
    pub(super) fn is_set(&self, key: &Key) -> bool {
        self.raw.effective(key).is_some_and(|entry| entry.source != Source::Default)
    }

    /// All clients and where each is first named.
    pub(super) fn clients(&self) -> impl Iterator<Item = (&'a str, &'a Source)> + use<'a> {
        self.raw.clients()
    }

    /// The errors, and the keys that were read.
    pub(super) fn finish(self) -> (Vec<Problem>, BTreeSet<Key>) {
        (self.problems, self.read)
    }

    fn report(&mut self, key: &Key, source: Source, value: Option<&Value>, what: String) {
        let value = value.map(|value| display(value, secrecy(key)));
        self.problems.push(Problem { key: Some(key.to_string()), value, source, what });
    }
}

/// Why a valid value is rejected: it enables something that this program was built without.
fn unavailable(key: &Key, value: &Value) -> Option<&'static str> {
    let traces = key.to_string() == "telemetry.otlp_endpoint" && value.text() != Some("");
    let unavailable = traces && !cfg!(feature = "otlp");
    unavailable.then_some("this program was built without the feature otlp; set \"\"")
}

fn secrecy(key: &Key) -> Secrecy {
    key.setting().map_or(Secrecy::Secret, |setting| setting.secrecy)
}
