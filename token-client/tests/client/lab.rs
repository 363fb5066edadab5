//! A service in one process on the paused clock: instances with a cache each,
//! over one watched L2, asking one provider that notes what it issues.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use token_cache::store::Store;
use token_cache::{
    CacheLevel, Clock, Environment, HomeAccountId, Policy, Scopes, Secret, TokenCache,
    TokenCacheOptions,
};
use token_client::idp::TokenFuture;
use token_client::{
    AcquireRequest, Application, AuthenticationResult, Authority, AuthorizationCode,
    CacheRefreshReason, Client, ClientEvents, Flow, Grant, IdentityProvider, InitiateLongRunning,
    LongRunningSession, ManagedIdentityId, ProviderKind, Refusal, RequestError, SearchInCache,
    TokenRequest, TokenResponse, TokenSource, UserAssertion,
};

use crate::watched::Watched;

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
    /// The machine or workload itself, where it asked.
    pub(crate) identity: Option<ManagedIdentityId>,
    pub(crate) scopes: Scopes,
}

/// Answers after [`LATENCY`] with token `1`, `2`, ...; the user is whoever the
/// grant names.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) requests: Mutex<Vec<TokenRequest>>,
    sent: AtomicUsize,
    pub(crate) ledger: Mutex<HashMap<String, Issued>>,
    pub(crate) failing: Mutex<Option<Refusal>>,
    pub(crate) refresh_in: Mutex<Option<Duration>>,
    pub(crate) expires_in: Mutex<Duration>,
    pub(crate) ext_expires_in: Mutex<Option<Duration>>,
    pub(crate) echoes_scope: Mutex<bool>,
    pub(crate) latency: Mutex<Duration>,
    pub(crate) family_id: Mutex<Option<Arc<str>>>,
    /// A client that is told once that a refresh token is another's.
    pub(crate) mismatched: Mutex<Option<Arc<str>>>,
    /// Answers every request as if this user had asked.
    pub(crate) confused_with: Mutex<Option<String>>,
    /// Says in `client_info` who the user is.
    pub(crate) tells_who: Mutex<bool>,
    /// What ID tokens say, in place of a subject and a name.
    pub(crate) claims: Mutex<Option<&'static str>>,
    /// Gives refresh tokens.
    pub(crate) gives_refresh_tokens: Mutex<bool>,
}

