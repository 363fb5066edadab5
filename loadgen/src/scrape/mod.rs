//! What Prometheus gets: the same numbers as the report, folded at scrape.

mod acquisitions;
pub mod export;
mod generator;
pub mod msal_dotnet;
pub mod otlp;

use telemetry::catalogue as metric;
use telemetry::{Family, HistogramSample, Level, StoreMeter};
use token_client::TokenSource;

pub use generator::Stages;

use crate::record::folded::Folded;
use crate::scenario::plan::Plan;

/// What a scrape is made of.
#[derive(Debug)]
pub struct Scrape<'a> {
    /// What runs.
    pub plan: &'a Plan,
    /// What happened so far.
    pub folded: Folded,
    /// What was left of tokens given out, from the cache and from the provider.
    pub remaining: [HistogramSample; 2],
    /// What the caches' levels hold and have let go.
    pub levels: Vec<Level>,
    /// Operations on the caches' levels.
    pub store: &'a StoreMeter,
    /// Requests to the token endpoint under way.
    pub fetching: i64,
    /// Operations under way.
    pub in_flight: usize,
    /// Users of closed loops who are there.
    pub users: usize,
    /// The stages of the load.
    pub stages: &'a Stages,
    /// When the caches started, Unix seconds.
    pub started_at: f64,
    /// When the first arrival fell due, Unix seconds; zero before.
    pub began_at: f64,
    /// When the run ended, Unix seconds; zero before.
    pub ended_at: f64,
    /// Now, Unix seconds.
    pub now: f64,
}

impl Scrape<'_> {
    /// Everything under the project's own names.
    pub fn families(&self) -> Vec<Family> {
        let mut families = self.acquisitions();
        families.extend(self.caches());
        families.extend(self.generator());
        families
    }

    fn caches(&self) -> Vec<Family> {
        let [from_cache, from_provider] = self.remaining.clone();
        let mut families = vec![
            Family::of(&metric::TOKENCACHE_TOKEN_REMAINING_LIFETIME)
                .histogram(&[TokenSource::Cache.as_str()], from_cache)
                .histogram(&[TokenSource::IdentityProvider.as_str()], from_provider),
        ];
        families.extend(self.store.families());
        families.push(
            Family::of(&metric::TOKENCACHE_IN_FLIGHT_FETCHES).value(&[], self.fetching as f64),
        );
        families.extend(telemetry::levels::families(&self.levels));
        families.extend([
            Family::of(&metric::TOKENCACHE_START_TIMESTAMP).value(&[], self.started_at),
            Family::of(&metric::TOKENCACHE_BUILD_INFO).count(&[env!("CARGO_PKG_VERSION")], 1),
        ]);
        families
    }
}

#[cfg(test)]
mod tests;
