//! The four kinds of cache that an application chooses from.
//!
//! | provider | who shares it | where it is kept |
//! |---|---|---|
//! | [`in_memory`] | the threads of this process | L1 |
//! | [`distributed`] | every instance | L1 over a [`Store`] |
//! | [`SessionStore`], [`CookieSession`] | the requests of one session | a store, or the browser |
//! | [`FileStore`] | the processes of one user | a file |

pub mod file;
pub mod session;

pub use file::{FileStore, FileStoreOptions};
pub use session::{CookieLimits, CookieSession, CookieTooLarge, SessionStore};

use std::sync::Arc;

use crate::adapter::{TokenCache, TokenCacheOptions};
use crate::store::Store;

/// A cache in this process's memory alone, as `options` say otherwise.
pub fn in_memory(options: TokenCacheOptions) -> TokenCache {
    TokenCache::new(TokenCacheOptions {
        l2: None,
        ..options
    })
}

/// A cache in memory over a store that other instances share, as `options` say
/// otherwise.
pub fn distributed(store: Arc<dyn Store>, options: TokenCacheOptions) -> TokenCache {
    TokenCache::new(TokenCacheOptions {
        l2: Some(store),
        ..options
    })
}
