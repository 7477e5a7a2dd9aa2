//! The log on standard output, as JSON or as text for people, and traces.
//!
//! Only the server logs. Commands use standard output for their result, and write the events that they
//! cause to standard error. A JSON line is one flat
//! object with the fields of the event and of its spans (`request_id`), so log tools need not look
//! into arrays.

mod json;
mod queue;
#[cfg(feature = "otlp")]
mod traces;

use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;

use thiserror::Error;
use tracing::Subscriber;
use tracing::subscriber::SetGlobalDefaultError;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use self::json::FlatJson;
pub(crate) use self::queue::LogQueue;
#[cfg(feature = "otlp")]
pub(crate) use self::traces::{Tracer, Traces};
use crate::config::{Log, LogFormat};
use aquaware_http::EVENT_TARGET;

/// Why the log could not be started.
#[derive(Debug, Error)]
pub(crate) enum TelemetryError {
    #[error("log.level is invalid")]
    Level(#[source] tracing_subscriber::filter::ParseError),
    #[error("the log was already started")]
    AlreadyStarted(#[source] SetGlobalDefaultError),
    #[error("failed to start the thread that writes the log")]
    Thread(#[source] io::Error),
}

/// Starts the log of this process. `json` overrides the format `auto`. Flush the returned queue
/// before the process ends.
///
/// # Errors
/// [`TelemetryError`].
pub(crate) fn install(log: &Log, json: bool) -> Result<LogQueue, TelemetryError> {
    let output = io::stdout();
    let format = LineFormat::of(log.format, json, output.is_terminal());
    // A separate file: nothing else may wait for the lock of `Stdout`.
    let file = output.as_fd().try_clone_to_owned().map(File::from);
    let queue = file.and_then(LogQueue::start).map_err(TelemetryError::Thread)?;
    let subscriber = subscriber(log, format, queue.clone())?;
    log_panics();
    tracing::subscriber::set_global_default(subscriber).map_err(TelemetryError::AlreadyStarted)?;
    Ok(queue)
}

/// Runs a command, and writes the events that it causes to standard error, unless that is a terminal,
/// where people read and a spinner is drawn. A standard error that cannot be written does not fail the
/// command.
pub(crate) fn with_events<T>(log: &Log, command: impl FnOnce() -> T) -> T {
    let output = io::stderr();
    if output.is_terminal() {
        return command();
    }
    let format = LineFormat::of(log.format, false, false);
    let events = Log { level: "off".to_owned(), ..log.clone() };
    let file = output.as_fd().try_clone_to_owned().map(File::from);
    let Ok(queue) = file.and_then(LogQueue::start) else { return command() };
    let Ok(subscriber) = subscriber(&events, format, queue.clone()) else { return command() };
    let result = tracing::subscriber::with_default(subscriber, command);
    queue.flush();
    result
}

/// The format of lines, with `auto` resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineFormat {
    Json,
    Human { colours: bool },
}

impl LineFormat {
    const fn of(format: LogFormat, json: bool, terminal: bool) -> Self {
        match format {
            LogFormat::Json => Self::Json,
            LogFormat::Auto if json || !terminal => Self::Json,
            LogFormat::Auto | LogFormat::Human => Self::Human { colours: terminal },
        }
    }
}

fn subscriber<W>(
    log: &Log,
    format: LineFormat,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter =
        EnvFilter::builder().parse(directives(&log.level)).map_err(TelemetryError::Level)?;
    // Internal errors would be written to standard error, which may block or be closed.
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .log_internal_errors(false);
    Ok(match format {
        LineFormat::Human { colours } => Box::new(lines.with_ansi(colours).finish()),
        LineFormat::Json => Box::new(lines.fmt_fields(FlatJson).event_format(FlatJson).finish()),
    })
}

/// The configured level. Messages of the HTTP library about its threads are hidden by default, and
/// events are logged at any level.
fn directives(level: &str) -> String {
    let level = if level == "off" { level } else { &format!("actix_server=warn,{level}") };
    format!("{level},{EVENT_TARGET}=trace")
}

/// Logs only the location: the message of a panic may quote a secret.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        tracing::error!(location, "a thread panicked; this is a bug");
    }));
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use serde_json::{Map, Value as Json};

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: &str, format: LineFormat, log: impl FnOnce()) -> Vec<String> {
        let memory = Memory::default();
        let writer = memory.clone();
        let settings = Log { format: LogFormat::Auto, level: level.to_owned() };
        let subscriber = subscriber(&settings, format, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, log);
        let bytes = memory.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn auto_is_text_on_a_terminal_and_json_otherwise() {
        let colours = true;
        assert_eq!(LineFormat::of(LogFormat::Auto, false, true), LineFormat::Human { colours });
        assert_eq!(LineFormat::of(LogFormat::Auto, false, false), LineFormat::Json);
        assert_eq!(LineFormat::of(LogFormat::Auto, true, true), LineFormat::Json);
        assert_eq!(
            LineFormat::of(LogFormat::Human, true, false),
            LineFormat::Human { colours: false }
        );
        assert_eq!(LineFormat::of(LogFormat::Json, false, true), LineFormat::Json);
    }

    #[test]
    fn a_json_line_is_flat_and_contains_the_fields_of_its_spans() {
        let lines = logged("info", LineFormat::Json, || {
            let outer = tracing::info_span!("request", request_id = "r1", status = 0);
            let _outer = outer.enter();
            let _inner = tracing::info_span!("refresh", session = "s1").entered();
            tracing::info!(status = 200, ok = true, "answered\nall");
        });
        assert_eq!(lines.len(), 1, "{lines:?}");
        let line: Map<String, Json> = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(lines[0].matches("\"status\":").count(), 1, "the event's: {lines:?}");
        assert!(line.values().all(|value| !value.is_object() && !value.is_array()), "{line:?}");
        assert_eq!(line["request_id"], "r1");
        assert_eq!(line["session"], "s1");
        assert_eq!(line["status"], 200);
        assert_eq!(line["ok"], true);
        assert_eq!(line["message"], "answered\nall");
        assert_eq!(line["level"], "info");
        let time = line["time"].as_str().unwrap();
        assert!(time.ends_with('Z') && time.len() == "2026-11-22T08:00:00.250Z".len(), "{time}");
    }

    #[test]
    fn the_level_filters_lines_and_can_name_modules() {
        let log = || {
            tracing::debug!(target: "aquaware::http", "one");
            tracing::debug!(target: "other", "two");
            tracing::warn!(target: "other", "three");
        };
        assert_eq!(logged("off", LineFormat::Json, log).len(), 0);
        let event = || tracing::info!(target: EVENT_TARGET, event = "login_failed");
        for level in ["off", "error", "off,aquaware=off", "aquaware::event=off"] {
            assert_eq!(logged(level, LineFormat::Json, event).len(), 1, "{level}");
        }
        assert_eq!(logged("warn", LineFormat::Json, log).len(), 1);
        assert_eq!(logged("debug", LineFormat::Json, log).len(), 3);
        assert_eq!(
            logged("info,aquaware=debug", LineFormat::Human { colours: false }, log).len(),
            2
        );
    }
}
