//! By refresh token: a refresh token from elsewhere is traded in; MSAL's
//! `AcquireTokenByRefreshToken`, for moving from another library. Reads no
//! cache; what comes is stored under the account it names.

use token_cache::Secret;

use crate::idp::Grant;

pub(super) fn grant(refresh_token: &Secret) -> Grant {
    Grant::RefreshToken {
        refresh_token: refresh_token.clone(),
    }
}
