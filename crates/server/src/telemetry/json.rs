//! Lines of the log as flat JSON objects.
//!
//! Each request writes a line, so a field is written once, where it belongs, and is in no collection
//! before that. The fields of a span are formatted when it begins, and copied into its lines.

use std::fmt::{self, Debug};

use aquaware_core::time::{Clock as _, SystemClock};
use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// One event as one flat JSON object on one line.
#[derive(Clone, Copy, Debug)]
pub(super) struct FlatJson;

impl<S> FormatEvent<S, Self> for FlatJson
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, Self>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let mut fields = Fields::default();
        fields.add("time", SystemClock.now().to_rfc3339());
        fields.add("level", metadata.level().as_str().to_ascii_lowercase());
        fields.add("target", metadata.target());
        event.record(&mut fields);
        for span in context.event_scope().into_iter().flatten() {
            if let Some(of_span) = span.extensions().get::<FormattedFields<Self>>() {
                of_span.lines().for_each(|field| fields.copy(field));
            }
        }
        let object = fields.text.strip_prefix(',').unwrap_or_default();
        writeln!(writer, "{{{object}}}")
    }
}

impl<'writer> FormatFields<'writer> for FlatJson {
    /// Writes each field on a line. Strings in JSON contain no line breaks.
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, of: R) -> fmt::Result {
        let mut fields = Fields { text: String::new(), end: "\n" };
        of.record(&mut fields);
        writer.write_str(&fields.text)
    }
}

/// Fields as parts of a JSON object: a comma, the name, a colon and the value of each. The first field
/// of a name is the one that counts.
#[derive(Default)]
struct Fields {
    text: String,
    /// What follows a field.
    end: &'static str,
}

impl Fields {
    fn add(&mut self, name: &str, value: impl Serialize) {
        // No value contains this text, because quotes in strings are escaped.
        let key = format!(",\"{name}\":");
        if let (false, Ok(value)) = (self.text.contains(&key), serde_json::to_string(&value)) {
            self.text.extend([&key, &value, self.end]);
        }
    }

    /// Adds a field in the form of this text.
    fn copy(&mut self, field: &str) {
        let key = field.find("\":").and_then(|end| field.get(..end + 2));
        if key.is_some_and(|key| !self.text.contains(key)) {
            self.text.push_str(field);
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field.name(), value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field.name(), format_args!("{value:?}"));
    }
}
