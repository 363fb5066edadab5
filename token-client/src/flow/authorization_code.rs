//! Authorization code: the last step of a sign-in. Reads no cache; what comes
//! is stored under the account it names.

use std::sync::Arc;

use token_cache::Secret;

use crate::idp::Grant;

/// A code from the authorize endpoint, with what it takes to redeem it.
#[derive(Debug, Clone)]
pub struct AuthorizationCode {
    /// The code.
    pub code: Secret,
    /// Where the code was sent.
    pub redirect_uri: Arc<str>,
    /// PKCE's verifier, where a challenge was sent.
    pub code_verifier: Option<Secret>,
}

impl AuthorizationCode {
    pub(super) fn grant(&self) -> Grant {
        Grant::AuthorizationCode {
            code: self.code.clone(),
            redirect_uri: Arc::clone(&self.redirect_uri),
            code_verifier: self.code_verifier.clone(),
        }
    }
}
