//! The configuration file: TOML, with the line of every key.

use toml::de::{DeTable, DeValue, Error};

use super::super::problem::nearest;
use super::super::schema::{self, CLIENT_SETTINGS, Key, SETTINGS};
use super::super::source::Source;
use super::super::value::Value;
use super::Raw;

/// Adds the values of the file `path` with the content `bytes` to `raw`.
pub(super) fn add(raw: &mut Raw, path: &str, bytes: &[u8]) {
    let (content, invalid_at) = match std::str::from_utf8(bytes) {
        Ok(content) => (content, None),
        Err(error) => {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            (std::str::from_utf8(valid).unwrap_or_default(), Some(error.valid_up_to()))
        }
    };
    let mut file = File { raw, path, content };
    if let Some(offset) = invalid_at {
        file.unreadable(offset, "is not valid UTF-8".to_owned());
        return;
    }
    let (table, errors) = DeTable::parse_recoverable(content);
    for error in &errors {
        file.syntax(error);
    }
    file.table("", table.get_ref());
}

struct File<'a> {
    raw: &'a mut Raw,
    path: &'a str,
    content: &'a str,
}

impl File<'_> {
    fn line(&self, offset: usize) -> Source {
        let before = self.content.bytes().take(offset);
        let line = before.filter(|byte| *byte == b'\n').count() + 1;
        Source::File { path: self.path.to_owned(), line }
    }

    /// Reports the message of the parser, but not the line, which may contain a secret.
    fn syntax(&mut self, error: &Error) {
        let offset = error.span().map_or(self.content.len(), |span| span.start);
        self.unreadable(offset, format!("is not valid TOML: {}", error.message()));
    }

    fn unreadable(&mut self, offset: usize, what: String) {
        self.raw.incomplete = true;
        let source = self.line(offset);
        self.raw.report(None, source, what);
    }

    fn table(&mut self, path: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let name: &str = key.get_ref();
            let full = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            let source = self.line(key.span().start);
            match (schema::find(SETTINGS, &full), value.get_ref()) {
                (Some(setting), value) => {
                    self.raw.set(Key::plain(setting.path), Value::from_toml(value), source);
                }
                (None, DeValue::Table(clients)) if full == "clients" => self.clients(clients),
                (None, DeValue::Table(inner)) if schema::is_table(&full) => {
                    self.table(&full, inner);
                }
                (None, _) if schema::is_table(&full) => self.not_a_table(full, source),
                (None, _) => self.unknown(path, name, source),
            }
        }
    }

    fn clients(&mut self, table: &DeTable<'_>) {
        for (id, value) in table {
            let source = self.line(id.span().start);
            let table = format!("clients.{}", schema::key_part(id.get_ref()));
            self.raw.add_client(id.get_ref(), source.clone());
            match value.get_ref() {
                DeValue::Table(settings) => self.client(id.get_ref(), settings),
                _ => self.not_a_table(table, source),
            }
        }
    }

    fn client(&mut self, id: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let source = self.line(key.span().start);
            let name: &str = key.get_ref();
            if let Some(setting) = schema::find(CLIENT_SETTINGS, name) {
                let key = Key::of_client(id, setting.path);
                self.raw.set(key, Value::from_toml(value.get_ref()), source);
            } else {
                let table = format!("clients.{}", schema::key_part(id));
                let names = CLIENT_SETTINGS.iter().map(|setting| setting.path);
                let near = nearest(name, names).map(|near| format!("{table}.{near}"));
                self.unknown_with(&table, name, near, source);
            }
        }
    }

    fn unknown(&mut self, table: &str, name: &str, source: Source) {
        let near = nearest(name, schema::children(table)).map(|near| match table {
            "" => near.to_owned(),
            table => format!("{table}.{near}"),
        });
        self.unknown_with(table, name, near, source);
    }

    fn unknown_with(&mut self, table: &str, name: &str, near: Option<String>, source: Source) {
        let dot = if table.is_empty() { "" } else { "." };
        let what = match near.or_else(|| schema::elsewhere(name)) {
            Some(near) => format!("unknown key; did you mean {near}?"),
            None => "unknown key; remove it".to_owned(),
        };
        self.raw.report(Some(format!("{table}{dot}{}", schema::key_part(name))), source, what);
    }

    fn not_a_table(&mut self, table: String, source: Source) {
        let what = format!("expected a table of settings, written [{table}]");
        self.raw.report(Some(table), source, what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(content: &str) -> Vec<String> {
        let mut raw = Raw::new();
        raw.add_file("a.toml", content.as_bytes());
        raw.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_a_suggestion() {
        for (content, expected) in [
            ("\nisuer = 1", "a.toml:2: isuer: unknown key; did you mean issuer?"),
            ("[lisen]", "a.toml:1: lisen: unknown key; did you mean listen?"),
            ("[listen]\n\nport = 1", "a.toml:3: listen.port: unknown key; remove it"),
            (
                "[listen]\npool_size = 1",
                "a.toml:2: listen.pool_size: unknown key; did you mean store.pool_size?",
            ),
            (
                "[listen]\nissuer = 'x'",
                "a.toml:2: listen.issuer: unknown key; did you mean issuer?",
            ),
            ("[log]\n'a b' = 1", "a.toml:2: log.\"a b\": unknown key; remove it"),
            (
                "rotation = 1",
                "a.toml:1: rotation: unknown key; did you mean clients.CLIENT.rotation?",
            ),
            (
                "[clients.web]\nrotatoin = 1",
                "a.toml:2: clients.web.rotatoin: unknown key; did you mean clients.web.rotation?",
            ),
            ("[clients.'a.b']\nx = 1", "a.toml:2: clients.\"a.b\".x: unknown key; remove it"),
            ("listen = 5", "a.toml:1: listen: expected a table of settings, written [listen]"),
            (
                "clients.web = true",
                "a.toml:1: clients.web: expected a table of settings, written [clients.web]",
            ),
            ("clients = []", "a.toml:1: clients: expected a table of settings, written [clients]"),
        ] {
            assert_eq!(problems(content), [expected]);
        }
    }

    #[test]
    fn dotted_keys_inline_tables_and_headers_are_the_same() {
        for content in [
            "[log]\nlevel = 'off'",
            "log.level = 'off'",
            "log = { level = 'off' }",
            "\u{feff}log.level='off'",
        ] {
            let mut raw = Raw::new();
            raw.add_file("a.toml", content.as_bytes());
            assert_eq!(raw.problems, []);
            assert_eq!(raw.effective(&Key::plain("log.level")).unwrap().value.text(), Some("off"));
        }
    }

    #[test]
    fn every_syntax_error_is_reported_with_its_line_number_and_without_the_line() {
        let problems = problems("a = \n[log]\nlevel = \"horse\nformat = 'json'");
        assert!(problems.len() >= 2, "{problems:?}");
        assert!(problems[0].starts_with("a.toml:1: is not valid TOML: "), "{problems:?}");
        assert!(
            problems.iter().any(|line| line.starts_with("a.toml:3: is not valid TOML: ")),
            "{problems:?}"
        );
        assert!(!problems.concat().contains("horse"), "{problems:?}");
    }

    #[test]
    fn a_key_set_twice_is_an_error() {
        let problems = problems("[log]\nlevel = 'off'\nlevel = 'info'");
        assert!(
            problems.len() == 1 && problems[0].starts_with("a.toml:3: is not valid TOML: dup"),
            "{problems:?}"
        );
    }

    #[test]
    fn a_file_that_is_not_utf_8_is_an_error_with_its_line() {
        let mut raw = Raw::new();
        raw.add_file("a.toml", b"[log]\nlevel = '\xff'");
        assert_eq!(raw.problems[0].to_string(), "a.toml:2: is not valid UTF-8");
        assert!(raw.incomplete);
    }
}
