//! From an arrival to a token: what each flow's caller does, and the check of
//! what it got.

mod on_behalf;
pub mod session;
mod user;
mod wording;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use token_cache::{CacheLevel, Clock, ComponentHash, KeyComponents};
use token_client::result::TokenRequests;
use token_client::{
    AcquireError, AcquireRequest, AuthenticationResult, CacheRefreshReason, Flow as Ask,
    ManagedIdentityId, ResultMetadata, TokenSource,
};
use tokio::time::Instant;

use crate::oracle::{Expectation, Finding, Oracle};
use crate::population::{PassOver, Subject};
use crate::record::Recorder;
use crate::report::model::Violation;
use crate::scenario::plan::{ApplicationCache, Flow, Plan, TrafficPlan};
use crate::target::directory::USER_SCOPE;
use crate::target::{Directory, Fleet, Provider};
use crate::theory::shadow::{self, Shadow};
use session::Sessions;

/// A claims challenge as a resource sends it when a session was revoked.
const CLAIMS: &str = r#"{"access_token":{"nbf":{"essential":true,"value":"1"}}}"#;

/// Plays the callers of every flow.
#[derive(Debug)]
pub struct Callers {
    /// The names of the population.
    pub directory: Directory,
    /// The service they call.
    pub fleet: Fleet,
    /// Where they sign in.
    pub provider: Provider,
    /// Who is signed in.
    pub sessions: Sessions,
    /// Judges what they get.
    pub oracle: Oracle,
    /// Where attempts that are followed by another are accounted for.
    pub recorder: Arc<Recorder>,
    /// What time it is.
    pub clock: Clock,
    /// Finds out why tokens were fetched that a cache could have had.
    pub shadow: Shadow,
    /// Tokens by resource, where an application keeps a dictionary of its own.
    pub application_cache: Option<ApplicationTokens>,
}

/// Tokens that an application keeps by resource.
pub type ApplicationTokens = parking_lot::Mutex<HashMap<u32, AuthenticationResult>>;

/// The dictionary that the application of `plan` keeps, if it keeps one.
pub fn application_cache(plan: &Plan) -> Option<ApplicationTokens> {
    let keeps = |traffic: &TrafficPlan| traffic.application_cache == ApplicationCache::ByResource;
    plan.traffic.iter().any(keeps).then(Default::default)
}

/// One who comes for a token.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// Which entry of `traffic` they came by; requests are marked with it.
    pub mark: u32,
    /// That entry's name.
    pub name: &'a str,
    /// How they get it.
    pub flow: Flow,
    /// Whether the application redeems a code again that is redeemed already.
    pub code_replayed: bool,
    /// Whom it is about.
    pub subject: &'a Subject,
}

/// Why a caller got no token.
#[derive(Debug)]
pub enum Trouble {
    /// The acquisition failed.
    Acquire(AcquireError),
    /// The caller did not get as far: signing in failed.
    SignIn(String),
}

impl Callers {
    /// Does what `caller` came for.
    ///
    /// # Errors
    ///
    /// [`Trouble`], when there is no token at the end.
    pub async fn call(&self, caller: Caller<'_>) -> Result<AuthenticationResult, Trouble> {
        if let Some(kept) = self.kept_by_application(caller) {
            return Ok(kept);
        }
        let answer = self.ask(caller).await;
        if caller.subject.signs_out {
            Box::pin(self.sign_out(caller)).await;
        }
        if caller.subject.is_last {
            self.sessions.leave(caller.subject);
            self.fleet.end_session(caller.subject);
        }
        if let (Some(kept), Ok(result)) = (&self.application_cache, &answer) {
            kept.lock().insert(caller.subject.resource, result.clone());
        }
        answer
    }

    /// What the application has in a dictionary of its own, if it keeps one and
    /// the token is not about to end.
    fn kept_by_application(&self, caller: Caller<'_>) -> Option<AuthenticationResult> {
        let kept = self.application_cache.as_ref()?.lock();
        let result = kept.get(&caller.subject.resource)?;
        let ends = result.token.expires_on;
        if ends <= self.clock.now().plus(token_cache::freshness::EXPIRY_BUFFER) {
            return None;
        }
        let mut result = result.clone();
        result.metadata = ResultMetadata {
            token_source: TokenSource::Cache,
            cache_level: CacheLevel::L1,
            cache_refresh_reason: CacheRefreshReason::NotApplicable,
            token_requests: TokenRequests::default(),
            duration_total: Duration::ZERO,
            duration_in_cache: Duration::ZERO,
            duration_in_http: None,
            ..result.metadata
        };
        Some(result)
    }

    async fn ask(&self, caller: Caller<'_>) -> Result<AuthenticationResult, Trouble> {
        match caller.flow {
            Flow::ClientCredentials => self
                .acquire(Ask::ClientCredentials, caller)
                .await
                .map_err(Trouble::Acquire),
            Flow::AuthorizationCode => self.visit(caller).await,
            Flow::OnBehalfOf => {
                let held = self.held_assertion(caller.subject).await;
                let held = held.map_err(Trouble::SignIn)?;
                self.acquire(Ask::OnBehalfOf(held.assertion().clone()), caller)
                    .await
                    .map_err(Trouble::Acquire)
            }
            Flow::LongRunningObo => Box::pin(self.long_running(caller)).await,
            Flow::Silent => self.silent(caller).await,
            Flow::RefreshToken => Box::pin(self.by_refresh_token(caller)).await,
            Flow::ManagedIdentity => {
                let id = Arc::clone(self.directory.application(caller.subject));
                let ask = Ask::ManagedIdentity(ManagedIdentityId::ClientId(id));
                self.acquire(ask, caller).await.map_err(Trouble::Acquire)
            }
        }
    }

