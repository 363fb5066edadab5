//! What to expect before anything runs: how often tokens have to be fetched
//! when a cache fetches each once, starts with nothing, loses nothing, and
//! calls come independently of each other at their mean rate.
//! Then the fetches of one key are a renewal process (`theory::renewal`), and what
//! is said of it is exact, cold start included.

use std::time::Duration;

use serde::Serialize;

use crate::scenario::plan::{Flow, IdpPlan, Load, Plan, Start, TrafficPlan};
use crate::theory::keys::{instances_alone, owners, resources};
use crate::theory::managed_identity_advice;
use crate::theory::renewal::Fetches;

/// MSAL's buffer: a token is not served this long before its end.
const EXPIRY_BUFFER: Duration = Duration::from_secs(300);

/// What to expect. `None` where it depends on how long answers take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Prediction {
    /// Acquisitions on average.
    pub acquisitions: Option<f64>,
    /// Part of them served from a cache.
    pub hit_ratio: Option<f64>,
    /// Requests to the token endpoint for them, refreshes behind served tokens
    /// included.
    pub provider_calls: Option<f64>,
    /// What the numbers rest on, and what they leave out.
    pub remarks: Vec<String>,
}

/// What is expected of one flow.
#[derive(Debug, Clone, Copy, Default)]
struct Expected {
    calls: f64,
    /// Calls that get a token.
    answered: f64,
    misses: f64,
    requests: f64,
}

impl Prediction {
    /// For `plan`.
    pub fn of(plan: &Plan) -> Self {
        let unknown = |why: &str| Self {
            acquisitions: plan.expected_arrivals(),
            hit_ratio: None,
            provider_calls: None,
            remarks: vec![why.to_owned()],
        };
        let IdpPlan::Embedded(idp) = &plan.idp else {
            return unknown(
                "how long tokens of a provider elsewhere live is not known, so neither is the hit ratio",
            );
        };
        if plan.cache.is_by_session() {
            return unknown(
                "each session has a cache of its own: the hit ratio depends on how sessions begin, \
                 idle and end, which no closed form here knows",
            );
        }
        let flows: Option<Vec<Expected>> = plan
            .traffic
            .iter()
            .map(|traffic| {
                let (lifetime, advice) = if traffic.flow == Flow::ManagedIdentity {
                    let lifetime = idp.managed_identity_lifetime;
                    (lifetime, managed_identity_advice(lifetime))
                } else {
                    // What a token lasts on average decides how many there are.
                    (idp.expires_in + idp.lifetime_jitter / 2, idp.refresh_in)
                };
                let served = lifetime.saturating_sub(EXPIRY_BUFFER).as_secs_f64();
                let advice = advice.map(|advice| advice.as_secs_f64());
                expected(
                    plan,
                    traffic,
                    served,
                    advice.filter(|advice| *advice < served),
                )
            })
            .collect();
        let remarks = left_out(plan);
        let Some(flows) = flows else {
            return Self {
                acquisitions: None,
                hit_ratio: None,
                provider_calls: None,
                remarks,
            };
        };
        let sum = |part: fn(&Expected) -> f64| flows.iter().map(part).sum::<f64>();
        let (calls, answered) = (sum(|flow| flow.calls), sum(|flow| flow.answered));
        Self {
            acquisitions: Some(calls),
            hit_ratio: (answered > 0.0).then(|| 1.0 - sum(|flow| flow.misses) / answered),
            provider_calls: Some(sum(|flow| flow.requests)),
            remarks,
        }
    }

    /// For people.
    pub(super) fn rows(&self) -> Vec<(&'static str, String)> {
        let count = |value: Option<f64>| {
            value.map_or_else(
                || "depends on how long answers take".to_owned(),
                |value| format!("about {}", value.round()),
            )
        };
        let hit_ratio = self.hit_ratio.map_or_else(
            || "not known".to_owned(),
            |ratio| format!("about {:.2}%", ratio * 100.0),
        );
        vec![
            ("acquisitions", count(self.acquisitions)),
            ("hit ratio", hit_ratio),
            (
                "provider calls",
                match (self.acquisitions, self.provider_calls) {
                    (Some(_), None) => "not known".to_owned(),
                    (_, calls) => count(calls),
                },
            ),
        ]
    }
}

