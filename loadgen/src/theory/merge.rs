//! Theory of several runs together: ratios by their calls, errors as of
//! independent runs, causes added.

use crate::report::model::{Acquisitions, ClosedForm, Report, Theory};

/// Adds what theory said of `part` to what it said of `whole`, whose numbers are
/// still without the part's. Where the two speak of different things nothing is
/// left.
pub fn add(whole: &mut Report, part: &Report) {
    let mut rows = std::mem::take(&mut whole.theory);
    let is_alike = rows.len() == part.theory.len()
        && rows.iter().zip(&part.theory).all(|(mine, theirs)| {
            mine.scope == theirs.scope && mine.predicted_by == theirs.predicted_by
        });
    if !is_alike {
        return;
    }
    for (mine, theirs) in rows.iter_mut().zip(&part.theory) {
        let (Some(one), Some(other)) = (calls(whole, &mine.scope), calls(part, &mine.scope)) else {
            return;
        };
        row(mine, theirs, one, other);
    }
    whole.theory = rows;
}

/// Acquisitions with a token of a scope.
fn calls(report: &Report, scope: &str) -> Option<f64> {
    let of: &Acquisitions = if scope == "totals" {
        &report.totals
    } else {
        let flow = report.flows.iter().find(|flow| flow.name == scope)?;
        &flow.acquisitions
    };
    let source = of.token_source;
    Some((source.cache + source.identity_provider) as f64)
}

fn row(mine: &mut Theory, theirs: &Theory, one: f64, other: f64) {
    let all = (one + other).max(1.0);
    let mean = |mine: f64, theirs: f64| (mine * one + theirs * other) / all;
    let error = |mine: f64, theirs: f64| (mine * one).hypot(theirs * other) / all;
    let z = |gap: f64, error: f64| gap / error.max(1.0 / all);
    mine.predicted_hit_ratio = mean(mine.predicted_hit_ratio, theirs.predicted_hit_ratio);
    mine.measured_hit_ratio = mean(mine.measured_hit_ratio, theirs.measured_hit_ratio);
    mine.standard_error = error(mine.standard_error, theirs.standard_error);
    let gap = mine.measured_hit_ratio - mine.predicted_hit_ratio;
    mine.z = z(gap, mine.standard_error);
    mine.predicted_idp_calls_per_1k = mine
        .predicted_idp_calls_per_1k
        .zip(theirs.predicted_idp_calls_per_1k)
        .map(|(mine, theirs)| mean(mine, theirs));
    mine.assumptions
        .retain(|held| theirs.assumptions.contains(held));
    for broken in &theirs.broken_assumptions {
        if !mine.broken_assumptions.contains(broken) {
            mine.broken_assumptions.push(broken.clone());
        }
    }
    for (cause, many) in &theirs.attribution {
        *mine.attribution.entry(cause.clone()).or_default() += many;
    }
    mine.attribution.retain(|_, many| *many != 0);
    let measured = mine.measured_hit_ratio;
    mine.closed_form = mine
        .closed_form
        .take()
        .zip(theirs.closed_form.as_ref())
        .filter(|(mine, theirs)| mine.formula == theirs.formula)
        .map(|(mine, theirs)| {
            let hit_ratio = mean(mine.hit_ratio, theirs.hit_ratio);
            let standard_error = error(mine.standard_error, theirs.standard_error);
            ClosedForm {
                hit_ratio,
                standard_error,
                z: z(measured - hit_ratio, standard_error),
                ..mine
            }
        });
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::report::sample;

    fn report(measured: f64, cause: &str) -> Report {
        let mut report = sample::clean_report();
        report.theory = vec![Theory {
            scope: "totals".to_owned(),
            predicted_by: "model".to_owned(),
            predicted_hit_ratio: 0.9,
            measured_hit_ratio: measured,
            standard_error: 0.03,
            assumptions: vec!["both".to_owned(), cause.to_owned()],
            attribution: BTreeMap::from([(cause.to_owned(), 3), ("other".to_owned(), 1)]),
            ..Theory::default()
        }];
        report
    }

    #[test]
    fn two_runs_together_are_surer_than_each() {
        let (mut whole, part) = (report(0.8, "eviction"), report(0.6, "restart"));
        add(&mut whole, &part);
        let row = &whole.theory[0];
        assert!((row.measured_hit_ratio - 0.7).abs() < 1e-12);
        assert!((row.standard_error - 0.03 / 2.0_f64.sqrt()).abs() < 1e-12);
        // Ten calls each: one of twenty is the least that can be told apart.
        assert!((row.z - -0.2 / 0.05).abs() < 1e-9, "{}", row.z);
        assert_eq!(row.assumptions, ["both"]);
        let causes = [("eviction", 3), ("other", 2), ("restart", 3)];
        let causes = causes.map(|(cause, many)| (cause.to_owned(), many));
        assert_eq!(row.attribution, BTreeMap::from(causes));
    }

    #[test]
    fn what_is_not_predicted_alike_is_not_added() {
        let (mut whole, mut part) = (report(0.8, "eviction"), report(0.6, "restart"));
        part.theory[0].predicted_by = "closed form".to_owned();
        add(&mut whole, &part);
        assert_eq!(whole.theory, []);
        let mut whole = report(0.8, "eviction");
        part.theory.clear();
        add(&mut whole, &part);
        assert_eq!(whole.theory, []);
    }
}
