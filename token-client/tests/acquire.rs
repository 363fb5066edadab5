//! `acquire` against a provider in this process, on the paused clock: where
//! tokens come from, why the provider is asked, and how often.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use parking_lot::Mutex;
use token_cache::item::TokenType;
use token_cache::store::{MemoryStore, Store};
use token_cache::{
    CacheLevel, Clock, Environment, HomeAccountId, PartitionKey, Policy, Scopes, Secret,
    TokenCache, TokenCacheOptions,
};
use token_client::idp::TokenFuture;
use token_client::result::TokenRequests;
use token_client::{
    AcquireRequest, Application, AuthenticationResult, Authority, AuthorizationCode,
    CacheRefreshReason, Client, Flow, Grant, IdentityProvider, Refusal, RequestError, TokenRequest,
    TokenResponse, TokenSource, UserAssertion,
};
use tokio::time::sleep;

const LATENCY: Duration = Duration::from_millis(100);
const HOUR: Duration = Duration::from_secs(3_600);

/// Answers after [`LATENCY`] with token `1`, `2`, ...; the user is whoever the
/// grant names.
#[derive(Debug, Default)]
struct Provider {
    requests: Mutex<Vec<TokenRequest>>,
    down: Mutex<bool>,
    refresh_in: Mutex<Option<Duration>>,
}

impl Provider {
    fn count(&self) -> usize {
        self.requests.lock().len()
    }

    fn grants(&self) -> String {
        let requests = self.requests.lock();
        let names = requests.iter().map(|request| request.grant.as_str());
        names.collect::<Vec<_>>().join(" ")
    }
}

