//! A service in one process on the paused clock: instances with a cache each,
//! over one watched L2, asking one provider that notes what it issues.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use parking_lot::Mutex;
use token_cache::item::TokenType;
use token_cache::store::{
    CompareAndSet, Expiration, MemoryStore, Store, StoreFuture, Swap, Version, Versioned,
};
use token_cache::{
    CacheLevel, Clock, Environment, HomeAccountId, Policy, Scopes, Secret, StoreError, TokenCache,
    TokenCacheOptions,
};
use token_client::idp::TokenFuture;
use token_client::{
    AcquireRequest, Application, AuthenticationResult, Authority, AuthorizationCode,
    CacheRefreshReason, Client, ClientEvents, Flow, Grant, IdentityProvider, Refusal, RequestError,
    TokenRequest, TokenResponse, TokenSource, UserAssertion,
};

/// What an answer of the provider takes.
pub(crate) const LATENCY: Duration = Duration::from_millis(100);
/// How long its tokens live.
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

/// For whom and for what a token was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Issued {
    pub(crate) tenant: String,
    pub(crate) client: String,
    pub(crate) user: Option<String>,
    pub(crate) scopes: Scopes,
}

/// Answers after [`LATENCY`] with token `1`, `2`, ...; the user is whoever the
/// grant names.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) requests: Mutex<Vec<TokenRequest>>,
    pub(crate) ledger: Mutex<HashMap<String, Issued>>,
    pub(crate) failing: Mutex<Option<Refusal>>,
    pub(crate) refresh_in: Mutex<Option<Duration>>,
    pub(crate) expires_in: Mutex<Duration>,
    pub(crate) ext_expires_in: Mutex<Option<Duration>>,
    pub(crate) echoes_scope: Mutex<bool>,
    pub(crate) latency: Mutex<Duration>,
    /// Answers every request as if this user had asked.
    pub(crate) confused_with: Mutex<Option<String>>,
}

impl Default for Provider {
    fn default() -> Self {
        Self {
            requests: Mutex::default(),
            ledger: Mutex::default(),
            failing: Mutex::default(),
            refresh_in: Mutex::default(),
            expires_in: Mutex::new(HOUR),
            ext_expires_in: Mutex::default(),
            echoes_scope: Mutex::default(),
            latency: Mutex::new(LATENCY),
            confused_with: Mutex::default(),
        }
    }
}

impl Provider {
    pub(crate) fn count(&self) -> usize {
        self.requests.lock().len()
    }

    /// The grants it was asked for since the last time.
    pub(crate) fn grants(&self) -> String {
        let requests = std::mem::take(&mut *self.requests.lock());
        let names: Vec<_> = requests
            .iter()
            .map(|request| request.grant.as_str())
            .collect();
        names.join(" ")
    }

    pub(crate) fn fail(&self, status: u16, retry_after: Option<Duration>) {
        *self.failing.lock() = Some(Refusal {
            status,
            error: "temporarily_unavailable".into(),
            description: String::new(),
            codes: vec![],
            suberror: None,
            claims: None,
            retry_after,
        });
    }

