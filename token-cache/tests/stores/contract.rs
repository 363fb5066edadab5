//! What every store has to do, whatever it is made of: one table of checks, run
//! against each.
//!
//! Ends of entries are judged by the clock that a store was opened with, so a
//! check that needs an hour to pass opens the same server once more with a clock
//! an hour ahead.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use parking_lot::Mutex;
use token_cache::Clock;
use token_cache::store::{Expiration, Store, Swap};
use tokio::time::Instant;

/// A store under examination.
pub(crate) struct Candidate {
    /// How it is called in failures.
    pub(crate) name: &'static str,
    /// How it is opened.
    pub(crate) place: Place,
    /// Who keeps sliding windows.
    pub(crate) sliding: Sliding,
    /// The longest blob that it has to take.
    pub(crate) largest_blob: usize,
}

/// Where a store keeps its entries.
pub(crate) enum Place {
    /// On a server: this opens the same one with any clock.
    Server(Box<dyn Fn(Clock) -> Arc<dyn Store>>),
    /// In itself: this makes a new one for each check, whose clock is paused.
    Process(fn(Clock) -> Arc<dyn Store>, Mutex<Option<Begun>>),
}

/// A store of this process and when its check began.
pub(crate) struct Begun(Arc<dyn Store>, Instant);

/// Who knows when an entry was used last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sliding {
    /// The entry itself, judged by the caller's clock.
    InEntry,
    /// The server's time to live, in real time.
    #[cfg_attr(
        not(any(feature = "redis", feature = "memcached")),
        expect(dead_code, reason = "no store of this build leaves it to its server")
    )]
    ByServer,
}

type Check = for<'a> fn(&'a Candidate) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

macro_rules! checks {
    ($($check:ident),* $(,)?) => {
        &[$((stringify!($check), |candidate| Box::pin($check(candidate)))),*]
    };
}

/// Every check by its name.
const CHECKS: &[(&str, Check)] = checks![
    an_absent_key_is_a_miss_and_may_be_removed_and_refreshed,
    a_blob_comes_back_byte_for_byte,
    a_second_blob_takes_the_place_of_the_first,
    keys_are_told_apart_by_case_and_by_every_byte,
    an_entry_goes_at_its_absolute_end,
    an_entry_that_is_over_is_not_kept_and_takes_the_old_one_with_it,
    a_blob_without_an_end_sheds_the_end_of_the_one_before,
    reading_and_refreshing_extend_a_sliding_window,
    a_sliding_window_never_passes_the_absolute_end,
    a_conditional_change_is_made_only_if_nobody_came_between,
    an_entry_that_is_over_counts_as_absent_for_conditions,
    writers_at_once_leave_one_whole_blob,
    conditional_writers_at_once_lose_nothing,
    an_operation_given_up_at_any_point_leaves_the_store_in_order,
];

/// Runs every check; a failure names check and store.
pub(crate) async fn store_contract(candidate: &Candidate) {
    for (name, check) in CHECKS {
        eprintln!("{}: {name}", candidate.name);
        check(candidate).await;
    }
}

const HOUR: Duration = Duration::from_secs(3_600);

impl Candidate {
    /// The store as a check begins.
    fn now(&self) -> Arc<dyn Store> {
        match &self.place {
            Place::Server(open) => open(Clock::system()),
            Place::Process(make, begun) => {
                let store = make(Clock::system());
                *begun.lock() = Some(Begun(Arc::clone(&store), Instant::now()));
                store
            }
        }
    }

    /// The same store, seen this much later.
    async fn later(&self, by: Duration) -> Arc<dyn Store> {
        match &self.place {
            Place::Server(open) => open(Clock::starting_at(Clock::system().now().plus(by))),
            Place::Process(_, begun) => {
                let (store, until) = {
                    let begun = begun.lock();
                    let Begun(store, since) = begun.as_ref().expect("`now` comes first");
                    (Arc::clone(store), *since + by)
                };
                tokio::time::advance(until.saturating_duration_since(Instant::now())).await;
                store
            }
        }
    }
}

