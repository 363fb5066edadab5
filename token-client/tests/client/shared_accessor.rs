//! MSAL.NET's shared accessor: what it costs callers at once, and that a
//! snapshot of one's own costs nothing of the kind.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use token_cache::Policy;
use token_cache::policy::Accessor;

use crate::lab::{Lab, by_code, for_client, how, silent};

/// 8 users, `calls` silent calls each at once, all tokens valid: how many find
/// nothing.
async fn spurious_misses(accessor: Accessor, round_trip: Duration, calls: usize) -> usize {
    let lab = Lab::new(Policy {
        accessor,
        ..Policy::MSAL_NET
    });
    let client = Arc::new(lab.instance());
    let users: Vec<_> = (0..8).map(|number| format!("user{number}")).collect();
    for user in &users {
        client.acquire(&by_code(user)).await.unwrap();
    }
    *lab.store.round_trip.lock() = round_trip;
    let threads = users.iter().map(|user| {
        let (client, account) = (Arc::clone(&client), format!("{user}.home"));
        tokio::spawn(async move {
            let mut missed = 0;
            for _ in 0..calls {
                match client.acquire(&silent(&account)).await {
                    Ok(result) => {
                        let owner = result.token.home_account_id.as_deref();
                        assert_eq!(owner, Some(&*account), "nobody gets another's token");
                    }
                    Err(error) => {
                        assert_eq!(error.code(), "no_tokens_found");
                        missed += 1;
                    }
                }
            }
            missed
        })
    });
    let missed = join_all(threads).await;
    missed.into_iter().map(Result::unwrap).sum()
}

#[tokio::test(start_paused = true)]
async fn c1_a_shared_accessor_loses_valid_tokens_and_a_snapshot_none() {
    let ms = Duration::from_millis(2);
    let shared = spurious_misses(Accessor::Shared, ms, 150).await;
    // MSAL.NET lost 2 to 8 of these 1 200.
    assert!((1..=24).contains(&shared), "{shared} of 1 200 were lost");
    assert_eq!(spurious_misses(Accessor::Snapshot, ms, 150).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn c1_on_threads_a_snapshot_loses_none_either() {
    let us = Duration::from_micros(100);
    assert_eq!(spurious_misses(Accessor::Snapshot, us, 150).await, 0);
    assert!(spurious_misses(Accessor::Shared, us, 150).await > 0);
}

#[tokio::test(start_paused = true)]
async fn through_a_shared_accessor_one_caller_alone_sees_what_it_always_does() {
    let lab = Lab::new(Policy {
        accessor: Accessor::Shared,
        ..Policy::MSAL_NET
    });
    let (one, two) = (lab.instance(), lab.instance());
    let request = for_client("t");
    let mut seen = Vec::new();
    for client in [&one, &one, &two, &two] {
        seen.push(how(&client.acquire(&request).await.unwrap()));
    }
    assert_eq!(
        seen,
        [
            "idp no_cached_access_token",
            "l1 not_applicable",
            "l2 not_applicable",
            "l1 not_applicable"
        ]
    );
    assert_eq!(lab.store.asked(), "get get set refresh get refresh");
}