/// What the numbers do not know of.
fn left_out(plan: &Plan) -> Vec<String> {
    let mut remarks =
        vec!["of a cache that starts cold, fetches each token once and evicts nothing".to_owned()];
    let bursty = |traffic: &TrafficPlan| match &traffic.load {
        Load::Rate(rate) => !rate.stages.is_empty(),
        Load::Visits(_) | Load::Bursts(_) | Load::Trace(_) => true,
        Load::Users(_) => false,
    };
    if plan.traffic.iter().any(bursty) {
        remarks.push(
            "calls that come in ramps, visits, bursts or a trace are taken at their mean rate; \
             what comes close together hits more often"
                .to_owned(),
        );
    }
    if instances_alone(plan) > 1.0
        && plan
            .traffic
            .iter()
            .any(|traffic| is_known_where_it_began(traffic.flow))
    {
        remarks.push(
            "instances that share nothing know the users that came to them: calls of the others \
             fail, and are left out"
                .to_owned(),
        );
    }
    if !matches!(plan.start, Start::Cold) {
        remarks.push("it does not start cold: what is held there is left out".to_owned());
    }
    if matches!(&plan.idp, IdpPlan::Embedded(idp) if !idp.application_lifetimes.is_empty()) {
        remarks.push("lifetimes of single applications are left out".to_owned());
    }
    if !plan.faults.is_empty() {
        remarks.push("faults and restarts are left out".to_owned());
    }
    remarks
}

/// Whether a user can go on at no other instance than the one that they began with.
fn is_known_where_it_began(flow: Flow) -> bool {
    matches!(
        flow,
        Flow::Silent | Flow::RefreshToken | Flow::LongRunningObo
    )
}

fn expected(
    plan: &Plan,
    traffic: &TrafficPlan,
    served: f64,
    advice: Option<f64>,
) -> Option<Expected> {
    let calls = traffic.load.expected_arrivals(plan.duration)?;
    if plan.cache.l1.is_none() && plan.cache.l2.is_none() {
        return Some(Expected {
            calls,
            answered: calls,
            misses: calls,
            requests: calls,
        });
    }
    let homes = if is_known_where_it_began(traffic.flow) {
        instances_alone(plan)
    } else {
        1.0
    };
    let length = plan.duration.as_secs_f64();
    let all = calls / length;
    // Who calls after this long asks for another, and waits for it if they come so much later.
    let lasts = advice.unwrap_or(served);
    let grace = served - lasts;
    let (mut misses, mut requests) = (0.0, 0.0);
    for (of_owner, owners) in owners(plan, traffic.flow) {
        for (part, alike) in resources(plan) {
            let (owner, rate) = (all * of_owner, all * of_owner * part);
            let late = (-rate * grace).exp();
            let within = |time: f64| Fetches::of(rate, lasts, time).mean;
            let mut fetches = within(length);
            let (comes, _) = first_call(rate, length);
            let (comes_earlier, _) = first_call(rate, length - grace);
            let mut waits = comes + late * (within(length - grace) - comes_earlier);
            if traffic.flow == Flow::Silent {
                // The token of the resource that is asked for first came with the sign-in, and
                // spares who comes before its end the first fetch; later ones come sooner.
                let spared = |before: f64, late: f64, until: f64| {
                    let (comes, when) = first_call(owner, length.min(before));
                    let sooner = within(until - when - lasts) - within(until - lasts);
                    part * comes * (1.0 + late * sooner)
                };
                fetches -= spared(lasts, 1.0, length);
                waits -= spared(served, late, length - grace);
            }
            let keys = owners * alike / homes;
            requests += keys * fetches;
            misses += keys * waits;
        }
    }
    let answered = calls / homes;
    let passed_over = traffic.force_refresh.get() + traffic.claims.get();
    let more = passed_over * (answered - misses).max(0.0);
    Some(Expected {
        calls,
        answered,
        misses: misses + more,
        requests: requests + more,
    })
}