fn blob(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn ending_in(span: Duration) -> Expiration {
    Expiration {
        absolute: Some(Clock::system().now().plus(span)),
        sliding: None,
    }
}

fn sliding(window: Duration) -> Expiration {
    Expiration {
        absolute: None,
        sliding: Some(window),
    }
}

/// An end far enough for every check, for stores that give one where none is
/// asked for.
fn long() -> Expiration {
    ending_in(24 * HOUR)
}

async fn put(store: &Arc<dyn Store>, key: &str, text: &str, expiration: Expiration) {
    store.set(key, blob(text), expiration).await.unwrap();
}

async fn text(store: &Arc<dyn Store>, key: &str) -> Option<String> {
    let found = store.get(key).await.unwrap()?;
    Some(String::from_utf8(found.to_vec()).unwrap())
}

async fn an_absent_key_is_a_miss_and_may_be_removed_and_refreshed(candidate: &Candidate) {
    let store = candidate.now();
    assert_eq!(text(&store, "absent").await, None);
    store.remove("absent").await.unwrap();
    store.refresh("absent").await.unwrap();
    assert_eq!(text(&store, "absent").await, None);
}

async fn a_blob_comes_back_byte_for_byte(candidate: &Candidate) {
    let store = candidate.now();
    let every_byte: Vec<u8> = (0..=255).collect();
    let lines = b"VALUE x 0 3\r\nEND\r\n".to_vec();
    let long_one = every_byte.repeat(candidate.largest_blob / 256);
    for (number, bytes) in [Vec::new(), every_byte, lines, long_one]
        .into_iter()
        .enumerate()
    {
        let key = format!("bytes-{number}");
        let bytes = Bytes::from(bytes);
        store.set(&key, bytes.clone(), long()).await.unwrap();
        let found = store.get(&key).await.unwrap();
        assert!(found == Some(bytes), "blob {number} came back changed");
    }
}

async fn a_second_blob_takes_the_place_of_the_first(candidate: &Candidate) {
    let store = candidate.now();
    put(&store, "place", "first, and longer", long()).await;
    put(&store, "place", "second", long()).await;
    assert_eq!(text(&store, "place").await.as_deref(), Some("second"));
    store.remove("place").await.unwrap();
    assert_eq!(text(&store, "place").await, None);
}

async fn keys_are_told_apart_by_case_and_by_every_byte(candidate: &Candidate) {
    let store = candidate.now();
    let long_key = "k".repeat(449);
    let keys = [
        "JW0E205eSsMIdR7QiFtyK3WGMFZ8U6cSXtn70Gjlw_Y",
        "jw0e205eSsMIdR7QiFtyK3WGMFZ8U6cSXtn70Gjlw_Y",
        "d3adb33f-c0de_f645ad92-e38d_AppTokenCache",
        "d3adb33f-c0de__AppTokenCache",
        "uid.utid",
        "uid.utid ",
        "session key with spaces",
        "session\r\nkey",
        "percent%20and/slash?and#hash\\",
        "schlüssel-鍵",
        "{braces}",
        "quote'and\"quote",
        &long_key,
    ];
    for (number, key) in keys.iter().enumerate() {
        put(&store, key, &number.to_string(), long()).await;
    }
    for (number, key) in keys.iter().enumerate() {
        assert_eq!(text(&store, key).await, Some(number.to_string()), "{key:?}");
    }
    for key in keys {
        store.remove(key).await.unwrap();
        assert_eq!(text(&store, key).await, None, "{key:?}");
    }
}

async fn an_entry_goes_at_its_absolute_end(candidate: &Candidate) {
    let store = candidate.now();
    put(&store, "end", "x", ending_in(2 * HOUR)).await;
    assert!(text(&store, "end").await.is_some());
    assert!(text(&candidate.later(HOUR).await, "end").await.is_some());
    assert_eq!(text(&candidate.later(2 * HOUR).await, "end").await, None);
}

async fn an_entry_that_is_over_is_not_kept_and_takes_the_old_one_with_it(candidate: &Candidate) {
    let store = candidate.now();
    put(&store, "over", "old", long()).await;
    let now = Clock::system().now();
    let over = Expiration {
        absolute: Some(now.minus(HOUR)),
        sliding: Some(HOUR),
    };
    put(&store, "over", "new", over).await;
    assert_eq!(text(&store, "over").await, None);
}

async fn a_blob_without_an_end_sheds_the_end_of_the_one_before(candidate: &Candidate) {
    let store = candidate.now();
    put(&store, "shed", "old", ending_in(Duration::from_secs(90))).await;
    put(&store, "shed", "new", Expiration::default()).await;
    let later = candidate.later(Duration::from_secs(600)).await;
    assert_eq!(text(&later, "shed").await.as_deref(), Some("new"));
}

async fn reading_and_refreshing_extend_a_sliding_window(candidate: &Candidate) {
    match candidate.sliding {
        Sliding::InEntry => {
            let store = candidate.now();
            for key in ["read", "refreshed", "left-alone"] {
                put(&store, key, "x", sliding(HOUR)).await;
            }
            let later = candidate.later(HOUR * 3 / 4).await;
            assert!(text(&later, "read").await.is_some());
            later.refresh("refreshed").await.unwrap();
            let latest = candidate.later(HOUR * 3 / 2).await;
            assert!(text(&latest, "read").await.is_some());
            assert!(text(&latest, "refreshed").await.is_some());
            assert_eq!(text(&latest, "left-alone").await, None);
        }
        Sliding::ByServer => {
            let store = candidate.now();
            let window = Duration::from_secs(2);
            for key in ["read", "refreshed", "left-alone"] {
                put(&store, key, "x", sliding(window)).await;
            }
            for _ in 0..4 {
                tokio::time::sleep(window / 3).await;
                assert!(text(&store, "read").await.is_some());
                store.refresh("refreshed").await.unwrap();
            }
            assert!(text(&store, "refreshed").await.is_some());
            assert_eq!(text(&store, "left-alone").await, None);
        }
    }
}

async fn a_sliding_window_never_passes_the_absolute_end(candidate: &Candidate) {
    let store = candidate.now();
    let both = Expiration {
        absolute: Some(Clock::system().now().plus(2 * HOUR)),
        sliding: Some(3 * HOUR / 2),
    };
    put(&store, "both", "x", both).await;
    let later = candidate.later(HOUR).await;
    assert!(text(&later, "both").await.is_some());
    later.refresh("both").await.unwrap();
    assert_eq!(text(&candidate.later(2 * HOUR).await, "both").await, None);
}

async fn a_conditional_change_is_made_only_if_nobody_came_between(candidate: &Candidate) {
    let store = candidate.now();
    let cas = store.compare_and_set().expect("it has conditional changes");
    store.remove("cas").await.unwrap();
    assert!(cas.get_versioned("cas").await.unwrap().is_none());
    let swap = cas.set_if("cas", None, blob("1"), long()).await.unwrap();
    assert_eq!(swap, Swap::Done);
    let swap = cas.set_if("cas", None, blob("2"), long()).await.unwrap();
    assert_eq!(swap, Swap::Conflict, "something is there");
    let first = cas.get_versioned("cas").await.unwrap().unwrap();
    assert_eq!(&first.blob[..], b"1");
    let expected = Some(&first.version);
    let swap = cas
        .set_if("cas", expected, blob("2"), long())
        .await
        .unwrap();
    assert_eq!(swap, Swap::Done);
    let swap = cas
        .set_if("cas", expected, blob("3"), long())
        .await
        .unwrap();
    assert_eq!(swap, Swap::Conflict, "somebody came between");
    let swap = cas.remove_if("cas", &first.version).await.unwrap();
    assert_eq!(swap, Swap::Conflict);
    assert_eq!(text(&store, "cas").await.as_deref(), Some("2"));
    let second = cas.get_versioned("cas").await.unwrap().unwrap();
    for _ in 0..2 {
        let swap = cas.remove_if("cas", &second.version).await.unwrap();
        assert_eq!(swap, Swap::Done, "nothing there is as good as removed");
    }
    assert_eq!(text(&store, "cas").await, None);
    let swap = cas
        .set_if("cas", Some(&second.version), blob("4"), long())
        .await;
    assert_eq!(swap.unwrap(), Swap::Conflict, "it has gone");
}

async fn an_entry_that_is_over_counts_as_absent_for_conditions(candidate: &Candidate) {
    let store = candidate.now();
    put(&store, "gone", "1", ending_in(HOUR)).await;
    let later = candidate.later(2 * HOUR).await;
    let cas = later.compare_and_set().unwrap();
    assert!(cas.get_versioned("gone").await.unwrap().is_none());
    let swap = cas
        .set_if("gone", None, blob("2"), ending_in(4 * HOUR))
        .await;
    assert_eq!(swap.unwrap(), Swap::Done);
    assert_eq!(text(&later, "gone").await.as_deref(), Some("2"));
}

async fn writers_at_once_leave_one_whole_blob(candidate: &Candidate) {
    let store = candidate.now();
    let blobs: Vec<String> = (0..16_u32)
        .map(|number| format!("{number:02}").repeat(2_000))
        .collect();
    join_all(blobs.iter().map(|it| put(&store, "torn", it, long()))).await;
    let found = text(&store, "torn").await.unwrap();
    assert!(
        blobs.contains(&found),
        "a torn blob of {} bytes",
        found.len()
    );
}

async fn conditional_writers_at_once_lose_nothing(candidate: &Candidate) {
    const WRITERS: usize = 8;
    let store = candidate.now();
    store.remove("merge").await.unwrap();
    let write = |letter: usize| {
        let store = Arc::clone(&store);
        async move {
            let cas = store.compare_and_set().unwrap();
            let mark = char::from(b'a' + u8::try_from(letter).unwrap()).to_string();
            // Each round one writer at least gets through.
            for _ in 0..=WRITERS {
                let found = cas.get_versioned("merge").await.unwrap();
                let old = found.as_ref().map_or(&[][..], |found| &found.blob[..]);
                let next = [old, mark.as_bytes()].concat().into();
                let expected = found.as_ref().map(|found| &found.version);
                let swap = cas.set_if("merge", expected, next, long()).await.unwrap();
                if swap == Swap::Done {
                    return;
                }
            }
            panic!("writer {mark} got nowhere");
        }
    };
    join_all((0..WRITERS).map(write)).await;
    let mut found: Vec<char> = text(&store, "merge").await.unwrap().chars().collect();
    found.sort_unstable();
    assert_eq!(found.into_iter().collect::<String>(), "abcdefgh");
}

async fn an_operation_given_up_at_any_point_leaves_the_store_in_order(candidate: &Candidate) {
    let store = candidate.now();
    put(&store, "kept", "the one that stays", long()).await;
    let large: Bytes = vec![b'x'; 100_000.min(candidate.largest_blob)].into();
    for step in 0..24_u64 {
        // From before the first byte is sent to after the last has come.
        let limit = Duration::from_micros(step * step * 8);
        let reading = store.get("kept");
        let _ = tokio::time::timeout(limit, reading).await;
        let writing = store.set("given-up", large.clone(), long());
        let _ = tokio::time::timeout(limit, writing).await;
        let found = text(&store, "kept").await;
        assert_eq!(found.as_deref(), Some("the one that stays"), "{limit:?}");
    }
    let found = store.get("given-up").await.unwrap();
    assert!(found.is_none_or(|found| found == large));
}
