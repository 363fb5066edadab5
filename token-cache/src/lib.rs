//! An OAuth token cache with the semantics of MSAL.NET and
//! Microsoft.Identity.Web: application and user partitions, a bounded memory
//! layer (L1) over a shared store (L2).
//!
//! A *partition* is what one external cache key holds: the tokens of one
//! application in one tenant, of one user, or of one incoming assertion. It is
//! an immutable snapshot; a request looks things up in its own snapshot and no
//! request can see another's half-made change.
//!
//! The crate knows nothing of HTTP, of load or of metrics: it tells its caller
//! everything through results and [`CacheEvents`].

/// Whether this process has a defect, which only test builds can have.
#[cfg(feature = "defects")]
macro_rules! defect {
    ($defect:ident) => {
        crate::defects::on(crate::defects::Defect::$defect)
    };
}
#[cfg(not(feature = "defects"))]
macro_rules! defect {
    ($defect:ident) => {
        false
    };
}

pub mod clock;
#[cfg(feature = "defects")]
pub mod defects;
pub mod scope;
pub mod secret;

pub mod components;
pub mod environment;
pub mod item;
pub mod key;

pub mod freshness;
pub mod partition;
pub mod query;
pub mod schema;

mod section;

pub mod adapter;
pub mod l1;
pub mod policy;
pub mod seal;

pub mod protect;
pub mod store;

pub mod provider;

pub mod error;
pub mod events;

pub use adapter::{CacheLevel, OptionsError, Read, TokenCache, TokenCacheOptions, Updated};
pub use clock::{Clock, Timestamp};
pub use components::{ComponentHash, KeyComponents};
pub use environment::Environment;
pub use error::{CacheError, StoreError, StoreErrorKind};
pub use events::{CacheEvents, L2Operation, NoEvents};
pub use item::{AccessToken, Account, AppMetadata, IdToken, RefreshToken};
pub use key::{AssertionHash, HomeAccountId, PartitionKey, PartitionKeyRef};
pub use partition::{Lookup, Partition, TokenSet};
pub use policy::Policy;
pub use query::{Query, RefreshTokenQuery, Subject};
pub use scope::Scopes;
pub use seal::Sealing;
pub use secret::Secret;
