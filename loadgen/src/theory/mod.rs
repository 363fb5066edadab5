//! Measured beside predicted: what an ideal cache would have done with the very
//! same arrivals, and where the gap comes from.

use std::collections::BTreeMap;

use crate::engine::model::simulate;
use crate::record::Recorder;
use crate::record::flow::FlowRecord;
use crate::report::model::{Acquisitions, Report, Theory};
use crate::scenario::plan::{EmbeddedIdpPlan, Flow, Plan};

/// What the model takes for granted.
const ASSUMPTIONS: [&str; 4] = [
    "the same arrivals, simulated",
    "one fetch for a token at a time in an instance",
    "nothing evicted",
    "L2 answers at once and the provider always",
];

/// Sets what `report` measured beside the model of `plan`, for all flows and
/// each; nothing where the model does not know what the plan asks for.
pub fn against_model(plan: &Plan, idp: &EmbeddedIdpPlan, report: &Report) -> Vec<Theory> {
    if !is_modelled(plan) {
        return Vec::new();
    }
    let recorder = Recorder::new(plan.traffic.len());
    simulate(plan, idp, &recorder, || false);
    let flows = recorder.recorded().flows;
    let mut all = FlowRecord::default();
    for flow in &flows {
        all.add(flow);
    }
    let totals = beside("totals", &report.totals, &all);
    let of_flows = report
        .flows
        .iter()
        .zip(&flows)
        .map(|(measured, ideal)| beside(&measured.name, &measured.acquisitions, ideal));
    totals.into_iter().chain(of_flows.flatten()).collect()
}

fn is_modelled(plan: &Plan) -> bool {
    plan.faults.is_empty()
        && plan.traffic.iter().all(|traffic| {
            matches!(
                traffic.flow,
                Flow::ClientCredentials | Flow::AuthorizationCode | Flow::OnBehalfOf
            ) && !traffic.load.is_closed()
                && traffic.force_refresh.get() <= 0.0
                && traffic.claims.get() <= 0.0
        })
}

fn beside(scope: &str, measured: &Acquisitions, ideal: &FlowRecord) -> Option<Theory> {
    let measured_hit_ratio = measured.hit_ratio?;
    let calls = ideal.ok();
    if calls == 0 {
        return None;
    }
    let hits = ideal.count(|how| how.0 == "cache");
    let predicted_hit_ratio = hits as f64 / calls as f64;
    Some(Theory {
        scope: scope.to_owned(),
        predicted_hit_ratio,
        measured_hit_ratio,
        z: deviations(measured_hit_ratio, predicted_hit_ratio, calls),
        assumptions: ASSUMPTIONS.map(str::to_owned).into(),
        attribution: attribution(measured, ideal),
    })
}

/// How many standard errors apart two hit ratios are. A token's lifetime spaces
/// its misses, so they vary less than coin tosses would: for a renewal process
/// of hit ratio H the variance over n calls is H (1 - H)^2 / n, not H (1 - H) / n.
fn deviations(measured: f64, predicted: f64, calls: u64) -> f64 {
    let gap = measured - predicted;
    let error = (1.0 - predicted) * (predicted / calls as f64).sqrt();
    // Without any spread the least that can be told apart is one call.
    gap / error.max(1.0 / calls as f64)
}

/// Where misses more than the model's come from, in acquisitions.
fn attribution(measured: &Acquisitions, ideal: &FlowRecord) -> BTreeMap<String, i64> {
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let misses = |how: &crate::record::ways::How| how.0 == "identity_provider";
    let extra = signed(measured.token_source.identity_provider) - signed(ideal.count(misses));
    let waited = (signed(ideal.coalesced) - signed(measured.coalesced)).max(0);
    let single_flight = waited.min(extra.max(0));
    let forced = signed(measured.cache_refresh_reason.force_refresh_or_claims);
    let parts = [
        ("no_single_flight", single_flight),
        ("forced_refresh", forced),
        ("other", extra - single_flight - forced),
        ("errors", signed(measured.errors)),
    ];
    parts
        .into_iter()
        .filter(|(_, count)| *count != 0)
        .map(|(cause, count)| (cause.to_owned(), count))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_measured_by_the_spread_of_a_renewal_process() {
        // H = 0.75 over 10 000 calls: 0.25 sqrt(0.75 / 10 000) = 0.002165.
        let z = deviations(0.75 + 0.004_330, 0.75, 10_000);
        assert!((z - 2.0).abs() < 0.001, "{z}");
        assert!(deviations(0.75, 0.75, 10_000).abs() < f64::EPSILON);
        // Nothing hits, so nothing varies: one call is one error.
        assert!((deviations(0.001, 0.0, 1_000) - 1.0).abs() < 1e-9);
    }
}
