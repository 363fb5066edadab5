//! Structured logs on stderr; stdout belongs to the report.

use std::io::IsTerminal as _;

use tracing::level_filters::LevelFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people: one line an event.
    Text,
    /// For machines: one JSON object an event.
    Json,
}

/// Sends events at `level` and above to stderr. A second call changes nothing,
/// so that a library's tests may call it as often as they like.
pub fn init(level: LevelFilter, format: Format) {
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(has_colours())
        .with_target(false);
    // An error means that a subscriber is already set.
    let _ = match format {
        Format::Text => builder.compact().try_init(),
        Format::Json => builder.json().try_init(),
    };
}

/// Whether stderr is a terminal, and whoever reads it has not said no
/// (<https://no-color.org>: the variable, unless it is empty).
fn has_colours() -> bool {
    let is_refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stderr().is_terminal() && !is_refused
}
