//! Every kind of cache that an application chooses from, under the real client
//! against `mock-idp`: an application's and a user's token come from the provider
//! once, and from the cache to whoever shares it and to no one else.

use std::sync::Arc;

use mock_idp::{Idp, MockIdp};
use token_cache::protect::KeyRing;
use token_cache::provider::{
    CookieLimits, CookieSession, FileStore, FileStoreOptions, SessionStore, distributed, in_memory,
};
use token_cache::store::{MemoryStore, Store};
use token_cache::{
    Clock, Environment, HomeAccountId, Scopes, Secret, TokenCache, TokenCacheOptions,
};
use token_client::{
    AcquireError, AcquireRequest, Application, AuthenticationResult, Authority, Client, Flow,
};

use crate::in_process::InProcess;
use crate::lab::how;

const TENANT: &str = "contoso.com";
const CLIENT: &str = "d3adb33f-c0de-ed0c-c0de-deadb33fc0d3";

/// A web app and the provider that it asks.
struct App {
    mock: InProcess,
    idp: Arc<Idp>,
    clock: Clock,
}

impl App {
    fn new() -> Self {
        let (router, idp) = MockIdp::builder().in_process().unwrap();
        Self {
            mock: InProcess::new(router),
            idp,
            clock: Clock::system(),
        }
    }

    fn options(&self) -> TokenCacheOptions {
        TokenCacheOptions {
            clock: self.clock,
            ..TokenCacheOptions::default()
        }
    }

    /// An instance with this cache.
    fn with(&self, cache: TokenCache) -> Client {
        let application = Application {
            client_id: CLIENT.into(),
            client_secret: Some(Secret::new("hush")),
        };
        let authority = Authority {
            environment: Environment::of_host("login.microsoftonline.com"),
            provider: self.mock.provider(),
        };
        Client::new(application, authority, Arc::new(cache))
    }

    /// An instance whose cache lies over `store`.
    fn over(&self, store: Arc<dyn Store>) -> Client {
        self.with(distributed(store, self.options()))
    }

    /// Signs `user` in with `client`.
    async fn sign_in(&self, client: &Client, user: &str) -> HomeAccountId {
        let code = self.mock.sign_in(TENANT, CLIENT, "User.Read", user).await;
        let result = ask(client, Flow::AuthorizationCode(code)).await.unwrap();
        assert_eq!(how(&result), "idp not_applicable");
        result.account.unwrap().home_account_id.clone()
    }

    /// Token requests that reached the provider.
    fn requests(&self) -> u64 {
        self.idp.ledger().token_requests
    }
}

fn memory(clock: Clock) -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(10_000_000, clock))
}

async fn ask(client: &Client, flow: Flow) -> Result<AuthenticationResult, AcquireError> {
    let scopes = match &flow {
        Flow::ClientCredentials => "https://graph.microsoft.com/.default",
        _ => "User.Read",
    };
    let request = AcquireRequest::new(flow, TENANT.into(), Scopes::parse(scopes));
    client.acquire(&request).await
}

/// What an application's and a user's call are answered with: where each came
/// from, or why there is no token.
async fn answers(client: &Client, user: &HomeAccountId) -> [String; 2] {
    let own = ask(client, Flow::ClientCredentials).await;
    let users = ask(client, Flow::Silent(user.clone())).await;
    [own, users].map(|answer| match answer {
        Ok(result) => how(&result),
        Err(error) => error.code().to_owned(),
    })
}

const FROM_L1: [&str; 2] = ["l1 not_applicable", "l1 not_applicable"];
const FROM_L2: [&str; 2] = ["l2 not_applicable", "l2 not_applicable"];
/// Of a session, to which MSAL gives no level.
const FROM_SESSION: [&str; 2] = ["unknown not_applicable", "unknown not_applicable"];
/// The application asks the provider; a user that nothing is known of must sign in.
const FROM_NOWHERE: [&str; 2] = ["idp no_cached_access_token", "no_tokens_found"];

/// Fills the cache of `client` with an application's and ann's token, and shows
/// that the second call of each is a hit.
async fn fill(app: &App, client: &Client) -> HomeAccountId {
    let first = ask(client, Flow::ClientCredentials).await.unwrap();
    assert_eq!(how(&first), "idp no_cached_access_token");
    let ann = app.sign_in(client, "ann").await;
    assert_eq!(app.requests(), 2);
    assert_eq!(answers(client, &ann).await, FROM_L1);
    assert_eq!(app.requests(), 2, "both came from the cache");
    ann
}

