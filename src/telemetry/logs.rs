//! Logs, to standard error: text for people, JSON for collectors.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

use tracing::Subscriber;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, Layer as _};

use super::traces::Traces;

/// How a log line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// A line for a person, in colour on a terminal.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Why logs cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The filter makes no sense.
    #[error("`{filter}` is not a log filter: {source}. Write `info`, or `info,aso_guard=debug`")]
    Filter {
        /// The filter as given.
        filter: String,
        /// What the parser said.
        source: ParseError,
    },
    /// Something else in the process writes logs already.
    #[error("logs are set up twice: {0}")]
    Twice(#[from] TryInitError),
}

/// Starts to write logs to standard error, panics included. `filter` is a level
/// (`error`, `warn`, `info`, `debug`, `trace`, `off`), or several after commas,
/// each for one module: `info,aso_guard=debug,kube=warn`. Traces, where they are
/// sent, are not filtered by it.
pub fn init(format: LogFormat, filter: &str, traces: Option<&Traces>) -> Result<(), LogError> {
    let colour = std::io::stderr().is_terminal();
    subscriber(format, filter, colour, std::io::stderr, traces)?.try_init()?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn subscriber<W>(
    format: LogFormat,
    filter: &str,
    colour: bool,
    writer: W,
    traces: Option<&Traces>,
) -> Result<Box<dyn Subscriber + Send + Sync>, LogError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let parsed = EnvFilter::builder().parse(filter);
    let parsed = parsed.map_err(|source| LogError::Filter {
        filter: filter.to_owned(),
        source,
    })?;
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(colour)
        .with_writer(writer);
    let lines = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let subscriber = tracing_subscriber::registry()
        .with(lines.with_filter(parsed))
        .with(traces.map(Traces::layer));
    Ok(Box::new(subscriber))
}

/// A panic is a log line like any other, so that collectors keep it whole.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("no message");
    let location = panic.location().map(ToString::to_string);
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        tracing::error!(location, %backtrace, "panic: {message}");
    } else {
        tracing::error!(location, "panic: {message} (RUST_BACKTRACE=1 tells more)");
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use super::*;

    fn written(format: LogFormat, filter: &str) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        let sink = Arc::new(file.reopen().unwrap());
        let subscriber = subscriber(format, filter, false, sink, None).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::debug!("not this");
            tracing::info!(request.uid = "u-1", "a verdict");
        });
        std::fs::read_to_string(file.path()).unwrap()
    }

    #[test]
    fn json_lines_carry_fields_at_the_top() {
        let text = written(LogFormat::Json, "info");
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "a verdict");
        assert_eq!(line["request.uid"], "u-1");
        assert_eq!(line["level"], "INFO");
    }

    #[test]
    fn text_lines_read_plainly() {
        let text = written(LogFormat::Text, "info");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("a verdict"), "{text}");
        assert!(text.contains("request.uid=\"u-1\""), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn the_filter_is_obeyed_and_a_bad_one_is_told() {
        assert_eq!(written(LogFormat::Text, "off"), "");
        assert_eq!(
            written(LogFormat::Text, "warn,aso_guard=debug")
                .lines()
                .count(),
            2
        );
        let error = subscriber(LogFormat::Text, "aso_guard=loud", false, io::sink, None)
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("`aso_guard=loud`"), "{error}");
        assert!(error.contains("info,aso_guard=debug"), "{error}");
    }
}
