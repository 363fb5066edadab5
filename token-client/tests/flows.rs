//! Each flow's path through the cache, by the numbers of the checklist in
//! `shared/reference/token-cache.md` §9.

#[path = "support/lab.rs"]
mod lab;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use lab::{HOUR, LATENCY, Lab, by_code, for_client, forced, how, on_behalf_of, silent};
use token_cache::policy::{Caching, ExtendedLifetime};
use token_cache::{
    CacheLevel, ComponentHash, HomeAccountId, KeyComponents, PartitionKey, Policy, Scopes, Secret,
    TokenCacheOptions,
};
use token_client::{
    AcquireRequest, Flow, InitiateLongRunning, LongRunningSession, ManagedIdentityId,
    SearchInCache, TokenSource, UserAssertion,
};

const PRESETS: [Policy; 2] = [Policy::MSAL_NET, Policy::RECOMMENDED];

fn asking(flow: Flow) -> AcquireRequest {
    AcquireRequest::new(flow, "tenant".into(), Scopes::parse("api://b/read"))
}

fn begin(assertion: &str, key: &str, search: SearchInCache) -> InitiateLongRunning {
    InitiateLongRunning::new(Secret::new(assertion), key, search)
}

fn in_session(key: &str) -> AcquireRequest {
    asking(Flow::InLongRunning(LongRunningSession::new(key)))
}

fn machine(id: ManagedIdentityId) -> AcquireRequest {
    AcquireRequest::new(
        Flow::ManagedIdentity(id),
        "".into(),
        Scopes::parse("https://vault.azure.net"),
    )
}

#[tokio::test(start_paused = true)]
async fn k3_a_session_is_a_partition_and_an_empty_key_becomes_the_assertions_hash() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let client = lab.instance();
    let named = begin("ann.1", "My Session", SearchInCache::No);
    assert_eq!(named.session().key(), "My Session");
    let result = client
        .acquire(&asking(Flow::InitiateLongRunning(named)))
        .await
        .unwrap();
    let hash = result.token.user_assertion_hash.as_ref().unwrap();
    assert_eq!(hash.as_str(), "My Session");
    let stored = token_cache::store::Store::get(&*lab.store, "My Session").await;
    assert!(stored.unwrap().is_some());
    let unnamed = begin("header.payload.signature", "", SearchInCache::No);
    assert_eq!(
        unnamed.session().key(),
        "JW0E205eSsMIdR7QiFtyK3WGMFZ8U6cSXtn70Gjlw_Y"
    );
}

#[tokio::test(start_paused = true)]
async fn r4_a_session_begins_without_a_look_at_the_cache_unless_it_is_to_search() {
    for policy in PRESETS {
        let lab = Lab::new(policy);
        let client = lab.instance();
        let error = client.acquire(&in_session("s")).await.unwrap_err();
        assert_eq!(error.code(), "obo_cache_key_not_in_cache_error");
        let first = asking(Flow::InitiateLongRunning(begin(
            "ann.1",
            "s",
            SearchInCache::No,
        )));
        for _ in 0..2 {
            let result = client.acquire(&first).await.unwrap();
            assert_eq!(how(&result), "idp not_applicable", "each time");
        }
        let searching = asking(Flow::InitiateLongRunning(begin(
            "ann.1",
            "s",
            SearchInCache::Yes,
        )));
        let result = client.acquire(&searching).await.unwrap();
        assert_eq!(how(&result), "l1 not_applicable");
        let result = client.acquire(&in_session("s")).await.unwrap();
        assert_eq!(how(&result), "l1 not_applicable");
        assert_eq!(lab.provider.grants(), "on_behalf_of on_behalf_of");
        // Long after the assertion has ended, the refresh token goes on.
        tokio::time::advance(HOUR).await;
        let result = client.acquire(&in_session("s")).await.unwrap();
        assert_eq!(how(&result), "idp expired", "{policy:?}");
        let result = client.acquire(&forced(in_session("s"))).await.unwrap();
        assert_eq!(how(&result), "idp force_refresh_or_claims");
        assert_eq!(lab.provider.grants(), "refresh_token refresh_token");
        let session = LongRunningSession::new("s");
        assert!(client.stop_long_running(&session).await.unwrap());
        assert!(!client.stop_long_running(&session).await.unwrap());
        let error = client.acquire(&in_session("s")).await.unwrap_err();
        assert_eq!(error.code(), "obo_cache_key_not_in_cache_error");
    }
}