#[tokio::test]
async fn a_cache_in_memory_serves_the_second_call_of_its_own_client_alone() {
    let app = App::new();
    let one = app.with(in_memory(app.options()));
    let ann = fill(&app, &one).await;
    let two = app.with(in_memory(app.options()));
    assert_eq!(answers(&two, &ann).await, FROM_NOWHERE);
    assert_eq!(app.requests(), 3);
}

/// `in_memory` means what it says, whatever store the options name.
#[tokio::test]
async fn a_cache_in_memory_leaves_a_store_of_its_options_alone() {
    let app = App::new();
    let store = memory(app.clock);
    let options = TokenCacheOptions {
        l2: Some(Arc::clone(&store)),
        ..app.options()
    };
    let ann = fill(&app, &app.with(in_memory(options))).await;
    assert_eq!(answers(&app.over(store), &ann).await, FROM_NOWHERE);
}

#[tokio::test]
async fn a_second_client_over_the_same_store_finds_the_tokens_without_a_request() {
    let app = App::new();
    let store = memory(app.clock);
    let ann = fill(&app, &app.over(Arc::clone(&store))).await;
    let second = app.over(store);
    assert_eq!(answers(&second, &ann).await, FROM_L2);
    assert_eq!(answers(&second, &ann).await, FROM_L1);
    assert_eq!(app.requests(), 2, "the second client asked nobody");
    let elsewhere = app.over(memory(app.clock));
    assert_eq!(answers(&elsewhere, &ann).await, FROM_NOWHERE);
}

#[tokio::test]
async fn the_tokens_of_a_session_are_found_by_its_next_request_and_by_no_other_session() {
    let app = App::new();
    let store = memory(app.clock);
    let session = |id: &str| SessionStore::new(Arc::clone(&store), &Secret::new(id));
    // Each request of a session has a cache for itself: L1 knows no sessions.
    let request_of = |id: &str| app.over(Arc::new(session(id)));
    let ann = fill(&app, &request_of("one")).await;
    assert_eq!(answers(&request_of("one"), &ann).await, FROM_SESSION);
    assert_eq!(app.requests(), 2, "the session's next request asked nobody");
    assert_eq!(answers(&request_of("two"), &ann).await, FROM_NOWHERE);
    assert_eq!(answers(&app.over(store), &ann).await, FROM_NOWHERE);
}

#[tokio::test]
async fn the_tokens_in_a_sessions_cookies_are_found_by_its_next_request_and_by_no_other_session() {
    let app = App::new();
    let ring = Arc::new(KeyRing::generate("k1").unwrap());
    // Two partitions are more than three cookies: an application keeps its own
    // tokens elsewhere.
    let limits = CookieLimits {
        cookies: 8,
        ..CookieLimits::default()
    };
    let request_of = |id: &str, cookies: &[(String, String)]| {
        let cookies = cookies.iter().map(|(name, value)| (&**name, &**value));
        let ring = Arc::clone(&ring) as _;
        let session = CookieSession::new("msal", Secret::new(id), ring, app.clock);
        Arc::new(session.limits(limits).with_cookies(cookies))
    };
    let first = request_of("one", &[]);
    let ann = fill(&app, &app.over(Arc::clone(&first) as _)).await;
    let cookies = first.to_cookies().unwrap();
    let next = app.over(request_of("one", &cookies));
    assert_eq!(answers(&next, &ann).await, FROM_SESSION);
    assert_eq!(app.requests(), 2, "the session's next request asked nobody");
    let thief = app.over(request_of("two", &cookies));
    assert_eq!(answers(&thief, &ann).await, FROM_NOWHERE);
}

#[tokio::test]
async fn a_process_that_starts_later_finds_the_tokens_in_the_file() {
    let app = App::new();
    let directory = std::env::temp_dir().join(format!("providers-{}", std::process::id()));
    let ring = Arc::new(KeyRing::generate("k1").unwrap());
    let process = |name: &str| {
        let options = FileStoreOptions::new(directory.join(name));
        app.over(Arc::new(FileStore::new(
            options,
            Arc::clone(&ring),
            app.clock,
        )))
    };
    let ann = fill(&app, &process("cache")).await;
    assert_eq!(answers(&process("cache"), &ann).await, FROM_L2);
    assert_eq!(app.requests(), 2, "the later process asked nobody");
    assert_eq!(answers(&process("other"), &ann).await, FROM_NOWHERE);
    std::fs::remove_dir_all(directory).unwrap();
}
