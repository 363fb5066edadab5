//! The report as JUnit XML: GitLab, Azure Pipelines and Jenkins show it. Each
//! threshold is a test case, and so are the oracle, the ledgers and whether the
//! run was valid.

use std::fmt::Write as _;

use super::escape::xml;
use super::model::{Report, ThresholdResult, ThresholdVerdict, Verdict};
use crate::gate::threshold::show;

/// How a test case ended.
enum Case {
    Passed,
    Failed { kind: &'static str, message: String },
    Error { message: String },
}

/// Renders `report`.
pub fn render(report: &Report) -> String {
    let mut cases: Vec<(String, Case)> = vec![
        ("the run is valid".to_owned(), validity(report)),
        ("every token is the right one".to_owned(), oracle(report)),
        ("both ledgers agree".to_owned(), ledgers(report)),
    ];
    let thresholds = report.thresholds.iter();
    cases.extend(thresholds.map(|result| (result.expression.clone(), threshold(result))));
    let count = |wanted: fn(&Case) -> bool| cases.iter().filter(|(_, case)| wanted(case)).count();
    let failures = count(|case| matches!(case, Case::Failed { .. }));
    let errors = count(|case| matches!(case, Case::Error { .. }));
    let name = xml(&report.scenario.name);
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    // Writing to a string does not fail.
    let _ = writeln!(
        out,
        "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" \
         skipped=\"0\" time=\"{:.3}\" timestamp=\"{}\">",
        cases.len(),
        report.duration_s,
        xml(report.started_at.trim_end_matches('Z')),
    );
    let properties = [
        ("verdict", report.verdict.word().to_lowercase()),
        ("mode", report.mode.as_str().to_owned()),
        ("seed", report.seed.to_string()),
        ("scenario.hash", report.scenario.hash.clone()),
    ];
    out.push_str("    <properties>\n");
    for (name, value) in properties {
        let _ = writeln!(
            out,
            "      <property name=\"{name}\" value=\"{}\"/>",
            xml(&value)
        );
    }
    out.push_str("    </properties>\n");
    for (case_name, case) in &cases {
        let _ = write!(
            out,
            "    <testcase classname=\"{name}\" name=\"{}\" file=\"{}\" time=\"0\"",
            xml(case_name),
            xml(&report.scenario.file)
        );
        let _ = match case {
            Case::Passed => writeln!(out, "/>"),
            Case::Failed { kind, message } => writeln!(
                out,
                ">\n      <failure type=\"{kind}\" message=\"{}\"/>\n    </testcase>",
                xml(message)
            ),
            Case::Error { message } => writeln!(
                out,
                ">\n      <error type=\"invalid\" message=\"{}\"/>\n    </testcase>",
                xml(message)
            ),
        };
    }
    out.push_str("  </testsuite>\n</testsuites>\n");
    out
}

fn validity(report: &Report) -> Case {
    match report.verdict {
        Verdict::Pass | Verdict::Fail => Case::Passed,
        Verdict::Invalid | Verdict::Interrupted => Case::Error {
            message: if report.reasons.is_empty() {
                report.verdict.word().to_lowercase()
            } else {
                report.reasons.join("; ")
            },
        },
    }
}

fn oracle(report: &Report) -> Case {
    let oracle = report.oracle;
    let found = [
        ("wrong", oracle.wrong_token),
        ("expired", oracle.expired_served),
        ("under-scoped", oracle.under_scoped),
        ("not issued", oracle.not_issued),
    ];
    let told: Vec<String> = found
        .into_iter()
        .filter(|(_, times)| *times > 0)
        .map(|(word, times)| format!("{word} {times}"))
        .collect();
    if told.is_empty() {
        return Case::Passed;
    }
    Case::Failed {
        kind: "oracle",
        message: format!("of {} tokens: {}", oracle.checked, told.join(", ")),
    }
}

fn ledgers(report: &Report) -> Case {
    let ledger = report.ledger;
    if ledger.balanced {
        return Case::Passed;
    }
    Case::Failed {
        kind: "ledger",
        message: format!(
            "clients account for {} token requests, the provider counted {}",
            ledger.client_side,
            ledger.server_side.map_or_else(
                || "none: not read".to_owned(),
                |counted| counted.to_string()
            )
        ),
    }
}

fn threshold(result: &ThresholdResult) -> Case {
    let shown = |value: Option<f64>| {
        value.map_or_else(|| "nothing".to_owned(), |value| show(result.unit, value))
    };
    match result.verdict {
        ThresholdVerdict::Pass => Case::Passed,
        ThresholdVerdict::Fail => Case::Failed {
            kind: "threshold",
            message: format!(
                "measured {}, limit {} ({}:{})",
                shown(result.measured),
                shown(result.limit),
                result.file,
                result.line
            ),
        },
        ThresholdVerdict::NoData => Case::Failed {
            kind: "no_data",
            message: format!(
                "nothing, or too little, to judge by ({}:{})",
                result.file, result.line
            ),
        },
    }
}
