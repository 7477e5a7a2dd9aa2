//! The lines of a file, as fields by name: one JSON object per line, or CSV with a header.
//!
//! Errors name a line and at most the name of a field. Values can be password hashes, also in a place
//! where a name is expected.

use std::io::{self, BufRead as _, BufReader, Read};

use aquaware_core::claims::{ExactJsonError, parse_exact};
use csv::{ByteRecord, ReaderBuilder, Trim};
use serde_json::Value;
use zeroize::Zeroizing;

use super::fields::{Fields, is_field, shown};
use crate::cli::arguments::ImportFormat;
use crate::cli::error::CommandError;

/// The maximum length of a line with a JSON object.
const MAX_LINE_BYTES: usize = 64 * 1024;
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// One line with an account, or why it cannot be read.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) fields: Result<Fields, String>,
}

/// The lines of a file that have content.
pub(super) enum Rows<R> {
    Json(JsonRows<R>),
    Csv(Box<CsvRows<R>>),
}

impl<R: Read> Rows<R> {
    /// # Errors
    /// A CSV file without a header line, or with an unknown column.
    pub(super) fn new(stream: R, format: ImportFormat) -> Result<Self, CommandError> {
        let stream = BufReader::new(stream);
        Ok(match format {
            ImportFormat::Jsonl => Self::Json(JsonRows { stream, line: 0, ended: false }),
            ImportFormat::Csv => Self::Csv(Box::new(CsvRows::new(stream)?)),
        })
    }
}

impl<R: Read> Iterator for Rows<R> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        match self {
            Self::Json(rows) => rows.next(),
            Self::Csv(rows) => rows.next(),
        }
    }
}

pub(super) struct JsonRows<R> {
    stream: BufReader<R>,
    line: u64,
    ended: bool,
}

impl<R: Read> JsonRows<R> {
    fn next(&mut self) -> Option<Row> {
        loop {
            self.line += 1;
            let bytes = match self.read_line() {
                Ok(Some(bytes)) => bytes,
                Ok(None) => return None,
                Err(error) => {
                    self.ended = true;
                    let fields = Err(format!("the rest of the input cannot be read: {error}"));
                    return Some(Row { line: self.line, fields });
                }
            };
            let text = match self.line {
                1 => bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes),
                _ => &bytes,
            };
            if !text.trim_ascii().is_empty() {
                return Some(Row { line: self.line, fields: object(text) });
            }
        }
    }

    /// The next line, of which at most one byte too much is kept; `None` at the end.
    fn read_line(&mut self) -> std::io::Result<Option<Zeroizing<Vec<u8>>>> {
        if self.ended {
            return Ok(None);
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(1024));
        let limit = u64::try_from(MAX_LINE_BYTES + 1).unwrap_or(u64::MAX);
        let read = (&mut self.stream).take(limit).read_until(b'\n', &mut bytes)?;
        if read == 0 {
            return Ok(None);
        }
        if bytes.len() > MAX_LINE_BYTES && bytes.last() != Some(&b'\n') {
            self.stream.skip_until(b'\n')?;
        }
        Ok(Some(bytes))
    }
}

fn object(line: &[u8]) -> Result<Fields, String> {
    if line.len() > MAX_LINE_BYTES {
        return Err(format!("the line is longer than {MAX_LINE_BYTES} bytes"));
    }
    let text = std::str::from_utf8(line).map_err(|_| "the line is not valid UTF-8".to_owned())?;
    match parse_exact(text) {
        Ok(Value::Object(fields)) => Ok(fields),
        Err(ExactJsonError::Ambiguous(_)) => Err("a name occurs twice".to_owned()),
        Err(error @ ExactJsonError::Inexact(_)) => Err(error.to_string()),
        _ => Err("the line is not a JSON object".to_owned()),
    }
}

/// Input with plain line ends and one at its end, by which the parser counts every line: it ends a record
/// at `\r` and at the end of the input without counting it.
struct PlainLines<R>(R);

impl<R: Read> Read for PlainLines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.0.read(buffer)?;
            let mut kept = 0;
            for index in 0..read {
                if buffer.get(index) != Some(&b'\r') {
                    buffer.swap(kept, index);
                    kept += 1;
                }
            }
            if kept > 0 || read == 0 {
                return Ok(kept);
            }
        }
    }
}

type CsvInput<R> = io::Chain<PlainLines<BufReader<R>>, &'static [u8]>;

pub(super) struct CsvRows<R> {
    records: csv::Reader<CsvInput<R>>,
    names: Vec<String>,
    ended: bool,
}

