//! What a plan does, in plain sentences.

use crate::scenario::address;
use crate::scenario::plan::{
    Affinity, EmbeddedIdpPlan, FaultPlan, IdpPlan, Mode, Plan, ProviderPlan, Start, StorePlan,
};
use crate::scenario::units::show_duration;

pub(super) fn of(plan: &Plan) -> Vec<String> {
    let mut sentences = vec![opening(plan)];
    for traffic in &plan.traffic {
        let expected = traffic
            .load
            .expected_arrivals(plan.duration)
            .map_or_else(String::new, |calls| {
                format!(": about {} calls", calls.round())
            });
        let flow = traffic.flow.as_str();
        let named = if *traffic.name == *flow {
            flow.to_owned()
        } else {
            format!("{} ({flow})", traffic.name)
        };
        sentences.push(format!("- {named}: {}{expected}.", traffic.load));
    }
    sentences.push(fleet(plan));
    sentences.push(cache(plan));
    sentences.extend(sessions(plan));
    sentences.push(provider(plan));
    match &plan.start {
        Start::Cold => {}
        Start::Stationary => sentences.push(
            "The caches begin as if they had been in use for ever: there is no cold start."
                .to_owned(),
        ),
        Start::Snapshot(snapshot) => sentences.push(format!(
            "It goes on from {snapshot}: the instances hold {} partitions in memory, and the \
             shared store {}.",
            snapshot.l1_partitions(),
            snapshot.l2.len()
        )),
    }
    sentences.extend(faults(plan));
    sentences.extend(plan.warmup.map(|warmup| {
        format!(
            "The first {} are a warm-up, for thresholds that say `after warmup`.",
            show_duration(warmup)
        )
    }));
    sentences.push(match plan.thresholds.len() {
        0 => "Nothing is demanded of the outcome: there are no thresholds.".to_owned(),
        1 => "It passes if its threshold holds.".to_owned(),
        count => format!("It passes if all of {count} thresholds hold."),
    });
    if let Some(twin) = &plan.twin {
        sentences.push(if plan.is_twin {
            format!("This is the twin, which must fail: {}.", twin.why)
        } else {
            format!(
                "Its twin must break `{}`: {}.",
                twin.breaks.join("` and `"),
                twin.why
            )
        });
    }
    sentences
}

fn opening(plan: &Plan) -> String {
    let clock = match plan.mode {
        Mode::Model => "as a model of an ideal cache",
        Mode::Virtual => "with the real cache on a virtual clock",
        Mode::Real => "in real time, over sockets",
    };
    format!(
        "{} of traffic under seed {}, {clock}:",
        show_duration(plan.duration),
        plan.seed
    )
}

fn fleet(plan: &Plan) -> String {
    let instances = plan.fleet.instances;
    if instances == 1 {
        return "The service runs as 1 instance.".to_owned();
    }
    let spread = match plan.fleet.affinity {
        Affinity::None => "any of them may serve any call",
        Affinity::Tenant => "the calls of one tenant go to the same one",
        Affinity::User => "the calls of one user go to the same one",
    };
    format!("The service runs as {instances} instances; {spread}.")
}

/// Whose caches these are, where each session has one.
fn sessions(plan: &Plan) -> Option<String> {
    let session = plan.cache.session;
    match plan.cache.provider {
        ProviderPlan::Session => {
            let place = if plan.cache.l2.is_some() {
                "in L2"
            } else {
                "in the memory of the instance that began it"
            };
            Some(format!(
                "Each session of a user has a cache of its own, {place}, which goes when left \
                 alone for {}.",
                show_duration(session.idle_timeout)
            ))
        }
        ProviderPlan::SessionCookie => Some(format!(
            "Each session of a user has a cache of its own, in at most {} encrypted {} of 4 096 \
             bytes; a response with more sets none.",
            session.cookies,
            if session.cookies == 1 {
                "cookie"
            } else {
                "cookies"
            }
        )),
        ProviderPlan::Distributed | ProviderPlan::Memory | ProviderPlan::File => None,
    }
}

fn cache(plan: &Plan) -> String {
    let l1 = plan.cache.l1.map_or_else(
        || "no memory of its own".to_owned(),
        |l1| format!("up to {} in memory", l1.size_limit),
    );
    let l2 = match &plan.cache.l2 {
        None => "nothing is shared".to_owned(),
        Some(l2) => {
            let store = match &l2.store {
                StorePlan::Memory { latency, .. } => {
                    format!("a shared memory store that takes {latency}")
                }
                StorePlan::Remote { kind, url } => {
                    format!(
                        "a shared {} at {}",
                        kind.as_str(),
                        address::seen(url.expose())
                    )
                }
            };
            let sliding = l2.sliding_expiration.map_or_else(String::new, |sliding| {
                format!(
                    ", whose entries go when not touched for {}",
                    show_duration(sliding)
                )
            });
            format!("behind it stands {store}{sliding}")
        }
    };
    let preset = plan.cache.preset;
    let changed = if plan.cache.policy == preset.policy() {
        ""
    } else {
        " with changes"
    };
    format!(
        "Each instance caches {l1}; {l2}. It behaves as the preset `{}`{changed}.",
        preset.as_str()
    )
}

fn provider(plan: &Plan) -> String {
    let idp: &EmbeddedIdpPlan = match &plan.idp {
        IdpPlan::External { url, .. } => {
            return format!("Tokens come from the provider at {url}.");
        }
        IdpPlan::Embedded(idp) => idp,
    };
    let refresh = idp.refresh_in.map_or_else(String::new, |advice| {
        format!(
            ", with the advice to replace them after {}",
            show_duration(advice)
        )
    });
    let longer = if idp.lifetime_jitter.is_zero() {
        String::new()
    } else {
        let longest = idp.expires_in + idp.lifetime_jitter;
        format!(" to {}", show_duration(longest))
    };
    let own = if idp.application_lifetimes.is_empty() {
        ""
    } else {
        ", but for applications that have their own,"
    };
    format!(
        "Tokens live {}{longer}{own}{refresh}, and are served until five minutes before their end; the token endpoint takes {}.",
        show_duration(idp.expires_in),
        idp.latency.token
    )
}

/// Faults said one by one; more would bury the rest.
const SAID: usize = 12;

fn faults(plan: &Plan) -> Vec<String> {
    let mut said: Vec<String> = plan.faults.iter().take(SAID).map(fault).collect();
    if plan.faults.len() > SAID {
        said.push(format!("- and {} more faults.", plan.faults.len() - SAID));
    }
    said
}

fn fault(fault: &FaultPlan) -> String {
    let at = show_duration(fault.at);
    let lasting = fault.until.map_or_else(String::new, |until| {
        format!(" for {}", show_duration(until.saturating_sub(fault.at)))
    });
    format!("- At {at}{lasting}, {}.", fault.what)
}
