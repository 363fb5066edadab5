//! Instances of a service over one watched store, on the paused clock.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use token_cache::store::Store;
use token_cache::{
    AccessToken, AppMetadata, CacheEvents, CacheLevel, Clock, Environment, L2Operation, Partition,
    PartitionKey, Policy, Scopes, Secret, StoreError, TokenCache, TokenCacheOptions, TokenSet,
    Updated,
};

use crate::watched::Watched;

#[derive(Default)]
pub(crate) struct Heard(pub(crate) Mutex<Vec<L2Operation>>);

impl CacheEvents for Heard {
    fn l2_failed(&self, operation: L2Operation, _: &StoreError) {
        self.0.lock().push(operation);
    }
}

pub(crate) struct Lab {
    pub(crate) clock: Clock,
    pub(crate) store: Arc<Watched>,
    pub(crate) heard: Arc<Heard>,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let clock = Clock::system();
        Self {
            clock,
            store: Watched::at(CacheLevel::L2, clock),
            heard: Arc::default(),
        }
    }

    /// One instance of a service; all of a lab share the store.
    pub(crate) fn instance(&self, policy: Policy) -> TokenCache {
        self.instance_with(policy, Some(10_000_000), None)
    }

    pub(crate) fn instance_with(
        &self,
        policy: Policy,
        l1: Option<u64>,
        sliding: Option<Duration>,
    ) -> TokenCache {
        TokenCache::new(TokenCacheOptions {
            l1_size_limit_bytes: l1,
            l2_sliding_expiration: sliding,
            ..self.options(policy)
        })
    }

    pub(crate) fn options(&self, policy: Policy) -> TokenCacheOptions {
        TokenCacheOptions {
            l2: Some(Arc::clone(&self.store) as Arc<dyn Store>),
            policy,
            clock: self.clock,
            events: Arc::clone(&self.heard) as Arc<dyn CacheEvents>,
            ..TokenCacheOptions::default()
        }
    }

    pub(crate) async fn put(&self, cache: &TokenCache, scope: &str, lifetime: Duration) {
        self.change(cache, scope, lifetime).await;
    }

    pub(crate) async fn change(
        &self,
        cache: &TokenCache,
        scope: &str,
        lifetime: Duration,
    ) -> Updated {
        save(cache, &key(), self.response(scope, lifetime)).await
    }

    pub(crate) fn response(&self, scope: &str, lifetime: Duration) -> TokenSet {
        let now = self.clock.now();
        let token = AccessToken::bearer(
            "login.windows.net".into(),
            "client".into(),
            "tenant".into(),
            Scopes::parse(scope),
            Secret::new("token"),
            now,
            now.plus(lifetime),
        );
        TokenSet {
            access_token: Arc::new(token),
            refresh_token: None,
            id_token: None,
            account: None,
            app_metadata: Arc::new(AppMetadata::new(
                "login.windows.net".into(),
                "client".into(),
            )),
        }
    }
}

/// Saves what the provider answered under `key`.
pub(crate) async fn save(cache: &TokenCache, key: &PartitionKey, set: TokenSet) -> Updated {
    let environment = Environment::of_host("login.windows.net");
    let change = move |current: &Partition| current.save(set.clone(), &environment);
    cache.update(key, change).await.expect("a readable entry")
}

pub(crate) fn key() -> PartitionKey {
    PartitionKey::application("client", "tenant")
}

pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

pub(crate) async fn tokens(cache: &TokenCache) -> (CacheLevel, usize) {
    let read = cache.read(&key()).await.expect("a readable entry");
    (
        read.level,
        read.partition
            .map_or(0, |partition| partition.access_token_count()),
    )
}
