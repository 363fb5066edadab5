//! The adapter's options and its behaviour under trouble, by the numbers of the
//! checklist in `shared/reference/token-cache.md` §9.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use token_cache::policy::{L2Guard, L2Write, Plaintext, Unreadable};
use token_cache::store::{Expiration, Store};
use token_cache::{
    CacheError, CacheLevel, Policy, RefreshToken, Sealing, Secret, StoreError, TokenCache,
    TokenCacheOptions,
};

use crate::lab::{HOUR, Lab, key, save, tokens};

#[tokio::test(start_paused = true)]
async fn a2_an_l1_hit_waits_for_the_touch_of_l2_in_msal_net_alone() {
    for (policy, waits) in [(Policy::MSAL_NET, true), (Policy::RECOMMENDED, false)] {
        let lab = Lab::new();
        let cache = lab.instance(policy);
        lab.put(&cache, "A", HOUR).await;
        *lab.store.round_trip.lock() = Duration::from_millis(10);
        let began = tokio::time::Instant::now();
        assert_eq!(tokens(&cache).await.0, CacheLevel::L1);
        assert_eq!(began.elapsed() >= Duration::from_millis(10), waits);
    }
}

#[tokio::test(start_paused = true)]
async fn a3_what_comes_from_l2_stays_in_l1_as_long_as_the_ratio_says() {
    for policy in [Policy::MSAL_NET, Policy::RECOMMENDED] {
        for (relative, ratio, after, level) in [
            // No expiry: the token has ended, its partition is still there.
            (None, 1.0, 2 * HOUR, CacheLevel::L1),
            (Some(4 * HOUR), 0.5, 2 * HOUR, CacheLevel::L2),
            (
                Some(4 * HOUR),
                0.5,
                Duration::from_secs(7_199),
                CacheLevel::L1,
            ),
        ] {
            let lab = Lab::new();
            let options = |lab: &Lab| TokenCacheOptions {
                l2_absolute_expiration_relative_to_now: relative,
                l1_expiration_ratio: ratio,
                ..lab.options(policy)
            };
            let writer = TokenCache::new(options(&lab));
            lab.put(&writer, "A", HOUR).await;
            let reader = TokenCache::new(options(&lab));
            assert_eq!(tokens(&reader).await.0, CacheLevel::L2);
            tokio::time::advance(after).await;
            assert_eq!(tokens(&reader).await.0, level, "{relative:?} {after:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a4_a_write_ends_in_l2_when_the_tokens_end_or_the_options_say() {
    let seconds = Duration::from_secs;
    let table = [
        (None, None, Some(HOUR)),
        (Some(seconds(600)), None, Some(seconds(600))),
        (Some(2 * HOUR), None, Some(HOUR)),
        (None, Some(3 * HOUR), Some(3 * HOUR)),
        (Some(seconds(600)), Some(3 * HOUR), Some(3 * HOUR)),
    ];
    for policy in [Policy::MSAL_NET, Policy::RECOMMENDED] {
        for (absolute, relative, expected) in table {
            let lab = Lab::new();
            let now = lab.clock.now();
            let cache = TokenCache::new(TokenCacheOptions {
                l2_absolute_expiration: absolute.map(|after| now.plus(after)),
                l2_absolute_expiration_relative_to_now: relative,
                l2_sliding_expiration: Some(seconds(900)),
                ..lab.options(policy)
            });
            lab.put(&cache, "A", HOUR).await;
            let wanted = Expiration {
                absolute: expected.map(|after| now.plus(after)),
                sliding: Some(seconds(900)),
            };
            assert_eq!(*lab.store.expiration.lock(), Some(wanted), "{policy:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a5_the_handler_decides_about_one_retry_and_is_asked_again_when_that_fails() {
    for (answer, asked, calls) in [(true, "get get", 2), (false, "get", 1)] {
        for policy in [Policy::MSAL_NET, Policy::RECOMMENDED] {
            let lab = Lab::new();
            let count = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&count);
            let cache = TokenCache::new(TokenCacheOptions {
                on_l2_failure: Some(Arc::new(move |_: &StoreError| {
                    counted.fetch_add(1, Ordering::SeqCst);
                    answer
                })),
                ..lab.options(policy)
            });
            *lab.store.down.lock() = true;
            assert_eq!(tokens(&cache).await, (CacheLevel::None, 0));
            assert_eq!(lab.store.asked(), asked, "{policy:?} {answer}");
            assert_eq!(count.load(Ordering::SeqCst), calls);
        }
    }
    // Without a handler msal_net tries nothing again.
    let lab = Lab::new();
    let cache = lab.instance(Policy::MSAL_NET);
    *lab.store.down.lock() = true;
    assert_eq!(tokens(&cache).await, (CacheLevel::None, 0));
    assert_eq!(lab.store.asked(), "get");
}

#[tokio::test(start_paused = true)]
async fn a6_a_detached_write_that_is_cancelled_is_lost_in_msal_net_and_late_in_recommended() {
    for (policy, saved) in [(Policy::MSAL_NET, false), (Policy::RECOMMENDED, true)] {
        let policy = Policy {
            l2_write: L2Write::Detached,
            ..policy
        };
        let lab = Lab::new();
        let cache = lab.instance(policy);
        *lab.store.round_trip.lock() = Duration::from_millis(10);
        let updated = lab.change(&cache, "A", HOUR).await;
        let in_l1 = cache.peek_l1(key().borrowed(), lab.clock.now());
        assert_eq!(in_l1.unwrap().access_token_count(), 1);
        tokio::time::sleep(Duration::from_millis(5)).await;
        updated.l2_write.expect("on its way").cancel();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let in_l2 = async || {
            lab.store
                .store
                .get("client_tenant_AppTokenCache")
                .await
                .unwrap()
        };
        assert!(in_l2().await.is_none(), "{policy:?}");
        assert_eq!(cache.unsaved_changes(), usize::from(saved));
        assert_eq!(cache.flush().await, 0);
        assert_eq!(in_l2().await.is_some(), saved, "{policy:?}");
    }
}

#[test]
fn a7_a_ratio_out_of_range_is_refused_where_it_has_an_effect() {
    for (ratio, relative, sound) in [
        (0.0, None, true),
        (1.5, None, true),
        (0.0, Some(HOUR), false),
        (-0.5, Some(HOUR), false),
        (1.5, Some(HOUR), false),
        (f64::NAN, Some(HOUR), false),
        (1.0, Some(HOUR), true),
        (0.1, Some(HOUR), true),
    ] {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let _inside = runtime.enter();
        let options = TokenCacheOptions {
            l1_expiration_ratio: ratio,
            l2_absolute_expiration_relative_to_now: relative,
            ..TokenCacheOptions::default()
        };
        assert_eq!(
            TokenCache::try_new(options).is_ok(),
            sound,
            "{ratio} {relative:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a9_an_entry_that_has_ended_is_not_in_l1_and_is_sent_to_l2_all_the_same() {
    let lab = Lab::new();
    let past = lab.clock.now();
    tokio::time::advance(Duration::from_secs(1)).await;
    let cache = TokenCache::new(TokenCacheOptions {
        l2_absolute_expiration_relative_to_now: Some(Duration::ZERO),
        ..lab.options(Policy::MSAL_NET)
    });
    lab.put(&cache, "A", HOUR).await;
    assert_eq!(lab.store.asked(), "get set");
    assert!(lab.store.expiration.lock().unwrap().absolute.unwrap() >= past);
    assert!(cache.peek_l1(key().borrowed(), lab.clock.now()).is_none());
    assert_eq!(tokens(&cache).await.0, CacheLevel::None, "L2 rejected it");
}

/// Nothing suggests an end to what holds a refresh token, so that the configured one
/// counts, in L1 too; what is read back from L2 is kept whatever was configured.
#[tokio::test(start_paused = true)]
async fn a9_the_next_read_brings_into_l1_what_had_ended_when_it_was_written() {
    let lab = Lab::new();
    let past = lab.clock.now();
    tokio::time::advance(Duration::from_secs(1)).await;
    let cache = TokenCache::new(TokenCacheOptions {
        l2_absolute_expiration: Some(past),
        ..lab.options(Policy::MSAL_NET)
    });
    let mut set = lab.response("A", HOUR);
    set.refresh_token = Some(Arc::new(RefreshToken::new(
        "ann.home".into(),
        "login.windows.net".into(),
        "client".into(),
        None,
        Secret::new("refresh"),
    )));
    save(&cache, &key(), set).await;
    assert_eq!(lab.store.asked(), "get set");
    assert!(cache.peek_l1(key().borrowed(), lab.clock.now()).is_none());
    // A store that takes it all the same: another instance's option is another.
    lab.put(&lab.instance(Policy::MSAL_NET), "A", HOUR).await;
    assert_eq!(tokens(&cache).await, (CacheLevel::L2, 1));
    assert_eq!(tokens(&cache).await, (CacheLevel::L1, 1));
}

/// Seals by a prefix that only its own ring opens.
#[derive(Debug)]
struct Prefix(&'static [u8]);

impl Sealing for Prefix {
    fn seal(&self, _: &str, blob: &[u8]) -> Result<Vec<u8>, String> {
        Ok([self.0, blob].concat())
    }
    fn open(&self, _: &str, sealed: &[u8]) -> Result<Vec<u8>, String> {
        let opened = sealed.strip_prefix(self.0).map(<[u8]>::to_vec);
        opened.ok_or_else(|| "no key of the ring opens it".to_owned())
    }
}

#[tokio::test(start_paused = true)]
async fn a10_plain_entries_still_read_and_a_wrong_key_is_an_error_or_a_miss_by_policy() {
    for (unreadable, is_error) in [(Unreadable::Error, true), (Unreadable::Miss, false)] {
        for preset in [Policy::MSAL_NET, Policy::RECOMMENDED] {
            let policy = Policy {
                unreadable,
                plaintext: Plaintext::Accepted,
                ..preset
            };
            let lab = Lab::new();
            let sealed_by = |prefix: &'static [u8]| {
                TokenCache::new(TokenCacheOptions {
                    sealing: Some(Arc::new(Prefix(prefix))),
                    ..lab.options(policy)
                })
            };
            lab.put(&lab.instance(policy), "A", HOUR).await;
            let own = sealed_by(b"\xffown");
            assert_eq!(tokens(&own).await, (CacheLevel::L2, 1), "plain, of before");
            lab.put(&own, "B", HOUR).await;
            let blob = lab
                .store
                .store
                .get("client_tenant_AppTokenCache")
                .await
                .unwrap();
            assert!(blob.unwrap().starts_with(b"\xffown"));
            assert_eq!(tokens(&sealed_by(b"\xffown")).await, (CacheLevel::L2, 2));
            let other = sealed_by(b"\xffother");
            let read = other.read(&key()).await;
            match read {
                Err(error) => {
                    assert!(is_error && matches!(error, CacheError::Undecryptable { .. }));
                    assert!(error.to_string().starts_with("IDW10802"));
                }
                Ok(read) => assert!(!is_error && read.partition.is_none()),
            }
            if !is_error {
                lab.put(&other, "C", HOUR).await;
                assert_eq!(tokens(&sealed_by(b"\xffother")).await.1, 1, "replaced");
            }
        }
    }
}

/// Whoever can write to the store writes what it would have us take.
#[tokio::test(start_paused = true)]
async fn a_planted_entry_that_is_not_sealed_is_refused_in_recommended() {
    for (preset, found) in [(Policy::RECOMMENDED, 0), (Policy::MSAL_NET, 1)] {
        let lab = Lab::new();
        lab.put(&lab.instance(preset), "A", HOUR).await;
        let sealed = TokenCache::new(TokenCacheOptions {
            sealing: Some(Arc::new(Prefix(b"\xffown"))),
            ..lab.options(preset)
        });
        assert_eq!(tokens(&sealed).await.1, found, "{preset:?}");
        lab.put(&sealed, "B", HOUR).await;
        assert_eq!(
            tokens(&sealed).await.1,
            found + 1,
            "what was planted is gone"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_corrupt_entry_is_a_miss_and_is_replaced_in_recommended_and_an_error_in_msal_net() {
    let bad: [&[u8]; 7] = [
        b"{",
        b"garbage",
        b"[]",
        b"\xef\xbb\xbf{}",
        br#"{"AccessToken":17}"#,
        br#"{"AccessToken":{"k":{"secret":17}}}"#,
        &[b'['; 10_000],
    ];
    for blob in bad {
        for policy in [Policy::RECOMMENDED, Policy::MSAL_NET] {
            let lab = Lab::new();
            let store = &lab.store.store;
            let blob = blob.to_vec().into();
            let name = "client_tenant_AppTokenCache";
            store.set(name, blob, Expiration::default()).await.unwrap();
            let cache = lab.instance(policy);
            if policy == Policy::MSAL_NET {
                let error = cache.read(&key()).await.unwrap_err();
                assert!(
                    error.to_string().starts_with("json_parse_failed"),
                    "{error}"
                );
                continue;
            }
            assert_eq!(tokens(&cache).await, (CacheLevel::None, 0));
            lab.put(&cache, "A", HOUR).await;
            assert_eq!(tokens(&lab.instance(policy)).await, (CacheLevel::L2, 1));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn c2_writers_of_two_instances_lose_nothing_in_recommended_and_the_last_wins_in_msal_net() {
    for (policy, kept) in [(Policy::RECOMMENDED, 20), (Policy::MSAL_NET, 1)] {
        let lab = Lab::new();
        *lab.store.round_trip.lock() = Duration::from_millis(3);
        let instances: Vec<_> = (0..20).map(|_| lab.instance(policy)).collect();
        let scopes: Vec<_> = (0..20).map(|number| format!("api{number}")).collect();
        let writes = instances
            .iter()
            .zip(&scopes)
            .map(|(cache, scope)| lab.put(cache, scope, HOUR));
        futures_util::future::join_all(writes).await;
        let (level, count) = tokens(&lab.instance(policy)).await;
        assert_eq!((level, count), (CacheLevel::L2, kept), "{policy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_l2_refused_is_not_forgotten_by_the_next() {
    let lab = Lab::new();
    let cache = lab.instance(Policy::RECOMMENDED);
    lab.put(&cache, "A", HOUR).await;
    *lab.store.down.lock() = true;
    lab.put(&cache, "B", HOUR).await;
    assert_eq!((tokens(&cache).await.1, cache.unsaved_changes()), (2, 1));
    *lab.store.down.lock() = false;
    // Meanwhile another instance writes what it knows.
    lab.put(&lab.instance(Policy::RECOMMENDED), "C", HOUR).await;
    lab.put(&cache, "D", HOUR).await;
    assert_eq!(cache.unsaved_changes(), 0);
    assert_eq!(tokens(&lab.instance(Policy::RECOMMENDED)).await.1, 4);
}

#[tokio::test(start_paused = true)]
async fn a_sign_out_that_l2_refused_is_made_up_for() {
    let lab = Lab::new();
    let cache = lab.instance(Policy::RECOMMENDED);
    lab.put(&cache, "A", HOUR).await;
    *lab.store.down.lock() = true;
    cache.remove(&key()).await;
    *lab.store.down.lock() = false;
    assert_eq!(tokens(&cache).await.1, 0, "known to be removed");
    assert_eq!(cache.flush().await, 0);
    assert_eq!(tokens(&lab.instance(Policy::RECOMMENDED)).await.1, 0);
}

#[tokio::test(start_paused = true)]
async fn a_write_cancelled_at_any_point_is_made_up_for() {
    for waits in 0..40 {
        let lab = Lab::new();
        let cache = lab.instance(Policy::RECOMMENDED);
        lab.put(&cache, "A", HOUR).await;
        *lab.store.round_trip.lock() = Duration::from_millis(10);
        let write = lab.put(&cache, "B", HOUR);
        // Cancelled at each millisecond of its way.
        let _ = tokio::time::timeout(Duration::from_millis(waits), write).await;
        *lab.store.round_trip.lock() = Duration::ZERO;
        assert_eq!(cache.flush().await, 0, "after {waits} ms");
        let elsewhere = lab.instance(Policy::RECOMMENDED);
        let expected = if waits == 0 { 1..=2 } else { 2..=2 };
        let count = tokens(&elsewhere).await.1;
        assert!(expected.contains(&count), "after {waits} ms: {count}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hanging_l2_costs_its_time_limit_until_the_breaker_opens_and_then_nothing() {
    let lab = Lab::new();
    let cache = lab.instance(Policy::RECOMMENDED);
    let L2Guard::TimeoutAndBreaker {
        timeout,
        failures,
        rest,
    } = Policy::RECOMMENDED.l2_guard
    else {
        panic!("recommended guards L2");
    };
    *lab.store.round_trip.lock() = Duration::from_secs(60);
    for _ in 0..failures {
        let began = tokio::time::Instant::now();
        assert_eq!(tokens(&cache).await.0, CacheLevel::None);
        assert_eq!(began.elapsed(), timeout, "no retry of what took too long");
    }
    let began = tokio::time::Instant::now();
    assert_eq!(tokens(&cache).await.0, CacheLevel::None);
    assert_eq!(began.elapsed(), Duration::ZERO, "left alone");
    *lab.store.round_trip.lock() = Duration::ZERO;
    lab.put(&lab.instance(Policy::RECOMMENDED), "A", HOUR).await;
    tokio::time::advance(rest).await;
    assert_eq!(
        tokens(&cache).await.0,
        CacheLevel::L2,
        "use resumes by itself"
    );
}

#[tokio::test(start_paused = true)]
async fn thousands_of_tokens_in_one_partition_are_kept_and_found() {
    let lab = Lab::new();
    let cache = lab.instance(Policy::RECOMMENDED);
    let now = lab.clock.now().unix_seconds();
    let entries: Vec<_> = (0..5_000)
        .map(|number| {
            format!(
                r#""{number}":{{"environment":"login.windows.net","client_id":"client","secret":"s","realm":"tenant","target":"api{number}/.default","cached_at":"{now}","expires_on":"{}"}}"#,
                now + 3_600
            )
        })
        .collect();
    let blob = format!(r#"{{"AccessToken":{{{}}}}}"#, entries.join(","));
    let store = &lab.store.store;
    let name = "client_tenant_AppTokenCache";
    store
        .set(name, blob.into(), Expiration::default())
        .await
        .unwrap();
    assert_eq!(tokens(&cache).await, (CacheLevel::L2, 5_000));
    lab.put(&cache, "api7/.default", HOUR).await;
    assert_eq!(tokens(&cache).await, (CacheLevel::L1, 5_000));
}