#[tokio::test(start_paused = true)]
async fn s5_a_plain_on_behalf_of_call_keeps_no_refresh_token_and_a_session_does() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let client = lab.instance();
    client.acquire(&on_behalf_of("ann.1")).await.unwrap();
    let hash = UserAssertion::new(Secret::new("ann.1")).hash().clone();
    let has = |text: String, what: &str| text.contains(what);
    let blob = |key: String| {
        let store = Arc::clone(&lab.store);
        async move {
            let blob = token_cache::store::Store::get(&*store, &key).await.unwrap();
            String::from_utf8(blob.unwrap().to_vec()).unwrap()
        }
    };
    assert!(has(
        blob(hash.as_str().to_owned()).await,
        r#""RefreshToken":{}"#
    ));
    let first = begin("ann.2", "s", SearchInCache::No);
    client
        .acquire(&asking(Flow::InitiateLongRunning(first)))
        .await
        .unwrap();
    assert!(has(
        blob("s".to_owned()).await,
        r#""credential_type":"RefreshToken""#
    ));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_token_from_elsewhere_signs_its_user_in() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let client = lab.instance();
    let request = asking(Flow::RefreshToken(Secret::new("ann")));
    let result = client.acquire(&request).await.unwrap();
    assert_eq!(how(&result), "idp not_applicable");
    let quiet = AcquireRequest {
        scopes: Scopes::parse("api://b/read"),
        ..silent("ann.home")
    };
    assert_eq!(
        how(&client.acquire(&quiet).await.unwrap()),
        "l1 not_applicable"
    );
    assert_eq!(lab.provider.grants(), "refresh_token");
}

#[tokio::test(start_paused = true)]
async fn k1_a_managed_identity_has_a_partition_whatever_the_tenant() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let client = lab.instance();
    client
        .acquire(&machine(ManagedIdentityId::SystemAssigned))
        .await
        .unwrap();
    let user_assigned = ManagedIdentityId::ClientId("7a2e".into());
    client.acquire(&machine(user_assigned)).await.unwrap();
    for key in [
        "system_assigned_managed_identity_managed_identity_AppTokenCache",
        "7a2e_managed_identity_AppTokenCache",
    ] {
        let blob = token_cache::store::Store::get(&*lab.store, key)
            .await
            .unwrap();
        assert!(blob.is_some(), "{key}");
    }
    assert_eq!(lab.provider.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn p5_a_managed_identitys_token_without_advice_is_refreshed_at_half_its_life() {
    let lab = Lab::new(Policy::RECOMMENDED);
    *lab.provider.expires_in.lock() = 24 * HOUR;
    let client = lab.instance();
    let request = machine(ManagedIdentityId::SystemAssigned);
    let result = client.acquire(&request).await.unwrap();
    let advice = result.metadata.refresh_on.unwrap();
    let life = advice.since(lab.clock.now());
    let half = 12 * HOUR;
    let rounded = half.saturating_sub(Duration::from_secs(2))..=half;
    assert!(rounded.contains(&life), "{life:?}");
    *lab.provider.expires_in.lock() = 2 * HOUR;
    let result = client.acquire(&forced(request)).await.unwrap();
    assert_eq!(result.metadata.refresh_on, None);
}

#[tokio::test(start_paused = true)]
async fn p6_managed_identities_take_turns_and_who_finds_a_token_takes_it() {
    for policy in PRESETS {
        let lab = Lab::new(policy);
        let client = lab.instance();
        let request = machine(ManagedIdentityId::SystemAssigned);
        let results = join_all((0..10).map(|_| client.acquire(&request))).await;
        assert_eq!(lab.provider.count(), 1, "{policy:?}");
        let from_cache = results
            .iter()
            .filter(|result| result.as_ref().unwrap().metadata.token_source == TokenSource::Cache);
        assert_eq!(from_cache.count(), 9);
    }
    let lab = Lab::new(Policy::MSAL_NET);
    let client = lab.instance();
    let request = forced(machine(ManagedIdentityId::SystemAssigned));
    let began = tokio::time::Instant::now();
    join_all((0..10).map(|_| client.acquire(&request))).await;
    assert_eq!(lab.provider.count(), 10, "forced, each asks");
    assert_eq!(began.elapsed(), LATENCY * 10, "one after the other");
}

#[tokio::test(start_paused = true)]
async fn r3_claims_pass_over_the_cache_unless_the_refused_token_is_named() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let client = lab.instance();
    client.acquire(&for_client("t")).await.unwrap();
    let claims = AcquireRequest {
        claims: Some("{}".into()),
        ..for_client("t")
    };
    let result = client.acquire(&claims).await.unwrap();
    assert_eq!(how(&result), "idp force_refresh_or_claims");
    // SHA-256 of the token now cached, and of one that is not.
    let of_cached = sha256(result.token.secret.expose());
    let naming = |hash: &str| AcquireRequest {
        access_token_hash_to_refresh: Some(hash.into()),
        ..claims.clone()
    };
    let other = client.acquire(&naming(&"0".repeat(64))).await.unwrap();
    assert_eq!(how(&other), "l1 not_applicable");
    let same = client.acquire(&naming(&of_cached)).await.unwrap();
    assert_eq!(how(&same), "idp no_cached_access_token");
    let error = client
        .acquire(&forced(naming(&of_cached)))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "invalid_acquire_request");
}

