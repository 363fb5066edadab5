//! How the server behaves beside being right: how long it takes, and what goes wrong.

pub(crate) mod fault;
pub(crate) mod forgery;
pub(crate) mod latency;
pub(crate) mod matcher;
pub(crate) mod rule;
pub(crate) mod throttle;
