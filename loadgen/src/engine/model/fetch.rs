//! Fetches of a model: one for a token at a time in an instance; L1 once more,
//! then L2, then the provider.

use std::collections::hash_map::Entry;
use std::time::Duration;

use mock_idp::GrantType;
use rand::RngExt as _;
use token_cache::CacheLevel;
use token_cache::freshness::REFRESH_JITTER_S;
use token_client::result::TokenRequests;
use token_client::{CacheRefreshReason, ClientEvents as _, ResultMetadata, TokenSource};

use super::cache::{Found, Millis, PartitionId, Token};
use super::{Flight, Operation, Purpose, Simulation, Task, Want, millis};
use crate::population::stream::mix;
use crate::theory::managed_identity_advice;

impl Simulation<'_> {
    /// Waits for the fetch under way, or has one begun once all arrivals of
    /// this millisecond have looked.
    pub(super) fn board(&mut self, want: Want, operation: Operation, reason: CacheRefreshReason) {
        if let Some(flight) = self.flights.get_mut(&want) {
            return flight.callers.push(operation);
        }
        let flight = Flight {
            reason,
            callers: vec![operation],
            mark: operation.arrival.flow_index,
            asked: self.now,
        };
        self.flights.insert(want, flight);
        self.queue.push_back(Task::Begin(want));
    }

    /// Begins to replace a token that was just served, if that is due.
    pub(super) fn refresh_if_due(
        &mut self,
        want: Want,
        token: Token,
        mark: usize,
    ) -> CacheRefreshReason {
        if !self.is_due(want.instance, token) {
            return CacheRefreshReason::NotApplicable;
        }
        let want = Want {
            purpose: Purpose::Refresh,
            ..want
        };
        if let Entry::Vacant(free) = self.flights.entry(want) {
            free.insert(Flight {
                reason: CacheRefreshReason::ProactivelyRefreshed,
                callers: Vec::new(),
                mark,
                asked: self.now,
            });
            self.queue.push_back(Task::Begin(want));
        }
        CacheRefreshReason::ProactivelyRefreshed
    }

    pub(super) fn look_in_l1(
        &mut self,
        want: Want,
        reason: &mut CacheRefreshReason,
    ) -> Option<Token> {
        let layer = self.l1.as_mut()?.get_mut(want.instance)?;
        let partition = layer.get(want.partition, self.now)?;
        match partition.find(want.item, self.now) {
            Found::Fresh(token) => return Some(token),
            Found::Expired => *reason = CacheRefreshReason::Expired,
            Found::Missing => {}
        }
        None
    }

    fn look_in_l2(&mut self, want: Want, reason: &mut CacheRefreshReason) -> Option<Token> {
        let partition = self.l2.as_mut()?.get(want.partition, self.now)?;
        if let Some(layers) = &mut self.l1 {
            layers[want.instance].propagate(want.partition, partition);
        }
        match partition.find(want.item, self.now) {
            Found::Fresh(token) => return Some(token),
            Found::Expired => *reason = CacheRefreshReason::Expired,
            Found::Missing => {}
        }
        None
    }

    pub(super) fn begin(&mut self, want: Want) {
        let Some(mut flight) = self.flights.remove(&want) else {
            return;
        };
        if want.purpose == Purpose::Refresh {
            self.recorder
                .refresh_began(u32::try_from(flight.mark).unwrap_or(u32::MAX));
            let mut ignored = flight.reason;
            if let Some(token) = self.look_in_l2(want, &mut ignored)
                && !self.is_due(want.instance, token)
            {
                // Another instance was faster.
                return self.refreshed(&flight, 0);
            }
        } else {
            let found = match self.look_in_l1(want, &mut flight.reason) {
                Some(token) => Some((token, CacheLevel::L1)),
                None => self
                    .look_in_l2(want, &mut flight.reason)
                    .map(|token| (token, CacheLevel::L2)),
            };
            if let Some((token, level)) = found {
                let reason = self.refresh_if_due(want, token, flight.mark);
                return self.all_served(want, flight, level, reason);
            }
        }
        let grant = match want.partition {
            PartitionId::Application { .. } => GrantType::ClientCredentials,
            PartitionId::Machine { .. } => GrantType::ManagedIdentity,
            PartitionId::Assertion { .. } => GrantType::OnBehalfOf,
            PartitionId::Account { .. } | PartitionId::Session { .. } => {
                if !self.has_refresh_token(want) {
                    let callers = flight.callers.into_iter().enumerate();
                    self.queue
                        .extend(callers.map(|(number, operation)| Task::Refused {
                            operation,
                            coalesced: number > 0,
                        }));
                    return;
                }
                GrantType::RefreshToken
            }
        };
        flight.asked = self.now;
        self.flights.insert(want, flight);
        self.ask(grant, Task::Answered(want));
    }

    /// Whether the instance finds a refresh token, in either layer.
    fn has_refresh_token(&mut self, want: Want) -> bool {
        let l1 = self
            .l1
            .as_mut()
            .and_then(|layers| layers.get_mut(want.instance));
        let now = self.now;
        l1.into_iter().chain(&mut self.l2).any(|layer| {
            layer
                .get(want.partition, now)
                .is_some_and(|partition| partition.has_refresh_token(want.item.application))
        })
    }

    pub(super) fn answered(&mut self, want: Want) {
        let Some(flight) = self.flights.remove(&want) else {
            return;
        };
        self.store(want, flight.asked);
        if want.purpose == Purpose::Refresh {
            return self.refreshed(&flight, 1);
        }
        for (number, operation) in flight.callers.into_iter().enumerate() {
            let is_leader = number == 0;
            let waited = Duration::from_millis(self.now - operation.started);
            let metadata = ResultMetadata {
                token_source: TokenSource::IdentityProvider,
                cache_level: CacheLevel::None,
                cache_refresh_reason: flight.reason,
                duration_total: waited,
                duration_in_cache: Duration::ZERO,
                duration_in_http: is_leader.then_some(waited),
                coalesced: !is_leader,
                token_requests: TokenRequests {
                    answered: u32::from(is_leader),
                    unanswered: 0,
                },
                ..ResultMetadata::NONE
            };
            self.land(operation, want, metadata);
        }
    }

    /// The fetch found a token in a cache: all are served from there.
    fn all_served(
        &mut self,
        want: Want,
        flight: Flight,
        level: CacheLevel,
        reason: CacheRefreshReason,
    ) {
        for (number, operation) in flight.callers.into_iter().enumerate() {
            let metadata = ResultMetadata {
                token_source: TokenSource::Cache,
                cache_level: level,
                cache_refresh_reason: reason,
                duration_total: Duration::from_millis(self.now - operation.started),
                duration_in_cache: Duration::ZERO,
                duration_in_http: None,
                coalesced: number > 0,
                token_requests: TokenRequests::default(),
                ..ResultMetadata::NONE
            };
            self.land(operation, want, metadata);
        }
    }

    /// The caller goes on when it is its turn among all who have something to do
    /// in this millisecond.
    fn land(&mut self, operation: Operation, want: Want, metadata: ResultMetadata) {
        self.queue.push_back(Task::Landed {
            operation,
            want,
            metadata,
        });
    }

    /// The caller goes on. Whoever waited for another's fetch looks into L1, and
    /// takes what the fetch brought where that is gone again.
    pub(super) fn landed(
        &mut self,
        operation: Operation,
        want: Want,
        mut metadata: ResultMetadata,
    ) {
        let mut ignored = metadata.cache_refresh_reason;
        if metadata.coalesced && self.look_in_l1(want, &mut ignored).is_some() {
            metadata.token_source = TokenSource::Cache;
            metadata.cache_level = CacheLevel::L1;
            metadata.cache_refresh_reason = CacheRefreshReason::NotApplicable;
        }
        self.ended(operation, metadata);
    }

    fn refreshed(&self, flight: &Flight, requests: u32) {
        let mark = u32::try_from(flight.mark).unwrap_or(u32::MAX);
        let sent = TokenRequests {
            answered: requests,
            unanswered: 0,
        };
        let at = Duration::from_millis(self.now.saturating_sub(self.begin));
        self.recorder.refreshed(mark, at, true, sent);
    }

    /// The times of a token that was asked for then and has come now.
    fn token(&mut self, want: Want, asked: Millis) -> Token {
        let now = self.now;
        // Whole seconds, as blobs have them.
        let whole = |time: Millis| time / 1_000 * 1_000;
        let after = |time: Duration| whole(now + millis(time));
        let (expires_on, advice) = if let PartitionId::Machine { .. } = want.partition {
            // A machine is told when its token ends, and not to replace it; the client
            // finds out by what is left of it when that is.
            let lifetime = millis(self.idp.managed_identity_lifetime);
            let end = whole(asked + lifetime);
            let left = Duration::from_millis(end.saturating_sub(now));
            (end, managed_identity_advice(left))
        } else {
            let idp = self.idp;
            let own = idp.lifetime_of(want.item.application);
            let expires_in = own.map_or(idp.expires_in, |own| own.expires_in);
            let advice = own.and_then(|own| own.refresh_in).or(idp.refresh_in);
            (after(expires_in + self.next_longer()), advice)
        };
        Token {
            expires_on,
            refresh_on: advice.map(after),
            number: self.next_number(),
        }
    }

    /// Puts a new token, asked for then, into both layers.
    pub(super) fn store(&mut self, want: Want, asked: Millis) {
        let now = self.now;
        let token = self.token(want, asked);
        let in_l2 = self.l2.as_mut().and_then(|l2| l2.get(want.partition, now));
        let in_l2 = in_l2.cloned();
        let layer = self.l1.as_mut().map(|layers| &mut layers[want.instance]);
        let in_l1 = || layer.and_then(|layer| layer.get(want.partition, now).cloned());
        let base = in_l2.or_else(in_l1);
        let mut partition = base.unwrap_or_default();
        partition.save(want.item, token, want.partition.keeps_refresh_tokens());
        if let Some(layers) = &mut self.l1 {
            layers[want.instance].put(want.partition, partition.clone(), now);
        }
        if let Some(l2) = &mut self.l2 {
            l2.put(want.partition, partition, now);
        }
    }

    /// How much longer than usual the next token lasts; the provider draws it likewise.
    pub(super) fn next_longer(&mut self) -> Duration {
        let most = self.idp.lifetime_jitter.as_secs();
        if most == 0 {
            return Duration::ZERO;
        }
        let mut random = self.longer.at(self.longers);
        self.longers += 1;
        Duration::from_secs(random.random_range(0..=most))
    }

    fn next_number(&mut self) -> u64 {
        self.tokens += 1;
        self.tokens
    }

    /// Whether an instance is to replace a token. By how much it puts that off is drawn
    /// once for a token in each instance, as `token-client` does: many instances have the
    /// first of many draws.
    fn is_due(&self, instance: usize, token: Token) -> bool {
        let Some(advised) = token.refresh_on else {
            return false;
        };
        if advised >= self.now.saturating_add_signed(REFRESH_JITTER_S * 1_000) {
            return false;
        }
        let mut random = self.jitter.at(mix(token.number) ^ instance as u64);
        let jitter = random.random_range(-REFRESH_JITTER_S..REFRESH_JITTER_S) * 1_000;
        advised.saturating_add_signed(jitter) < self.now
    }
}
