//! The reference of thresholds as Markdown, made from the metrics they can name.

use std::fmt::Write as _;

use crate::gate::metric::{METRICS, Metric, Needs, Unit};
use crate::scenario::problem::alternatives;

const INTRODUCTION: &str = "\
# Thresholds

Made from the code that reads thresholds by `loadgen schema --of thresholds`; do not edit.
A threshold says what must hold of a run. One that is not met fails it, and so does one that the
run has nothing, or too little, to judge by: no sample, fewer than `min_samples`, a quantile with
fewer than ten samples beyond it.

```text
threshold = subject ( operator limit | \"within\" limit \"+-\" tolerance ) { clause }
subject   = metric | statistic \"(\" metric \")\"
metric    = name [ \"{\" [ label \"=\" value { \",\" label \"=\" value } ] \"}\" ]
statistic = \"p50\" | \"p90\" | \"p99\" | \"p999\" | \"max\" | \"mean\"
operator  = \"<\" | \"<=\" | \">\" | \">=\" | \"==\" | \"!=\"
limit     = quantity | \"theory\" [ \"*\" number ]
tolerance = quantity | number \"se\"
quantity  = number | number \"%\" | duration | size, as the metric's unit asks
clause    = \"after\" ( duration | \"warmup\" ) | \"until\" duration
          | \"min_samples\" number | \"abort_on_fail\" duration
```

| written | means |
|---|---|
| `hit_ratio{flow=client_credentials} >= 95%` | of one entry of `traffic`, by its name |
| `p99(acquire{source=cache}) < 50us` | a number of a distribution |
| `idp_calls_per_1k <= theory * 1.01` | at most one percent more than an ideal cache under the same load |
| `hit_ratio within theory +- 4se` | no further from the prediction than chance explains, by its standard error |
| `errors == 0 after 30s until 5m` | the part of the run between two times after its first arrival |
| `p99(acquire) < 50ms min_samples 5000` | not met with fewer samples |
| `errors <= 10 abort_on_fail 30s` | also judged as the run goes on, 30 s after its first arrival at first; it ends the run when it does not hold |

*window*: can be judged over a part of the run, of all flows together and without a label of a distribution.
*early*: can end a run. *model*: known to `--mode model`, an ideal cache. *theory*: has a prediction.
";

/// The whole page.
pub fn reference() -> String {
    let mut page = format!(
        "{INTRODUCTION}\n## Metrics\n\n| metric | unit | labels | window | early | model | theory | what it is |\n\
         |---|---|---|---|---|---|---|---|\n"
    );
    for metric in METRICS {
        let yes = |is: bool| if is { "yes" } else { "" };
        // Writing to a string does not fail.
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} | {} | {} | {}{} |",
            metric.name,
            unit(metric),
            labels(metric),
            yes(metric.is_kept_over_time()),
            yes(metric.is_known_as_the_run_goes()),
            yes(metric.is_known_to_the_model()),
            yes(crate::gate::theory::predicts(metric)),
            metric.doc,
            needs(metric)
        );
    }
    page
}

fn unit(metric: &Metric) -> &'static str {
    match metric.unit {
        Unit::Count => "count",
        Unit::Share => "share",
        Unit::Bytes => "bytes",
        Unit::Microseconds => "time, a distribution",
    }
}

fn labels(metric: &Metric) -> String {
    let flow = metric.by_flow().then(|| "`flow`".to_owned());
    let own = |(name, values): (&str, Vec<&'static str>), must: &str| {
        format!("`{name}`{must}: {}", alternatives(values))
    };
    let required = metric
        .required_label()
        .map(|label| own(label, " (must be there)"));
    let optional = metric.optional_label().map(|label| own(label, ""));
    let all: Vec<String> = [flow, required, optional].into_iter().flatten().collect();
    all.join("; ")
}

fn needs(metric: &Metric) -> &'static str {
    match metric.needs {
        Needs::Nothing => "",
        Needs::L1 => "; with an L1",
        Needs::L2 => "; with an L2",
        Needs::Cookies => "; with sessions in cookies",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::threshold::{Context, parse};

    #[test]
    fn every_threshold_that_the_page_shows_is_taken() {
        let shown = INTRODUCTION
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let shown: Vec<&str> = shown.collect();
        assert_eq!(shown.len(), 7, "{shown:?}");
        for text in shown {
            parse(text, 1, 1, &Context::default())
                .unwrap_or_else(|error| panic!("{text}: {error}"));
        }
    }

    #[test]
    fn every_metric_has_a_row() {
        let page = reference();
        for metric in METRICS {
            assert!(
                page.contains(&format!("\n| `{}` | ", metric.name)),
                "{}",
                metric.name
            );
        }
    }
}
