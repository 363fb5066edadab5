//! OpenMetrics 1.0: units, exemplars, time stamps, and an end that shows a cut.

use std::fmt::Write as _;

use super::{Exemplar, Family, HistogramSample, Sample, Value};
use crate::catalogue::{Kind, Metric, Unit};

/// How the text ends; what does not end so was cut off.
pub(super) const EOF: &str = "# EOF\n";

pub(super) fn render(families: &[Family]) -> String {
    let mut text = String::new();
    for family in families {
        header(&mut text, family.metric);
        for one in &family.samples {
            sample(&mut text, family.metric, one, None);
        }
    }
    text + EOF
}

/// The `# HELP`, `# TYPE` and `# UNIT` lines. A counter's family has no `_total`.
pub(super) fn header(text: &mut String, metric: &Metric) {
    let name = metric.name.trim_end_matches("_total");
    // Writing to a string cannot fail.
    let _ = writeln!(text, "# HELP {name} {}", escape(metric.help, false));
    let _ = writeln!(text, "# TYPE {name} {}", metric.kind.as_str());
    if metric.unit != Unit::None
        && let Some(unit) = metric.unit.as_str()
    {
        let _ = writeln!(text, "# UNIT {name} {unit}");
    }
}

/// The lines of one sample, made at `at` Unix seconds if that is given.
pub(super) fn sample(text: &mut String, metric: &Metric, sample: &Sample, at: Option<f64>) {
    let labels: Vec<String> = metric
        .labels
        .iter()
        .zip(&sample.labels)
        .map(|(label, value)| format!("{}=\"{}\"", label.name, escape(value, true)))
        .collect();
    let labels = labels.join(",");
    let mut line = |suffix: &str, le: Option<&str>, value: f64, exemplar: Option<&Exemplar>| {
        let le = le.map(|edge| format!("le=\"{edge}\""));
        let all = [Some(labels.clone()).filter(|some| !some.is_empty()), le];
        let all: Vec<String> = all.into_iter().flatten().collect();
        text.push_str(metric.name);
        text.push_str(suffix);
        if !all.is_empty() {
            let _ = write!(text, "{{{}}}", all.join(","));
        }
        let _ = write!(text, " {value}");
        if let Some(at) = at {
            let _ = write!(text, " {at:.3}");
        }
        if let Some(Exemplar { label, value, at }) = exemplar {
            let (name, of_label) = (label.0, escape(&label.1, true));
            let _ = write!(text, " # {{{name}=\"{of_label}\"}} {value} {at:.3}");
        }
        text.push('\n');
    };
    match (&sample.value, metric.kind) {
        (Value::Histogram(folded), Kind::Histogram(edges)) => {
            let shown = |from: f64, to: f64| shown_between(folded, from, to);
            let mut below = f64::NEG_INFINITY;
            for (&edge, &count) in edges.iter().zip(&folded.cumulative) {
                let shown = shown(below, edge);
                line("_bucket", Some(&canonical(edge)), count as f64, shown);
                below = edge;
            }
            let shown = shown(below, f64::INFINITY);
            line("_bucket", Some("+Inf"), folded.count as f64, shown);
            line("_sum", None, folded.sum, None);
            line("_count", None, folded.count as f64, None);
        }
        (Value::Number(value), _) => line("", None, *value, None),
        (Value::Histogram(_), _) => {}
    }
}

/// The exemplar, if it belongs into the bucket above `from` and up to `to`.
fn shown_between(folded: &HistogramSample, from: f64, to: f64) -> Option<&Exemplar> {
    let exemplar = folded.exemplar.as_ref()?;
    (from < exemplar.value && exemplar.value <= to).then_some(exemplar)
}

/// An edge as OpenMetrics spells it: always with a point or an exponent.
fn canonical(edge: f64) -> String {
    let text = edge.to_string();
    if text.contains(['.', 'e']) {
        text
    } else {
        text + ".0"
    }
}

fn escape(text: &str, quotes: bool) -> String {
    let escaped = text.replace('\\', "\\\\").replace('\n', "\\n");
    if quotes {
        escaped.replace('"', "\\\"")
    } else {
        escaped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::LOADGEN_RUN_INFO;

    #[test]
    fn what_a_scenario_calls_itself_cannot_break_out_of_its_label() {
        let name = "a\"} 1\nevil{x=\"\\";
        let families = [Family::of(&LOADGEN_RUN_INFO).count(&[name, "hash", "7", "real"], 1)];
        let text = render(&families);
        assert!(
            text.contains(
                r#"{scenario="a\"} 1\nevil{x=\"\\",scenario_hash="hash",seed="7",mode="real"} 1"#
            ),
            "{text}"
        );
        let plain = super::super::render(families);
        assert_eq!(plain.lines().count(), 3, "{plain}");
    }

    #[test]
    fn edges_are_spelt_canonically() {
        for (edge, spelt) in [(1e-6, "0.000001"), (1.0, "1.0"), (2.5, "2.5")] {
            assert_eq!(canonical(edge), spelt);
        }
    }
}