impl IdentityProvider for Provider {
    fn request_token<'a>(&'a self, request: &'a TokenRequest) -> TokenFuture<'a> {
        let number = {
            let mut requests = self.requests.lock();
            requests.push(request.clone());
            requests.len()
        };
        Box::pin(async move {
            sleep(LATENCY).await;
            if *self.down.lock() {
                return Err(RequestError::Refused(Box::new(Refusal {
                    status: 503,
                    error: "temporarily_unavailable".into(),
                    description: String::new(),
                    codes: vec![],
                    suberror: None,
                    claims: None,
                    retry_after: None,
                })));
            }
            let user = match &request.grant {
                Grant::ClientCredentials | Grant::ManagedIdentity { .. } => None,
                Grant::AuthorizationCode { code, .. } => Some(code.expose().to_owned()),
                Grant::OnBehalfOf { assertion } => {
                    assertion.expose().split('.').next().map(ToOwned::to_owned)
                }
                Grant::RefreshToken { refresh_token } => Some(refresh_token.expose().to_owned()),
            };
            let json = |text: String| BASE64_URL_SAFE_NO_PAD.encode(text);
            Ok(TokenResponse {
                access_token: Secret::new(number.to_string()),
                token_type: TokenType::Bearer,
                expires_in: HOUR,
                ext_expires_in: None,
                refresh_in: *self.refresh_in.lock(),
                scope: None,
                refresh_token: user.clone().map(Secret::new),
                id_token: user.as_ref().map(|user| {
                    let claims = json(format!(r#"{{"sub":"s","preferred_username":"{user}"}}"#));
                    Secret::new(format!("e30.{claims}.x"))
                }),
                client_info: user
                    .map(|user| json(format!(r#"{{"uid":"{user}","utid":"home"}}"#)).into()),
            })
        })
    }
}

struct Lab {
    provider: Arc<Provider>,
    store: Arc<MemoryStore>,
    clock: Clock,
    policy: Policy,
}

impl Lab {
    fn new(policy: Policy) -> Self {
        let clock = Clock::system();
        Self {
            provider: Arc::default(),
            store: Arc::new(MemoryStore::new(10_000_000, clock)),
            clock,
            policy,
        }
    }

    /// One instance of the service; all of a lab share L2 and the provider.
    fn instance(&self) -> Client {
        let l1 = TokenCacheOptions::default().l1_size_limit_bytes;
        self.instance_with(l1)
    }

    /// One with an L1 of this size; without, it has no L2 either.
    fn instance_with(&self, l1_size_limit_bytes: Option<u64>) -> Client {
        let cache = TokenCache::new(TokenCacheOptions {
            l1_size_limit_bytes,
            l2: l1_size_limit_bytes.map(|_| Arc::clone(&self.store) as Arc<dyn Store>),
            policy: self.policy,
            clock: self.clock,
            ..TokenCacheOptions::default()
        });
        Client::new(
            Application {
                client_id: "client".into(),
                client_secret: Secret::new("hush"),
            },
            Authority {
                environment: Environment::of_host("login.microsoftonline.com"),
                provider: Arc::clone(&self.provider) as Arc<dyn IdentityProvider>,
            },
            Arc::new(cache),
        )
    }
}

fn for_client(tenant: &str) -> AcquireRequest {
    let scopes = Scopes::parse("https://graph.microsoft.com/.default");
    AcquireRequest::new(Flow::ClientCredentials, tenant.into(), scopes)
}

fn by_code(user: &str) -> AcquireRequest {
    let code = AuthorizationCode {
        code: Secret::new(user),
        redirect_uri: "https://app/".into(),
        code_verifier: None,
    };
    let scopes = Scopes::parse("User.Read");
    AcquireRequest::new(Flow::AuthorizationCode(code), "tenant".into(), scopes)
}

fn silent(account: &str) -> AcquireRequest {
    let flow = Flow::Silent(HomeAccountId::new(account));
    AcquireRequest::new(flow, "tenant".into(), Scopes::parse("User.Read"))
}

fn on_behalf_of(assertion: &str) -> AcquireRequest {
    let flow = Flow::OnBehalfOf(UserAssertion::new(Secret::new(assertion)));
    AcquireRequest::new(flow, "tenant".into(), Scopes::parse("api://b/read"))
}

/// Source, level and reason, as one reads them in a report.
fn how(result: &AuthenticationResult) -> (TokenSource, CacheLevel, CacheRefreshReason) {
    let metadata = result.metadata;
    (
        metadata.token_source,
        metadata.cache_level,
        metadata.cache_refresh_reason,
    )
}

const FROM_L1: (TokenSource, CacheLevel, CacheRefreshReason) = (
    TokenSource::Cache,
    CacheLevel::L1,
    CacheRefreshReason::NotApplicable,
);
const FROM_L2: (TokenSource, CacheLevel, CacheRefreshReason) = (
    TokenSource::Cache,
    CacheLevel::L2,
    CacheRefreshReason::NotApplicable,
);
const COLD: (TokenSource, CacheLevel, CacheRefreshReason) = (
    TokenSource::IdentityProvider,
    CacheLevel::None,
    CacheRefreshReason::NoCachedAccessToken,
);

#[tokio::test(start_paused = true)]
async fn r1_cold_then_l1_and_l2_for_another_instance() {
    for policy in [Policy::RECOMMENDED, Policy::MSAL_NET] {
        let lab = Lab::new(policy);
        let (one, two) = (lab.instance(), lab.instance());
        let cold = one.acquire(&for_client("t")).await.unwrap();
        assert_eq!(how(&cold), COLD);
        assert_eq!(cold.metadata.duration_in_http, Some(LATENCY));
        assert_eq!(
            cold.metadata.token_requests,
            TokenRequests {
                answered: 1,
                unanswered: 0
            }
        );
        let warm = one.acquire(&for_client("t")).await.unwrap();
        assert_eq!(how(&warm), FROM_L1);
        assert_eq!(warm.token.secret, cold.token.secret);
        assert_eq!(warm.metadata.token_requests, TokenRequests::default());
        assert_eq!(how(&two.acquire(&for_client("t")).await.unwrap()), FROM_L2);
        assert_eq!(how(&two.acquire(&for_client("t")).await.unwrap()), FROM_L1);
        assert_eq!(lab.provider.count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn each_tenant_gets_a_token_of_its_own() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let client = lab.instance();
    let one = client.acquire(&for_client("one")).await.unwrap();
    let two = client.acquire(&for_client("two")).await.unwrap();
    assert_ne!(one.token.secret, two.token.secret);
    assert_eq!((&*one.token.realm, &*two.token.realm), ("one", "two"));
}

#[tokio::test(start_paused = true)]
async fn a_token_inside_the_expiry_buffer_is_replaced_and_the_reason_is_expired() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let client = lab.instance();
    client.acquire(&for_client("t")).await.unwrap();
    tokio::time::advance(Duration::from_millis(3_297_900)).await;
    assert_eq!(
        how(&client.acquire(&for_client("t")).await.unwrap()),
        FROM_L1
    );
    tokio::time::advance(Duration::from_secs(3)).await;
    let (source, _, reason) = how(&client.acquire(&for_client("t")).await.unwrap());
    assert_eq!(
        (source, reason),
        (TokenSource::IdentityProvider, CacheRefreshReason::Expired)
    );
}

#[tokio::test(start_paused = true)]
async fn r2_force_refresh_and_claims_pass_over_cached_tokens() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let client = lab.instance();
    client.acquire(&for_client("t")).await.unwrap();
    let forced = AcquireRequest {
        force_refresh: true,
        ..for_client("t")
    };
    let claims = AcquireRequest {
        claims: Some("{}".into()),
        ..for_client("t")
    };
    for request in [forced, claims] {
        let (source, _, reason) = how(&client.acquire(&request).await.unwrap());
        assert_eq!(source, TokenSource::IdentityProvider);
        assert_eq!(reason, CacheRefreshReason::ForceRefreshOrClaims);
    }
    let after = client.acquire(&for_client("t")).await.unwrap();
    assert_eq!(how(&after), FROM_L1);
    assert_eq!(
        after.token.secret.expose(),
        "3",
        "the newest is served from then on"
    );
}

#[tokio::test(start_paused = true)]
async fn p6_cold_callers_share_one_fetch_where_the_policy_says_so() {
    for (policy, requests) in [(Policy::RECOMMENDED, 1), (Policy::MSAL_NET, 50)] {
        let lab = Lab::new(policy);
        let client = lab.instance();
        let request = for_client("t");
        let results = join_all((0..50).map(|_| client.acquire(&request))).await;
        assert_eq!(lab.provider.count(), requests, "{policy:?}");
        let (mut accounted, mut from_provider, mut coalesced) = (0, 0, 0);
        for result in results {
            let metadata = result.unwrap().metadata;
            accounted += metadata.token_requests.answered as usize;
            from_provider += usize::from(metadata.token_source == TokenSource::IdentityProvider);
            coalesced += usize::from(metadata.coalesced);
            assert!(metadata.duration_total >= LATENCY);
        }
        assert_eq!(
            accounted, requests,
            "the results account for each request once"
        );
        assert_eq!(from_provider, requests);
        assert_eq!(coalesced, 50 - requests);
    }
}

#[tokio::test(start_paused = true)]
async fn who_waited_is_served_from_the_cache_only_if_the_cache_holds_the_token() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let client = lab.instance_with(None);
    let request = for_client("t");
    let results = join_all((0..10).map(|_| client.acquire(&request))).await;
    assert_eq!(lab.provider.count(), 1);
    let mut accounted = 0;
    for result in results {
        let result = result.unwrap();
        assert_eq!(how(&result), COLD, "no cache, no hit");
        accounted += result.metadata.token_requests.answered;
    }
    assert_eq!(accounted, 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_ends_at_the_same_moment_in_l1_and_in_l2() {
    let lab = Lab::new(Policy::RECOMMENDED);
    // So that the token is stored in the middle of a second.
    let fraction = 1_500
        - u64::try_from(
            lab.clock
                .now()
                .since(lab.clock.now().whole_seconds())
                .as_millis(),
        )
        .unwrap();
    tokio::time::advance(Duration::from_millis(fraction)).await;
    let one = lab.instance();
    one.acquire(&for_client("t")).await.unwrap();
    let key = PartitionKey::application("client", "t");
    let in_l1 = one
        .cache()
        .peek_l1(key.borrowed(), lab.clock.now())
        .unwrap();
    let two = lab.instance();
    let in_l2 = two.cache().read_l2(&key).await.unwrap().partition.unwrap();
    let ends =
        |partition: &token_cache::Partition| partition.suggested_expiry(lab.clock.now()).unwrap();
    assert_eq!(ends(&in_l1), ends(&in_l2));
}

#[tokio::test(start_paused = true)]
async fn one_failure_is_one_request_for_all_who_waited() {
    let lab = Lab::new(Policy::RECOMMENDED);
    *lab.provider.down.lock() = true;
    let client = lab.instance();
    let request = for_client("t");
    let results = join_all((0..20).map(|_| client.acquire(&request))).await;
    assert_eq!(lab.provider.count(), 1);
    let mut accounted = 0;
    for result in results {
        let error = result.unwrap_err();
        assert_eq!(error.code(), "temporarily_unavailable");
        accounted += error.metadata().token_requests.answered;
    }
    assert_eq!(accounted, 1);
    *lab.provider.down.lock() = false;
    assert!(
        client.acquire(&request).await.is_ok(),
        "a failure is not cached"
    );
}

#[tokio::test(start_paused = true)]
async fn r4_a_code_is_redeemed_without_a_look_at_the_cache_and_silent_calls_hit() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let client = lab.instance();
    let signed_in = client.acquire(&by_code("ann")).await.unwrap();
    let (source, _, reason) = how(&signed_in);
    assert_eq!(
        (source, reason),
        (
            TokenSource::IdentityProvider,
            CacheRefreshReason::NotApplicable
        )
    );
    let account = signed_in.account.unwrap();
    assert_eq!(account.home_account_id.as_str(), "ann.home");
    assert_eq!(&*account.username, "ann");
    let quiet = client.acquire(&silent("ann.home")).await.unwrap();
    assert_eq!(how(&quiet), FROM_L1);
    assert_eq!(quiet.account.as_deref(), Some(&*account));
    assert!(quiet.id_token.is_some());
    let elsewhere = lab.instance();
    assert_eq!(
        how(&elsewhere.acquire(&silent("ann.home")).await.unwrap()),
        FROM_L2
    );
    assert_eq!(lab.provider.grants(), "authorization_code");
    let sent = lab.provider.requests.lock()[0].scopes.target().to_owned();
    assert_eq!(sent, "offline_access openid profile User.Read");
}

#[tokio::test(start_paused = true)]
async fn l10_silent_uses_the_refresh_token_and_without_one_asks_for_the_user() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let client = lab.instance();
    let error = client.acquire(&silent("ann.home")).await.unwrap_err();
    assert_eq!(error.code(), "no_tokens_found");
    assert!(error.needs_user());
    assert_eq!(lab.provider.count(), 0);
    client.acquire(&by_code("ann")).await.unwrap();
    tokio::time::advance(HOUR).await;
    let renewed = client.acquire(&silent("ann.home")).await.unwrap();
    assert_eq!(
        renewed.metadata.cache_refresh_reason,
        CacheRefreshReason::Expired
    );
    assert_eq!(lab.provider.grants(), "authorization_code refresh_token");
    let error = client.acquire(&silent("bob.home")).await.unwrap_err();
    assert_eq!(
        error.code(),
        "no_tokens_found",
        "another user's tokens are no help"
    );
}

#[tokio::test(start_paused = true)]
async fn k8_each_assertion_has_tokens_of_its_own_and_no_refresh_token_is_kept() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let client = lab.instance();
    let first = client.acquire(&on_behalf_of("ann.1")).await.unwrap();
    assert_eq!(how(&first), COLD);
    assert_eq!(
        how(&client.acquire(&on_behalf_of("ann.1")).await.unwrap()),
        FROM_L1
    );
    let second = client.acquire(&on_behalf_of("ann.2")).await.unwrap();
    assert_eq!(how(&second), COLD);
    assert_ne!(first.token.secret, second.token.secret);
    assert_eq!(lab.provider.grants(), "on_behalf_of on_behalf_of");
    let error = client.acquire(&silent("ann.home")).await.unwrap_err();
    assert_eq!(error.code(), "no_tokens_found");
}

#[tokio::test(start_paused = true)]
async fn with_l2_asked_first_an_instance_whose_token_expired_takes_the_one_another_got() {
    for (policy, requests) in [(Policy::RECOMMENDED, 2), (Policy::MSAL_NET, 3)] {
        let lab = Lab::new(policy);
        let (one, two) = (lab.instance(), lab.instance());
        one.acquire(&for_client("t")).await.unwrap();
        two.acquire(&for_client("t")).await.unwrap();
        tokio::time::advance(Duration::from_secs(3_400)).await;
        one.acquire(&for_client("t")).await.unwrap();
        two.acquire(&for_client("t")).await.unwrap();
        assert_eq!(lab.provider.count(), requests, "{policy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn secrets_show_in_no_debug_output() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let client = lab.instance();
    let assertion = "ann.eyJhc3NlcnRpb24.signature";
    let result = client.acquire(&on_behalf_of(assertion)).await.unwrap();
    let shown = format!(
        "{client:?} {result:?} {:?} {:?}",
        on_behalf_of(assertion),
        lab.provider.requests.lock()
    );
    for secret in ["hush", "eyJhc3NlcnRpb24", "\\\"secret\\\":"] {
        assert!(!shown.contains(secret), "`{secret}` shows in {shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_without_scopes_is_refused_before_it_is_sent() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let request = AcquireRequest::new(Flow::ClientCredentials, "t".into(), Scopes::parse(" "));
    let error = lab.instance().acquire(&request).await.unwrap_err();
    assert_eq!(error.code(), "invalid_acquire_request");
    assert_eq!(lab.provider.count(), 0);
}

/// The provider's advice is to refresh after half an hour.
fn advising(policy: Policy) -> Lab {
    let lab = Lab::new(policy);
    *lab.provider.refresh_in.lock() = Some(HOUR / 2);
    lab
}

const REFRESHED: (TokenSource, CacheLevel, CacheRefreshReason) = (
    TokenSource::Cache,
    CacheLevel::L1,
    CacheRefreshReason::ProactivelyRefreshed,
);

#[tokio::test(start_paused = true)]
async fn p2_past_the_advice_the_old_token_is_served_and_the_next_call_has_the_new_one() {
    for policy in [Policy::RECOMMENDED, Policy::MSAL_NET] {
        let lab = advising(policy);
        let client = lab.instance();
        client.acquire(&for_client("t")).await.unwrap();
        tokio::time::advance(Duration::from_secs(1_499)).await;
        assert_eq!(
            how(&client.acquire(&for_client("t")).await.unwrap()),
            FROM_L1
        );
        // Five minutes after the advice, every jitter has passed.
        tokio::time::advance(Duration::from_secs(602)).await;
        let served = client.acquire(&for_client("t")).await.unwrap();
        assert_eq!(how(&served), REFRESHED, "{policy:?}");
        assert_eq!(served.token.secret.expose(), "1");
        assert_eq!(served.metadata.token_requests, TokenRequests::default());
        sleep(LATENCY * 2).await;
        let next = client.acquire(&for_client("t")).await.unwrap();
        assert_eq!((how(&next), next.token.secret.expose()), (FROM_L1, "2"));
        assert_eq!(lab.provider.count(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn p3_a_failed_refresh_does_not_touch_the_caller() {
    let lab = advising(Policy::RECOMMENDED);
    let client = lab.instance();
    client.acquire(&for_client("t")).await.unwrap();
    tokio::time::advance(HOUR / 2 + Duration::from_secs(301)).await;
    *lab.provider.down.lock() = true;
    for _ in 0..3 {
        let served = client.acquire(&for_client("t")).await.unwrap();
        assert_eq!(how(&served), REFRESHED);
        sleep(LATENCY * 2).await;
    }
    assert_eq!(lab.provider.count(), 4, "each try is a request of its own");
}

#[tokio::test(start_paused = true)]
async fn p4_callers_who_notice_at_once_refresh_once_where_the_policy_says_so() {
    for (policy, refreshes) in [(Policy::RECOMMENDED, 1), (Policy::MSAL_NET, 50)] {
        let lab = advising(policy);
        let client = lab.instance();
        let request = for_client("t");
        client.acquire(&request).await.unwrap();
        tokio::time::advance(HOUR / 2 + Duration::from_secs(301)).await;
        let results = join_all((0..50).map(|_| client.acquire(&request))).await;
        assert!(
            results
                .iter()
                .all(|result| how(result.as_ref().unwrap()) == REFRESHED)
        );
        sleep(LATENCY * 2).await;
        assert_eq!(lab.provider.count(), 1 + refreshes, "{policy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_would_refresh_takes_the_token_another_has_just_got() {
    let lab = advising(Policy::RECOMMENDED);
    let (one, two) = (lab.instance(), lab.instance());
    one.acquire(&for_client("t")).await.unwrap();
    two.acquire(&for_client("t")).await.unwrap();
    tokio::time::advance(HOUR / 2 + Duration::from_secs(301)).await;
    one.acquire(&for_client("t")).await.unwrap();
    sleep(LATENCY * 2).await;
    assert_eq!(
        how(&two.acquire(&for_client("t")).await.unwrap()),
        REFRESHED
    );
    sleep(LATENCY * 2).await;
    let next = two.acquire(&for_client("t")).await.unwrap();
    assert_eq!(next.token.secret.expose(), "2");
    assert_eq!(lab.provider.count(), 2, "one refresh for both");
}

/// Checklist P1, on the clock: the share of calls that refresh.
#[tokio::test(start_paused = true)]
async fn p1_msal_net_draws_at_every_call_and_recommended_once_for_a_token() {
    let lab = advising(Policy::MSAL_NET);
    *lab.provider.down.lock() = false;
    let client = lab.instance();
    let request = for_client("t");
    client.acquire(&request).await.unwrap();
    *lab.provider.down.lock() = true;
    tokio::time::advance(HOUR / 2).await;
    let mut refreshed = 0;
    for _ in 0..1_000 {
        refreshed += u32::from(how(&client.acquire(&request).await.unwrap()) == REFRESHED);
    }
    assert!(
        (400..600).contains(&refreshed),
        "half of them at the advice: {refreshed}"
    );

    let lab = advising(Policy::RECOMMENDED);
    let client = lab.instance();
    client.acquire(&request).await.unwrap();
    *lab.provider.down.lock() = true;
    tokio::time::advance(HOUR / 2).await;
    let first = how(&client.acquire(&request).await.unwrap());
    for _ in 0..50 {
        assert_eq!(how(&client.acquire(&request).await.unwrap()), first);
    }
}