fn sha256(text: &str) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    hash.as_ref()
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[tokio::test(start_paused = true)]
async fn a_managed_identity_is_told_which_token_a_resource_refused() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let client = lab.instance();
    let request = machine(ManagedIdentityId::SystemAssigned);
    let first = client.acquire(&request).await.unwrap();
    let claims = AcquireRequest {
        claims: Some("{}".into()),
        ..request
    };
    // Claims pass over the cached token, which is read only to be named.
    let result = client.acquire(&claims).await.unwrap();
    assert_eq!(how(&result), "idp force_refresh_or_claims");
    let named = lab.provider.requests.lock()[1].token_to_refresh.clone();
    assert_eq!(
        named.as_deref(),
        Some(&*sha256(first.token.secret.expose()))
    );
}

#[tokio::test(start_paused = true)]
async fn r5_without_a_cache_every_call_asks_and_what_needs_one_fails() {
    let policy = Policy {
        caching: Caching::Disabled,
        ..Policy::MSAL_NET
    };
    let lab = Lab::new(policy);
    let client = lab.instance();
    for request in [for_client("t"), for_client("t"), on_behalf_of("ann.1")] {
        let result = client.acquire(&request).await.unwrap();
        assert_eq!(how(&result), "idp cache_disabled");
    }
    for request in [silent("ann.home"), in_session("s")] {
        let error = client.acquire(&request).await.unwrap_err();
        assert_eq!(error.code(), "internal_cache_disabled");
    }
    assert_eq!(lab.store.asked(), "", "nothing is read or written");
}

#[tokio::test(start_paused = true)]
async fn r1_a_store_that_names_no_level_is_unknown_and_memory_alone_is_l1() {
    let lab = Lab::over(Policy::MSAL_NET, CacheLevel::Unknown);
    let options = TokenCacheOptions {
        l1_size_limit_bytes: None,
        ..lab.options()
    };
    let events = || Arc::new(token_client::events::NoEvents);
    let client = lab.client("client", options, events());
    let cold = client.acquire(&for_client("t")).await.unwrap();
    assert_eq!(how(&cold), "idp no_cached_access_token");
    let warm = client.acquire(&for_client("t")).await.unwrap();
    assert_eq!(how(&warm), "unknown not_applicable");
    let options = TokenCacheOptions {
        l2: None,
        ..lab.options()
    };
    let client = lab.client("client", options, events());
    client.acquire(&for_client("u")).await.unwrap();
    let warm = client.acquire(&for_client("u")).await.unwrap();
    assert_eq!(how(&warm), "l1 not_applicable");
}

