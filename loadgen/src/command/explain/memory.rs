//! How much caches will hold, by the sizes that MSAL's documentation gives:
//! about 2.5 KB for an application's token, and for a user 4 KB for each access
//! token, 2 KB for the refresh token and 2 KB for the ID token.

use serde::Serialize;

use crate::scenario::plan::{Flow, Plan, ProviderPlan};

/// An application's token for one tenant and resource.
const APPLICATION_TOKEN: u64 = 2_500;

/// A user's access token for one resource.
const USER_ACCESS_TOKEN: u64 = 4_000;

/// A user's refresh token and ID token.
const USER_SESSION: u64 = 4_000;

/// What the caches will hold, all instances' copies counted once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Tokens of applications.
    pub application_entries: u64,
    /// What they take.
    pub application_bytes: u64,
    /// Users' partitions: one for each account, or for each session in
    /// on-behalf-of flows and where the cache is the session's.
    pub user_partitions: u64,
    /// What they take.
    pub user_bytes: u64,
}

impl Memory {
    /// Of `plan`: everybody who may come, but no more than calls are made.
    pub fn of(plan: &Plan) -> Self {
        let population = &plan.population;
        let [tenants, applications, users, resources] = [
            population.tenants.most,
            population.applications.most,
            population.users.most,
            population.resources.most,
        ];
        let (mut application_calls, mut account_calls, mut session_calls) = (0.0, 0.0, 0.0);
        for traffic in &plan.traffic {
            let calls = traffic
                .load
                .expected_arrivals(plan.duration)
                .unwrap_or(f64::INFINITY);
            match traffic.flow {
                Flow::ClientCredentials | Flow::ManagedIdentity => application_calls += calls,
                Flow::OnBehalfOf | Flow::LongRunningObo => session_calls += calls,
                // Browsers keep theirs themselves.
                _ if plan.cache.provider == ProviderPlan::SessionCookie => {}
                _ if plan.cache.is_by_session() => session_calls += calls,
                Flow::AuthorizationCode | Flow::Silent | Flow::RefreshToken => {
                    account_calls += calls;
                }
            }
        }
        let application_entries = at_most(
            tenants
                .saturating_mul(applications)
                .saturating_mul(resources),
            application_calls,
        );
        let accounts = users.saturating_mul(applications);
        let sessions = accounts.saturating_mul(mean_sessions(plan));
        let user_partitions = at_most(accounts, account_calls) + at_most(sessions, session_calls);
        let tokens = at_most(accounts.saturating_mul(resources), account_calls)
            + at_most(sessions.saturating_mul(resources), session_calls);
        Self {
            application_entries,
            application_bytes: application_entries.saturating_mul(APPLICATION_TOKEN),
            user_partitions,
            user_bytes: user_partitions
                .saturating_mul(USER_SESSION)
                .saturating_add(tokens.saturating_mul(USER_ACCESS_TOKEN)),
        }
    }
}

/// Sessions a user has on average, rounded up: that of a lognormal.
fn mean_sessions(plan: &Plan) -> u64 {
    let sessions = plan.population.sessions;
    let spread = (sessions.p99 / sessions.median).ln() / 2.326_347_874_040_841;
    let mean = sessions.median * (spread * spread / 2.0).exp();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most `most`"
    )]
    let mean = mean.ceil().clamp(1.0, f64::from(sessions.most)) as u64;
    mean
}

fn at_most(count: u64, calls: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not above the count, which fits"
    )]
    let count = (count as f64).min(calls.ceil()) as u64;
    count
}
