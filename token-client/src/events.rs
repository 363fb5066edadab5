//! What the client tells whoever listens of work that no caller waits for.

use crate::error::AcquireError;
use crate::result::TokenRequests;

/// A listener. Every method does nothing by default.
pub trait ClientEvents: Send + Sync {
    /// A refresh began behind a served token. `mark` is the request's.
    fn refresh_began(&self, mark: u32) {
        let _ = mark;
    }

    /// A refresh ended, having sent these requests. `Ok` also when another
    /// instance's token in L2 made it needless.
    fn refresh_ended(&self, mark: u32, outcome: Result<(), &AcquireError>, sent: TokenRequests) {
        let _ = (mark, outcome, sent);
    }
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEvents;

impl ClientEvents for NoEvents {}