impl Default for Provider {
    fn default() -> Self {
        Self {
            requests: Mutex::default(),
            sent: AtomicUsize::new(0),
            ledger: Mutex::default(),
            failing: Mutex::default(),
            refresh_in: Mutex::default(),
            expires_in: Mutex::new(HOUR),
            ext_expires_in: Mutex::default(),
            echoes_scope: Mutex::default(),
            latency: Mutex::new(LATENCY),
            family_id: Mutex::default(),
            mismatched: Mutex::default(),
            confused_with: Mutex::default(),
            tells_who: Mutex::new(true),
            claims: Mutex::default(),
            gives_refresh_tokens: Mutex::new(true),
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

    fn mismatch(&self, request: &TokenRequest) -> Option<Refusal> {
        let mut mismatched = self.mismatched.lock();
        mismatched.take_if(|client| *client == request.client_id)?;
        Some(Refusal {
            status: 400,
            error: "invalid_grant".into(),
            description: String::new(),
            codes: vec![70_000],
            suberror: Some("client_mismatch".into()),
            claims: None,
            retry_after: None,
        })
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
                identity: match &request.grant {
                    Grant::ManagedIdentity { identity } => Some(identity.clone()),
                    _ => None,
                },
                scopes: request.scopes.clone(),
            },
        );
        TokenResponse {
            ext_expires_in: *self.ext_expires_in.lock(),
            refresh_in: *self.refresh_in.lock(),
            scope: self.echoes_scope.lock().then(|| request.scopes.clone()),
            refresh_token: user
                .clone()
                .filter(|_| *self.gives_refresh_tokens.lock())
                .map(Secret::new),
            id_token: user.as_ref().map(|user| {
                let usual = || format!(r#"{{"sub":"s","preferred_username":"{user}"}}"#);
                let said = self.claims.lock().map_or_else(usual, ToOwned::to_owned);
                Secret::new(format!("e30.{}.x", json(said)))
            }),
            client_info: user
                .filter(|_| *self.tells_who.lock())
                .map(|user| json(format!(r#"{{"uid":"{user}","utid":"home"}}"#)).into()),
            family_id: self.family_id.lock().clone(),
            ..TokenResponse::bearer(Secret::new(token), *self.expires_in.lock())
        }
    }
}

impl IdentityProvider for Provider {
    fn request_token<'a>(&'a self, request: &'a TokenRequest) -> TokenFuture<'a> {
        self.requests.lock().push(request.clone());
        let number = self.sent.fetch_add(1, Ordering::Relaxed) + 1;
        Box::pin(async move {
            let latency = *self.latency.lock();
            tokio::time::sleep(latency).await;
            if let Some(refusal) = self.mismatch(request) {
                return Err(RequestError::Refused(Box::new(refusal)));
            }
            match self.failing.lock().clone() {
                Some(refusal) => Err(RequestError::Refused(Box::new(refusal))),
                None => Ok(self.answer(request, number)),
            }
        })
    }

    fn token_endpoint(&self, tenant_id: &str) -> Option<Arc<str>> {
        Some(format!("https://idp/{tenant_id}").into())
    }

    fn retry(&self, error: &RequestError, sent: u32) -> Option<Duration> {
        token_client::idp::retry::of_token_endpoint(error, sent)
    }

    fn kind(&self) -> ProviderKind {
        ProviderKind::TokenEndpoint
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
            store: Watched::at(level, clock),
            clock,
            policy,
        }
    }

    /// One instance of the service, with L1 and L2.
    pub(crate) fn instance(&self) -> Client {
        self.client("client", self.options(), unheard())
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
            client_secret: Some(Secret::new("hush")),
        };
        Self::build(
            application,
            options,
            events,
            Arc::clone(&self.provider) as _,
        )
    }

    /// An instance whose tokens come from another provider.
    pub(crate) fn client_of(&self, client_id: &str, provider: Arc<dyn IdentityProvider>) -> Client {
        let application = Application {
            client_id: client_id.into(),
            client_secret: Some(Secret::new("hush")),
        };
        Self::build(application, self.options(), unheard(), provider)
    }

    /// An instance of another application.
    pub(crate) fn application(&self, application: Application) -> Client {
        let provider = Arc::clone(&self.provider) as _;
        Self::build(application, self.options(), unheard(), provider)
    }

    fn build(
        application: Application,
        options: TokenCacheOptions,
        events: Arc<dyn ClientEvents>,
        provider: Arc<dyn IdentityProvider>,
    ) -> Client {
        let authority = Authority {
            environment: Environment::of_host("login.microsoftonline.com"),
            provider,
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

pub(crate) fn asking(flow: Flow) -> AcquireRequest {
    AcquireRequest::new(flow, "tenant".into(), Scopes::parse("api://b/read"))
}

pub(crate) fn begin(assertion: &str, key: &str, search: SearchInCache) -> InitiateLongRunning {
    InitiateLongRunning::new(Secret::new(assertion), key, search)
}

pub(crate) fn in_session(key: &str) -> AcquireRequest {
    asking(Flow::InLongRunning(LongRunningSession::new(key)))
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

/// Nobody listens.
pub(crate) fn unheard() -> Arc<dyn ClientEvents> {
    Arc::new(token_client::events::NoEvents)
}

/// In lower-case hex.
pub(crate) fn sha256(text: &str) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    let bytes = hash.as_ref().iter();
    bytes.fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Both presets.
pub(crate) const PRESETS: [Policy; 2] = [Policy::MSAL_NET, Policy::RECOMMENDED];
