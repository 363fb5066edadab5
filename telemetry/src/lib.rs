//! The metric catalogue as data, its Prometheus exposition, and logging to stderr.
