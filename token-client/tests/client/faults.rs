//! What goes wrong around an acquisition, and what comes of it: callers that give
//! up at any point, clocks that are set, a store that hangs or trickles, and a
//! provider that confuses its users.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::Poll;
use std::time::Duration;

use token_cache::{Policy, Scopes};
use token_client::{AcquireRequest, Client, ClientEvents};

use crate::lab::{
    HOUR, LATENCY, Lab, PRESETS, by_code, for_client, forced, how, on_behalf_of, silent,
};

/// Counts the requests on their way.
#[derive(Default)]
struct OnTheirWay(AtomicI64);

impl ClientEvents for OnTheirWay {
    fn token_request_began(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
    fn token_request_ended(&self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Lets `request` run up to its `steps`th await and drops it there; whether it
/// had not ended by then.
async fn gives_up_at(client: &Client, request: &AcquireRequest, steps: usize) -> bool {
    let mut acquiring = pin!(client.acquire(request));
    for _ in 0..steps {
        let polled = poll_fn(|context| Poll::Ready(acquiring.as_mut().poll(context))).await;
        if let Poll::Ready(result) = polled {
            result.expect("nothing is wrong");
            return false;
        }
        // Whatever it waits for comes next: other tasks, then time.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    true
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_gives_up_at_any_await_leaves_cache_and_flights_in_order() {
    for policy in PRESETS {
        let requests = [
            for_client("t"),
            forced(for_client("t")),
            on_behalf_of("ann.1"),
            by_code("ann"),
            forced(silent("bob.home")),
        ];
        for request in requests {
            let mut steps = 1;
            loop {
                let lab = Lab::new(policy);
                *lab.store.round_trip.lock() = Duration::from_millis(7);
                let events = Arc::new(OnTheirWay::default());
                let client = lab.client("client", lab.options(), Arc::clone(&events) as _);
                lab.instance().acquire(&by_code("bob")).await.unwrap();
                let gave_up = gives_up_at(&client, &request, steps).await;

                // The next caller is served, by whatever is left of the first.
                let after = client.acquire(&request).await;
                let after = after.unwrap_or_else(|error| panic!("{steps}: {error:?}"));
                // What was given out is stored, here and in L2.
                tokio::time::sleep(Duration::from_secs(30)).await;
                assert_eq!(client.cache().flush().await, 0);
                assert_eq!(events.0.load(Ordering::SeqCst), 0, "none is on its way");
                let again = AcquireRequest {
                    force_refresh: false,
                    ..request.clone()
                };
                let again = match &again.flow {
                    token_client::Flow::AuthorizationCode(_) => silent("ann.home"),
                    _ => again,
                };
                // A write that its caller gave up is lost in MSAL.NET's L2.
                let in_l2 = (policy == Policy::RECOMMENDED).then(|| ("L2", lab.instance()));
                for (of, client) in [("L1", client.clone())].into_iter().chain(in_l2) {
                    let found = client.acquire(&again).await.unwrap();
                    assert_eq!(
                        found.token.secret, after.token.secret,
                        "{of} after {steps} steps of {request:?} in {policy:?}"
                    );
                }
                if !gave_up {
                    assert!(steps > 20, "it awaits more than {steps} times");
                    break;
                }
                steps += 1;
                assert!(steps < 1_000, "it ends");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_forward_costs_a_request_and_one_set_back_serves_nothing_past_its_time() {
    for policy in PRESETS {
        let lab = Lab::new(policy);
        let client = lab.instance();
        let request = for_client("t");
        client.acquire(&request).await.unwrap();
        client.cache().step_clock(7_200);
        let ahead = client.acquire(&request).await.unwrap();
        assert_eq!(how(&ahead), "idp expired", "{policy:?}");
        assert_eq!(
            how(&client.acquire(&request).await.unwrap()),
            "l1 not_applicable"
        );
        // Back to where it was: the token got meanwhile claims two hours more
        // than it has, which is the provider's to refuse; the cache holds on to
        // what it was told.
        client.cache().step_clock(0);
        let back = client.acquire(&request).await.unwrap();
        assert_eq!(how(&back), "l1 not_applicable");
        // A clock far behind does not believe in tokens of ten years.
        client.cache().step_clock(-3_650 * 86_400);
        let behind = client.acquire(&request).await.unwrap();
        assert_eq!(how(&behind), "idp expired");
        // An instance whose clock is right is not troubled by what the others did.
        let right = lab.instance();
        let result = right.acquire(&request).await.unwrap();
        let left = result.token.expires_on.since(lab.clock.now());
        assert!(left > Duration::from_secs(300), "{left:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_costs_its_limit_a_few_times_and_then_nothing() {
    let lab = Lab::new(Policy::RECOMMENDED);
    *lab.store.round_trip.lock() = Duration::from_secs(3_600);
    let began = tokio::time::Instant::now();
    for number in 0..100 {
        let client = lab.instance();
        let result = client.acquire(&for_client(&number.to_string())).await;
        assert_eq!(how(&result.unwrap()), "idp no_cached_access_token");
    }
    let of_each = began.elapsed() / 100;
    // Each instance is new, and so is its breaker: it tries within its limits.
    assert!(of_each < LATENCY + Duration::from_secs(2), "{of_each:?}");

    let client = lab.instance();
    for number in 0..10 {
        client
            .acquire(&for_client(&number.to_string()))
            .await
            .unwrap();
    }
    let began = tokio::time::Instant::now();
    client.acquire(&for_client("another")).await.unwrap();
    assert_eq!(began.elapsed(), LATENCY, "the breaker is open");
    *lab.store.round_trip.lock() = Duration::ZERO;
    tokio::time::sleep(Duration::from_secs(6)).await;
    client.acquire(&for_client("after")).await.unwrap();
    assert_eq!(client.cache().flush().await, 0, "what L2 missed is there");
    let result = lab.instance().acquire(&for_client("another")).await;
    assert_eq!(how(&result.unwrap()), "l2 not_applicable");
}

#[tokio::test(start_paused = true)]
async fn a_slow_store_that_answers_in_time_is_used() {
    let lab = Lab::new(Policy::RECOMMENDED);
    *lab.store.round_trip.lock() = Duration::from_millis(450);
    lab.instance().acquire(&for_client("t")).await.unwrap();
    let result = lab.instance().acquire(&for_client("t")).await.unwrap();
    assert_eq!(how(&result), "l2 not_applicable");
    assert_eq!(lab.provider.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_confuses_users_gives_none_anothers_cached_tokens() {
    for policy in PRESETS {
        let lab = Lab::new(policy);
        let client = lab.instance();
        client.acquire(&by_code("ann")).await.unwrap();
        client.acquire(&by_code("eve")).await.unwrap();
        *lab.provider.confused_with.lock() = Some("eve".to_owned());
        // Silently, it is noticed: the account is named.
        let other = AcquireRequest {
            scopes: Scopes::parse("api://other/read"),
            ..silent("ann.home")
        };
        let error = client.acquire(&other).await.unwrap_err();
        assert_eq!(error.code(), "user_mismatch");
        // For an assertion it cannot be: the partition is the assertion's own, so
        // nobody else is served it.
        client.acquire(&on_behalf_of("ann.1")).await.unwrap();
        *lab.provider.confused_with.lock() = None;
        let result = client.acquire(&on_behalf_of("bob.1")).await.unwrap();
        assert_eq!(how(&result), "idp no_cached_access_token");
        for user in ["ann", "eve"] {
            let result = client.acquire(&silent(&format!("{user}.home"))).await;
            let owner = result.unwrap().token.home_account_id.clone();
            assert_eq!(owner.as_deref(), Some(&*format!("{user}.home")));
        }
        tokio::time::advance(HOUR).await;
    }
}
