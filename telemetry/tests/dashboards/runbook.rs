//! `docs/runbook.md`: a paragraph for each alert.

use std::fmt::Write as _;

use crate::rule::{Alert, Rule};

pub(crate) fn page(alerts: &[&Alert]) -> String {
    let mut text = String::from(
        "# Runbook\n\n\
         What each alert of `dashboards/prometheus/alerts.rules.yml` says, and what helps.\n\
         Made from the alerts' source by `telemetry/tests/dashboards`; do not edit.\n\n\
         ## What MSAL.NET's documentation asks to watch\n\n\
         | advice | alert |\n|---|---|\n",
    );
    for alert in alerts {
        if let Some(advice) = alert.advice {
            let anchor = alert.name.to_lowercase();
            writeln!(text, "| {advice} | [{}](#{anchor}) |", alert.name).unwrap();
        }
    }
    text.push_str("\n## Alerts\n");
    for alert in alerts {
        write!(
            text,
            "\n### {}\n\nSeverity {}, after {}.\n\n**What it says.** {}\n\n**What helps.** {}\n",
            alert.name, alert.severity, alert.wait, alert.meaning, alert.action
        )
        .unwrap();
    }
    text
}

/// The alerts among these groups' rules.
pub(crate) fn alerts(groups: &[crate::rule::Group]) -> Vec<&Alert> {
    let rules = groups.iter().flat_map(|group| &group.rules);
    rules
        .filter_map(|rule| match rule {
            Rule::Alert(alert) => Some(alert),
            Rule::Record { .. } => None,
        })
        .collect()
}