impl<R: Read> CsvRows<R> {
    fn new(stream: BufReader<R>) -> Result<Self, CommandError> {
        let stream = PlainLines(stream).chain(&b"\n"[..]);
        let mut records =
            ReaderBuilder::new().flexible(true).trim(Trim::Headers).from_reader(stream);
        let headers = records.byte_headers().map_err(|error| {
            CommandError::Failed(format!("failed to read the header line: {error}"))
        })?;
        let mut names: Vec<String> = Vec::new();
        for (column, name) in headers.iter().enumerate() {
            let name =
                if column == 0 { name.strip_prefix(BYTE_ORDER_MARK).unwrap_or(name) } else { name };
            let name = String::from_utf8_lossy(name).trim_matches('"').to_owned();
            let problem = match (is_field(&name), names.contains(&name)) {
                (true, false) => None,
                (true, true) => Some("occurs twice"),
                (false, _) => Some("is not a field of accounts"),
            };
            if let Some(problem) = problem {
                let column = column + 1;
                let message =
                    format!("column {column}{} of the header line {problem}", shown(&name));
                return Err(CommandError::Usage(message));
            }
            names.push(name);
        }
        if names.is_empty() {
            return Err(CommandError::Usage("the file has no header line".to_owned()));
        }
        Ok(Self { records, names, ended: false })
    }

    fn next(&mut self) -> Option<Row> {
        if self.ended {
            return None;
        }
        let mut record = ByteRecord::new();
        match self.records.read_byte_record(&mut record) {
            Ok(true) => {
                let within = record.as_slice().iter().filter(|byte| **byte == b'\n').count();
                let within = u64::try_from(within).unwrap_or(0);
                let line = self.records.position().line().saturating_sub(1 + within);
                Some(Row { line, fields: self.fields(&record) })
            }
            Ok(false) => None,
            Err(error) => {
                self.ended = true;
                let fields = Err(format!("the rest of the input cannot be read: {error}"));
                Some(Row { line: self.records.position().line(), fields })
            }
        }
    }

    fn fields(&self, record: &ByteRecord) -> Result<Fields, String> {
        let (found, expected) = (record.len(), self.names.len());
        if found != expected {
            return Err(format!("the line has {found} columns; the header line has {expected}"));
        }
        let mut fields = Fields::new();
        for (name, value) in self.names.iter().zip(record) {
            let value =
                std::str::from_utf8(value).map_err(|_| format!("{name}: not valid UTF-8"))?;
            fields.insert(name.clone(), value.into());
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &[u8], format: ImportFormat) -> Vec<(u64, Result<Value, String>)> {
        let rows = Rows::new(text, format).unwrap();
        rows.map(|row| (row.line, row.fields.map(Value::Object))).collect()
    }

    fn lines(rows: &[(u64, Result<Value, String>)]) -> Vec<(u64, bool)> {
        rows.iter().map(|(line, fields)| (*line, fields.is_ok())).collect()
    }

    #[test]
    fn json_lines_are_numbered_and_bad_ones_do_not_stop_the_rest() {
        let long = format!("{{\"email\": \"{}\"}}", "x".repeat(MAX_LINE_BYTES));
        let text = format!(
            "\u{feff}{{\"email\": \"a\"}}\r\n\n{{\"email\"\n[]\n{long}\n{{\"a\": 1, \"a\": 2}}\n{{}}"
        );
        let mut text = text.into_bytes();
        text.extend(b"\n{\"email\": \"\xff\"}\n{\"email\": \"z\"}");
        let rows = rows(&text, ImportFormat::Jsonl);
        let expected = [
            (1, true),
            (3, false),
            (4, false),
            (5, false),
            (6, false),
            (7, true),
            (8, false),
            (9, true),
        ];
        assert_eq!(lines(&rows), expected);
    }

    #[test]
    fn csv_lines_are_numbered_by_the_line_they_begin_on() {
        let text =
            "\u{feff}email,first_name\r\na,Ann\n\nb,\"two\nlines\"\nc\nd,\"Dan \"\"D\"\"\"\n";
        let rows = rows(text.as_bytes(), ImportFormat::Csv);
        assert_eq!(lines(&rows), [(2, true), (4, true), (6, false), (7, true)]);
        let crlf = "email,first_name\r\na,Ann\r\n\r\nb,\"two\r\nlines\"\r\nc,d";
        let crlf = self::rows(crlf.as_bytes(), ImportFormat::Csv);
        assert_eq!(lines(&crlf), [(2, true), (4, true), (6, true)]);
        assert_eq!(rows[3].1.as_ref().unwrap()["first_name"], "Dan \"D\"");
        assert_eq!(rows[0].1.as_ref().unwrap()["email"], "a");
    }

    #[test]
    fn a_missing_or_wrong_header_is_rejected_without_quoting_it() {
        for (text, told) in [
            ("", "no header"),
            ("email,email\n", "column 2 \"email\""),
            ("email,pasword_hash\n", "column 2 \"pasword_hash\""),
            ("ann@example.com,$2b$12$secret\n", "column 1 of"),
            ("email,5f4dcc3b5aa765d61d8327deb882cf99\n", "column 2 of"),
        ] {
            let Err(error) = Rows::new(text.as_bytes(), ImportFormat::Csv) else {
                panic!("{text}")
            };
            let message = error.to_string();
            assert!(message.contains(told), "{message}");
            assert!(!message.contains("secret") && !message.contains("5f4d"), "{message}");
        }
    }
}
