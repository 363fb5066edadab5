//! How the server behaves beside being right: how long it takes.

pub(crate) mod latency;
