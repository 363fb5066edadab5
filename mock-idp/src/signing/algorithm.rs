//! What tokens are signed with.

use clap::ValueEnum;
use jsonwebtoken::Algorithm;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What tokens are signed with. Entra signs with RS256 alone; the others are for generic clients
/// and for speed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ValueEnum, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SigningAlgorithm {
    /// RSA-2048 with PKCS#1 v1.5 padding, as Entra does.
    #[default]
    Rs256,
    /// RSA-2048 with PSS padding; as slow as RS256, and tokens are as long.
    Ps256,
    /// ECDSA on P-256: some thirty times as fast as RSA.
    Es256,
}

impl SigningAlgorithm {
    /// The `alg` of a token's header.
    pub fn as_jose(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
        }
    }
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyKind {
    /// Signing that anybody can verify.
    Real(SigningAlgorithm),
    /// HMAC, for simulations: its secret is published, so it proves nothing to anybody outside.
    Simulated,
}

impl KeyKind {
    /// The `alg` of a token's header.
    pub(super) fn as_jose(self) -> &'static str {
        match self {
            Self::Real(algorithm) => algorithm.as_jose(),
            Self::Simulated => "HS256",
        }
    }

    pub(super) fn of_library(self) -> Algorithm {
        match self {
            Self::Real(SigningAlgorithm::Rs256) => Algorithm::RS256,
            Self::Real(SigningAlgorithm::Ps256) => Algorithm::PS256,
            Self::Real(SigningAlgorithm::Es256) => Algorithm::ES256,
            Self::Simulated => Algorithm::HS256,
        }
    }
}
