//! Each threshold that is taken, and each that is refused with its reason.

use proptest::prelude::*;

use super::*;
use crate::gate::metric::Unit;
use crate::gate::threshold::{Limit, Statistic};

fn context() -> Context {
    Context {
        flows: Some(vec!["client_credentials".to_owned(), "web_api".to_owned()]),
        has_l1: Some(true),
        has_l2: Some(false),
        has_cookies: Some(false),
        is_by_session: Some(false),
        has_warmup: Some(true),
    }
}

fn read(text: &str) -> Result<Threshold, ThresholdError> {
    parse(text, 3, 5, &context())
}

/// `metric flow label statistic operator limit`, `-` for what is not there.
fn summary(text: &str) -> String {
    let threshold = read(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    let subject = &threshold.subject;
    let limit = match threshold.limit {
        Limit::Number(limit) => limit.to_string(),
        Limit::Theory { factor } => format!("theory*{factor}"),
    };
    format!(
        "{} {} {} {} {} {limit}",
        subject.metric.name,
        subject.flow.as_deref().unwrap_or("-"),
        subject.label.unwrap_or("-"),
        subject.statistic.map_or("-", Statistic::as_str),
        threshold.operator,
    )
}

/// Each text is refused with `offset+length message | hint`, or the beginning of that.
fn refused(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let error = read(text).expect_err(text);
        let said = format!(
            "{}+{} {} | {}",
            error.offset, error.length, error.message, error.hint
        );
        assert!(
            said.starts_with(expected),
            "{text}\n  said {said}\n  not  {expected}"
        );
    }
}

#[test]
fn thresholds_read_as_written() {
    let cases = [
        ("hit_ratio >= 0.95", "hit_ratio - - - >= 0.95"),
        (
            "hit_ratio{flow=web_api}>=95%",
            "hit_ratio web_api - - >= 0.95",
        ),
        ("  errors{ } == 0  ", "errors - - - == 0"),
        (
            "p99(acquire{flow=web_api}) < 50ms",
            "acquire web_api - p99 < 50000",
        ),
        ("max ( lag ) <= 1.5s", "lag - - max <= 1500000"),
        ("mean(acquire_http) != 0s", "acquire_http - - mean != 0"),
        (
            "cache_refresh_reason{reason=expired} > 0",
            "cache_refresh_reason - expired - > 0",
        ),
        (
            "token_source{source=cache, flow = web_api} > 10",
            "token_source web_api cache - > 10",
        ),
        ("cache_level{level=l1} > 10", "cache_level - l1 - > 10"),
        ("l1_bytes <= 500MB", "l1_bytes - - - <= 500000000"),
        ("idp_calls_per_1k < 12.5", "idp_calls_per_1k - - - < 12.5"),
        (
            "p99(acquire{source=cache, flow=web_api}) < 50us",
            "acquire web_api cache p99 < 50",
        ),
        (
            "idp_calls_per_1k <= theory * 1.01",
            "idp_calls_per_1k - - - <= theory*1.01",
        ),
        (
            "hit_ratio{flow=web_api} within theory +- 4se",
            "hit_ratio web_api - - within theory*1",
        ),
        ("hit_ratio within 95% +- 1%", "hit_ratio - - - within 0.95"),
    ];
    for (text, expected) in cases {
        assert_eq!(summary(text), expected, "{text}");
    }
}

#[test]
fn every_metric_can_be_written_as_its_hint_says() {
    for metric in METRICS
        .iter()
        .filter(|metric| !matches!(metric.needs, Needs::L2 | Needs::Cookies))
    {
        let limit = match metric.unit {
            Unit::Count => "1",
            Unit::Share => "50%",
            Unit::Bytes => "1MB",
            Unit::Microseconds => "1s",
        };
        let text = format!("{} < {limit}", metric.example());
        assert!(read(&text).is_ok(), "{text}: {:?}", read(&text));
    }
}

