//! Prometheus rules as data, and their YAML.

use std::fmt::Write as _;

/// Windows and waits. Production and rehearsal differ in these alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Windows {
    /// Of rates: a few scrapes.
    pub(crate) rate: &'static str,
    /// Of budget burn: long and short window, and how many times the budget
    /// for the month may be used up at that pace.
    pub(crate) fast_burn: (&'static str, &'static str, f64),
    pub(crate) slow_burn: (&'static str, &'static str, f64),
    /// What is usual, and how far back that has to lie.
    pub(crate) usual: (&'static str, &'static str),
    /// To extrapolate growth from, and how far, in seconds.
    pub(crate) growth: (&'static str, u32),
    /// Over which a level without a bound must not go on growing.
    pub(crate) unbounded: &'static str,
    /// For how long after its start a cache is excused, in seconds.
    pub(crate) cold_s: u32,
    /// For how long a job is missed that was there.
    pub(crate) missed: &'static str,
    /// How long a generator may be late, an edge of its histogram, in seconds.
    pub(crate) late: &'static str,
    /// Times an alert waits before it fires; rehearsals do not wait long.
    pub(crate) wait: Option<&'static str>,
}

/// For production: the figures of the SRE Workbook and of the catalogue's notes.
pub(crate) const PRODUCTION: Windows = Windows {
    rate: "5m",
    fast_burn: ("1h", "5m", 14.4),
    slow_burn: ("6h", "30m", 6.0),
    usual: ("6h", "10m"),
    growth: ("1h", 4 * 3_600),
    unbounded: "6h",
    cold_s: 900,
    missed: "1h",
    late: "0.01",
    wait: None,
};

/// For CI, where a run lasts minutes, is scraped every second, and shares its
/// machine: the same rules in seconds, and a generator that may be later.
pub(crate) const REHEARSAL: Windows = Windows {
    rate: "15s",
    fast_burn: ("30s", "10s", 14.4),
    slow_burn: ("40s", "20s", 6.0),
    usual: ("20s", "20s"),
    growth: ("15s", 90),
    unbounded: "30s",
    cold_s: 10,
    missed: "1m",
    late: "0.5",
    wait: Some("2s"),
};

/// Rules that are evaluated together.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) rules: Vec<Rule>,
}

#[derive(Debug)]
pub(crate) enum Rule {
    Record {
        name: String,
        expr: String,
        labels: Vec<(&'static str, &'static str)>,
    },
    Alert(Alert),
}

/// An alert, and what whoever it wakes has to know.
#[derive(Debug, Clone)]
pub(crate) struct Alert {
    pub(crate) name: &'static str,
    pub(crate) expr: String,
    /// How long it has to hold in production.
    pub(crate) wait: &'static str,
    pub(crate) severity: &'static str,
    /// One line, with the job.
    pub(crate) summary: &'static str,
    /// What it says, for the runbook.
    pub(crate) meaning: &'static str,
    /// Where to look, and what helps.
    pub(crate) action: &'static str,
    /// The advice in MSAL.NET's documentation that it answers, if one does.
    pub(crate) advice: Option<&'static str>,
}

pub(crate) fn record(name: impl Into<String>, expr: impl Into<String>) -> Rule {
    Rule::Record {
        name: name.into(),
        expr: expr.into(),
        labels: Vec::new(),
    }
}

pub(crate) fn labelled(
    name: impl Into<String>,
    expr: impl Into<String>,
    label: (&'static str, &'static str),
) -> Rule {
    Rule::Record {
        name: name.into(),
        expr: expr.into(),
        labels: vec![label],
    }
}

impl Rule {
    pub(crate) fn expr(&self) -> &str {
        match self {
            Self::Record { expr, .. } | Self::Alert(Alert { expr, .. }) => expr,
        }
    }
}

/// Where the runbook is, for whoever reads an alert.
const RUNBOOK: &str =
    "https://github.com/token-cache-lab/token-cache-lab/blob/main/docs/runbook.md";

/// The groups as a rule file.
pub(crate) fn yaml(groups: &[Group], windows: &Windows) -> String {
    let mut text = String::from(
        "# Made from telemetry/tests/dashboards; do not edit.\n# UPDATE=1 cargo test -p telemetry --test dashboards\ngroups:\n",
    );
    for group in groups {
        writeln!(text, "  - name: {}\n    rules:", group.name).unwrap();
        for rule in &group.rules {
            match rule {
                Rule::Record { name, expr, labels } => {
                    writeln!(text, "      - record: {name}").unwrap();
                    expression(&mut text, expr);
                    if !labels.is_empty() {
                        text.push_str("        labels:\n");
                    }
                    for (label, value) in labels {
                        writeln!(text, "          {label}: {value}").unwrap();
                    }
                }
                Rule::Alert(alert) => {
                    writeln!(text, "      - alert: {}", alert.name).unwrap();
                    expression(&mut text, &alert.expr);
                    writeln!(
                        text,
                        "        for: {}\n        labels:\n          severity: {}\n        annotations:\n          summary: \"{}\"\n          runbook_url: {RUNBOOK}#{}",
                        windows.wait.unwrap_or(alert.wait),
                        alert.severity,
                        alert.summary,
                        alert.name.to_lowercase(),
                    )
                    .unwrap();
                }
            }
        }
    }
    text
}

fn expression(text: &mut String, expr: &str) {
    text.push_str("        expr: |2-\n");
    for line in expr.lines() {
        writeln!(text, "          {line}").unwrap();
    }
}
