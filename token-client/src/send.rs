//! Token requests on their way: sent, sent again, and told to whoever listens.

use std::sync::Arc;

use token_cache::Partition;
use token_cache::policy::HttpRetry;

use crate::client::Shared;
use crate::events::ClientEvents;
use crate::idp::{RequestError, TokenRequest, TokenResponse};
use crate::result::TokenRequests;

/// The one family of applications there is: Microsoft's own.
const FAMILY: &str = "1";

impl Shared {
    /// The family whose refresh tokens the application may try. Only public
    /// clients share them, and one of which nothing is known tries as well.
    pub(crate) fn family(&self, partition: Option<&Partition>) -> Option<Arc<str>> {
        if self.application.client_secret.is_some() {
            return None;
        }
        match partition?.app_metadata(&self.application.client_id) {
            Some(known) => known.family_id.clone(),
            None => Some(FAMILY.into()),
        }
    }

    /// Sends the first request; the next when the provider says that its refresh
    /// token is another application's. Says how many went out in all.
    pub(crate) async fn send(
        &self,
        requests: impl Iterator<Item = TokenRequest> + Send,
    ) -> (Result<TokenResponse, RequestError>, TokenRequests) {
        let mut sent = TokenRequests::default();
        let mut response = Err(RequestError::Unreachable("nothing to send".into()));
        for request in requests {
            response = self.send_one(&request, &mut sent).await;
            let is_anothers = matches!(&response, Err(error) if error.is_client_mismatch());
            if !is_anothers {
                break;
            }
        }
        (response, sent)
    }

    /// Sends one request, and again as the policy and the provider have it.
    async fn send_one(
        &self,
        request: &TokenRequest,
        sent: &mut TokenRequests,
    ) -> Result<TokenResponse, RequestError> {
        let provider = &self.authority.provider;
        let mut times = 0;
        loop {
            times += 1;
            let waiting = Waiting::begin(&*self.events);
            let response = provider.request_token(request).await;
            drop(waiting);
            let Err(error) = response else {
                sent.answered += 1;
                return response;
            };
            if error.was_answered() {
                sent.answered += 1;
            } else {
                sent.unanswered += 1;
            }
            let pause = match self.cache.policy().http_retry {
                HttpRetry::AsMsal => provider.retry(&error, times),
                HttpRetry::Off => None,
            };
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(error),
            }
        }
    }
}

/// A request on its way; also when its future is dropped it ends once.
struct Waiting<'a>(&'a dyn ClientEvents);

impl<'a> Waiting<'a> {
    fn begin(events: &'a dyn ClientEvents) -> Self {
        events.token_request_began();
        Self(events)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.token_request_ended();
    }
}
