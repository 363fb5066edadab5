//! The dashboards and alerts, proven with a real Prometheus: every panel of every
//! dashboard shows something while a run goes on, and every alert fires when its
//! trouble is made and clears when it ends.
//!
//! ```sh
//! cargo test -p loadgen --test live
//! scripts/dashboard-pictures
//! ```
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

#[path = "live/alerts.rs"]
mod alerts;
#[path = "../../token-client/tests/support/at_once.rs"]
mod at_once;
#[path = "live/http.rs"]
mod http;
#[path = "live/idp.rs"]
mod idp;
#[path = "live/page.rs"]
mod page;
#[path = "live/panels.rs"]
mod panels;
#[path = "support/program.rs"]
mod program;
#[path = "live/prometheus.rs"]
mod prometheus;
#[path = "live/service.rs"]
mod service;
#[path = "live/virtual_time.rs"]
mod virtual_time;
#[path = "support/watch.rs"]
mod watch;
