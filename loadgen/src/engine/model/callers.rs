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
use crate::population::Subject;
use crate::record::Outcome;
use crate::scenario::plan::Flow;

/// Who is signed in, and what front ends hold.
#[derive(Debug, Default)]
pub(super) struct Callers {
    /// By application and user.
    pub(super) signed_in: HashSet<(u32, u32)>,
    /// The same, of those who have signed out and not been seen since.
    pub(super) signed_out: HashSet<(u32, u32)>,
    /// By application, user and session: the assertion's number, and when it ends.
    pub(super) assertions: HashMap<(u32, u32, u32), (u64, Millis)>,
    pub(super) assertions_made: u64,
    /// By application, user and session: who has a refresh token from elsewhere.
    pub(super) refresh_tokens: HashSet<(u32, u32, u32)>,
    /// The same: for whom a web API has begun to work.
    pub(super) working: HashSet<(u32, u32, u32)>,
}

/// What a caller brings to be traded for a token at once, past all caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Brought {
    /// The code of a sign-in.
    Code,
    /// A refresh token from elsewhere.
    RefreshToken,
    /// The assertion that a web API begins to work with.
    Assertion,
}

impl Simulation<'_> {
    /// A caller comes.
    pub(super) fn arrive(&mut self, operation: Operation) {
        let subject = operation.subject;
        let application = subject.application;
        let user = subject.user.unwrap_or_default();
        let partition = match self.flow(operation) {
            Flow::ClientCredentials => PartitionId::Application {
                application,
                tenant: subject.tenant,
            },
            Flow::ManagedIdentity => PartitionId::Machine { application },
            Flow::AuthorizationCode => {
                if self.callers.signed_out.remove(&(application, user)) {
                    let looks_for_leftovers = true;
                    let operation = Operation {
                        looks_for_leftovers,
                        ..operation
                    };
                    return self.acquire(operation, PartitionId::Account { user });
                }
                return self.visit(operation);
            }
            Flow::Silent | Flow::RefreshToken
                if self.callers.signed_in.contains(&(application, user)) =>
            {
                PartitionId::Account { user }
            }
            Flow::Silent => return self.over(operation, Outcome::NoSignIn),
            Flow::RefreshToken => {
                let whose = (application, user, subject.session);
                if self.callers.refresh_tokens.insert(whose) {
                    self.found.driver_requests += 1;
                }
                return self.bring(operation, Brought::RefreshToken);
            }
            Flow::LongRunningObo => {
                let session = subject.session;
                if !self.callers.working.contains(&(application, user, session)) {
                    self.assertion((application, user, session));
                    return self.bring(operation, Brought::Assertion);
                }
                PartitionId::Session {
                    application,
                    user,
                    session,
                }
            }
            Flow::OnBehalfOf => PartitionId::Assertion {
                number: self.assertion((application, user, subject.session)),
            },
        };
        self.acquire(operation, partition);
    }

    fn flow(&self, operation: Operation) -> Flow {
        self.plan.traffic[operation.arrival.flow_index].flow
    }

    /// A user's visit: silent if they are signed in, else a sign-in.
    fn visit(&mut self, operation: Operation) {
        let Subject {
            application, user, ..
        } = operation.subject;
        let user = user.unwrap_or_default();
        if self.callers.signed_in.contains(&(application, user)) {
            self.acquire(operation, PartitionId::Account { user });
        } else {
            self.bring(operation, Brought::Code);
        }
    }

    /// A user's caches hold no refresh token.
    pub(super) fn refused(&mut self, operation: Operation, coalesced: bool) {
        if operation.looks_for_leftovers {
            return self.look_no_more(operation);
        }
        let code = match self.flow(operation) {
            Flow::AuthorizationCode => {
                self.recorder.interaction_required();
                return self.bring(operation, Brought::Code);
            }
            // Nobody is there who could sign in.
            Flow::LongRunningObo => "obo_cache_key_not_in_cache_error",
            // The others that look for a refresh token do so for an account.
            _ => {
                self.recorder.interaction_required();
                "no_tokens_found"
            }
        };
        self.over(operation, Outcome::ModelledError { code, coalesced });
    }

    /// Nothing, or something, was left of a user who has signed out: the visit goes
    /// on.
    fn look_no_more(&mut self, operation: Operation) {
        self.visit(Operation {
            looks_for_leftovers: false,
            ..operation
        });
    }

    /// The caller has a token.
    pub(super) fn ended(&mut self, operation: Operation, metadata: ResultMetadata) {
        if operation.looks_for_leftovers {
            self.recorder.served_after_sign_out();
            self.recorder.account(metadata.token_requests);
            return self.look_no_more(operation);
        }
        self.over(operation, Outcome::Modelled(metadata));
    }

    /// The caller has a token, or none and no way to get one.
    fn over(&mut self, operation: Operation, outcome: Outcome<'_>) {
        if operation.arrival.signs_out {
            self.sign_out(operation);
        }
        self.sample(operation, outcome);
        if let Some(user) = operation.user {
            self.think(user);
        }
    }

    /// The user, if signed in, signs out: what the serving instance and the shared
    /// store hold of them goes.
    fn sign_out(&mut self, operation: Operation) {
        let subject = operation.subject;
        let user = subject.user.unwrap_or_default();
        if !self.callers.signed_in.remove(&(subject.application, user)) {
            return;
        }
        self.callers.signed_out.insert((subject.application, user));
        let instance = subject.instance(&self.plan.fleet);
        let l1 = self.l1.as_mut().and_then(|layers| layers.get_mut(instance));
        for layer in l1.into_iter().chain(&mut self.l2) {
            layer.forget(PartitionId::Account { user });
        }
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
        let lasts = self.idp.expires_in + self.next_longer();
        let ends = self.now + millis(lasts);
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

    /// What the caller brings is traded for a token, whoever else does the same; when
    /// it is its turn among the fetches that begin in this millisecond.
    fn bring(&mut self, operation: Operation, brought: Brought) {
        self.queue.push_back(Task::Trade { operation, brought });
    }

    pub(super) fn trade(&mut self, operation: Operation, brought: Brought) {
        let grant = match brought {
            Brought::Code => GrantType::AuthorizationCode,
            Brought::RefreshToken => GrantType::RefreshToken,
            Brought::Assertion => GrantType::OnBehalfOf,
        };
        let asked = self.now;
        self.ask(
            grant,
            Task::Traded {
                operation,
                brought,
                asked,
            },
        );
    }

    pub(super) fn traded(&mut self, operation: Operation, brought: Brought, asked: Millis) {
        let Subject {
            application,
            user,
            session,
            ..
        } = operation.subject;
        let user = user.unwrap_or_default();
        let partition = match brought {
            Brought::Code | Brought::RefreshToken => PartitionId::Account { user },
            Brought::Assertion => PartitionId::Session {
                application,
                user,
                session,
            },
        };
        let want = self.want(operation, partition, Purpose::Acquire);
        self.store(want, asked);
        match brought {
            Brought::Code | Brought::RefreshToken => {
                self.callers.signed_in.insert((application, user));
            }
            Brought::Assertion => {
                self.callers.working.insert((application, user, session));
            }
        }
        let http = Duration::from_millis(self.now - asked);
        self.ended(
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
