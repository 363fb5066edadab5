//! L1 over L2: what is asked of the store, and when. Operation counts are those
//! of `shared/reference/token-cache.md` §3.6.

use std::time::Duration;

use token_cache::{CacheLevel, L2Operation, Partition, PartitionKey, Policy};

use crate::lab::{HOUR, Lab, key, tokens};

#[tokio::test(start_paused = true)]
async fn another_instance_finds_it_in_l2_and_then_in_its_own_l1() {
    let lab = Lab::new();
    let (one, two) = (
        lab.instance(Policy::RECOMMENDED),
        lab.instance(Policy::RECOMMENDED),
    );
    lab.put(&one, "A", HOUR).await;
    assert_eq!(tokens(&one).await, (CacheLevel::L1, 1));
    assert_eq!(tokens(&two).await, (CacheLevel::L2, 1));
    assert_eq!(tokens(&two).await, (CacheLevel::L1, 1));
}

#[tokio::test(start_paused = true)]
async fn a1_msal_net_pays_a_refresh_for_every_l1_hit_and_recommended_only_when_entries_slide() {
    let table = [
        (Policy::MSAL_NET, None, "refresh"),
        (Policy::MSAL_NET, Some(HOUR), "refresh"),
        (Policy::RECOMMENDED, None, ""),
        (Policy::RECOMMENDED, Some(HOUR), "refresh"),
    ];
    for (policy, sliding, expected) in table {
        let lab = Lab::new();
        let cache = lab.instance_with(policy, Some(1_000_000), sliding);
        lab.put(&cache, "A", HOUR).await;
        assert_eq!(lab.store.asked(), "get set", "a write reads first");
        assert_eq!(tokens(&cache).await.0, CacheLevel::L1);
        assert_eq!(
            lab.store.asked(),
            expected,
            "{policy:?} sliding {sliding:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn without_l1_every_read_is_an_l2_get() {
    let lab = Lab::new();
    let cache = lab.instance_with(Policy::MSAL_NET, None, None);
    lab.put(&cache, "A", HOUR).await;
    lab.store.asked();
    assert_eq!(tokens(&cache).await.0, CacheLevel::L2);
    assert_eq!(tokens(&cache).await.0, CacheLevel::L2);
    assert_eq!(lab.store.asked(), "get get");
}

#[tokio::test(start_paused = true)]
async fn s6_a_token_too_short_to_be_used_is_removed_instead_of_written() {
    let lab = Lab::new();
    let cache = lab.instance(Policy::RECOMMENDED);
    lab.put(&cache, "A", HOUR).await;
    lab.store.asked();
    lab.put(&cache, "A", Duration::from_secs(200)).await;
    assert_eq!(lab.store.asked(), "get remove");
    assert_eq!(tokens(&cache).await, (CacheLevel::None, 0));
}

#[tokio::test(start_paused = true)]
async fn a5_a_failing_l2_is_a_miss_that_is_told_and_never_an_error() {
    use L2Operation::{Get, Set};
    // `recommended` tries a failed read once more, and does not write over
    // what it could not read.
    let table = [
        (Policy::MSAL_NET, vec![Get, Get, Set]),
        (Policy::RECOMMENDED, vec![Get, Get, Get, Get]),
    ];
    for (policy, failed) in table {
        let lab = Lab::new();
        let cache = lab.instance(policy);
        *lab.store.down.lock() = true;
        assert_eq!(tokens(&cache).await, (CacheLevel::None, 0));
        lab.put(&cache, "A", HOUR).await;
        *lab.store.down.lock() = false;
        assert_eq!(tokens(&cache).await, (CacheLevel::L1, 1), "L1 serves alone");
        assert_eq!(*lab.heard.0.lock(), failed, "{policy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn l2_forgets_a_partition_when_its_last_access_token_ends() {
    let lab = Lab::new();
    let (one, two) = (
        lab.instance(Policy::RECOMMENDED),
        lab.instance(Policy::RECOMMENDED),
    );
    lab.put(&one, "A", HOUR).await;
    tokio::time::advance(Duration::from_secs(3_599)).await;
    assert_eq!(tokens(&one).await.0, CacheLevel::L1);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(tokens(&one).await.0, CacheLevel::None, "gone from L1");
    assert_eq!(tokens(&two).await.0, CacheLevel::None, "gone from L2");
}

#[tokio::test(start_paused = true)]
async fn a_write_keeps_what_another_instance_wrote_meanwhile_where_the_policy_asks_l2() {
    for (policy, expected) in [(Policy::RECOMMENDED, 3), (Policy::MSAL_NET, 2)] {
        let lab = Lab::new();
        let (one, two) = (lab.instance(policy), lab.instance(policy));
        lab.put(&one, "A", HOUR).await;
        assert_eq!(tokens(&two).await.1, 1);
        lab.put(&one, "B", HOUR).await;
        // The second instance's L1 still holds the partition with `A` alone.
        lab.put(&two, "C", HOUR).await;
        let fresh = lab.instance(policy);
        assert_eq!(
            tokens(&fresh).await,
            (CacheLevel::L2, expected),
            "{policy:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a11_an_instance_with_a_warm_l1_still_serves_what_another_removed() {
    let lab = Lab::new();
    let (one, two) = (
        lab.instance(Policy::RECOMMENDED),
        lab.instance(Policy::RECOMMENDED),
    );
    lab.put(&one, "A", HOUR).await;
    assert_eq!(tokens(&two).await.0, CacheLevel::L2);
    one.remove(&key()).await;
    assert_eq!(tokens(&one).await.0, CacheLevel::None);
    assert_eq!(tokens(&two).await.0, CacheLevel::L1);
}

#[tokio::test(start_paused = true)]
async fn c2_changes_made_at_once_in_one_instance_are_all_kept() {
    let lab = Lab::new();
    let cache = lab.instance(Policy::RECOMMENDED);
    let scopes: Vec<String> = (0..20)
        .map(|number| format!("api{number}/.default"))
        .collect();
    futures_util::future::join_all(scopes.iter().map(|scope| lab.put(&cache, scope, HOUR))).await;
    assert_eq!(tokens(&cache).await, (CacheLevel::L1, 20));
}

#[tokio::test(start_paused = true)]
async fn what_l2_had_before_a_write_never_replaces_what_the_write_put_into_l1() {
    for policy in [Policy::RECOMMENDED, Policy::MSAL_NET] {
        let lab = Lab::new();
        let (one, two) = (lab.instance(policy), lab.instance(policy));
        lab.put(&one, "A", HOUR).await;
        *lab.store.round_trip.lock() = Duration::from_millis(10);
        // The second instance writes `B` and, while that is on its way to L2,
        // another of its requests reads what L2 has.
        let key = key();
        let (later, (), read) = tokio::join!(
            async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                two.peek_l1(key.borrowed(), lab.clock.now())
            },
            lab.put(&two, "B", HOUR),
            async {
                tokio::time::sleep(Duration::from_millis(15)).await;
                // Back before the write is.
                *lab.store.round_trip.lock() = Duration::from_millis(2);
                two.read_l2(&key).await.unwrap()
            },
        );
        let before = read.partition.expect("L2 has `A`").access_token_count();
        // Where unsaved changes are known they are part of the answer.
        let known = usize::from(policy == Policy::RECOMMENDED);
        assert_eq!(
            before,
            1 + known,
            "the read came before the write: {policy:?}"
        );
        let held = later.expect("a partition").access_token_count();
        assert_eq!(held, 2, "{policy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_removed_partition_is_not_put_back_by_a_read_that_began_before() {
    let lab = Lab::new();
    let (one, two) = (
        lab.instance(Policy::RECOMMENDED),
        lab.instance(Policy::RECOMMENDED),
    );
    lab.put(&one, "A", HOUR).await;
    *lab.store.round_trip.lock() = Duration::from_millis(10);
    let key = key();
    let (read, ()) = tokio::join!(two.read_l2(&key), async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        two.remove(&key).await;
    });
    assert_eq!(read.unwrap().level, CacheLevel::L2, "it came before");
    assert!(two.peek_l1(key.borrowed(), lab.clock.now()).is_none());
}

#[tokio::test(start_paused = true)]
async fn changes_of_different_partitions_do_not_wait_for_each_other() {
    let lab = Lab::new();
    let cache = lab.instance(Policy::RECOMMENDED);
    *lab.store.round_trip.lock() = Duration::from_millis(10);
    let keys: Vec<_> = (0..20)
        .map(|number| PartitionKey::application("client", format!("tenant{number}")))
        .collect();
    let began = tokio::time::Instant::now();
    futures_util::future::join_all(keys.iter().map(|key| cache.update(key, Partition::clone)))
        .await;
    // One read and one removal each; twenty in turn would take 400 ms.
    assert!(
        began.elapsed() <= Duration::from_millis(60),
        "{:?}",
        began.elapsed()
    );
}
