//! What an acquisition asks of L2 and of the provider, operation by operation:
//! the tables of `shared/reference/token-cache.md` §1.7, §3.4 and §3.6 for
//! `msal_net`, and what `recommended` makes of them.

use std::time::Duration;

use crate::lab::{HOUR, LATENCY, Lab, by_code, for_client, forced, how, on_behalf_of, silent};
use futures_util::future::join_all;
use token_cache::policy::L2Write;
use token_cache::{HomeAccountId, Policy, TokenCacheOptions};
use token_client::AcquireRequest;

const PRESETS: [(Policy, usize); 2] = [(Policy::MSAL_NET, 0), (Policy::RECOMMENDED, 1)];

/// Checks what a request asks of L2 in each preset.
async fn expect(lab: &Lab, client: &token_client::Client, request: &AcquireRequest, ops: &str) {
    lab.store.asked();
    let result = client.acquire(request).await;
    let asked = lab.store.asked();
    assert_eq!(asked, ops, "{:?}: {request:?} gave {result:?}", lab.policy);
}

#[tokio::test(start_paused = true)]
async fn a1_a2_every_scenario_of_the_table_asks_l2_what_it_should() {
    for (policy, preset) in PRESETS {
        let lab = Lab::new(policy);
        let of = |ops: [&'static str; 2]| ops[preset];
        let (one, two) = (lab.instance(), lab.instance());
        let app = for_client("t");
        // cold; warm L1; L1 miss and L2 hit; expired in L1.
        expect(&lab, &one, &app, "get get set").await;
        expect(&lab, &one, &app, of(["refresh", ""])).await;
        expect(&lab, &two, &app, "get").await;
        tokio::time::advance(Duration::from_secs(3_600 - 300)).await;
        expect(&lab, &one, &app, of(["refresh refresh set", "get get set"])).await;
        // Force refresh and claims, for an application.
        expect(
            &lab,
            &one,
            &forced(app.clone()),
            of(["refresh set", "get set"]),
        )
        .await;
        let claims = AcquireRequest {
            claims: Some("{}".into()),
            ..app.clone()
        };
        expect(&lab, &one, &claims, of(["refresh set", "get set"])).await;
        // A sign-in; silently; silently forced.
        expect(&lab, &one, &by_code("ann"), "get set").await;
        expect(&lab, &one, &silent("ann.home"), of(["refresh", ""])).await;
        let again = forced(silent("ann.home"));
        expect(
            &lab,
            &one,
            &again,
            of(["refresh refresh set", "get get set"]),
        )
        .await;
        // On behalf of.
        expect(&lab, &one, &on_behalf_of("ann.1"), "get get set").await;
        expect(&lab, &one, &on_behalf_of("ann.1"), of(["refresh", ""])).await;
        // Id.Web's user call: the account, then silently.
        let ann = HomeAccountId::new("ann.home");
        lab.store.asked();
        assert!(one.account(&ann).await.unwrap().is_some());
        one.acquire(&silent("ann.home")).await.unwrap();
        assert_eq!(lab.store.asked(), of(["refresh refresh", ""]));
        // Signing out.
        one.remove_account(&ann).await.unwrap();
        assert_eq!(lab.store.asked(), of(["refresh remove", "get remove"]));
    }
}

#[tokio::test(start_paused = true)]
async fn a1_without_l1_every_read_is_a_get() {
    for (policy, _) in PRESETS {
        let lab = Lab::new(policy);
        let options = TokenCacheOptions {
            l1_size_limit_bytes: None,
            ..lab.options()
        };
        let client = lab.client(
            "client",
            options,
            std::sync::Arc::new(token_client::events::NoEvents),
        );
        let app = for_client("t");
        expect(&lab, &client, &app, "get get set").await;
        expect(&lab, &client, &app, "get").await;
        expect(&lab, &client, &app, "get").await;
    }
}

#[tokio::test(start_paused = true)]
async fn p2_a_refresh_behind_the_caller_costs_two_reads_and_a_write() {
    for (policy, preset) in PRESETS {
        let lab = Lab::new(policy);
        *lab.provider.refresh_in.lock() = Some(HOUR / 2);
        let client = lab.instance();
        client.acquire(&for_client("t")).await.unwrap();
        tokio::time::advance(HOUR / 2 + Duration::from_secs(301)).await;
        lab.store.asked();
        let served = client.acquire(&for_client("t")).await.unwrap();
        assert_eq!(how(&served), "l1 proactively_refreshed");
        assert_eq!(served.token.secret.expose(), "token 1", "the old one");
        tokio::time::sleep(LATENCY * 2).await;
        let expected = ["refresh refresh set", "get get set"][preset];
        assert_eq!(lab.store.asked(), expected, "{policy:?}");
        let next = client.acquire(&for_client("t")).await.unwrap();
        assert_eq!(how(&next), "l1 not_applicable");
        assert_ne!(next.token.secret, served.token.secret);
    }
}

#[tokio::test(start_paused = true)]
async fn p4_fifty_who_notice_at_once_make_fifty_refreshes_in_msal_net() {
    for (policy, preset) in PRESETS {
        let lab = Lab::new(policy);
        *lab.provider.refresh_in.lock() = Some(HOUR / 2);
        let client = lab.instance();
        let request = for_client("t");
        client.acquire(&request).await.unwrap();
        tokio::time::advance(HOUR / 2 + Duration::from_secs(301)).await;
        join_all((0..50).map(|_| client.acquire(&request))).await;
        tokio::time::sleep(LATENCY * 2).await;
        assert_eq!(lab.provider.count(), 1 + [50, 1][preset], "{policy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn r2_force_refresh_reads_once_to_write_and_looks_nothing_up() {
    let lab = Lab::new(Policy::MSAL_NET);
    let client = lab.instance();
    expect(&lab, &client, &forced(for_client("t")), "get set").await;
    let result = client.acquire(&forced(for_client("t"))).await.unwrap();
    assert_eq!(how(&result), "idp force_refresh_or_claims");
}

#[tokio::test(start_paused = true)]
async fn k4_accounts_have_a_key_listing_has_none_and_a_code_reads_nothing_before() {
    let lab = Lab::new(Policy::MSAL_NET);
    let client = lab.instance();
    *lab.store.down.lock() = true;
    let before = lab.provider.count();
    client.acquire(&by_code("ann")).await.unwrap();
    assert_eq!(lab.provider.count(), before + 1);
    *lab.store.down.lock() = false;
    client.acquire(&by_code("ann")).await.unwrap();
    lab.store.asked();
    let accounts = client.accounts();
    assert_eq!(lab.store.asked(), "", "no key to ask with");
    assert_eq!(accounts[0].home_account_id.as_str(), "ann.home");
    let blob = token_cache::store::Store::get(&*lab.store, "ann.home").await;
    assert!(blob.unwrap().is_some(), "written under `uid.utid`");
}

#[tokio::test(start_paused = true)]
async fn a6_a_detached_write_is_not_waited_for_and_is_without_l1() {
    for (policy, _) in PRESETS {
        let policy = Policy {
            l2_write: L2Write::Detached,
            ..policy
        };
        for (l1, waits) in [(Some(1_000_000), false), (None, true)] {
            let lab = Lab::new(policy);
            let options = TokenCacheOptions {
                l1_size_limit_bytes: l1,
                ..lab.options()
            };
            let client = lab.client(
                "client",
                options,
                std::sync::Arc::new(token_client::events::NoEvents),
            );
            client.acquire(&for_client("other")).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
            *lab.store.round_trip.lock() = Duration::from_millis(50);
            lab.store.asked();
            client.acquire(&for_client("t")).await.unwrap();
            let asked = lab.store.asked();
            assert_eq!(asked.contains("set"), waits, "{policy:?}: {asked}");
            tokio::time::sleep(Duration::from_secs(1)).await;
            let blob = token_cache::store::Store::get(&*lab.store, "client_t_AppTokenCache").await;
            assert!(blob.unwrap().is_some(), "it came to L2 in the end");
        }
    }
}
