//! Quantities as scenario files write them: `30s`, `200/s`, `500MB`, `5%`.
//!
//! A number without its unit is refused everywhere: `timeout: 30` is read as
//! seconds by one person and as milliseconds by the next.

mod bytes;
mod duration;
mod number;
mod rate;
mod share;

pub use bytes::Bytes;
pub use duration::{parse_duration, show_duration};
pub use rate::Rate;
pub use share::Share;

/// Why a text is not the quantity it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct UnitError {
    /// What is wrong, naming the text found.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

impl UnitError {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: hint.into(),
        }
    }
}
