//! The verdict: thresholds, oracle and ledgers, and whether the numbers can be
//! trusted at all.

use std::time::Duration;

use super::conserve;
use super::model::{Generator, Load, Mode, Report, ThresholdResult, ThresholdVerdict, Verdict};
use crate::engine::Abort;
use crate::exit::{Exit, Failure};
use crate::gate;
use crate::gate::threshold::Threshold;
use crate::scenario::units::show_duration;

/// More dropped arrivals than this share, and the load was not the one planned.
const MOST_DROPPED: f64 = 0.01;

/// A generator whose 99th percentile of lag is within this is never too late,
/// in microseconds.
const LAG_ALLOWED_US: f64 = 25_000.0;

/// Beyond it, lag may be this share of the response time it is a part of.
const LAG_SHARE: f64 = 0.10;

/// A generator that stood still for longer, in microseconds, offered no open
/// load meanwhile.
const PAUSE_ALLOWED_US: f64 = 2_000_000.0;

/// A wall clock that moved further from the monotonic one, in seconds, was set, or
/// the machine slept.
const JUMP_ALLOWED_S: f64 = 2.0;

/// Above this part of the machine's time in its own hands, a generator of an open
/// load measures itself.
const MOST_CPU: f64 = 0.95;

/// A host that takes more than this part of the time away measures its other
/// guests.
const MOST_STEAL: f64 = 0.25;

/// More unsettled requests than this share, and ledgers that balance mean
/// nothing.
const MOST_UNSETTLED: f64 = 0.01;

/// What a judgement needs to know beside the report.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Circumstances {
    /// Whether the run was stopped before its time.
    pub interrupted: bool,
    /// Operations under way when the drain ended: as many arrivals may lack a
    /// sample, and no more.
    pub under_way: u64,
    /// What ended it early, other than a signal.
    pub aborted: Option<Abort>,
    /// Why the provider's ledger could not be read at the end.
    pub ledger_unread: Option<String>,
}

/// Judges `report` by `thresholds` and fills in what the judgement says.
///
/// # Errors
///
/// A [`Failure`] with exit code 5 when the report contradicts itself.
pub fn judge(
    report: &mut Report,
    thresholds: &[Threshold],
    circumstances: &Circumstances,
) -> Result<(), Failure> {
    conserve(report, circumstances)?;
    report.thresholds = thresholds
        .iter()
        .map(|threshold| gate::judge(threshold, report))
        .map(|result| match &circumstances.aborted {
            // What ended the run did not hold, whatever the drain brought.
            Some(Abort::Threshold(then)) if is_same(then, &result) => (**then).clone(),
            _ => result,
        })
        .collect();
    let failed = failures(report, circumstances);
    let invalid = invalidities(report, circumstances);
    report.verdict = if !wrong_tokens(report).is_empty() {
        // A wrong token is wrong, however late the generator was or whoever
        // stopped the run.
        Verdict::Fail
    } else if circumstances.interrupted {
        Verdict::Interrupted
    } else if !invalid.is_empty() {
        Verdict::Invalid
    } else if failed.is_empty() {
        Verdict::Pass
    } else {
        Verdict::Fail
    };
    report.reasons = failed;
    report.reasons.extend(invalid);
    if circumstances.interrupted {
        report
            .reasons
            .push("stopped before its time: the numbers cover what ran".to_owned());
    }
    report.exit_code = Exit::from(report.verdict).code();
    Ok(())
}

fn is_same(one: &ThresholdResult, other: &ThresholdResult) -> bool {
    (one.line, &one.expression) == (other.line, &other.expression)
}

fn conserve(report: &Report, circumstances: &Circumstances) -> Result<(), Failure> {
    let load = &report.load;
    if load.censored > circumstances.under_way {
        return Err(Failure::internal(format!(
            "{} arrivals ended without a sample",
            load.censored - circumstances.under_way
        )));
    }
    match conserve::of_the_run(report) {
        Some(contradiction) => Err(Failure::internal(format!(
            "the run's own counts disagree: {contradiction}"
        ))),
        None => Ok(()),
    }
}

