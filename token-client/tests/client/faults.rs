//! What goes wrong around an acquisition, and what comes of it: callers that give
//! up at any point, clocks that are set, a store that hangs or trickles, and a
//! provider that confuses its users.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use token_cache::{HomeAccountId, Policy, Scopes, Secret};
use token_client::{
    AcquireError, AcquireRequest, AuthenticationResult, Client, ClientEvents, ErrorKind, Flow,
    ManagedIdentityId, SearchInCache,
};

use crate::lab::{
    HOUR, LATENCY, Lab, PRESETS, asking, begin, by_code, for_client, forced, how, in_session,
    on_behalf_of, silent,
};
use crate::managed_identity::machine;

/// Counts what its client tells.
#[derive(Default)]
struct Counted {
    /// Requests on their way.
    on_their_way: AtomicI64,
    ended: AtomicU32,
    given_up: AtomicU32,
}

impl ClientEvents for Counted {
    fn acquired(&self, _: &AcquireRequest, outcome: Result<&AuthenticationResult, &AcquireError>) {
        let given_up = outcome.is_err_and(|error| matches!(error.kind(), ErrorKind::GivenUp));
        self.ended.fetch_add(1, Ordering::SeqCst);
        self.given_up
            .fetch_add(u32::from(given_up), Ordering::SeqCst);
    }
    fn token_request_began(&self) {
        self.on_their_way.fetch_add(1, Ordering::SeqCst);
    }
    fn token_request_ended(&self) {
        self.on_their_way.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Lets `work` run up to its `steps`th await and drops it there; whether it had
/// not ended by then.
async fn gives_up_at<T, E: fmt::Debug>(
    work: impl Future<Output = Result<T, E>>,
    steps: usize,
) -> bool {
    let mut work = pin!(work);
    for _ in 0..steps {
        let polled = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await;
        if let Poll::Ready(result) = polled {
            result.expect("nothing is wrong");
            return false;
        }
        // Whatever it waits for comes next: other tasks, then time.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    true
}

/// Who asks, and where to find afterwards what was given out.
fn giving_up() -> [(AcquireRequest, AcquireRequest); 9] {
    let machine = machine(ManagedIdentityId::SystemAssigned);
    let session = |search| asking(Flow::InitiateLongRunning(begin("ann.1", "s", search)));
    let by_refresh_token = asking(Flow::RefreshToken(Secret::new("ann")));
    let of_ann = AcquireRequest {
        scopes: by_refresh_token.scopes.clone(),
        ..silent("ann.home")
    };
    [
        (for_client("t"), for_client("t")),
        (forced(for_client("t")), for_client("t")),
        (on_behalf_of("ann.1"), on_behalf_of("ann.1")),
        (by_code("ann"), silent("ann.home")),
        (forced(silent("bob.home")), silent("bob.home")),
        (by_refresh_token, of_ann),
        (forced(machine.clone()), machine),
        (session(SearchInCache::No), in_session("s")),
        (forced(in_session("of bob")), in_session("of bob")),
    ]
}

/// A lab whose store takes its time, a client there, what it has on its way, and
/// what Bob left behind: he has signed in and begun a session.
async fn after_bob(policy: Policy) -> (Lab, Client, Arc<Counted>) {
    let lab = Lab::new(policy);
    *lab.store.round_trip.lock() = Duration::from_millis(7);
    let events = Arc::new(Counted::default());
    let client = lab.client("client", lab.options(), Arc::clone(&events) as _);
    let session = begin("bob.1", "of bob", SearchInCache::No);
    let before = lab.instance();
    for request in [by_code("bob"), asking(Flow::InitiateLongRunning(session))] {
        before.acquire(&request).await.unwrap();
    }
    (lab, client, events)
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_gives_up_at_any_await_leaves_cache_and_flights_in_order() {
    for policy in PRESETS {
        for (request, again) in giving_up() {
            let mut steps = 1;
            loop {
                let (lab, client, events) = after_bob(policy).await;
                let gave_up = gives_up_at(client.acquire(&request), steps).await;

                // The next caller is served, by whatever is left of the first.
                let after = client.acquire(&request).await;
                let after = after.unwrap_or_else(|error| panic!("{steps}: {error:?}"));
                // What was given out is stored, here and in L2.
                tokio::time::sleep(Duration::from_secs(30)).await;
                assert_eq!(client.cache().flush().await, 0);
                let told = |count: &AtomicU32| count.load(Ordering::SeqCst);
                assert_eq!(told(&events.ended), 2, "each ended once");
                assert_eq!(told(&events.given_up), u32::from(gave_up));
                let on_their_way = events.on_their_way.load(Ordering::SeqCst);
                assert_eq!(on_their_way, 0, "none is on its way");
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
async fn a_sign_out_given_up_at_any_await_is_whole_or_was_not_and_can_be_made_again() {
    let bob = HomeAccountId::new("bob.home");
    for policy in PRESETS {
        let mut steps = 1;
        loop {
            let (lab, client, _) = after_bob(policy).await;
            // In L1 too, which must not serve on what L2 no longer has.
            client.acquire(&silent("bob.home")).await.unwrap();
            let gave_up = gives_up_at(client.remove_account(&bob), steps).await;
            // He is signed out, or in, and his tokens are his.
            match client.acquire(&silent("bob.home")).await {
                Ok(found) => {
                    assert!(gave_up, "signed out after {steps} steps in {policy:?}");
                    assert_eq!(found.token.home_account_id.as_deref(), Some("bob.home"));
                }
                Err(error) => assert_eq!(error.code(), "no_tokens_found"),
            }
            client.remove_account(&bob).await.unwrap();
            tokio::time::sleep(Duration::from_secs(30)).await;
            assert_eq!(client.cache().flush().await, 0);
            for (of, client) in [("L1", client), ("L2", lab.instance())] {
                let left = client.acquire(&silent("bob.home")).await;
                let code = left.map(|found| how(&found)).unwrap_err();
                assert_eq!(code.code(), "no_tokens_found", "{of} after {steps} steps");
            }
            if !gave_up {
                assert!(steps > 5, "it awaits more than {steps} times");
                break;
            }
            steps += 1;
            assert!(steps < 1_000, "it ends");
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
