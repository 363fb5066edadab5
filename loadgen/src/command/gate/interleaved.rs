//! `loadgen gate --base PROGRAM` and `--self-test`: pairs of runs in random
//! order, and what they say of latency.

use std::fmt::Write as _;

use rand::RngExt as _;

use crate::exit::{Exit, Failure};
use crate::gate::pairs::{
    ALPHA, Estimate, Finding, LEAST_PAIRS, MOST_LOOKS, estimate, pairs_needed,
};
use crate::gate::runner::Runner;
use crate::gate::subject::{Subject, Window};
use crate::gate::threshold::{Context, parse, show};
use crate::report::model::Report;
use crate::scenario::units::Share;

/// Pairs at first.
const PAIRS: usize = 15;

/// Pairs of a self-test.
const PAIRS_OF_SELF_TEST: usize = 100;

/// Gates that a self-test makes of its pairs.
const GATES_OF_SELF_TEST: usize = 1_000;

/// The slowness a self-test must notice.
const INJECTED: f64 = 0.10;

/// What was asked.
pub(super) struct Asked<'a> {
    pub(super) base: Runner,
    pub(super) head: Runner,
    pub(super) metrics: &'a [String],
    pub(super) margin: &'a str,
    pub(super) pairs: Option<usize>,
    pub(super) max_pairs: Option<usize>,
    pub(super) self_test: bool,
}

/// A metric with what each pair said of it.
struct Compared {
    subject: Subject,
    /// Logarithms of head over base.
    ratios: Vec<f64>,
    base_sum: f64,
    head_sum: f64,
}