fn failures(report: &Report, circumstances: &Circumstances) -> Vec<String> {
    let mut reasons = wrong_tokens(report);
    let ledger = report.ledger;
    if !ledger.balanced && circumstances.ledger_unread.is_none() {
        reasons.push(format!(
            "the ledgers disagree: clients account for {} token requests, the provider counted {}",
            ledger.client_side,
            ledger.server_side.unwrap_or_default()
        ));
    }
    for threshold in &report.thresholds {
        match threshold.verdict {
            ThresholdVerdict::Pass => {}
            ThresholdVerdict::Fail if threshold.aborted_at_s.is_some() => reasons.push(format!(
                "threshold `{}` did not hold after {}, and ended the run (line {})",
                threshold.expression,
                show_duration(Duration::from_secs_f64(
                    threshold.aborted_at_s.unwrap_or_default()
                )),
                threshold.line
            )),
            ThresholdVerdict::Fail => reasons.push(format!(
                "threshold `{}` does not hold (line {})",
                threshold.expression, threshold.line
            )),
            ThresholdVerdict::NoData
                if report.mode == Mode::Model && threshold.measured.is_none() =>
            {
                reasons.push(format!(
                    "threshold `{}` is not for a model of an ideal cache, which cannot tell (line {})",
                    threshold.expression, threshold.line
                ));
            }
            ThresholdVerdict::NoData => reasons.push(format!(
                "threshold `{}` has nothing, or too little, to judge by (line {})",
                threshold.expression, threshold.line
            )),
        }
    }
    reasons
}

fn counted_acquisitions(count: u64) -> String {
    match count {
        1 => "1 acquisition".to_owned(),
        _ => format!("{count} acquisitions"),
    }
}

fn wrong_tokens(report: &Report) -> Vec<String> {
    let oracle = report.oracle;
    [
        (
            oracle.wrong_token,
            "were another tenant's, application's, user's or resource's",
        ),
        (oracle.expired_served, "had expired when they were returned"),
        (oracle.under_scoped, "lacked a scope that was asked for"),
        (oracle.not_issued, "were not signed by the provider"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} of {} returned tokens {what}", oracle.checked))
    .collect()
}

fn invalidities(report: &Report, circumstances: &Circumstances) -> Vec<String> {
    let load = &report.load;
    let ledger = &report.ledger;
    let counted = ledger.server_side.unwrap_or_default();
    let mut reasons = Vec::new();
    if let Some(reason) = &circumstances.ledger_unread {
        reasons.push(format!("the provider's ledger could not be read: {reason}"));
    } else if ledger.unsettled > 1 && ledger.unsettled as f64 > counted as f64 * MOST_UNSETTLED {
        reasons.push(format!(
            "{} token requests are unsettled beside {} that the provider counted: \
             the ledgers prove nothing",
            ledger.unsettled, counted
        ));
    }
    if load.ok + load.error == 0 {
        reasons.push("no acquisition ended".to_owned());
    }
    if circumstances.aborted == Some(Abort::NoRoom) {
        reasons.push(
            "aborted: an arrival found `max_in_flight` under way (`when_full: abort`)".to_owned(),
        );
    } else if circumstances.aborted.is_none()
        && load.dropped as f64 > load.offered as f64 * MOST_DROPPED
    {
        reasons.push(format!(
            "{} of {} arrivals were dropped: the load was not the one planned",
            load.dropped, load.offered
        ));
    }
    reasons.extend(lateness(load));
    if load.censored > 0 {
        reasons.push(format!(
            "{} had not ended when the drain did",
            counted_acquisitions(load.censored)
        ));
    }
    reasons
}

/// Whether the generator could do what it had to, and if not, what kept it.
fn lateness(load: &Load) -> Vec<String> {
    let Generator {
        cpu_share,
        steal_share,
        longest_pause_us,
        clock_jump_s,
    } = load.generator;
    let (cpu, steal) = (
        cpu_share.unwrap_or_default(),
        steal_share.unwrap_or_default(),
    );
    let mut reasons = Vec::new();
    if load.lag.p99_us > LAG_ALLOWED_US.max(load.response.p99_us * LAG_SHARE) {
        let machine = cpu_share.map_or_else(String::new, |cpu| {
            format!(
                ", with {:.0} % of the machine's time its own and {:.0} % taken by the host",
                cpu * 100.0,
                steal * 100.0
            )
        });
        reasons.push(format!(
            "the generator was late: p99 of its lag is {:.1} ms{machine}",
            load.lag.p99_us / 1_000.0
        ));
    }
    if longest_pause_us > PAUSE_ALLOWED_US {
        reasons.push(format!(
            "the generator was late: it stood still for {:.1} s",
            longest_pause_us / 1e6
        ));
    }
    if clock_jump_s.abs() > JUMP_ALLOWED_S {
        reasons.push(format!(
            "the wall clock moved by {clock_jump_s:.1} s against the monotonic one: \
             the machine slept, or its clock was set"
        ));
    }
    // Users in a closed loop without time to think take what they can get.
    if cpu > MOST_CPU && load.closed_loops.is_empty() {
        reasons.push(format!(
            "the generator was late: {:.0} % of the machine's time was its own",
            cpu * 100.0
        ));
    }
    if steal > MOST_STEAL {
        reasons.push(format!(
            "the generator was late: its host took {:.0} % of the machine's time away",
            steal * 100.0
        ));
    }
    reasons
}

#[cfg(test)]
mod tests;
