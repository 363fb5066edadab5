//! From an arrival to a token: what each flow's caller does, and the check of
//! what it got.

pub mod session;

use std::sync::Arc;

use token_cache::{Clock, HomeAccountId};
use token_client::{
    AcquireError, AcquireRequest, AuthenticationResult, AuthorizationCode, Flow as Ask,
    InitiateLongRunning, SearchInCache, UserAssertion,
};

use crate::oracle::{Expectation, Finding, Oracle};
use crate::population::{PassOver, Subject};
use crate::record::Recorder;
use crate::scenario::plan::Flow;
use crate::target::directory::USER_SCOPE;
use crate::target::provider::{REDIRECT_URI, SignIn};
use crate::target::{Directory, Fleet, Provider};
use session::{HeldAssertion, Sessions};

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
}

/// One who comes for a token.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// Which entry of `traffic` they came by; requests are marked with it.
    pub mark: u32,
    /// How they get it.
    pub flow: Flow,
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
        let answer = match caller.flow {
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
            Flow::LongRunningObo => self.long_running(caller).await,
            // Refused by validation until they are here.
            Flow::Silent | Flow::RefreshToken | Flow::ManagedIdentity => Err(Trouble::SignIn(
                format!("there is no flow `{}` yet", caller.flow.as_str()),
            )),
        };
        if caller.subject.signs_out {
            self.sign_out(caller.subject).await;
        }
        answer
    }

    /// The subject's user, if signed in, signs out: what the serving instance
    /// and the shared store hold of them goes.
    async fn sign_out(&self, subject: &Subject) {
        let Some(account) = self.sessions.sign_out(subject) else {
            return;
        };
        if let Err(error) = self.fleet.client(subject).remove_account(&account).await {
            tracing::debug!(%error, "an account could not be removed from the cache");
        }
    }

    /// A web API works for a user who was there once: the first call brings
    /// their assertion, later ones the session's key alone.
    async fn long_running(&self, caller: Caller<'_>) -> Result<AuthenticationResult, Trouble> {
        let slot = self.sessions.long_running(caller.subject);
        let ongoing = slot.lock().await.clone();
        if let Some(process) = ongoing {
            let answer = self.acquire(Ask::InLongRunning(process), caller).await;
            return answer.map_err(Trouble::Acquire);
        }
        let held = self.held_assertion(caller.subject).await;
        let held = held.map_err(Trouble::SignIn)?;
        let Subject {
            application,
            user,
            session,
            ..
        } = caller.subject;
        let key = format!("{application}/{}/{session}", user.unwrap_or_default());
        let begin = InitiateLongRunning::new(held.secret().clone(), &key, SearchInCache::No);
        let process = begin.session().clone();
        let answer = self.acquire(Ask::InitiateLongRunning(begin), caller).await;
        let result = answer.map_err(Trouble::Acquire)?;
        *slot.lock().await = Some(process);
        Ok(result)
    }

    /// Whether the token is the one that `caller` asked for.
    pub fn judge(&self, caller: Caller<'_>, result: &AuthenticationResult) -> Finding {
        let subject = caller.subject;
        let username = self.directory.username(subject);
        let expected = Expectation {
            tenant_id: self.directory.tenant(subject),
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
        let left = result.token.expires_on.since(self.clock.now());
        self.recorder.remaining(source, left);
        self.oracle
            .check(&result.token.secret, &expected, source, self.clock.now())
    }

    /// Gets the assertion that an on-behalf-of caller of `subject` will bring.
    ///
    /// # Errors
    ///
    /// Why there is none, in words.
    pub async fn assertion(&self, subject: &Subject) -> Result<UserAssertion, String> {
        let held = self.held_assertion(subject).await?;
        Ok(held.assertion().clone())
    }

    async fn held_assertion(&self, subject: &Subject) -> Result<HeldAssertion, String> {
        let slot = self.sessions.assertion(subject);
        let mut held = slot.lock().await;
        let now = self.clock.now();
        if let Some(held) = held.as_ref().filter(|held| held.is_good_at(now)) {
            return Ok(held.clone());
        }
        let username = self
            .directory
            .username(subject)
            .ok_or("the flow has no user")?;
        let audience = self.directory.application(subject);
        let who = SignIn {
            tenant_id: self.directory.tenant(subject),
            client_id: &Directory::front_end(),
            username: &username,
            scope: &format!("api://{audience}/{USER_SCOPE}"),
        };
        let (token, lifetime) = self.provider.call_token(who).await?;
        let fresh = HeldAssertion::new(token, self.clock.now().plus(lifetime));
        *held = Some(fresh.clone());
        Ok(fresh)
    }

    /// A user's visit: silent if they are signed in, else a sign-in. Visits do
    /// not wait for each other, so a user who comes twice at first signs in
    /// twice; the load stays as offered however slow the provider is.
    async fn visit(&self, caller: Caller<'_>) -> Result<AuthenticationResult, Trouble> {
        let account = self.sessions.account(caller.subject);
        if let Some(answer) = self.silent(caller, account).await {
            return answer.map_err(Trouble::Acquire);
        }
        let result = self.sign_in(caller).await?;
        if let Some(account) = &result.account {
            self.sessions
                .sign_in(caller.subject, account.home_account_id.clone());
        }
        Ok(result)
    }

    /// Asks silently for `account`; `None` when only signing in helps.
    async fn silent(
        &self,
        caller: Caller<'_>,
        account: Option<HomeAccountId>,
    ) -> Option<Result<AuthenticationResult, AcquireError>> {
        match self.acquire(Ask::Silent(account?), caller).await {
            Err(error) if error.needs_user() => {
                // The sign-in that follows is what gets recorded; the requests
                // of this attempt are on no other account.
                self.recorder.account(error.metadata().token_requests);
                None
            }
            answer => Some(answer),
        }
    }

    async fn sign_in(&self, caller: Caller<'_>) -> Result<AuthenticationResult, Trouble> {
        let subject = caller.subject;
        let username = self
            .directory
            .username(subject)
            .ok_or_else(|| Trouble::SignIn("the flow has no user".to_owned()))?;
        let resource = self.directory.resource(subject);
        let who = SignIn {
            tenant_id: self.directory.tenant(subject),
            client_id: self.directory.application(subject),
            username: &username,
            scope: resource.user_scopes.target(),
        };
        let signed_in = self.provider.sign_in(who).await.map_err(Trouble::SignIn)?;
        let code = AuthorizationCode {
            code: signed_in.code,
            redirect_uri: REDIRECT_URI.into(),
            code_verifier: Some(signed_in.code_verifier),
        };
        self.acquire(Ask::AuthorizationCode(code), caller)
            .await
            .map_err(Trouble::Acquire)
    }

    async fn acquire(
        &self,
        ask: Ask,
        caller: Caller<'_>,
    ) -> Result<AuthenticationResult, AcquireError> {
        let Caller { subject, flow, .. } = caller;
        let scopes = self.directory.resource(subject).scopes(flow).clone();
        let tenant_id = Arc::clone(self.directory.tenant(subject));
        let request = AcquireRequest {
            mark: caller.mark,
            force_refresh: subject.pass_over == PassOver::ForceRefresh,
            claims: (subject.pass_over == PassOver::Claims).then(|| CLAIMS.into()),
            ..AcquireRequest::new(ask, tenant_id, scopes)
        };
        self.fleet.client(subject).acquire(&request).await
    }
}
