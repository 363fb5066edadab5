//! The unified JSON schema, version 3, in which MSAL libraries store a cache.
//!
//! Section order and member order follow MSAL.NET, timestamps are decimal
//! strings, unknown members survive a round trip. Entry keys are ignored when
//! reading and made anew when writing, as MSAL.NET does.

mod dual;
mod escape;
mod read;
mod write;

pub use dual::write_for_every_sdk;
pub use escape::Escaping;
pub use read::{MAX_BLOB_BYTES, ReadOptions, Timestamps, read, read_with};
pub use write::{write, write_with};

#[cfg(test)]
mod tests;