#[tokio::test(start_paused = true)]
async fn r6_the_result_names_the_endpoint_and_the_provider_hears_how_it_came_to_be_asked() {
    let lab = Lab::new(Policy::MSAL_NET);
    let client = lab.instance();
    let cold = client.acquire(&for_client("t")).await.unwrap();
    assert_eq!(cold.token_endpoint.as_deref(), Some("https://idp/t"));
    let warm = client.acquire(&for_client("t")).await.unwrap();
    assert_eq!(warm.token_endpoint, None);
    client.acquire(&by_code("ann")).await.unwrap();
    client.acquire(&forced(silent("ann.home"))).await.unwrap();
    client.acquire(&on_behalf_of("ann.1")).await.unwrap();
    let first = begin("ann.1", "s", SearchInCache::No);
    client
        .acquire(&asking(Flow::InitiateLongRunning(first)))
        .await
        .unwrap();
    let requests = lab.provider.requests.lock();
    let headers: Vec<_> = requests
        .iter()
        .map(|sent| sent.telemetry.as_str())
        .collect();
    assert_eq!(headers[0], "5|1004,2,,,|1,0,1,,,");
    let begins: Vec<_> = headers.iter().map(|header| &header[..9]).collect();
    assert_eq!(
        begins,
        [
            "5|1004,2,",
            "5|1000,0,",
            "5|1007,1,",
            "5|1006,2,",
            "5|1017,0,"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_result_tells_of_advice_expiry_and_the_partition() {
    let lab = Lab::new(Policy::RECOMMENDED);
    *lab.provider.refresh_in.lock() = Some(HOUR / 2);
    let client = lab.instance();
    for scope in ["a", "b"] {
        let request = AcquireRequest {
            scopes: Scopes::parse(scope),
            ..for_client("t")
        };
        client.acquire(&request).await.unwrap();
    }
    let request = AcquireRequest {
        scopes: Scopes::parse("b"),
        ..for_client("t")
    };
    let metadata = client.acquire(&request).await.unwrap().metadata;
    assert_eq!(metadata.cached_access_token_count, 2);
    assert!(metadata.refresh_on.is_some() && metadata.expires_on.is_some());
    assert_eq!(metadata.api_id.map(|api| api as u16), Some(1004));
    assert!(!metadata.is_extended_lifetime);
}

#[tokio::test(start_paused = true)]
async fn l2_a_token_past_its_time_serves_up_to_its_extended_expiry_where_that_is_honoured() {
    for (extended_lifetime, expected) in [
        (ExtendedLifetime::Ignored, "idp expired"),
        (ExtendedLifetime::Honoured, "l1 not_applicable"),
    ] {
        let policy = Policy {
            extended_lifetime,
            ..Policy::RECOMMENDED
        };
        let lab = Lab::new(policy);
        *lab.provider.ext_expires_in.lock() = Some(2 * HOUR);
        let client = lab.instance();
        client.acquire(&for_client("t")).await.unwrap();
        tokio::time::advance(Duration::from_secs(3_590)).await;
        let result = client.acquire(&for_client("t")).await.unwrap();
        assert_eq!(how(&result), expected);
        let honoured = extended_lifetime == ExtendedLifetime::Honoured;
        assert_eq!(result.metadata.is_extended_lifetime, honoured);
    }
}

#[tokio::test(start_paused = true)]
async fn l8_partitions_are_compared_to_the_letter() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let client = lab.instance();
    client.acquire(&for_client("tenant")).await.unwrap();
    let result = client.acquire(&for_client("TENANT")).await.unwrap();
    assert_eq!(how(&result), "idp no_cached_access_token");
    let events = Arc::new(token_client::events::NoEvents);
    let shouting = lab.client("CLIENT", lab.options(), events);
    let result = shouting.acquire(&for_client("tenant")).await.unwrap();
    assert_eq!(how(&result), "idp no_cached_access_token");
}

#[tokio::test(start_paused = true)]
async fn l9_silent_at_common_means_the_home_tenant() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let client = lab.instance();
    let at = |request: AcquireRequest, tenant: &str| AcquireRequest {
        tenant_id: tenant.into(),
        ..request
    };
    client.acquire(&at(by_code("ann"), "home")).await.unwrap();
    let result = client
        .acquire(&at(silent("ann.home"), "common"))
        .await
        .unwrap();
    assert_eq!(how(&result), "l1 not_applicable");
    let result = client
        .acquire(&at(silent("ann.home"), "guest"))
        .await
        .unwrap();
    assert_eq!(how(&result), "idp no_cached_access_token");
}

#[tokio::test(start_paused = true)]
async fn l10_silent_that_names_nobody_is_user_null() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let error = lab.instance().acquire(&silent("")).await.unwrap_err();
    assert_eq!(error.code(), "user_null");
    assert!(error.needs_user());
}

