//! Everything in `dashboards/`, `docs/metrics.md` and `docs/runbook.md` is made
//! here, from the catalogue, and checked in. These tests hold the files current
//! (`UPDATE=1` writes them) and prove what can be proven without a server:
//! Prometheus' own linter, the rule tests, and Grafana's dashboard linter's
//! rules. `loadgen/tests/live.rs` does the rest.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod alerts;
mod board;
mod boards;
mod files;
mod lint;
mod msal_dotnet;
mod panel;
mod promql;
mod promtool;
mod recording;
mod reference;
mod rule;
mod runbook;
