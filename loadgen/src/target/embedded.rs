//! A plan's provider in the mock's own terms.

use mock_idp::{KeySchedule, Latencies, Lifetimes, RefreshTokens, SigningAlgorithm, TokenPolicy};

use super::directory::application_id;
use crate::fault::rules::{latency, throttles};
use crate::scenario::plan::{ApplicationLifetime, EmbeddedIdpPlan, SigningPlan};

/// The mock's form of `plan`.
pub(super) fn config(plan: &EmbeddedIdpPlan, seed: u64) -> mock_idp::Config {
    mock_idp::Config {
        lifetimes: Lifetimes {
            expires_in: plan.expires_in,
            jitter: plan.lifetime_jitter,
            refresh_in: plan.refresh_in,
            refresh_token: plan.refresh_token_lifetime,
            managed_identity: plan.managed_identity_lifetime,
            ..Default::default()
        },
        refresh_tokens: if plan.refresh_tokens_once {
            RefreshTokens::Strict
        } else {
            RefreshTokens::Relaxed
        },
        latency: Latencies {
            token: latency(&plan.latency.token),
            authorize: latency(&plan.latency.authorize),
            discovery: latency(&plan.latency.discovery),
            jwks: latency(&plan.latency.keys),
            instance_discovery: latency(&plan.latency.instance_discovery),
            ..Latencies::default()
        },
        throttles: throttles(&plan.throttles),
        tokens: plan
            .application_lifetimes
            .iter()
            .map(token_policy)
            .collect(),
        keys: KeySchedule {
            algorithm: match plan.signing {
                SigningPlan::Rs256 => SigningAlgorithm::Rs256,
                SigningPlan::Es256 => SigningAlgorithm::Es256,
            },
            ..KeySchedule::default()
        },
        seed,
        ..Default::default()
    }
}

/// The lifetimes of one application's tokens. It says both: what a policy
/// leaves out is the server's own.
fn token_policy(of: &ApplicationLifetime) -> TokenPolicy {
    TokenPolicy {
        client: Some(application_id(of.application).to_string()),
        expires_in: Some(of.expires_in),
        refresh_in: of.refresh_in,
        ..TokenPolicy::default()
    }
}
