//! Where tokens come from and why the provider is asked.

use std::time::Duration;

use token_cache::policy::Caching;
use token_cache::store::{Expiration, Store as _};
use token_cache::{
    CacheLevel, ComponentHash, KeyComponents, PartitionKey, Policy, Scopes, TokenCacheOptions,
};
use token_client::result::TokenRequests;
use token_client::{AcquireRequest, Flow};

use crate::lab::{
    LATENCY, Lab, PRESETS, by_code, for_client, forced, how, in_session, on_behalf_of, sha256,
    silent, unheard,
};

#[tokio::test(start_paused = true)]
async fn r1_cold_then_l1_and_l2_for_another_instance() {
    for policy in [Policy::RECOMMENDED, Policy::MSAL_NET] {
        let lab = Lab::new(policy);
        let (one, two) = (lab.instance(), lab.instance());
        let cold = one.acquire(&for_client("t")).await.unwrap();
        assert_eq!(how(&cold), "idp no_cached_access_token");
        assert_eq!(cold.metadata.duration_in_http, Some(LATENCY));
        assert_eq!(
            cold.metadata.token_requests,
            TokenRequests {
                answered: 1,
                unanswered: 0
            }
        );
        let warm = one.acquire(&for_client("t")).await.unwrap();
        assert_eq!(how(&warm), "l1 not_applicable");
        assert_eq!(warm.token.secret, cold.token.secret);
        assert_eq!(warm.metadata.token_requests, TokenRequests::default());
        assert_eq!(
            how(&two.acquire(&for_client("t")).await.unwrap()),
            "l2 not_applicable"
        );
        assert_eq!(
            how(&two.acquire(&for_client("t")).await.unwrap()),
            "l1 not_applicable"
        );
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
        "l1 not_applicable"
    );
    tokio::time::advance(Duration::from_secs(3)).await;
    let result = client.acquire(&for_client("t")).await.unwrap();
    assert_eq!(how(&result), "idp expired");
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
        let result = client.acquire(&request).await.unwrap();
        assert_eq!(how(&result), "idp force_refresh_or_claims");
    }
    let after = client.acquire(&for_client("t")).await.unwrap();
    assert_eq!(how(&after), "l1 not_applicable");
    assert_eq!(
        after.token.secret.expose(),
        "token 3",
        "the newest is served from then on"
    );
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
    let events = || unheard();
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
async fn l8_partitions_are_compared_to_the_letter() {
    let lab = Lab::new(Policy::RECOMMENDED);
    let client = lab.instance();
    client.acquire(&for_client("tenant")).await.unwrap();
    // A request takes its tenant in lower case; who puts another there means it.
    let result = client.acquire(&for_client("TENANT")).await.unwrap();
    assert_eq!(how(&result), "l1 not_applicable");
    let shouted = AcquireRequest {
        tenant_id: "TENANT".into(),
        ..for_client("tenant")
    };
    let result = client.acquire(&shouted).await.unwrap();
    assert_eq!(how(&result), "idp no_cached_access_token");
    let events = unheard();
    let shouting = lab.client("CLIENT", lab.options(), events);
    let result = shouting.acquire(&for_client("tenant")).await.unwrap();
    assert_eq!(how(&result), "idp no_cached_access_token");
}

/// An application's blob with one token, of which some members are changed.
fn blob_with(lab: &Lab, changed: &serde_json::Value) -> String {
    let now = lab.clock.now().unix_seconds();
    let mut entry = serde_json::json!({
        "environment": "login.windows.net", "client_id": "client", "secret": "stored",
        "credential_type": "AccessToken", "realm": "tenant",
        "target": "https://graph.microsoft.com/.default other",
        "cached_at": now.to_string(), "expires_on": (now + 3_600).to_string(),
    });
    for (name, value) in changed.as_object().unwrap() {
        entry[name] = value.clone();
    }
    serde_json::json!({ "AccessToken": { "k": entry } }).to_string()
}

/// MSAL sorts what it loads by what each item says of itself, so a blob's key
/// alone makes nothing in it a hit.
#[tokio::test(start_paused = true)]
async fn l8_a_stored_app_token_of_another_client_tenant_key_or_components_is_no_hit_and_is_kept() {
    let table = [
        (serde_json::json!({}), "l2 not_applicable"),
        (
            serde_json::json!({ "client_id": "CLIENT" }),
            "idp no_cached_access_token",
        ),
        (
            serde_json::json!({ "realm": "TENANT" }),
            "idp no_cached_access_token",
        ),
        (
            serde_json::json!({ "kid": "stray" }),
            "idp no_cached_access_token",
        ),
        (
            serde_json::json!({ "credential_type": "ATExt", "ext": { "fmi_path": "x" } }),
            "idp no_cached_access_token",
        ),
    ];
    for policy in PRESETS {
        for (changed, expected) in &table {
            let lab = Lab::new(policy);
            let (name, blob) = ("client_tenant_AppTokenCache", blob_with(&lab, changed));
            let set = lab
                .store
                .store
                .set(name, blob.into(), Expiration::default());
            set.await.unwrap();
            let client = lab.instance();
            let request = for_client("tenant");
            let result = client.acquire(&request).await.unwrap();
            assert_eq!(how(&result), *expected, "{changed} in {policy:?}");
            let again = lab.instance().acquire(&request).await.unwrap();
            assert_eq!(how(&again), "l2 not_applicable");
            assert_eq!(again.token.secret, result.token.secret);
            // What it is not served it does not delete either.
            let blob = lab.store.store.get(name).await.unwrap().unwrap();
            let blob = String::from_utf8(blob.to_vec()).unwrap();
            assert!(blob.contains(r#""secret":"stored""#), "{changed}: {blob}");
        }
    }
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
    // Those that only read it, that only write it, and that do both.
    let requests = [for_client("t"), by_code("ann"), silent("ann.home")];
    for policy in PRESETS {
        for request in &requests {
            let lab = Lab::new(policy);
            let client = lab.instance();
            let request = AcquireRequest {
                no_distributed_cache_use_reason: Some("agent identity".into()),
                ..request.clone()
            };
            let error = client.acquire(&request).await.unwrap_err();
            assert_eq!(error.code(), "distributed_cache_forbidden");
            assert!(format!("{:?}", error.kind()).contains("agent identity"));
            assert_eq!((lab.provider.count(), lab.store.asked().as_str()), (0, ""));
        }
        // Where there is no distributed cache, nothing is forbidden.
        let lab = Lab::new(policy);
        let alone = lab.client("client", TokenCacheOptions::default(), unheard());
        let request = AcquireRequest {
            no_distributed_cache_use_reason: Some("agent identity".into()),
            ..for_client("t")
        };
        assert!(alone.acquire(&request).await.is_ok());
    }
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
