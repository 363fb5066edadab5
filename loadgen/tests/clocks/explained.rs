//! What `explain` expects of a scenario before it runs, beside the model of an ideal
//! cache.

use loadgen::command::explain::Prediction;
use loadgen::scenario::plan::Mode;

use crate::lab::{plan, report};

/// A load of one flow that hits about as often as it misses, over people and
/// applications who all call as often.
const ONE_FLOW: &str = "
version: 1
duration: 12h
idp: { managed_identity: { expires_in: 100m }, latency: { token: 50ms } }
population:
  applications: 3
  users: 60
  resources: 2
traffic: [{ flow: client_credentials, rate: 2/min }]
";

#[test]
fn a_prediction_of_any_flow_is_what_the_model_of_it_counts() {
    let shapes: [&[&str]; 5] = [
        &[],
        &["duration=100m"],
        &["idp.expires_in=100m", "idp.refresh_in=50m"],
        &["fleet.instances=3", "cache.l2={ store: memory }"],
        &["fleet={ instances: 3, affinity: user }"],
    ];
    let mut wrong = Vec::new();
    for flow in [
        "authorization_code",
        "silent",
        "refresh_token",
        "long_running_obo",
        "managed_identity",
    ] {
        for (shape, seed) in shapes.iter().zip(1..) {
            let of_flow = format!("traffic[0].flow={flow}");
            let rate = if flow == "managed_identity" {
                "traffic[0].rate=8/h"
            } else {
                "traffic[0].rate=2/min"
            };
            let set = [&[of_flow.as_str(), rate], *shape].concat();
            let mut expected = (0.0_f64, 0.0_f64);
            let mut found = (0.0_f64, 0.0_f64);
            let mut calls = 0.0;
            // Several runs, for a short one of few calls says little.
            for run in 0..3 {
                let plan = plan(ONE_FLOW, 10 * seed + run, &set);
                let prediction = Prediction::of(&plan);
                let model = report(&plan, Mode::Model);
                assert_eq!(model.totals.errors, 0, "{set:?}");
                calls += model.totals.acquisitions as f64;
                let requests = model.idp.token_requests - model.ledger.driver_requests;
                found.0 += model.totals.hit_ratio.unwrap() / 3.0;
                found.1 += requests as f64 / model.totals.acquisitions as f64 / 3.0;
                expected.0 += prediction.hit_ratio.unwrap() / 3.0;
                expected.1 +=
                    prediction.provider_calls.unwrap() / prediction.acquisitions.unwrap() / 3.0;
            }
            // Four standard errors of a renewal process, and what is not exact.
            let chance = 4.0 * (1.0 - expected.0) * (expected.0 / calls).sqrt();
            if (found.0 - expected.0).abs() > 0.005 + chance
                || (found.1 - expected.1).abs() > 0.005 + chance
            {
                wrong.push((format!("{set:?}"), found, expected));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
