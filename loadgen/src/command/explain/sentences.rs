//! What a plan does, in plain sentences.

use crate::scenario::plan::{
    Affinity, EmbeddedIdpPlan, Fault, FaultPlan, IdpPlan, IdpTrouble, InstanceFault, KeyFault,
    L2Trouble, LatencyPlan, Mode, NetworkFault, Plan, Start, StorePlan,
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
    sentences.push(provider(plan));
    if !matches!(plan.start, Start::Cold) {
        sentences.push("The caches are filled before the first call.".to_owned());
    }
    sentences.extend(faults(plan));
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
                    format!("a shared memory store that takes {}", wait(latency))
                }
                StorePlan::Remote { kind, url } => {
                    format!("a shared {} at {url}", kind.as_str())
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
    format!(
        "Tokens live {}{refresh}, and are served until five minutes before their end; the token endpoint takes {}.",
        show_duration(idp.expires_in),
        wait(&idp.latency.token)
    )
}

fn wait(latency: &LatencyPlan) -> String {
    match latency {
        LatencyPlan::None => "no time".to_owned(),
        LatencyPlan::Fixed(wait) => show_duration(*wait),
        LatencyPlan::Uniform { min, max } => {
            format!("{} to {}", show_duration(*min), show_duration(*max))
        }
        LatencyPlan::LogNormal { median, p99 } => format!(
            "{} at the median and {} at p99",
            show_duration(*median),
            show_duration(*p99)
        ),
        LatencyPlan::Exponential { mean } => format!("{} on average", show_duration(*mean)),
        LatencyPlan::Empirical(waits) => format!("one of {} measured times", waits.len()),
    }
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
    let what = match &fault.what {
        Fault::Idp(idp) => {
            let what = match &idp.trouble {
                IdpTrouble::Status { status, .. } => format!("answers with {status}"),
                IdpTrouble::Aadsts { code, .. } => format!("answers with AADSTS{code}"),
                IdpTrouble::Latency(latency) => format!("takes {} longer", wait(latency)),
                IdpTrouble::Throttle(_) => "throttles".to_owned(),
                IdpTrouble::TruncatedBody => "sends half its answers".to_owned(),
                IdpTrouble::Reset => "hangs up".to_owned(),
            };
            let share = if idp.share.get() < 1.0 {
                format!(" {} of the time", idp.share)
            } else {
                String::new()
            };
            format!("the identity provider {what}{share}")
        }
        Fault::L2(l2) => match &l2.trouble {
            L2Trouble::Refuse => "L2 refuses connections".to_owned(),
            L2Trouble::Hang => "L2 does not answer".to_owned(),
            L2Trouble::Slow(latency) => format!("L2 takes {} longer", wait(latency)),
            L2Trouble::Error => "L2 answers with errors".to_owned(),
            L2Trouble::Corrupt => "L2 returns half of what it holds".to_owned(),
            L2Trouble::Wipe => "L2 has lost all it held".to_owned(),
        },
        Fault::Network(NetworkFault::Reset) => "connections are reset".to_owned(),
        Fault::Network(NetworkFault::TlsFailure) => "TLS handshakes are refused".to_owned(),
        Fault::Network(NetworkFault::TlsStall) => "TLS handshakes are not answered".to_owned(),
        Fault::Clock(step) => format!(
            "the clock of {} is {} s {}",
            match step.instances {
                None => "the service".to_owned(),
                Some(1) => "the first instance".to_owned(),
                Some(count) => format!("the first {count} instances"),
            },
            step.seconds.unsigned_abs(),
            if step.seconds < 0 { "behind" } else { "ahead" }
        ),
        Fault::Instances(InstanceFault::Restart { instance }) => {
            format!("instance {instance} restarts, with nothing in memory")
        }
        Fault::Instances(InstanceFault::Scale { to }) => format!("there are {to} instances"),
        Fault::Keys(KeyFault::Rollover) => {
            "the provider signs with a new key, the old one stays published".to_owned()
        }
        Fault::Keys(KeyFault::Withdrawal) => {
            "the provider signs with a new key, the old one is withdrawn".to_owned()
        }
        Fault::KeyRingSwap(share) => {
            format!("{share} of the instances encrypt with a new key ring")
        }
    };
    format!("- At {at}{lasting}, {what}.")
}
