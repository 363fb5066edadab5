//! Instances of a service over one watched store, on the paused clock.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use token_cache::store::{
    CompareAndSet, Expiration, MemoryStore, Store, StoreFuture, Swap, Version, Versioned,
};
use token_cache::{
    AccessToken, AppMetadata, CacheEvents, CacheLevel, Clock, Environment, L2Operation, Partition,
    PartitionKey, Policy, Scopes, Secret, StoreError, TokenCache, TokenCacheOptions, TokenSet,
    Updated,
};

/// A store that notes what it is asked, and fails on request.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) store: MemoryStore,
    pub(crate) round_trip: Mutex<Duration>,
    pub(crate) asked: Mutex<Vec<&'static str>>,
    pub(crate) down: Mutex<bool>,
    /// That of the last blob it was given.
    pub(crate) expiration: Mutex<Option<Expiration>>,
}

impl Watched {
    pub(crate) fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            store: MemoryStore::new(10_000_000, clock),
            round_trip: Mutex::default(),
            asked: Mutex::default(),
            down: Mutex::new(false),
            expiration: Mutex::default(),
        })
    }

    pub(crate) fn asked(&self) -> String {
        std::mem::take(&mut *self.asked.lock()).join(" ")
    }

    /// Notes the operation, reads the store's answer at once, and hands it
    /// over, or does the work, after the round trip.
    pub(crate) fn pass<'a, T: Send + 'a>(
        &'a self,
        what: &'static str,
        work: impl FnOnce() -> StoreFuture<'a, T> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        self.asked.lock().push(what);
        if *self.down.lock() {
            return Box::pin(async { Err(StoreError::new("down")) });
        }
        let round_trip = *self.round_trip.lock();
        if what == "get" {
            let answer = work();
            return Box::pin(async move {
                tokio::time::sleep(round_trip).await;
                answer.await
            });
        }
        Box::pin(async move {
            tokio::time::sleep(round_trip).await;
            work().await
        })
    }
}

impl CompareAndSet for Watched {
    fn get_versioned<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Versioned>> {
        self.pass("get", move || self.store.get_versioned(key))
    }
    fn set_if<'a>(
        &'a self,
        key: &'a str,
        expected: Option<&'a Version>,
        blob: Bytes,
        expiration: Expiration,
    ) -> StoreFuture<'a, Swap> {
        *self.expiration.lock() = Some(expiration);
        self.pass("set", move || {
            self.store.set_if(key, expected, blob, expiration)
        })
    }
    fn remove_if<'a>(&'a self, key: &'a str, expected: &'a Version) -> StoreFuture<'a, Swap> {
        self.pass("remove", move || self.store.remove_if(key, expected))
    }
}

impl Store for Watched {
    fn compare_and_set(&self) -> Option<&dyn CompareAndSet> {
        Some(self)
    }
    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Bytes>> {
        self.pass("get", move || self.store.get(key))
    }
    fn set<'a>(&'a self, key: &'a str, blob: Bytes, expiration: Expiration) -> StoreFuture<'a, ()> {
        *self.expiration.lock() = Some(expiration);
        self.pass("set", move || self.store.set(key, blob, expiration))
    }
    fn refresh<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        self.pass("refresh", move || self.store.refresh(key))
    }
    fn remove<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        self.pass("remove", move || self.store.remove(key))
    }
}

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
            store: Watched::new(clock),
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
        let set = self.response(scope, lifetime);
        let environment = Environment::of_host("login.windows.net");
        cache
            .update(&key(), move |current: &Partition| {
                current.save(set.clone(), &environment)
            })
            .await
            .expect("a readable entry")
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
