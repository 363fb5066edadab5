//! The identity provider's part of a plan in the provider's own terms.

use std::time::Duration;

use mock_idp::{
    Fault, Latency, Matcher, RetryAfter, Rule, ThrottleBy, ThrottleLimit, ThrottlePolicy, Trigger,
    When,
};

use crate::scenario::plan::{
    EndpointPlan, IdpFault, IdpTrouble, LatencyPlan, NetworkFault, ThrottleLimitPlan, ThrottlePer,
    ThrottlePlan,
};

/// What a fault is to the provider.
#[derive(Debug, Clone, PartialEq)]
pub enum Measure {
    /// Requests are struck.
    Rule(Rule),
    /// Requests are counted.
    Throttle(ThrottlePolicy),
}

/// A fault of the provider, under a name that no other has.
pub fn idp(fault: &IdpFault, name: String) -> Measure {
    let struck = match &fault.trouble {
        IdpTrouble::Throttle(plan) => {
            let mut policy = throttle(plan, name);
            policy.matcher = matcher(fault.endpoint);
            return Measure::Throttle(policy);
        }
        IdpTrouble::Status {
            status,
            retry_after,
        } => Fault::Status {
            status: *status,
            retry_after: retry_after.map(seconds),
        },
        IdpTrouble::Aadsts { code, retry_after } => Fault::Aadsts {
            code: *code,
            suberror: None,
            claims: None,
            retry_after: retry_after.map(seconds),
        },
        IdpTrouble::Latency(plan) => Fault::Latency { add: latency(plan) },
        IdpTrouble::TruncatedBody => Fault::TruncatedBody,
        IdpTrouble::Reset => Fault::ResetAfterRequest,
    };
    let share = fault.share.get();
    Measure::Rule(Rule {
        name,
        matcher: matcher(fault.endpoint),
        trigger: Trigger {
            when: if share < 1.0 {
                When::Probability(share)
            } else {
                When::Always
            },
            ..Trigger::default()
        },
        fault: struck,
    })
}

/// A fault of connections, under a name that no other has.
pub fn network(fault: NetworkFault, name: String) -> Rule {
    /// Longer than any client waits.
    const STALL: Duration = Duration::from_secs(600);
    Rule {
        name,
        matcher: Matcher::default(),
        trigger: Trigger::default(),
        fault: match fault {
            NetworkFault::Reset => Fault::ResetOnConnect,
            NetworkFault::TlsFailure => Fault::TlsFailure,
            NetworkFault::TlsStall => Fault::TlsStall { time: STALL },
        },
    }
}

/// The limits that the provider has anyway.
pub fn throttles(plans: &[ThrottlePlan]) -> Vec<ThrottlePolicy> {
    plans
        .iter()
        .enumerate()
        .map(|(index, plan)| throttle(plan, format!("throttle-{index}")))
        .collect()
}

/// A limit, under a name that no other has.
pub fn throttle(plan: &ThrottlePlan, name: String) -> ThrottlePolicy {
    ThrottlePolicy {
        name,
        matcher: Matcher::default(),
        per: match plan.per {
            ThrottlePer::Everyone => ThrottleBy::Everyone,
            ThrottlePer::Tenant => ThrottleBy::Tenant,
            ThrottlePer::Application => ThrottleBy::Client,
            ThrottlePer::TenantAndApplication => ThrottleBy::TenantAndClient,
        },
        limit: match plan.limit {
            ThrottleLimitPlan::Rate { rate, burst } => ThrottleLimit::Rate {
                per_second: rate.per_second(),
                burst,
            },
            ThrottleLimitPlan::Concurrency(requests) => ThrottleLimit::Concurrency { requests },
        },
        retry_after: plan.retry_after.map(seconds),
    }
}

/// A latency.
pub fn latency(plan: &LatencyPlan) -> Latency {
    match plan {
        LatencyPlan::None => Latency::None,
        LatencyPlan::Fixed(wait) => Latency::Fixed(*wait),
        LatencyPlan::Uniform { min, max } => Latency::Uniform {
            min: *min,
            max: *max,
        },
        LatencyPlan::LogNormal { median, p99 } => Latency::LogNormal {
            median: *median,
            p99: *p99,
        },
        LatencyPlan::Exponential { mean } => Latency::Exponential { mean: *mean },
        LatencyPlan::Empirical(waits) => Latency::Empirical(waits.clone()),
    }
}

fn matcher(endpoint: EndpointPlan) -> Matcher {
    Matcher {
        endpoint: Some(
            match endpoint {
                EndpointPlan::Token => "token",
                EndpointPlan::Authorize => "authorize",
                EndpointPlan::Discovery => "openid_configuration",
                EndpointPlan::Keys => "jwks",
            }
            .to_owned(),
        ),
        ..Matcher::default()
    }
}

/// `Retry-After` in whole seconds, at least one.
fn seconds(wait: Duration) -> RetryAfter {
    RetryAfter::Seconds(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).max(1))
}