#[tokio::test(start_paused = true)]
async fn s3_s4_what_is_stored_has_the_requests_scopes_and_the_clouds_cache_host() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let client = lab.instance();
    let request = AcquireRequest {
        scopes: Scopes::parse("User.Read mail.read Calendars.Read"),
        ..for_client("t")
    };
    let token = client.acquire(&request).await.unwrap().token;
    assert_eq!(token.target.target(), "Calendars.Read mail.read User.Read");
    assert_eq!(&*token.environment, "login.windows.net");
}

#[tokio::test(start_paused = true)]
async fn k5_l7_components_have_partitions_of_their_own() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let client = lab.instance();
    let path = [("fmi_path", "SomeFmiPath/Path")];
    let bound = AcquireRequest {
        components: KeyComponents::new(path, ComponentHash::DotNet487),
        ..for_client("t")
    };
    client.acquire(&for_client("t")).await.unwrap();
    let result = client.acquire(&bound).await.unwrap();
    assert_eq!(how(&result), "idp no_cached_access_token");
    assert_eq!(
        how(&client.acquire(&bound).await.unwrap()),
        "l1 not_applicable"
    );
    let key = "client_t_7CX57Q63os7benQ6ER0sxgJPtNQSv7TGb5zexcidFoI_AppTokenCache";
    let blob = token_cache::store::Store::get(&*lab.store, key)
        .await
        .unwrap();
    let text = String::from_utf8(blob.unwrap().to_vec()).unwrap();
    for part in [
        r#""credential_type":"ATExt""#,
        r#""ext":{"fmi_path":"SomeFmiPath/Path"}"#,
        "-7cx57q63os7benq6er0sxgjptnqsv7tgb5zexcidfoi\":{",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a12_a_request_that_forbids_the_distributed_cache_fails_where_there_is_one() {
    let lab = Lab::new(Policy::MSAL_NET);
    let client = lab.instance();
    let request = AcquireRequest {
        no_distributed_cache_use_reason: Some("agent identity".into()),
        ..for_client("t")
    };
    let error = client.acquire(&request).await.unwrap_err();
    assert_eq!(error.code(), "distributed_cache_forbidden");
    assert!(format!("{:?}", error.kind()).contains("agent identity"));
    assert_eq!((lab.provider.count(), lab.store.asked().as_str()), (0, ""));
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_wants_to_be_left_alone_is() {
    for policy in PRESETS {
        let lab = Lab::new(policy);
        let client = lab.instance();
        lab.provider.fail(429, Some(Duration::from_secs(30)));
        let error = client.acquire(&for_client("t")).await.unwrap_err();
        assert_eq!(error.code(), "throttled");
        let again = client.acquire(&for_client("t")).await.unwrap_err();
        assert_eq!(again.code(), "throttled");
        assert_eq!(again.metadata().token_requests.answered, 0, "not sent");
        assert_eq!(lab.provider.count(), 1);
        assert!(client.acquire(&for_client("other")).await.is_err());
        assert_eq!(lab.provider.count(), 2, "another tenant is another request");
        *lab.provider.failing.lock() = None;
        tokio::time::advance(Duration::from_secs(30)).await;
        assert!(client.acquire(&for_client("t")).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn s8_signing_out_leaves_nothing_to_serve() {
    for policy in PRESETS {
        let lab = Lab::new(policy);
        let client = lab.instance();
        client.acquire(&by_code("ann")).await.unwrap();
        let ann = HomeAccountId::new("ann.home");
        client.remove_account(&ann).await.unwrap();
        let error = client.acquire(&silent("ann.home")).await.unwrap_err();
        assert_eq!(error.code(), "no_tokens_found");
        let key = PartitionKey::Account(ann);
        let left = token_cache::store::Store::get(&*lab.store, &key.to_string()).await;
        assert!(left.unwrap().is_none(), "{policy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_users_answer_to_a_silent_request_is_neither_served_nor_stored() {
    for policy in PRESETS {
        let lab = Lab::new(policy);
        let client = lab.instance();
        client.acquire(&by_code("ann")).await.unwrap();
        *lab.provider.confused_with.lock() = Some("eve".to_owned());
        let error = client
            .acquire(&forced(silent("ann.home")))
            .await
            .unwrap_err();
        assert_eq!(error.code(), "user_mismatch");
        let result = client.acquire(&silent("ann.home")).await.unwrap();
        assert_eq!(result.token.home_account_id.as_deref(), Some("ann.home"));
    }
}
