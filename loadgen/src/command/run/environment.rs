//! What the numbers of a run depend on, for its report.

use std::collections::BTreeMap;

use crate::scenario::plan::{IdpPlan, Mode, Plan, SigningPlan, Start, StorePlan};

/// What the numbers of a run depend on.
pub(super) fn environment(plan: &Plan) -> BTreeMap<String, String> {
    let mode = plan.mode;
    let idp = match &plan.idp {
        _ if mode == Mode::Model => "simulated".to_owned(),
        IdpPlan::Embedded(_) if mode == Mode::Virtual => {
            "mock-idp without sockets, signing simulated (HS256 with the seed's key)".to_owned()
        }
        IdpPlan::Embedded(idp) => format!(
            "embedded mock-idp over TLS on loopback, {}{}",
            match idp.signing {
                SigningPlan::Rs256 => "RS256",
                SigningPlan::Es256 => "ES256",
            },
            match idp.token_pool {
                None => String::new(),
                Some(tokens) => format!(", tokens repeated after {tokens} different ones"),
            }
        ),
        IdpPlan::External { url, .. } => format!("external, {url}"),
    };
    let cache = format!(
        "{} preset, {} instance{}, {}, {}{}",
        plan.cache.preset.as_str(),
        plan.fleet.instances,
        if plan.fleet.instances == 1 { "" } else { "s" },
        if plan.cache.l1.is_some() {
            "L1"
        } else {
            "no L1"
        },
        match plan.cache.l2.as_ref().map(|l2| &l2.store) {
            None => "no L2".to_owned(),
            Some(StorePlan::Memory { .. }) => "L2 in memory".to_owned(),
            Some(StorePlan::Remote { kind, .. }) => format!("L2 in {}", kind.as_str()),
        },
        if plan.cache.encryption {
            ", encrypted"
        } else {
            ""
        },
    );
    let cache = match mode {
        Mode::Model => format!("ideal; the scenario's is: {cache}"),
        Mode::Real | Mode::Virtual => cache,
    };
    let time = match mode {
        Mode::Real => {
            let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            (
                "machine",
                format!("{cores} cores, load generator and provider share them"),
            )
        }
        Mode::Virtual => (
            "clock",
            "paused: durations are those of the scenario's latencies, not of code".to_owned(),
        ),
        Mode::Model => ("clock", "simulated".to_owned()),
    };
    let start = match &plan.start {
        Start::Cold | Start::Stationary => None,
        Start::Snapshot(snapshot) => Some(("start", snapshot.to_string())),
    };
    [("cache", cache), ("identity provider", idp), time]
        .into_iter()
        .chain(start)
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
