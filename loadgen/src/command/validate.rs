//! `loadgen validate SCENARIO...`: says what would run, or what is wrong.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::scenario::units::show_duration;
use crate::scenario::{Overrides, Plan, load};

/// What `validate` found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validation {
    /// For stdout: each good scenario in a few lines.
    pub report: String,
    /// For stderr: the problems of the others. Empty when all are good; the
    /// exit code is 2 otherwise.
    pub errors: String,
}

/// Loads each scenario with `overrides` laid over it.
pub fn validate(scenarios: &[PathBuf], overrides: &Overrides) -> Validation {
    let mut found = Validation::default();
    for path in scenarios {
        match load(path, overrides) {
            Ok(plan) => summarize(&plan, &mut found.report),
            Err(error) => {
                if !found.errors.is_empty() {
                    found.errors.push('\n');
                }
                let _ = write!(found.errors, "{error}");
            }
        }
    }
    found
}

fn summarize(plan: &Plan, out: &mut String) {
    let arrivals = plan.expected_arrivals().map_or_else(
        || "arrivals as fast as answers come".to_owned(),
        |arrivals| format!("about {} arrivals", arrivals.round()),
    );
    let thresholds = plan.thresholds.len();
    let _ = writeln!(out, "ok: {}", plan.file.display());
    let _ = writeln!(
        out,
        "    {}: {arrivals} in {}, seed {}, {thresholds} threshold{}",
        plan.name,
        show_duration(plan.duration),
        plan.seed,
        if thresholds == 1 { "" } else { "s" },
    );
    for flow in &plan.traffic {
        let named = if *flow.name == *flow.flow.as_str() {
            String::new()
        } else {
            format!(" ({})", flow.flow.as_str())
        };
        let _ = writeln!(out, "    {}{named}: {}", flow.name, flow.load);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn shipped(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../scenarios")
            .join(name)
    }

    #[test]
    fn a_good_scenario_is_summed_up() {
        let path = shipped("quickstart.yaml");
        let set = vec![
            "traffic[1].name=app".to_owned(),
            // The one that the twin breaks has to stand there.
            "thresholds=[\"hit_ratio{flow=client_credentials} >= 90%\"]".to_owned(),
        ];
        let found = validate(
            std::slice::from_ref(&path),
            &Overrides {
                seed: Some(7),
                set,
                ..Overrides::default()
            },
        );
        let expected = format!(
            "\
ok: {}
    quickstart: about 5000 arrivals in 10s, seed 7, 1 threshold
    client_credentials: 300/s, poisson
    app (authorization_code): 100/s, poisson
    on_behalf_of: 100/s, constant
",
            path.display()
        );
        assert_eq!(
            found,
            Validation {
                report: expected,
                errors: String::new()
            }
        );
    }

    #[test]
    fn bad_scenarios_do_not_hide_each_other_or_the_good_ones() {
        let paths = [
            "no/such.yaml".into(),
            shipped("quickstart.yaml"),
            "nor/this.yaml".into(),
        ];
        let found = validate(&paths, &Overrides::default());
        assert!(found.report.starts_with("ok: "));
        assert!(
            found.errors.contains("`no/such.yaml`") && found.errors.contains("`nor/this.yaml`"),
            "{found:?}"
        );
    }
}