#[test]
fn a_wrong_threshold_says_where_and_what_instead() {
    let cases = [
        ("", "0+1 expected a metric, found the end"),
        ("hit_ratio", "9+1 expected a comparison, found the end"),
        (
            "hit_ratio = 1",
            "10+1 expected a comparison, found `=` | write `==`",
        ),
        ("hit_ratio >=", "12+1 a limit is missing here"),
        (
            "hit_ratoi >= 0.9",
            "0+9 unknown metric `hit_ratoi` | did you mean `hit_ratio`?",
        ),
        (
            "hit_ratio{flw=web_api} > 0.9",
            "10+3 `hit_ratio` has no label `flw` | did you mean `flow`?",
        ),
        (
            "hit_ratio{flow=web_ap} > 0.9",
            "15+6 no entry of `traffic` is named `web_ap` | did you mean `web_api`? expected `client_credentials` or `web_api`",
        ),
        (
            "hit_ratio{flow=web_api > 0.9",
            "23+1 expected `,` or `}`, found `>`",
        ),
        ("hit_ratio{flow} > 0.9", "14+1 expected `=`, found `}`"),
        (
            "hit_ratio{flow=web_api,flow=web_api} > 0.9",
            "23+4 the label `flow` is written twice | keep one of the two",
        ),
        (
            "lag{flow=web_api} < 1s",
            "0+3 `lag` is a distribution, not one number",
        ),
        (
            "p99(lag{flow=web_api}) < 1s",
            "8+4 `lag` has no label `flow` | `lag` has no labels",
        ),
        ("p95(lag) < 1s", "0+3 `p95` is not a statistic"),
        (
            "p99(errors) < 1",
            "0+3 `errors` is one number, so it has no `p99` | write `errors`",
        ),
        (
            "token_source > 1",
            "0+12 `token_source` is counted by `source`, which is missing | write `token_source{source=cache}`; `source` is `cache` or `identity_provider`",
        ),
        (
            "cache_level{level=l3} > 1",
            "18+2 `l3` is not a value of `level` | did you mean `l1`? expected `l1`, `l2`, `none` or `unknown`",
        ),
        (
            "l2_errors == 0",
            "0+9 `l2_errors` says nothing here: `cache.l2` is `none`",
        ),
        (
            "session_cookies_refused == 0",
            "0+23 `session_cookies_refused` says nothing here: no session is in cookies",
        ),
        (
            "cache_level{level=l2} > 1",
            "0+11 `cache_level` says nothing here: `cache.l2` is `none`",
        ),
    ];
    refused(&cases);
}

#[test]
fn a_wrong_limit_says_where_and_what_instead() {
    let cases = [
        (
            "hit_ratio >= 95",
            "13+2 `95` is more than the whole | write `95%`",
        ),
        ("hit_ratio >= 1s", "13+2 `1s` is not a share"),
        (
            "p99(acquire) < 50",
            "15+2 `50` needs a unit | write `50s` or `50ms`",
        ),
        (
            "l1_bytes < 50",
            "11+2 `50` needs a unit | write `50MB` or `50MiB`",
        ),
        (
            "errors < 5%",
            "9+2 `5%` is not a count | write a plain number: a count has no whole to be a share of",
        ),
        (
            "errors < 5s",
            "9+2 `5s` is not a count | write a plain number: a count has no unit",
        ),
        (
            "errors < -1",
            "9+2 `-1` is not a count | write a plain number, zero or more",
        ),
        (
            "errors < NaN",
            "9+3 `NaN` is not a count | write a plain number, zero or more",
        ),
        ("errors < 1 and more", "9+10 `1 and more` is not a count"),
        ("errors >= 0", "7+2 this always holds"),
        ("errors < 0", "7+1 this can never hold"),
        ("hit_ratio <= 100%", "10+2 this always holds"),
        ("hit_ratio > 1", "10+1 this can never hold"),
    ];
    refused(&cases);
}

