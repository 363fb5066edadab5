//! What users do: sign in, call, come back, sign out.

use token_cache::HomeAccountId;
use token_client::{AcquireError, AuthenticationResult, AuthorizationCode, Flow as Ask};

use super::{Caller, Callers, Trouble};
use crate::population::Subject;
use crate::scenario::plan::Flow;
use crate::target::provider::{REDIRECT_URI, SignIn};

impl Callers {
    /// A user's visit: silent if they are signed in, else a sign-in. Visits do
    /// not wait for each other, so a user who comes twice at first signs in
    /// twice; the load stays as offered however slow the provider is.
    pub(super) async fn visit(&self, caller: Caller<'_>) -> Result<AuthenticationResult, Trouble> {
        Box::pin(self.look_for_leftovers(caller)).await;
        if let Some(account) = self.sessions.account(caller.subject) {
            match self.acquire(Ask::Silent(account), caller).await {
                Err(error) if error.needs_user() => {
                    self.recorder.interaction_required();
                    // The sign-in that follows is what gets recorded; the
                    // requests of this attempt are on no other account.
                    self.recorder.account(error.metadata().token_requests);
                }
                answer => return answer.map_err(Trouble::Acquire),
            }
        }
        Box::pin(self.sign_in(caller)).await
    }

    /// A user who signed in before the run: whoever would have to again fails.
    pub(super) async fn silent(&self, caller: Caller<'_>) -> Result<AuthenticationResult, Trouble> {
        let account = self
            .sessions
            .account(caller.subject)
            .ok_or_else(|| Trouble::SignIn("nobody is signed in".to_owned()))?;
        self.ask_silently(account, caller)
            .await
            .map_err(Trouble::Acquire)
    }

    /// A user who comes from another library: their first call brings its
    /// refresh token, later calls are silent.
    pub(super) async fn by_refresh_token(
        &self,
        caller: Caller<'_>,
    ) -> Result<AuthenticationResult, Trouble> {
        if let Some(account) = self.sessions.account(caller.subject) {
            let answer = self.ask_silently(account, caller).await;
            return answer.map_err(Trouble::Acquire);
        }
        let brought = self.refresh_token_of(caller.subject).await;
        let brought = brought.map_err(Trouble::SignIn)?;
        let answer = self.acquire(Ask::RefreshToken(brought), caller).await;
        let result = answer.map_err(Trouble::Acquire)?;
        self.remember(caller.subject, &result);
        Ok(result)
    }

    async fn ask_silently(
        &self,
        account: HomeAccountId,
        caller: Caller<'_>,
    ) -> Result<AuthenticationResult, AcquireError> {
        let answer = self.acquire(Ask::Silent(account), caller).await;
        if answer.as_ref().is_err_and(AcquireError::needs_user) {
            self.recorder.interaction_required();
        }
        answer
    }

    /// Signs the subject's user in, before the run or during it.
    ///
    /// # Errors
    ///
    /// [`Trouble`], when there is no token at the end.
    pub async fn sign_in(&self, caller: Caller<'_>) -> Result<AuthenticationResult, Trouble> {
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
        let signed_in = Box::pin(self.provider.sign_in(who))
            .await
            .map_err(Trouble::SignIn)?;
        let code = AuthorizationCode {
            code: signed_in.code,
            redirect_uri: REDIRECT_URI.into(),
            code_verifier: Some(signed_in.code_verifier),
        };
        let again = caller.code_replayed.then(|| code.clone());
        let result = self
            .acquire(Ask::AuthorizationCode(code), caller)
            .await
            .map_err(Trouble::Acquire)?;
        self.remember(subject, &result);
        let Some(code) = again else {
            return Ok(result);
        };
        // What the caller sees is how the second redemption ends.
        self.recorder.account(result.metadata.token_requests);
        self.acquire(Ask::AuthorizationCode(code), caller)
            .await
            .map_err(Trouble::Acquire)
    }

    fn remember(&self, subject: &Subject, result: &AuthenticationResult) {
        if let Some(account) = &result.account {
            let account = account.home_account_id.clone();
            self.sessions.sign_in(subject, account);
        }
    }

    /// The refresh token that the subject's user brings from elsewhere.
    ///
    /// # Errors
    ///
    /// Why there is none, in words.
    pub async fn refresh_token_of(&self, subject: &Subject) -> Result<token_cache::Secret, String> {
        let slot = self.sessions.refresh_token(subject);
        let mut held = slot.lock().await;
        if let Some(held) = held.as_ref() {
            return Ok(held.clone());
        }
        let username = self
            .directory
            .username(subject)
            .ok_or("the flow has no user")?;
        let scopes = self.directory.resource(subject).scopes(Flow::RefreshToken);
        let who = SignIn {
            tenant_id: self.directory.tenant(subject),
            client_id: self.directory.application(subject),
            username: &username,
            scope: &format!("offline_access {}", scopes.target()),
        };
        let tokens = self.provider.tokens_of_another_library(who).await?;
        let token = tokens
            .refresh_token
            .ok_or("the token endpoint gave no refresh token")?;
        *held = Some(token.clone());
        Ok(token)
    }

    /// The subject's user, if signed in, signs out: what the serving instance
    /// and the shared store hold of them goes.
    pub(super) async fn sign_out(&self, caller: Caller<'_>) {
        let Some(account) = self.sessions.sign_out(caller.subject) else {
            return;
        };
        self.forget_given(caller);
        let serving = self.fleet.serve(caller.subject, caller.flow);
        if let Err(error) = serving.client().remove_account(&account).await {
            tracing::debug!(%error, "an account could not be removed from the cache");
        }
        serving.respond();
        self.fleet.end_session(caller.subject);
    }

    /// Somebody who knows the account of a user who has signed out asks for a
    /// token, before the user signs in again: there must be none.
    async fn look_for_leftovers(&self, caller: Caller<'_>) {
        let Some(account) = self.sessions.take_signed_out(caller.subject) else {
            return;
        };
        match self.acquire(Ask::Silent(account), caller).await {
            Ok(result) => {
                self.recorder.served_after_sign_out();
                self.recorder.account(result.metadata.token_requests);
            }
            Err(error) => self.recorder.account(error.metadata().token_requests),
        }
        // The user signs in all the same, and no cache could have spared them that.
        self.forget_given(caller);
    }

    /// What the subject's user was given is not theirs any more.
    fn forget_given(&self, caller: Caller<'_>) {
        if let Some(user) = caller.subject.user {
            self.shadow.signed_out(user, self.clock.now());
        }
    }
}