/// The chance that somebody who calls at `rate` does so within `length`, and when the
/// first call then comes on average.
fn first_call(rate: f64, length: f64) -> (f64, f64) {
    let comes = -(-rate * length.max(0.0)).exp_m1();
    if comes <= 0.0 {
        return (0.0, 0.0);
    }
    (comes, 1.0 / rate - length * (1.0 - comes) / comes)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::Overrides;
    use crate::scenario::load::parse;

    fn prediction(text: &str) -> Prediction {
        let text = format!("version: 1\n{text}");
        let plan = parse(Path::new("x.yaml"), text.as_bytes(), &Overrides::default());
        Prediction::of(&plan.unwrap_or_else(|error| panic!("{error}")))
    }

    #[test]
    fn a_long_run_of_one_key_has_the_hit_ratio_of_the_closed_form() {
        let found =
            prediction("duration: 300d\ntraffic: [{ flow: client_credentials, rate: 2/h }]\n");
        // F1: rate * served / (1 + rate * served), served for 3300 s.
        let load = 2.0 / 3_600.0 * 3_300.0;
        assert!(
            (found.hit_ratio.unwrap() - load / (1.0 + load)).abs() < 1e-3,
            "{found:?}"
        );
    }

    #[test]
    fn of_caches_that_belong_to_sessions_the_hit_ratio_is_not_guessed() {
        let found = prediction(
            "duration: 1h\ncache: { provider: session }\n\
             traffic: [{ flow: authorization_code, rate: 60/h }]\n",
        );
        assert_eq!(found.acquisitions, Some(60.0));
        assert_eq!((found.hit_ratio, found.provider_calls), (None, None));
        assert!(found.remarks[0].starts_with("each session"), "{found:?}");
        assert_eq!(found.rows()[2], ("provider calls", "not known".to_owned()));
    }

    /// A day of 433 000 calls for 10 000 keys by Zipf 0.9 from a cold start hits
    /// 75.89 % in the simulation of reference/load-generation.md (§0, finding 3).
    #[test]
    fn a_day_of_many_keys_has_the_hit_ratio_that_a_simulation_has() {
        let found = prediction(
            "duration: 24h\npopulation: { tenants: { count: 10000, popularity: { zipf: 0.9 } } }\n\
             traffic: [{ flow: client_credentials, rate: 5.0133/s }]\n",
        );
        assert!(
            (found.hit_ratio.unwrap() - 0.7589).abs() < 0.002,
            "{found:?}"
        );
        assert!(
            (found.provider_calls.unwrap() - 104_439.0).abs() < 1_000.0,
            "{found:?}"
        );
    }

    #[test]
    fn instances_that_share_nothing_fetch_for_themselves() {
        let scenario = |l2: &str| {
            format!(
                "duration: 1h\nfleet: {{ instances: 4 }}\ncache: {{ l2: {l2} }}\n\
                 traffic: [{{ flow: client_credentials, rate: 10/s }}]\n"
            )
        };
        let calls = |l2: &str| prediction(&scenario(l2)).provider_calls.unwrap().round();
        assert_eq!((calls("none"), calls("{ store: memory }")), (8.0, 2.0));
    }

    #[test]
    fn who_is_refreshed_ahead_waits_once() {
        let found = prediction(
            "duration: 10h\nidp: { refresh_in: 1800s }\ntraffic: [{ flow: client_credentials, rate: 10/s }]\n",
        );
        assert!(
            (found.provider_calls.unwrap() - 20.0).abs() < 0.1,
            "{found:?}"
        );
        let misses = (1.0 - found.hit_ratio.unwrap()) * found.acquisitions.unwrap();
        assert!((misses - 1.0).abs() < 1e-6, "{misses}");
    }
}
