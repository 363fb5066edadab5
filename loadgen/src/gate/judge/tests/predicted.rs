//! What theory and models can say, and what they cannot.

use super::*;

#[test]
fn what_a_model_cannot_know_is_never_a_pass_there() {
    let mut report = full();
    for (text, of_model) in [
        ("hit_ratio > 0%", ThresholdVerdict::Pass),
        ("token_requests > 0", ThresholdVerdict::Pass),
        ("redundant_token_requests > 0", ThresholdVerdict::NoData),
        ("errors < 1000000", ThresholdVerdict::NoData),
        ("dropped > 0", ThresholdVerdict::NoData),
        ("l1_bytes > 1B", ThresholdVerdict::NoData),
        ("p99(acquire) < 1h", ThresholdVerdict::NoData),
        ("p99(lag) < 1h", ThresholdVerdict::NoData),
    ] {
        for (mode, verdict) in [
            (Mode::Virtual, ThresholdVerdict::Pass),
            (Mode::Model, of_model),
        ] {
            report.mode = mode;
            assert_eq!(judged(text, &report).1, verdict, "{text} {mode:?}");
        }
    }
}

#[test]
fn theory_is_a_limit_only_where_it_says_something() {
    use ThresholdVerdict::{Fail, NoData, Pass};
    let theory = |scope: &str, standard_error| Theory {
        scope: scope.to_owned(),
        predicted_hit_ratio: 0.95,
        measured_hit_ratio: 0.9,
        standard_error,
        predicted_idp_calls_per_1k: Some(50.0),
        ..Theory::default()
    };
    let mut report = full();
    report.theory = vec![theory("totals", 0.01)];
    for (text, verdict, limit) in [
        // 51 calls per thousand, of which theory has 50.
        ("idp_calls_per_1k <= theory * 1.03", Pass, Some(51.5)),
        ("idp_calls_per_1k <= theory * 1.01", Fail, Some(50.5)),
        ("hit_ratio >= theory", Fail, Some(0.95)),
        ("hit_ratio within theory +- 5.01se", Pass, Some(0.95)),
        ("hit_ratio within theory +- 4.99se", Fail, Some(0.95)),
        ("hit_ratio within theory +- 6%", Pass, Some(0.95)),
        ("hit_ratio within theory +- 4%", Fail, Some(0.95)),
        ("hit_ratio{flow=app} >= theory * 0.5", NoData, None),
    ] {
        let threshold = parse(text, 7, 3, &Context::default()).unwrap();
        let result = judge(&threshold, &report);
        assert_eq!(result.verdict, verdict, "{text}: {result:?}");
        assert_eq!(
            result.limit.map(|limit| (limit * 1e6).round()),
            limit.map(|limit: f64| (limit * 1e6).round()),
            "{text}"
        );
    }
    let mut blind = full();
    blind.theory = vec![theory("totals", f64::NAN)];
    assert_eq!(judged("hit_ratio within theory +- 4se", &blind).1, NoData);
    blind.theory.clear();
    assert_eq!(judged("hit_ratio >= theory * 0.1", &blind).1, NoData);
}
