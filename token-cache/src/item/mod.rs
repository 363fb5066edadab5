//! What a partition holds. Each type's serde form is one entry of MSAL's
//! unified cache schema: member names and their order are the format's, absent
//! and empty strings are left out, and members this crate does not know are
//! kept and written back first.

mod access_token;
mod account;
mod app_metadata;
mod id_token;
mod members;
mod refresh_token;
mod unknown;

pub use access_token::{AccessToken, TokenType};
pub use account::Account;
pub use app_metadata::AppMetadata;
pub use id_token::IdToken;
pub use refresh_token::RefreshToken;
pub use unknown::UnknownMembers;

use serde::Serialize;

use crate::key::AssertionHash;
use members::Name;

/// The `credential_type` member of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum CredentialType {
    /// An access token.
    AccessToken,
    /// An access token bound to extra key components.
    #[serde(rename = "ATExt")]
    ExtendedAccessToken,
    /// A refresh token.
    RefreshToken,
    /// An ID token.
    IdToken,
    /// Whatever another SDK calls it, such as MSAL Node's
    /// `AccessToken_With_AuthScheme`. The name is among the entry's unknown members,
    /// so that entries of the usual types bear no space for it.
    #[serde(skip_serializing)]
    Other,
}

/// The member that says an entry's type.
const CREDENTIAL_TYPE: &str = "credential_type";

impl CredentialType {
    /// The type of this name, which `unknown` takes if it is none of ours.
    fn read(name: Name<'_>, unknown: &mut UnknownMembers) -> Self {
        match name.as_str() {
            "AccessToken" => Self::AccessToken,
            "ATExt" => Self::ExtendedAccessToken,
            "RefreshToken" => Self::RefreshToken,
            "IdToken" => Self::IdToken,
            _ => {
                unknown.insert(CREDENTIAL_TYPE.to_owned(), name.into_string().into());
                Self::Other
            }
        }
    }

    /// Whether its name is written with the unknown members.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    fn is_other(&self) -> bool {
        *self == Self::Other
    }

    fn access_token() -> Self {
        Self::AccessToken
    }

    fn refresh_token() -> Self {
        Self::RefreshToken
    }

    fn id_token() -> Self {
        Self::IdToken
    }
}

/// Whether a stored hash of an assertion says where its token lies: to MSAL an
/// empty one is none, and the token is its account's.
fn names_partition(hash: &AssertionHash) -> bool {
    !hash.as_str().is_empty()
}
