//! Tokens that are wrong on purpose, to see who notices.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is wrong with a token; everything else about it and about the answer is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Forgery {
    /// The signature is of something else.
    BadSignature,
    /// The header names a key that is never published.
    UnknownKid,
    /// `"alg": "none"`, and no signature.
    AlgNone,
    /// It ended an hour ago.
    Expired,
    /// It begins in an hour.
    NotYetValid,
    /// Somebody else issued it.
    WrongIssuer,
    /// It is for another resource.
    WrongAudience,
    /// There is no `tid`.
    MissingTenant,
    /// Another tenant issued it.
    WrongTenant,
    /// It is about somebody else, as is the `client_info` beside it.
    WrongSubject,
    /// The scopes of token and answer come in another order. Nothing is wrong with that: whoever
    /// compares scopes as text stumbles.
    ReorderedScopes,
    /// `sub` and `tid` stand there twice, the second time with another value.
    DuplicateClaims,
    /// It breaks off in its middle.
    Malformed,
    /// It is larger than 64 KiB, which no `Authorization` header carries.
    Oversized,
}

impl Forgery {
    /// Every one.
    pub const ALL: [Self; 14] = [
        Self::BadSignature,
        Self::UnknownKid,
        Self::AlgNone,
        Self::Expired,
        Self::NotYetValid,
        Self::WrongIssuer,
        Self::WrongAudience,
        Self::MissingTenant,
        Self::WrongTenant,
        Self::WrongSubject,
        Self::ReorderedScopes,
        Self::DuplicateClaims,
        Self::Malformed,
        Self::Oversized,
    ];

    /// Whether a careful client keeps such a token: asking again for it is then redundant.
    pub(crate) fn is_worth_keeping(self) -> bool {
        matches!(self, Self::ReorderedScopes | Self::Oversized)
    }
}
