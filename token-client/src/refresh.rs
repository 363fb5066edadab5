//! Proactive refresh: replacing a token behind the caller's back once the
//! provider's advice (`refresh_in`) has passed, while the old one still serves.

use std::sync::Arc;

use token_cache::freshness::{refresh_is_due, refresh_may_be_due};
use token_cache::policy::{Flight, Jitter, Refresh, StaleL1};
use token_cache::{PartitionKey, PartitionKeyRef, Timestamp};
use tokio::time::Instant;

use crate::answer::Answer;
use crate::client::{AcquireRequest, FlightKey, Purpose, Shared};
use crate::error::AcquireError;
use crate::fetch::{Fetch, Seen};
use crate::flow::Flow;
use crate::result::CacheRefreshReason;

impl Shared {
    /// Begins to refresh the token that was just served, if that is due at
    /// `now`. Says what the caller's result says of it.
    pub(crate) fn refresh_if_due(
        self: &Arc<Self>,
        request: &AcquireRequest,
        key: PartitionKeyRef<'_>,
        answer: &Answer,
        now: Timestamp,
    ) -> CacheRefreshReason {
        let Refresh::Background { jitter, flight } = self.cache.policy().refresh else {
            return CacheRefreshReason::NotApplicable;
        };
        if !self.is_due(jitter, answer, now) {
            return CacheRefreshReason::NotApplicable;
        }
        let key = key.to_owned();
        match flight {
            Flight::PerKey if !defect!(RefreshedByEach) => {
                let flight_key = FlightKey::new(Purpose::Refresh, key.clone(), request);
                let refresh = || Box::pin(Arc::clone(self).refresh(request.clone(), key));
                self.flights.launch(flight_key, refresh);
            }
            Flight::PerKey | Flight::None => {
                tokio::spawn(Box::pin(Arc::clone(self).refresh(request.clone(), key)));
            }
        }
        CacheRefreshReason::ProactivelyRefreshed
    }

    fn is_due(&self, jitter: Jitter, answer: &Answer, now: Timestamp) -> bool {
        let Some(refresh_on) = answer.refresh_on() else {
            return defect!(RefreshedAlways);
        };
        if defect!(NeverRefreshed) {
            return false;
        }
        if defect!(RefreshedAlways) {
            return true;
        }
        refresh_may_be_due(refresh_on, now)
            && refresh_is_due(refresh_on, self.jitter.draw(jitter, &answer.token), now)
    }

    /// Replaces the token, telling the listener. Nobody waits for it.
    async fn refresh(self: Arc<Self>, request: AcquireRequest, key: PartitionKey) -> Fetch {
        self.events.refresh_began(request.mark);
        let fetch = self.replace(&request, &key).await;
        let sent = fetch.metadata.token_requests;
        match &fetch.answer {
            Ok(_) => {
                self.events.refresh_ended(request.mark, Ok(()), sent);
                self.events.refreshed(&request, Ok(&fetch.metadata));
            }
            Err(kind) => {
                let error = AcquireError::new(Arc::clone(kind), fetch.metadata);
                self.events.refresh_ended(request.mark, Err(&error), sent);
                self.events.refreshed(&request, Err(&error));
            }
        }
        fetch
    }

    async fn replace(&self, request: &AcquireRequest, key: &PartitionKey) -> Fetch {
        let began = Instant::now();
        let now = self.cache.clock().now();
        // Managed identities take turns where there is no single flight, and
        // whoever's turn it is asks, though another may just have.
        let _turn = match (&request.flow, self.cache.policy().flight) {
            (Flow::ManagedIdentity(_), Flight::None) => Some(self.turn.lock().await),
            _ => None,
        };
        let mut seen = Seen {
            partition: self.cache.peek_l1(key.borrowed(), now),
            reason: CacheRefreshReason::ProactivelyRefreshed,
        };
        if (seen.partition.is_none() || self.cache.policy().stale_l1 == StaleL1::AskL2)
            && let Ok(read) = self.cache.read_l2(key).await
            && let Some(partition) = read.partition
            && let Ok(Some(answer)) = self.look_in(request, &partition, now, &mut seen)
            && !self.is_due(Jitter::PerToken, &answer, now)
        {
            // Another instance was faster.
            return Fetch::found(request, answer, read.level, began);
        }
        seen.reason = CacheRefreshReason::ProactivelyRefreshed;
        self.ask(request, &seen, began).await
    }
}
