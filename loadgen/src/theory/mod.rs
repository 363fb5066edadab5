//! Measured beside predicted: what an ideal cache would have done with the very
//! same arrivals, what a closed form says of such load, and where the gap comes
//! from.

mod closed_form;
pub mod formula;
pub mod keys;
pub mod merge;
pub mod renewal;
pub mod shadow;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::engine::model::simulate;
use crate::record::Recorder;
use crate::record::flow::FlowRecord;
use crate::report::model::{Acquisitions, Mode, Report, Theory};
use crate::report::predicted::UNNAMED;
use crate::scenario::plan::{ApplicationCache, EmbeddedIdpPlan, Plan};
use closed_form::Expected;
use shadow::Causes;

/// MSAL's buffer: a token is not served this long before its end.
pub(crate) const BUFFER: Duration = Duration::from_secs(300);

/// After what time a client replaces a machine's token that is good for so long and came
/// without advice: half of it, where it is more than two hours.
pub(crate) fn managed_identity_advice(lasts: Duration) -> Option<Duration> {
    (lasts > Duration::from_hours(2)).then(|| lasts / 2)
}

/// Arrivals beyond this many are not simulated again after a run in real time:
/// the report would be seconds late.
const MOST_MODELLED: f64 = 3e6;

/// What is predicted of a scope, and by what.
struct Predicted {
    by: &'static str,
    hit_ratio: f64,
    standard_error: f64,
    calls: u64,
    /// Misses of the model; `None` for a closed form.
    ideal_misses: Option<u64>,
}

/// What an ideal cache did.
struct Ideal {
    flows: Vec<FlowRecord>,
    /// Those of acquisitions and of refreshes.
    token_requests: u64,
}

/// What theory says beside `report`'s numbers, for all flows and each; nothing
/// where it says nothing. `causes` are fetches that an ideal cache would not have
/// needed, by entry of `traffic`.
pub fn beside(plan: &Plan, idp: &EmbeddedIdpPlan, report: &Report, causes: &Causes) -> Vec<Theory> {
    if plan.cache.is_by_session() {
        // Models and forms know a user's cache, not that of one of their sessions.
        return Vec::new();
    }
    let forms: Vec<Option<Expected>> = plan
        .traffic
        .iter()
        .map(|traffic| Expected::of(plan, idp, traffic))
        .collect();
    let all_forms: Option<Vec<Expected>> = forms.iter().cloned().collect();
    let form_of_all = all_forms.and_then(|forms| Expected::of_all(&forms));
    let ideal = ideal(plan, idp, report);
    let of = |scope: &str,
              measured: &Acquisitions,
              form: Option<&Expected>,
              ideal: Option<&FlowRecord>,
              causes: BTreeMap<&'static str, u64>| {
        let measured_hit_ratio = measured.hit_ratio?;
        let closed_form = form.map(|form| form.beside(measured_hit_ratio));
        let predicted = match (ideal, &closed_form) {
            (Some(ideal), _) => of_model(ideal, form)?,
            (None, Some(form)) => Predicted {
                by: "closed form",
                hit_ratio: form.hit_ratio,
                standard_error: form.standard_error,
                calls: measured.acquisitions,
                ideal_misses: None,
            },
            (None, None) => return None,
        };
        let gap = measured_hit_ratio - predicted.hit_ratio;
        let (held, broken) = assumptions((plan, idp), report, predicted.ideal_misses.is_some());
        Some(Theory {
            scope: scope.to_owned(),
            predicted_by: predicted.by.to_owned(),
            predicted_hit_ratio: predicted.hit_ratio,
            measured_hit_ratio,
            standard_error: predicted.standard_error,
            // Without any spread the least that can be told apart is one call.
            z: gap
                / predicted
                    .standard_error
                    .max(1.0 / predicted.calls.max(1) as f64),
            assumptions: held,
            broken_assumptions: broken,
            attribution: attribution(measured, predicted.ideal_misses, causes),
            closed_form,
            predicted_idp_calls_per_1k: None,
        })
    };
    let mut sum = FlowRecord::default();
    for flow in ideal.iter().flat_map(|ideal| &ideal.flows) {
        sum.add(flow);
    }
    let mut totals = of(
        "totals",
        &report.totals,
        form_of_all.as_ref(),
        ideal.as_ref().map(|_| &sum),
        by_cause(causes, None),
    );
    if let Some(totals) = &mut totals {
        totals.predicted_idp_calls_per_1k = match &ideal {
            Some(ideal) => Some(ideal.token_requests as f64 * 1e3 / sum.counts.ok() as f64),
            // Where a form covers a load, each miss is a request.
            None => Some((1.0 - totals.predicted_hit_ratio) * 1e3),
        };
    }
    let flows = report.flows.iter().enumerate().map(|(index, flow)| {
        of(
            &flow.name,
            &flow.acquisitions,
            forms.get(index)?.as_ref(),
            ideal.as_ref().and_then(|ideal| ideal.flows.get(index)),
            by_cause(causes, Some(index)),
        )
    });
    std::iter::once(totals).chain(flows).flatten().collect()
}

/// The model's run of the same arrivals; `None` where that would take too long, or
/// the model is what ran. Calls that force a refresh it takes as calls that do not.
fn ideal(plan: &Plan, idp: &EmbeddedIdpPlan, report: &Report) -> Option<Ideal> {
    let is_short = plan
        .expected_arrivals()
        .is_some_and(|all| all <= MOST_MODELLED);
    let is_worth_it = match report.mode {
        Mode::Model => false,
        Mode::Virtual => true,
        Mode::Real => is_short,
    };
    if !is_worth_it {
        return None;
    }
    let recorder = Recorder::new(plan.traffic.len());
    let found = simulate(plan, idp, &recorder, || false);
    Some(Ideal {
        flows: recorder.recorded().flows,
        token_requests: found.by_grant.values().sum(),
    })
}

