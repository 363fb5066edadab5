//! On-behalf-of: a web API trades the token it was called with. The partition
//! is the assertion's hash, so one caller's tokens are out of another's reach
//! and end with the assertion.

use token_cache::{AssertionHash, PartitionKeyRef, Secret};

use crate::idp::Grant;

/// The token a web API was called with.
#[derive(Debug, Clone)]
pub struct UserAssertion {
    assertion: Secret,
    hash: AssertionHash,
}

impl UserAssertion {
    /// Takes the token and hashes it, once.
    pub fn new(assertion: Secret) -> Self {
        let hash = AssertionHash::of(assertion.expose());
        Self { assertion, hash }
    }

    /// Its hash, which names the partition.
    pub fn hash(&self) -> &AssertionHash {
        &self.hash
    }

    pub(super) fn partition(&self) -> PartitionKeyRef<'_> {
        PartitionKeyRef::Assertion(&self.hash)
    }

    pub(super) fn grant(&self) -> Grant {
        Grant::OnBehalfOf {
            assertion: self.assertion.clone(),
        }
    }
}
