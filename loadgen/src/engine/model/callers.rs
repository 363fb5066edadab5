//! What callers of a model do: the same as those of a run, without the waiting.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use mock_idp::GrantType;
use token_cache::CacheLevel;
use token_client::result::TokenRequests;
use token_client::{CacheRefreshReason, ResultMetadata, TokenSource};

use super::cache::{Item, Millis, PartitionId};
use super::{Operation, Purpose, Simulation, Task, Want, millis};
use crate::flow::session;
use crate::scenario::plan::Flow;

/// Who is signed in, and what front ends hold.
#[derive(Debug, Default)]
pub(super) struct Callers {
    /// By application and user.
    pub(super) signed_in: HashSet<(u32, u32)>,
    /// By application, user and session: the assertion's number, and when it ends.
    pub(super) assertions: HashMap<(u32, u32, u32), (u64, Millis)>,
    pub(super) assertions_made: u64,
}

impl Simulation<'_> {
    /// A caller comes.
    pub(super) fn arrive(&mut self, operation: Operation) {
        let subject = operation.subject;
        let application = subject.application;
        let user = subject.user.unwrap_or_default();
        let partition = match self.plan.traffic[operation.arrival.flow_index].flow {
            Flow::ClientCredentials => PartitionId::Application {
                application,
                tenant: subject.tenant,
            },
            Flow::AuthorizationCode => {
                if !self.callers.signed_in.contains(&(application, user)) {
                    return self.sign_in(operation);
                }
                PartitionId::Account { user }
            }
            // Validation lets no other flow through.
            _ => PartitionId::Assertion {
                number: self.assertion((application, user, subject.session)),
            },
        };
        self.acquire(operation, partition);
    }

    /// The assertion that the front end brings in this session; a new one in good
    /// time.
    fn assertion(&mut self, whose: (u32, u32, u32)) -> u64 {
        let held = self.callers.assertions.get(&whose).copied();
        if let Some((number, ends)) = held {
            if ends > self.now + millis(session::MARGIN) {
                return number;
            }
            // Nobody will bring the old one again.
            let old = PartitionId::Assertion { number };
            let layers = self.l1.iter_mut().flatten().chain(&mut self.l2);
            layers.for_each(|layer| layer.forget(old));
        }
        let number = self.callers.assertions_made;
        self.callers.assertions_made += 1;
        self.found.driver_requests += 1;
        let ends = self.now + millis(self.idp.expires_in);
        self.callers.assertions.insert(whose, (number, ends));
        number
    }

    /// Asks L1, and has a fetch begun or waits for one where it has no answer.
    fn acquire(&mut self, operation: Operation, partition: PartitionId) {
        let want = self.want(operation, partition, Purpose::Acquire);
        let mut reason = CacheRefreshReason::NoCachedAccessToken;
        match self.look_in_l1(want, &mut reason) {
            Some(token) => {
                let reason = self.refresh_if_due(want, token, operation.arrival.flow_index);
                self.served(operation, CacheLevel::L1, reason);
            }
            None => self.board(want, operation, reason),
        }
    }

    pub(super) fn want(
        &self,
        operation: Operation,
        partition: PartitionId,
        purpose: Purpose,
    ) -> Want {
        Want {
            instance: operation.subject.instance(&self.plan.fleet),
            partition,
            item: Item {
                application: operation.subject.application,
                resource: operation.subject.resource,
            },
            purpose,
        }
    }

    /// The user signs in; the code is redeemed at once.
    pub(super) fn sign_in(&mut self, operation: Operation) {
        let asked = self.now;
        self.ask(
            GrantType::AuthorizationCode,
            Task::Redeemed { operation, asked },
        );
    }

    pub(super) fn redeemed(&mut self, operation: Operation, asked: Millis) {
        let subject = operation.subject;
        let user = subject.user.unwrap_or_default();
        let partition = PartitionId::Account { user };
        let want = self.want(operation, partition, Purpose::Acquire);
        self.store(want, true);
        self.callers.signed_in.insert((subject.application, user));
        let http = Duration::from_millis(self.now - asked);
        self.sample(
            operation,
            ResultMetadata {
                token_source: TokenSource::IdentityProvider,
                cache_level: CacheLevel::None,
                cache_refresh_reason: CacheRefreshReason::NotApplicable,
                duration_total: http,
                duration_in_cache: Duration::ZERO,
                duration_in_http: Some(http),
                coalesced: false,
                token_requests: TokenRequests {
                    answered: 1,
                    unanswered: 0,
                },
                ..ResultMetadata::NONE
            },
        );
    }
}
