//! What front ends and web APIs do for their users: bring assertions, and go on
//! without them.

use token_client::{
    AuthenticationResult, Flow as Ask, InitiateLongRunning, SearchInCache, UserAssertion,
};

use super::session::HeldAssertion;
use super::{Caller, Callers, Trouble};
use crate::population::Subject;
use crate::target::Directory;
use crate::target::directory::USER_SCOPE;
use crate::target::provider::SignIn;

impl Callers {
    /// A web API works for a user who was there once: the first call brings
    /// their assertion, later ones the session's key alone.
    pub(super) async fn long_running(
        &self,
        caller: Caller<'_>,
    ) -> Result<AuthenticationResult, Trouble> {
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

    /// Gets the assertion that an on-behalf-of caller of `subject` will bring.
    ///
    /// # Errors
    ///
    /// Why there is none, in words.
    pub async fn assertion(&self, subject: &Subject) -> Result<UserAssertion, String> {
        let held = self.held_assertion(subject).await?;
        Ok(held.assertion().clone())
    }

    pub(super) async fn held_assertion(&self, subject: &Subject) -> Result<HeldAssertion, String> {
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
        let (token, lifetime) = Box::pin(self.provider.call_token(who)).await?;
        let fresh = HeldAssertion::new(token, self.clock.now().plus(lifetime));
        *held = Some(fresh.clone());
        Ok(fresh)
    }
}
