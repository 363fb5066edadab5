//! A plan's provider in the mock's own terms.

use mock_idp::{
    KeySchedule, Latencies, Lifetimes, RefreshTokens, SigningAlgorithm, TokenPolicy, UserShape,
};

use super::directory::application_id;
use crate::fault::rules::{latency, throttles};
use crate::scenario::plan::{ApplicationLifetime, EmbeddedIdpPlan, SigningPlan, UserTokens};

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
        tokens: token_policies(plan),
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

/// What the tokens of some applications, or of users, are like. The first that
/// fits decides all, so the last is about what is left.
fn token_policies(plan: &EmbeddedIdpPlan) -> Vec<TokenPolicy> {
    let user = match plan.user_tokens {
        UserTokens::Small => None,
        UserTokens::Groups50 => Some(UserShape::Groups50),
        UserTokens::Groups200 => Some(UserShape::Groups200),
        UserTokens::Overage => Some(UserShape::Overage),
    };
    let of_application = |of: &ApplicationLifetime| TokenPolicy {
        client: Some(application_id(of.application).to_string()),
        expires_in: Some(of.expires_in),
        refresh_in: of.refresh_in,
        user,
        ..TokenPolicy::default()
    };
    let rest = user.map(|user| TokenPolicy {
        user: Some(user),
        ..TokenPolicy::default()
    });
    let applications = plan.application_lifetimes.iter().map(of_application);
    applications.chain(rest).collect()
}