pub(super) fn compare(asked: &Asked<'_>) -> Result<(String, Exit), Failure> {
    let margin = asked
        .margin
        .parse::<Share>()
        .map(Share::get)
        .ok()
        .filter(|margin| *margin > 0.0)
        .ok_or_else(|| {
            Failure::usage(format!("`{}` is not a margin", asked.margin), "write `5%`")
        })?;
    let mut compared = asked
        .metrics
        .iter()
        .map(|text| {
            Ok(Compared {
                subject: subject(text)?,
                ratios: Vec::new(),
                base_sum: 0.0,
                head_sum: 0.0,
            })
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    let first = asked.pairs.unwrap_or(if asked.self_test {
        PAIRS_OF_SELF_TEST
    } else {
        PAIRS
    });
    if first < LEAST_PAIRS {
        return Err(Failure::usage(
            format!("{first} pairs tell nothing"),
            format!("{LEAST_PAIRS} is the least"),
        ));
    }
    if asked.self_test {
        add_pairs(asked, &mut compared, first)?;
        return Ok(self_test(&compared, margin));
    }
    let most = asked.max_pairs.unwrap_or(first * MOST_LOOKS).max(first);
    // Each look spends its part of the level; so there are few of them.
    let step = (most - first).div_ceil(MOST_LOOKS - 1).max(1);
    add_pairs(asked, &mut compared, first)?;
    for _ in 1..MOST_LOOKS {
        let open = compared.iter().any(|of| {
            let found = estimate(&of.ratios).map(|found| found.judge(margin));
            found.is_none_or(|found| found == Finding::Inconclusive)
        });
        let done = compared
            .iter()
            .map(|of| of.ratios.len())
            .max()
            .unwrap_or(most);
        if !open || done >= most {
            break;
        }
        add_pairs(asked, &mut compared, step.min(most - done))?;
    }
    Ok(verdict(&compared, margin))
}

fn subject(text: &str) -> Result<Subject, Failure> {
    // As a threshold, of which the limit does not matter.
    let threshold = ["1s", "1", "0.5", "1MB"]
        .iter()
        .map(|limit| parse(&format!("{text} < {limit}"), 1, 1, &Context::default()))
        .reduce(Result::or)
        .and_then(Result::ok);
    threshold.map(|threshold| threshold.subject).ok_or_else(|| {
        Failure::usage(
            format!("`{text}` is not a metric"),
            "write it like `p50(acquire)`",
        )
    })
}

fn add_pairs(asked: &Asked<'_>, compared: &mut [Compared], count: usize) -> Result<(), Failure> {
    let mut rng = rand::rng();
    for _ in 0..count {
        let (base, head) = if rng.random::<bool>() {
            let base = asked.base.run(None, false)?;
            (base, asked.head.run(None, false)?)
        } else {
            let head = asked.head.run(None, false)?;
            (asked.base.run(None, false)?, head)
        };
        for of in &mut *compared {
            let read = |report: &Report| of.subject.measure(report, Window::default());
            let (Some(before), Some(now)) = (read(&base), read(&head)) else {
                return Err(Failure {
                    exit: Exit::InvalidRun,
                    message: format!("a run has no `{}`, or too few samples for it", of.subject),
                    hint: Some("offer more, or compare a quantile nearer the middle".to_owned()),
                });
            };
            let ratio = (now / before).ln();
            if !ratio.is_finite() {
                return Err(Failure {
                    exit: Exit::InvalidRun,
                    message: format!("`{}` is zero, and has no ratio", of.subject),
                    hint: None,
                });
            }
            of.ratios.push(ratio);
            of.base_sum += before;
            of.head_sum += now;
        }
    }
    Ok(())
}

fn verdict(compared: &[Compared], margin: f64) -> (String, Exit) {
    let mut rows = String::new();
    let mut worst = Finding::Pass;
    let mut needed = 0;
    for of in compared {
        let Some(found) = estimate(&of.ratios) else {
            worst = if worst == Finding::Fail {
                worst
            } else {
                Finding::Inconclusive
            };
            continue;
        };
        let finding = found.judge(margin);
        worst = match (worst, finding) {
            (Finding::Fail, _) | (_, Finding::Fail) => Finding::Fail,
            (Finding::Inconclusive, _) | (_, Finding::Inconclusive) => Finding::Inconclusive,
            _ => Finding::Pass,
        };
        needed = needed.max(pairs_needed(&of.ratios, margin));
        // Writing to a string does not fail.
        let _ = writeln!(rows, "{}", row(of, &found, finding));
    }
    let (title, exit) = match worst {
        Finding::Pass => ("PASS", Exit::Pass),
        Finding::Fail => ("FAIL", Exit::GateFailed),
        Finding::Inconclusive => ("INCONCLUSIVE", Exit::InvalidRun),
    };
    let pairs = compared.iter().map(|of| of.ratios.len()).max().unwrap_or(0);
    let mut out = format!(
        "{title}  {pairs} pairs of runs, interleaved in random order, margin {:.1} %\n\n\
         \x20 {:<30}{:>10}{:>10}{:>9}  95 % BOUNDS\n",
        margin * 100.0,
        "METRIC",
        "BASE",
        "HEAD",
        "CHANGE"
    );
    out.push_str(&rows);
    if worst == Finding::Inconclusive {
        let _ = writeln!(
            out,
            "  at this noise it takes about {needed} pairs to tell: --max-pairs {needed}"
        );
    }
    (out, exit)
}

fn row(of: &Compared, found: &Estimate, finding: Finding) -> String {
    let count = of.ratios.len() as f64;
    let unit = of.subject.metric.unit;
    let sign = match finding {
        Finding::Pass => '.',
        Finding::Fail => 'x',
        Finding::Inconclusive => '~',
    };
    format!(
        "{sign} {:<30}{:>10}{:>10}{:>9}  {:+.1} % to {:+.1} %",
        of.subject.to_string(),
        show(unit, of.base_sum / count),
        show(unit, of.head_sum / count),
        format!("{:+.1} %", found.effect * 100.0),
        found.lower * 100.0,
        found.upper * 100.0
    )
}

/// Draws gates out of the pairs of a build with itself: whichever of two equal
/// runs is called head is chance, so each ratio may have either sign.
fn self_test(compared: &[Compared], margin: f64) -> (String, Exit) {
    let mut rng = rand::rng();
    let mut out = String::new();
    let mut alarms_most: f64 = 0.0;
    let mut missed = false;
    for of in compared {
        let (mut alarms, mut caught) = (0_u32, 0_u32);
        for _ in 0..GATES_OF_SELF_TEST {
            let drawn: Vec<f64> = (0..PAIRS.max(20))
                .map(|_| {
                    let ratio = of.ratios[rng.random_range(0..of.ratios.len())];
                    if rng.random::<bool>() { ratio } else { -ratio }
                })
                .collect();
            let judged = |slower: f64| {
                let moved: Vec<f64> = drawn.iter().map(|ratio| ratio + slower.ln_1p()).collect();
                estimate(&moved).map(|found| found.judge(margin))
            };
            alarms += u32::from(judged(0.0) == Some(Finding::Fail));
            caught += u32::from(judged(INJECTED).is_some_and(|it| it != Finding::Pass));
        }
        let share = |count: u32| f64::from(count) / GATES_OF_SELF_TEST as f64;
        alarms_most = alarms_most.max(share(alarms));
        missed |= share(caught) < 1.0 - ALPHA;
        let whole = estimate(&of.ratios);
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "  {}: {} pairs, false alarms {:.1} % of gates, +10 % let pass by {:.1} %{}",
            of.subject,
            of.ratios.len(),
            share(alarms) * 100.0,
            (1.0 - share(caught)) * 100.0,
            whole.map_or_else(String::new, |whole| format!(
                ", all pairs {:+.1} %",
                whole.effect * 100.0
            ))
        );
    }
    let is_good = alarms_most <= ALPHA && !missed;
    let title = format!(
        "{}  a build against itself: at most {:.0} % may alarm, and at most {:.0} % let +10 % pass\n",
        if is_good { "PASS" } else { "FAIL" },
        ALPHA * 100.0,
        ALPHA * 100.0
    );
    (
        title + &out,
        if is_good {
            Exit::Pass
        } else {
            Exit::GateFailed
        },
    )
}
