//! Reads settings one by one, and goes on after a mistake: whoever configures gets all of them
//! at once.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::PathBuf;

use super::parse::Parsed;
use super::problem::Problem;
use super::raw::{Entry, Raw};
use super::schema::{Key, Secrecy};
use super::secret::{resolved, shown};
use super::source::Source;
use super::unavailable;
use super::value::Value;

/// Turns typed values into meant ones and keeps the problems.
///
/// Every reading gives `None` after a problem, so that the caller reads everything first and
/// gives up afterwards.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    raw: &'a Raw,
    /// Where relative paths of secrets start.
    pub(super) base: PathBuf,
    read: BTreeSet<Key>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// Reads from `raw`.
    pub(super) fn new(raw: &'a Raw, base: PathBuf) -> Self {
        Self { raw, base, read: BTreeSet::new(), problems: Vec::new() }
    }

    /// The setting `path` as `parse` understands it.
    pub(super) fn read<T>(
        &mut self,
        path: &'static str,
        parse: impl FnOnce(&Value) -> Parsed<T>,
    ) -> Option<T> {
        self.read_key(&Key::plain(path), parse)
    }

    /// As [`Reader::read`], for any key.
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

    /// A setting that may be absent: `Some(None)` where it is, `None` after a problem.
    pub(super) fn optional<T>(
        &mut self,
        key: &Key,
        parse: impl FnOnce(&Value) -> Parsed<T>,
    ) -> Option<Option<T>> {
        self.read.insert(key.clone());
        let Some(Entry { value, source }) = self.raw.effective(key) else {
            return Some(None);
        };
        let asked = resolved(&value, secrecy(key), &self.base);
        match asked.and_then(|asked| parse(&asked).map(|meant| (asked, meant))) {
            Ok((asked, meant)) => {
                for what in unavailable::check(&key.pattern(), &asked) {
                    self.report(key, source.clone(), Some(&value), what.to_owned());
                }
                Some(Some(meant))
            }
            Err(expected) => {
                self.report(key, source, Some(&value), expected.to_string());
                None
            }
        }
    }

    /// Notes that what stands at `key` can't be, for a reason that lies elsewhere.
    pub(super) fn conflict(&mut self, key: &Key, what: impl Display) {
        let entry = self.raw.effective(key);
        let (value, source) = entry.map_or((None, Source::Default), |e| (Some(e.value), e.source));
        self.report(key, source, value.as_ref(), what.to_string());
    }

    /// Notes that a table can't be what it is called.
    pub(super) fn misnamed(&mut self, table: String, source: Source, what: impl Display) {
        let problem = Problem { key: Some(table), value: None, source, what: what.to_string() };
        self.problems.push(problem);
    }

    /// Whether somebody typed a value at `key`.
    pub(super) fn is_typed(&self, key: &Key) -> bool {
        self.raw.effective(key).is_some_and(|entry| entry.source != Source::Default)
    }

    /// Every client and where it is first named.
    pub(super) fn clients(&self) -> impl Iterator<Item = (&'a str, &'a Source)> + use<'a> {
        self.raw.clients()
    }

    /// What was wrong, and which keys were read.
    pub(super) fn finish(self) -> (Vec<Problem>, BTreeSet<Key>) {
        (self.problems, self.read)
    }

    fn report(&mut self, key: &Key, source: Source, value: Option<&Value>, what: String) {
        let value = value.map(|value| shown(value, secrecy(key)));
        self.problems.push(Problem { key: Some(key.to_string()), value, source, what });
    }
}

fn secrecy(key: &Key) -> Secrecy {
    key.setting().map_or(Secrecy::Secret, |setting| setting.secrecy)
}
