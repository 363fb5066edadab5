//! What the client tells whoever listens: every acquisition that ended, and
//! work that no caller waits for.

use std::sync::Arc;

use crate::client::AcquireRequest;
use crate::error::AcquireError;
use crate::result::{AuthenticationResult, ResultMetadata, TokenRequests};

/// A listener. Every method does nothing by default. Called on the path of a
/// request: it must be quick.
pub trait ClientEvents: Send + Sync {
    /// An acquisition that a caller asked for ended. Each ends once, one whose caller
    /// gave up with [`ErrorKind::GivenUp`](crate::ErrorKind::GivenUp); refreshes
    /// behind a served token are told apart from it below.
    fn acquired(
        &self,
        request: &AcquireRequest,
        outcome: Result<&AuthenticationResult, &AcquireError>,
    ) {
        let _ = (request, outcome);
    }

    /// A request is sent to the token endpoint.
    fn token_request_began(&self) {}

    /// It was answered, failed, or nobody waits for it any more.
    fn token_request_ended(&self) {}

    /// A refresh began behind a served token. `mark` is the request's.
    fn refresh_began(&self, mark: u32) {
        let _ = mark;
    }

    /// A refresh ended, having sent these requests. `Ok` also when another
    /// instance's token in L2 made it needless.
    fn refresh_ended(&self, mark: u32, outcome: Result<(), &AcquireError>, sent: TokenRequests) {
        let _ = (mark, outcome, sent);
    }

    /// The same as [`ClientEvents::refresh_ended`], with all that is known of it.
    fn refreshed(&self, request: &AcquireRequest, outcome: Result<&ResultMetadata, &AcquireError>) {
        let _ = (request, outcome);
    }
}

/// Two listeners: each hears everything, the first first.
impl<A: ClientEvents + ?Sized, B: ClientEvents + ?Sized> ClientEvents for (Arc<A>, Arc<B>) {
    fn acquired(
        &self,
        request: &AcquireRequest,
        outcome: Result<&AuthenticationResult, &AcquireError>,
    ) {
        self.0.acquired(request, outcome);
        self.1.acquired(request, outcome);
    }

    fn token_request_began(&self) {
        self.0.token_request_began();
        self.1.token_request_began();
    }

    fn token_request_ended(&self) {
        self.0.token_request_ended();
        self.1.token_request_ended();
    }

    fn refresh_began(&self, mark: u32) {
        self.0.refresh_began(mark);
        self.1.refresh_began(mark);
    }

    fn refresh_ended(&self, mark: u32, outcome: Result<(), &AcquireError>, sent: TokenRequests) {
        self.0.refresh_ended(mark, outcome, sent);
        self.1.refresh_ended(mark, outcome, sent);
    }

    fn refreshed(&self, request: &AcquireRequest, outcome: Result<&ResultMetadata, &AcquireError>) {
        self.0.refreshed(request, outcome);
        self.1.refreshed(request, outcome);
    }
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEvents;

impl ClientEvents for NoEvents {}