    /// Does for the subject's user what has to be done before they call by
    /// `flow`.
    ///
    /// # Errors
    ///
    /// Why it could not be done, in words.
    pub async fn get_ready(&self, flow: Flow, subject: &Subject) -> Result<(), String> {
        match flow {
            Flow::OnBehalfOf | Flow::LongRunningObo => self.assertion(subject).await.map(drop),
            Flow::RefreshToken => self.refresh_token_of(subject).await.map(drop),
            Flow::Silent => {
                let caller = Caller {
                    mark: 0,
                    name: flow.as_str(),
                    flow,
                    code_replayed: false,
                    subject: &Subject {
                        pass_over: PassOver::No,
                        signs_out: false,
                        ..*subject
                    },
                };
                match self.sign_in(caller).await {
                    Ok(_) => Ok(()),
                    Err(Trouble::SignIn(reason)) => Err(reason),
                    Err(Trouble::Acquire(error)) => Err(crate::exit::with_causes(&error)),
                }
            }
            Flow::ClientCredentials | Flow::AuthorizationCode | Flow::ManagedIdentity => Ok(()),
        }
    }

    /// Whether the token that `caller` got at `ended` is the one they asked for.
    pub async fn judge(
        &self,
        caller: Caller<'_>,
        result: &AuthenticationResult,
        ended: Instant,
    ) -> Finding {
        let subject = caller.subject;
        let username = self.directory.username(subject);
        let expected = Expectation {
            // A machine's identity lives in a tenant that the scenario does not name.
            tenant_id: (caller.flow != Flow::ManagedIdentity)
                .then(|| &**self.directory.tenant(subject)),
            client_id: self.directory.application(subject),
            username: username.as_deref(),
            audience: &self.directory.resource(subject).id,
            scopes: if caller.flow.has_user() {
                USER_SCOPE
            } else {
                ""
            },
        };
        let metadata = &result.metadata;
        if let Some(took) = metadata.duration_in_http {
            self.oracle.note_answer(took);
        }
        let source = metadata.token_source;
        let (token, now) = (&result.token.secret, self.clock.at(ended));
        let left = result.token.expires_on.since(now);
        self.recorder.remaining(source, left);
        let mut finding = self.oracle.check(token, &expected, source, now);
        if finding == Finding::NotIssued {
            // Perhaps by a key so new that it is not known here yet.
            Box::pin(self.oracle.settled()).await;
            finding = self.oracle.check(token, &expected, source, now);
        }
        if let Some(kind) = finding.kind() {
            self.recorder.violate(|| Violation {
                kind: kind.to_owned(),
                flow: caller.name.to_owned(),
                token_source: source.as_str().to_owned(),
                why: self.oracle.why(token, &expected, source, now),
                ..Violation::default()
            });
        }
        finding
    }

    /// Asks for a token. One that is served from a cache although a newer one
    /// was asked for before is noted as stale.
    async fn acquire(
        &self,
        ask: Ask,
        caller: Caller<'_>,
    ) -> Result<AuthenticationResult, AcquireError> {
        let Caller { subject, flow, .. } = caller;
        let serving = self.fleet.serve(subject, flow);
        let request = self.request(ask, caller);
        let watched = self.sessions.watches_renewals();
        let renewed = watched.then(|| self.sessions.renewed(subject)).flatten();
        let answer = serving.client().acquire(&request).await;
        serving.respond();
        self.note_fetch(caller, &request.flow, &answer);
        if watched
            && let Ok(result) = &answer
            && let Some(issued) = self.oracle.issued_at(&result.token.secret)
        {
            let from_cache = result.metadata.token_source == TokenSource::Cache;
            if subject.pass_over != PassOver::No {
                self.sessions.renew(subject, issued);
            } else if from_cache && renewed.is_some_and(|renewed| issued < renewed) {
                self.recorder.stale_served();
            }
        }
        answer
    }

    /// Has the reason found of a token that came from the provider.
    fn note_fetch(
        &self,
        caller: Caller<'_>,
        ask: &Ask,
        answer: &Result<AuthenticationResult, AcquireError>,
    ) {
        if let Ok(result) = answer
            && result.metadata.token_source == TokenSource::IdentityProvider
        {
            let key = shadow::key(ask, caller.subject);
            let (now, standing) = (self.clock.now(), self.fleet.standing(caller.subject));
            let flow_index = caller.mark as usize;
            let user = match caller.flow {
                Flow::AuthorizationCode | Flow::Silent | Flow::RefreshToken => caller.subject.user,
                _ => None,
            };
            let key = (key, user);
            self.shadow.fetched(flow_index, key, result, now, standing);
        }
    }

    fn request(&self, ask: Ask, caller: Caller<'_>) -> AcquireRequest {
        let Caller { subject, flow, .. } = caller;
        let scopes = self.directory.resource(subject).scopes(flow);
        let tenant_id = self.directory.tenant(subject);
        let (tenant_id, scopes) = match subject.wording {
            None => (Arc::clone(tenant_id), scopes.clone()),
            Some(draw) => wording::varied(draw, flow, tenant_id, scopes),
        };
        AcquireRequest {
            mark: caller.mark,
            force_refresh: subject.pass_over == PassOver::ForceRefresh,
            claims: (subject.pass_over == PassOver::Claims).then(|| CLAIMS.into()),
            components: subject.key_value.and_then(|value| {
                let value = value.to_string();
                KeyComponents::new([("value", value.as_str())], ComponentHash::default())
            }),
            ..AcquireRequest::new(ask, tenant_id, scopes)
        }
    }
}