fn of_model(ideal: &FlowRecord, form: Option<&Expected>) -> Option<Predicted> {
    let calls = ideal.counts.ok();
    if calls == 0 {
        return None;
    }
    let hits = ideal.counts.count(|how| how.0 == "cache");
    let hit_ratio = hits as f64 / calls as f64;
    Some(Predicted {
        by: "model",
        hit_ratio,
        standard_error: form
            .map_or_else(|| renewal_error(hit_ratio, calls), Expected::standard_error),
        calls,
        ideal_misses: Some(calls - hits),
    })
}

/// How far chance moves a hit ratio where the keys are not known: a token's
/// lifetime spaces its misses, so they vary less than coin tosses would. For a
/// renewal process of hit ratio H the variance over n calls is
/// H (1 - H)^2 / n, not H (1 - H) / n.
fn renewal_error(hit_ratio: f64, calls: u64) -> f64 {
    (1.0 - hit_ratio) * (hit_ratio / calls as f64).sqrt()
}

/// What the prediction takes for granted: what of it was so, and what was not.
fn assumptions(
    (plan, idp): (&Plan, &EmbeddedIdpPlan),
    report: &Report,
    by_model: bool,
) -> (Vec<String>, Vec<String>) {
    let cache = report.cache;
    let nobody_forces = plan
        .traffic
        .iter()
        .all(|traffic| traffic.force_refresh.get() <= 0.0 && traffic.claims.get() <= 0.0);
    let keys_are_plain = plan.traffic.iter().all(|traffic| {
        traffic.key_values == 0 && traffic.application_cache == ApplicationCache::None
    });
    let throttled = report.idp.by_status.get("429").copied().unwrap_or(0);
    let all: [(&str, bool); 12] = [
        (
            if by_model && plan.traffic.iter().any(|traffic| traffic.load.is_closed()) {
                "the same users, simulated: they call as often as an ideal cache lets them"
            } else if by_model {
                "the same arrivals, simulated"
            } else {
                "independent arrivals at an even rate, fetches of mean length"
            },
            true,
        ),
        ("all arrivals began", report.load.dropped == 0),
        (
            "every acquisition ended with a token",
            report.totals.errors == 0,
        ),
        ("no faults, no restarts", plan.faults.is_empty()),
        ("nobody forces a refresh", nobody_forces),
        (
            "one fetch for a token at a time in an instance",
            flights_are_shared(plan) || report.mode == Mode::Model,
        ),
        (
            "nothing evicted",
            cache.l1.evictions == 0 && cache.l2.evictions == 0 && cache.l2.refused == 0,
        ),
        ("L2 never fails", cache.l2.errors == 0),
        (
            "refresh tokens last, however often they are used",
            !idp.refresh_tokens_once && idp.refresh_token_lifetime >= plan.duration,
        ),
        (
            "a code is redeemed once",
            !plan.traffic.iter().any(|traffic| traffic.code_replayed),
        ),
        (
            "the application adds nothing to cache keys and keeps no tokens itself",
            keys_are_plain,
        ),
        ("the provider's limits are never met", throttled == 0),
    ];
    let pick = |so: bool| {
        let chosen = all.iter().filter(move |(_, held)| *held == so);
        chosen.map(|(text, _)| (*text).to_owned()).collect()
    };
    (pick(true), pick(false))
}

fn flights_are_shared(plan: &Plan) -> bool {
    plan.cache.policy.flight == token_cache::policy::Flight::PerKey
}

fn by_cause(causes: &Causes, of: Option<usize>) -> BTreeMap<&'static str, u64> {
    let mut sums = BTreeMap::new();
    for ((index, cause), count) in causes {
        if of.is_none_or(|of| of == *index) {
            *sums.entry(cause.as_str()).or_default() += count;
        }
    }
    sums
}

/// Where misses more than the model's come from, in acquisitions. `other` is what
/// is left: a fetch too many makes later ones needless, or due at another time.
fn attribution(
    measured: &Acquisitions,
    ideal_misses: Option<u64>,
    causes: BTreeMap<&'static str, u64>,
) -> BTreeMap<String, i64> {
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let named: i64 = causes.values().map(|count| signed(*count)).sum();
    let mut parts: BTreeMap<String, i64> = causes
        .into_iter()
        .map(|(cause, count)| (cause.to_owned(), signed(count)))
        .collect();
    if let Some(misses) = ideal_misses {
        let extra = signed(measured.token_source.identity_provider) - signed(misses);
        parts.insert(UNNAMED.to_owned(), extra - named);
    }
    parts.insert("errors".to_owned(), signed(measured.errors));
    parts.retain(|_, count| *count != 0);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_of_a_hit_ratio_is_that_of_a_renewal_process() {
        // H = 0.75 over 10 000 calls: 0.25 sqrt(0.75 / 10 000) = 0.002165.
        assert!((renewal_error(0.75, 10_000) - 0.002_165).abs() < 1e-6);
    }

    #[test]
    fn what_has_no_cause_is_called_other_and_the_parts_add_up() {
        let mut measured = Acquisitions::default();
        measured.token_source.identity_provider = 50;
        let causes = BTreeMap::from([("eviction", 12), ("no_single_flight", 5)]);
        let parts = attribution(&measured, Some(30), causes);
        let expected = [("eviction", 12), ("no_single_flight", 5), ("other", 3)];
        let expected = expected.map(|(cause, count)| (cause.to_owned(), count));
        assert_eq!(parts, BTreeMap::from(expected));
        assert_eq!(
            attribution(&Acquisitions::default(), None, BTreeMap::new()),
            BTreeMap::new()
        );
    }
}
