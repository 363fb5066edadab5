//! The limit, and why blobs went.

use std::time::Duration;

use super::*;

async fn put(store: &MemoryStore, key: &str, size: usize, expiration: Expiration) {
    store
        .set(key, vec![0; size].into(), expiration)
        .await
        .unwrap();
}

async fn has(store: &MemoryStore, key: &str) -> bool {
    store.get(key).await.unwrap().is_some()
}

#[tokio::test(start_paused = true)]
async fn an_entry_goes_at_its_absolute_time_or_when_left_alone() {
    let clock = Clock::system();
    let store = MemoryStore::new(1_000, clock);
    let minute = Duration::from_secs(60);
    let at = Expiration {
        absolute: Some(clock.now().plus(2 * minute)),
        sliding: None,
    };
    let sliding = Expiration {
        absolute: None,
        sliding: Some(minute),
    };
    put(&store, "at", 1, at).await;
    put(&store, "sliding", 1, sliding).await;
    put(&store, "refreshed", 1, sliding).await;
    tokio::time::advance(minute / 2).await;
    store.refresh("refreshed").await.unwrap();
    tokio::time::advance(minute / 2).await;
    assert!(has(&store, "at").await);
    assert!(!has(&store, "sliding").await);
    assert!(has(&store, "refreshed").await);
    tokio::time::advance(minute).await;
    assert!(!has(&store, "at").await);
    let gone = MemoryStoreStats {
        expired: 3,
        ..MemoryStoreStats::default()
    };
    assert_eq!(store.stats(), gone);
}

#[tokio::test(start_paused = true)]
async fn a_store_filled_with_what_another_held_goes_on_as_that_one_does() {
    let clock = Clock::system();
    let (first, second) = (
        MemoryStore::new(1_000, clock),
        MemoryStore::new(1_000, clock),
    );
    let minute = Duration::from_secs(60);
    let sliding = Expiration {
        absolute: None,
        sliding: Some(minute),
    };
    for key in ["b", "a"] {
        put(&first, key, 1, sliding).await;
        tokio::time::advance(minute / 2).await;
    }
    second.fill(first.contents());
    assert_eq!(second.blobs(), first.blobs());
    assert_eq!(second.contents(), first.contents());
    tokio::time::advance(minute / 4).await;
    for store in [&first, &second] {
        // Written a minute ago, and three quarters of one.
        assert!(!has(store, "b").await && has(store, "a").await);
    }
    let shown = format!("{:?}", second.contents());
    assert!(shown.contains("bytes: 1"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn what_goes_is_counted_by_why_it_went() {
    let store = MemoryStore::new(1_000, Clock::system());
    let minute = Duration::from_secs(60);
    let sliding = Expiration {
        absolute: None,
        sliding: Some(minute),
    };
    put(&store, "a", 1, Expiration::default()).await;
    put(&store, "a", 2, Expiration::default()).await;
    store.remove("a").await.unwrap();
    store.remove("a").await.unwrap();
    put(&store, "late", 1, sliding).await;
    tokio::time::advance(minute).await;
    store.remove("late").await.unwrap();
    put(&store, "late", 1, sliding).await;
    tokio::time::advance(minute).await;
    put(&store, "late", 1, sliding).await;
    let stats = store.stats();
    assert_eq!((stats.removed, stats.replaced, stats.expired), (1, 1, 2));
    store.clear();
    assert_eq!(store.stats().removed, 1, "what it counted stays");
}

#[tokio::test(start_paused = true)]
async fn a_conditional_change_is_made_only_if_nobody_came_between() {
    let store = MemoryStore::new(1_000, Clock::system());
    let forever = Expiration::default();
    let put = |expected: Option<Version>, blob: &'static str| {
        let store = &store;
        async move {
            let blob = Bytes::from_static(blob.as_bytes());
            let swap = store.set_if("a", expected.as_ref(), blob, forever).await;
            swap.unwrap()
        }
    };
    assert_eq!(put(None, "1").await, Swap::Done);
    assert_eq!(put(None, "2").await, Swap::Conflict, "something is there");
    let first = store.get_versioned("a").await.unwrap().unwrap();
    assert_eq!(&first.blob[..], b"1");
    assert_eq!(put(Some(first.version.clone()), "2").await, Swap::Done);
    let stale = Some(first.version.clone());
    assert_eq!(put(stale, "3").await, Swap::Conflict);
    let swap = store.remove_if("a", &first.version).await.unwrap();
    assert_eq!(swap, Swap::Conflict);
    let second = store.get_versioned("a").await.unwrap().unwrap();
    let swap = store.remove_if("a", &second.version).await.unwrap();
    assert_eq!((swap, has(&store, "a").await), (Swap::Done, false));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_refused_takes_the_old_entry_and_makes_room_for_the_next() {
    let store = MemoryStore::new(100, Clock::system());
    for key in ["a", "b"] {
        put(&store, key, 50, Expiration::default()).await;
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert!(has(&store, "a").await, "used after `b`");
    put(&store, "c", 50, Expiration::default()).await;
    let stats = store.stats();
    assert_eq!((stats.refused, stats.evicted, stats.bytes), (1, 1, 50));
    assert!(has(&store, "a").await && !has(&store, "b").await && !has(&store, "c").await);
    put(&store, "c", 50, Expiration::default()).await;
    assert!(has(&store, "c").await, "there is room now");
    put(&store, "a", 101, Expiration::default()).await;
    assert!(
        !has(&store, "a").await,
        "the old entry went with the refused one"
    );
    store.remove("c").await.unwrap();
    assert_eq!(store.stats().bytes, 0);
}
