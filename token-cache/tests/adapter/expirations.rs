//! When L1 forgets what was written: the L1 half of checklist A4.

use std::sync::Arc;
use std::time::Duration;

use token_cache::item::RefreshToken;
use token_cache::{
    Environment, Partition, Policy, Secret, Timestamp, TokenCache, TokenCacheOptions,
};

use crate::lab::{HOUR, Lab, key};

const PRESETS: [Policy; 2] = [Policy::MSAL_NET, Policy::RECOMMENDED];

/// Writes a token of an hour and a refresh token, which leaves no end to suggest.
async fn put_with_refresh_token(lab: &Lab, cache: &TokenCache) {
    let refresh_token = RefreshToken::new(
        "ann.t".into(),
        "login.windows.net".into(),
        "client".into(),
        None,
        Secret::new("refresh"),
    );
    let mut set = lab.response("A", HOUR);
    set.refresh_token = Some(Arc::new(refresh_token));
    let environment = Environment::of_host("login.windows.net");
    let save = move |current: &Partition| current.save(set.clone(), &environment);
    cache.update(&key(), save).await.expect("a readable entry");
}

fn holds(cache: &TokenCache, at: Timestamp) -> bool {
    cache.peek_l1(key().borrowed(), at).is_some()
}

#[tokio::test(start_paused = true)]
async fn a4_a_write_ends_in_l1_when_the_tokens_end_else_at_the_absolute_end_or_earlier_by_the_ratio()
 {
    let minutes = |count: u64| Duration::from_secs(60 * count);
    // The absolute end, the relative one, the ratio; whether the tokens suggest
    // an end, an hour from now; when L1 forgets.
    let table = [
        (None, None, 1.0, true, Some(HOUR)),
        (None, None, 1.0, false, None),
        (Some(2 * HOUR), None, 1.0, false, Some(2 * HOUR)),
        (Some(2 * HOUR), None, 1.0, true, Some(HOUR)),
        // Unlike L2, L1 does not look at the absolute end where the tokens have one.
        (Some(minutes(10)), None, 1.0, true, Some(HOUR)),
        (None, Some(4 * HOUR), 0.5, true, Some(HOUR)),
        (None, Some(HOUR), 0.5, true, Some(minutes(30))),
        (None, Some(4 * HOUR), 0.5, false, Some(2 * HOUR)),
        (Some(2 * HOUR), Some(HOUR), 0.5, false, Some(minutes(30))),
        (Some(minutes(10)), Some(HOUR), 1.0, false, Some(minutes(10))),
    ];
    for policy in PRESETS {
        for (absolute, relative, ratio, suggests, expected) in table {
            let lab = Lab::new();
            let now = lab.clock.now();
            let cache = TokenCache::new(TokenCacheOptions {
                l2_absolute_expiration: absolute.map(|after| now.plus(after)),
                l2_absolute_expiration_relative_to_now: relative,
                l1_expiration_ratio: ratio,
                ..lab.options(policy)
            });
            if suggests {
                lab.put(&cache, "A", HOUR).await;
            } else {
                put_with_refresh_token(&lab, &cache).await;
            }
            let row = format!("{absolute:?} {relative:?} × {ratio}, {suggests}, {policy:?}");
            let Some(end) = expected.map(|after| now.plus(after)) else {
                assert!(holds(&cache, now.plus(10_000 * HOUR)), "{row}");
                continue;
            };
            assert!(holds(&cache, end.minus(Duration::from_millis(1))), "{row}");
            assert!(!holds(&cache, end), "{row}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a4_each_write_sets_the_end_in_l1_anew_also_to_an_earlier_one() {
    for policy in PRESETS {
        let lab = Lab::new();
        let now = lab.clock.now();
        let cache = lab.instance(policy);
        for hours in [2, 1, 3] {
            lab.put(&cache, "A", hours * HOUR).await;
            let end = now.plus(hours * HOUR);
            assert!(holds(&cache, end.minus(Duration::from_millis(1))));
            assert!(!holds(&cache, end), "{hours} h in {policy:?}");
        }
    }
}