#[test]
fn clauses_narrow_a_threshold_down() {
    use std::time::Duration;

    use crate::gate::subject::{Start, Window};

    let all = read("p99(acquire) < 50us after 30s until 5m min_samples 500").unwrap();
    let window = Window {
        from: Start::At(Duration::from_secs(30)),
        until: Some(Duration::from_secs(300)),
    };
    assert_eq!(all.window, window);
    assert_eq!(all.min_samples, Some(500));
    let plain = read("p99(acquire) < 50us").unwrap();
    assert!(plain.window.is_whole());
    assert_eq!(plain.min_samples, None);
    assert_ne!(all, plain);
    let warm = read("hit_ratio >= 95% after warmup").unwrap();
    assert_eq!(warm.window.from, Start::Warmup);
    let ends = read("errors == 0 min_samples 5 abort_on_fail 10s").unwrap();
    assert_eq!(ends.abort_on_fail, Some(Duration::from_secs(10)));
    assert_eq!(ends.min_samples, Some(5));
    assert_eq!(plain.abort_on_fail, None);
    assert_ne!(ends, read("errors == 0 min_samples 5").unwrap());
    for known in [
        "wrong_token == 0 abort_on_fail 0s",
        "p99(response) < 1s abort_on_fail 1m",
        "dropped == 0 abort_on_fail 1s",
        "hit_ratio{flow=web_api} > 50% abort_on_fail 1m",
    ] {
        read(known).unwrap_or_else(|error| panic!("{known}: {error:?}"));
    }
}

#[test]
fn a_wrong_clause_says_where_and_what_instead() {
    refused(&[
        (
            "errors == 0 after",
            "12+5 `after` needs a value | write it like",
        ),
        ("errors == 0 after soon", "18+4 `soon` is not a duration"),
        (
            "errors == 0 after 30s until 10s",
            "28+3 the window ends before it begins",
        ),
        (
            "errors == 0 until 1s until 2s",
            "21+5 `until` is written twice",
        ),
        (
            "errors == 0 abort_on_fail",
            "12+13 `abort_on_fail` needs a value",
        ),
        (
            "l1_bytes < 1MB abort_on_fail 1s",
            "15+13 `l1_bytes` is known at the end of a run",
        ),
        (
            "idp_calls_per_1k < 5 abort_on_fail 1s",
            "21+13 `idp_calls_per_1k` is known at the end of a run",
        ),
        (
            "hit_ratio >= theory abort_on_fail 1s",
            "20+13 theory speaks of whole runs",
        ),
        (
            "errors == 0 after 5s abort_on_fail 1s",
            "21+13 a window is judged when it is over",
        ),
        ("errors == 0 abort", "10+7 `0 abort` is not a count"),
        (
            "errors == 0 min_samples 0",
            "24+1 `0` is not a number of samples",
        ),
        (
            "l1_bytes < 1MB after 10s",
            "15+5 `l1_bytes` is not kept over time",
        ),
        (
            "errors{flow=web_api} == 0 until 10s",
            "26+5 `errors{flow=web_api}` is not kept over time",
        ),
        (
            "errors <= theory",
            "10+6 no theory predicts `errors` | `theory` stands for `hit_ratio` and `idp_calls_per_1k`",
        ),
        (
            "hit_ratio >= theory * NaN",
            "13+12 `theory * NaN` is not a limit",
        ),
        ("hit_ratio within 95%", "17+3 `within` needs a tolerance"),
        (
            "hit_ratio within 95% +- 4se",
            "24+3 only a prediction has standard errors",
        ),
        (
            "hit_ratio within theory +- 0se",
            "27+3 `0se` is not a tolerance",
        ),
        (
            "hit_ratio wihtin 95% +- 1%",
            "10+6 expected a comparison, found `wihtin`",
        ),
        ("hit_ratio within 50% +- 100%", "10+6 this always holds"),
    ]);
}

#[test]
fn unknown_circumstances_let_a_threshold_pass() {
    let context = Context::default();
    for text in ["hit_ratio{flow=anything} > 0.9", "l2_errors == 0"] {
        assert!(parse(text, 1, 1, &context).is_ok(), "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".*", near in "(p99|max|hit_ratio|lag|[({}),=<>! 0-9.%s]|flow){0,12}") {
        for text in [text, near] {
            if let Err(error) = read(&text) {
                prop_assert!(error.offset <= text.chars().count());
                prop_assert!(error.length >= 1);
            }
        }
    }
}