    fn answer(&self, request: &TokenRequest, number: usize) -> TokenResponse {
        let user = match &request.grant {
            Grant::ClientCredentials | Grant::ManagedIdentity { .. } => None,
            Grant::AuthorizationCode { code, .. } => Some(code.expose().to_owned()),
            Grant::OnBehalfOf { assertion } => {
                assertion.expose().split('.').next().map(ToOwned::to_owned)
            }
            Grant::RefreshToken { refresh_token } => Some(refresh_token.expose().to_owned()),
        };
        let user = self.confused_with.lock().clone().or(user);
        let json = |text: String| BASE64_URL_SAFE_NO_PAD.encode(text);
        let token = format!("token {number}");
        self.ledger.lock().insert(
            token.clone(),
            Issued {
                tenant: request.tenant_id.to_string(),
                client: request.client_id.to_string(),
                user: user.clone(),
                scopes: request.scopes.clone(),
            },
        );
        TokenResponse {
            access_token: Secret::new(token),
            token_type: TokenType::Bearer,
            expires_in: *self.expires_in.lock(),
            ext_expires_in: *self.ext_expires_in.lock(),
            refresh_in: *self.refresh_in.lock(),
            scope: self.echoes_scope.lock().then(|| request.scopes.clone()),
            refresh_token: user.clone().map(Secret::new),
            id_token: user.as_ref().map(|user| {
                let claims = json(format!(r#"{{"sub":"s","preferred_username":"{user}"}}"#));
                Secret::new(format!("e30.{claims}.x"))
            }),
            client_info: user
                .map(|user| json(format!(r#"{{"uid":"{user}","utid":"home"}}"#)).into()),
        }
    }
}

impl IdentityProvider for Provider {
    fn request_token<'a>(&'a self, request: &'a TokenRequest) -> TokenFuture<'a> {
        let number = {
            let mut requests = self.requests.lock();
            requests.push(request.clone());
            requests.len()
        };
        let number = number + self.ledger.lock().len() * 1_000;
        Box::pin(async move {
            let latency = *self.latency.lock();
            tokio::time::sleep(latency).await;
            match self.failing.lock().clone() {
                Some(refusal) => Err(RequestError::Refused(Box::new(refusal))),
                None => Ok(self.answer(request, number)),
            }
        })
    }

    fn token_endpoint(&self, tenant_id: &str) -> Option<Arc<str>> {
        Some(format!("https://idp/{tenant_id}").into())
    }
}

/// A store that notes what it is asked, and fails or waits on request.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) store: MemoryStore,
    pub(crate) asked: Mutex<Vec<&'static str>>,
    pub(crate) down: Mutex<bool>,
    pub(crate) round_trip: Mutex<Duration>,
    pub(crate) level: CacheLevel,
}

impl Watched {
    /// What it was asked since the last time.
    pub(crate) fn asked(&self) -> String {
        std::mem::take(&mut *self.asked.lock()).join(" ")
    }

    fn pass<'a, T: Send + 'a>(
        &'a self,
        what: &'static str,
        work: impl FnOnce() -> StoreFuture<'a, T> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        self.asked.lock().push(what);
        Box::pin(async move {
            let round_trip = *self.round_trip.lock();
            if !round_trip.is_zero() {
                tokio::time::sleep(round_trip).await;
            }
            if *self.down.lock() {
                return Err(StoreError::new("down"));
            }
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
        self.pass("set", move || {
            self.store.set_if(key, expected, blob, expiration)
        })
    }
    fn remove_if<'a>(&'a self, key: &'a str, expected: &'a Version) -> StoreFuture<'a, Swap> {
        self.pass("remove", move || self.store.remove_if(key, expected))
    }
}

impl Store for Watched {
    fn level(&self) -> CacheLevel {
        self.level
    }
    fn compare_and_set(&self) -> Option<&dyn CompareAndSet> {
        Some(self)
    }
    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Bytes>> {
        self.pass("get", move || self.store.get(key))
    }
    fn set<'a>(&'a self, key: &'a str, blob: Bytes, expiration: Expiration) -> StoreFuture<'a, ()> {
        self.pass("set", move || self.store.set(key, blob, expiration))
    }
    fn refresh<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        self.pass("refresh", move || self.store.refresh(key))
    }
    fn remove<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        self.pass("remove", move || self.store.remove(key))
    }
}

/// Everything a test needs.
pub(crate) struct Lab {
    pub(crate) provider: Arc<Provider>,
    pub(crate) store: Arc<Watched>,
    pub(crate) clock: Clock,
    pub(crate) policy: Policy,
}

impl Lab {
    pub(crate) fn new(policy: Policy) -> Self {
        Self::over(policy, CacheLevel::L2)
    }

    /// With a store whose answers have this level.
    pub(crate) fn over(policy: Policy, level: CacheLevel) -> Self {
        let clock = Clock::system();
        Self {
            provider: Arc::default(),
            store: Arc::new(Watched {
                store: MemoryStore::new(100_000_000, clock),
                asked: Mutex::default(),
                down: Mutex::new(false),
                round_trip: Mutex::default(),
                level,
            }),
            clock,
            policy,
        }
    }

    /// One instance of the service, with L1 and L2.
    pub(crate) fn instance(&self) -> Client {
        self.client(
            "client",
            self.options(),
            Arc::new(token_client::events::NoEvents),
        )
    }

    pub(crate) fn options(&self) -> TokenCacheOptions {
        TokenCacheOptions {
            l2: Some(Arc::clone(&self.store) as Arc<dyn Store>),
            policy: self.policy,
            clock: self.clock,
            ..TokenCacheOptions::default()
        }
    }

    pub(crate) fn client(
        &self,
        client_id: &str,
        options: TokenCacheOptions,
        events: Arc<dyn ClientEvents>,
    ) -> Client {
        let application = Application {
            client_id: client_id.into(),
            client_secret: Secret::new("hush"),
        };
        let authority = Authority {
            environment: Environment::of_host("login.microsoftonline.com"),
            provider: Arc::clone(&self.provider) as Arc<dyn IdentityProvider>,
        };
        let cache = Arc::new(TokenCache::new(options));
        Client::with_events(application, authority, cache, events)
    }
}

pub(crate) fn for_client(tenant: &str) -> AcquireRequest {
    let scopes = Scopes::parse("https://graph.microsoft.com/.default");
    AcquireRequest::new(Flow::ClientCredentials, tenant.into(), scopes)
}

pub(crate) fn by_code(user: &str) -> AcquireRequest {
    let code = AuthorizationCode {
        code: Secret::new(user),
        redirect_uri: "https://app/".into(),
        code_verifier: None,
    };
    let scopes = Scopes::parse("User.Read");
    AcquireRequest::new(Flow::AuthorizationCode(code), "tenant".into(), scopes)
}

pub(crate) fn silent(account: &str) -> AcquireRequest {
    let flow = Flow::Silent(HomeAccountId::new(account));
    AcquireRequest::new(flow, "tenant".into(), Scopes::parse("User.Read"))
}

pub(crate) fn on_behalf_of(assertion: &str) -> AcquireRequest {
    let flow = Flow::OnBehalfOf(UserAssertion::new(Secret::new(assertion)));
    AcquireRequest::new(flow, "tenant".into(), Scopes::parse("api://b/read"))
}

/// The same request, past every cached token.
pub(crate) fn forced(request: AcquireRequest) -> AcquireRequest {
    AcquireRequest {
        force_refresh: true,
        ..request
    }
}

/// Source, level and reason, in the words of reports.
pub(crate) fn how(result: &AuthenticationResult) -> String {
    let metadata = result.metadata;
    let source = match metadata.token_source {
        TokenSource::IdentityProvider => "idp",
        TokenSource::Cache => metadata.cache_level.as_str(),
    };
    let reason = CacheRefreshReason::as_str(metadata.cache_refresh_reason);
    format!("{source} {reason}")
}
