//! MSAL.NET's meter: names, units, tags and oddities. Checklist M.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::lab::{HOUR, LATENCY, Lab, for_client};
use parking_lot::Mutex;
use token_cache::Policy;
use token_cache::item::TokenType;
use token_client::Client;
use token_client::msal_metrics::{Generation, Instrument, Meter, MsalMetrics, Tag};

/// Keeps what it is given.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Vec<(Instrument, u64, Tags)>>);

pub(crate) type Tags = BTreeMap<&'static str, Cow<'static, str>>;

impl Meter for Kept {
    fn record(&self, instrument: Instrument, value: u64, tags: &[Tag]) {
        let tags = tags.iter().cloned().collect();
        self.0.lock().push((instrument, value, tags));
    }
}

impl Kept {
    fn names(&self) -> BTreeSet<&'static str> {
        let kept = self.0.lock();
        kept.iter()
            .map(|(instrument, ..)| instrument.name_and_unit().0)
            .collect()
    }

    pub(crate) fn of(&self, instrument: Instrument) -> Vec<(u64, Tags)> {
        let kept = self.0.lock();
        kept.iter()
            .filter(|(kind, ..)| *kind == instrument)
            .map(|(_, value, tags)| (*value, tags.clone()))
            .collect()
    }
}

pub(crate) fn client(lab: &Lab, generation: Generation) -> (Client, Arc<Kept>) {
    let kept = Arc::new(Kept::default());
    let metrics = MsalMetrics::new(Arc::clone(&kept) as _, generation, lab.clock);
    (lab.client("client", lab.options(), Arc::new(metrics)), kept)
}

#[tokio::test(start_paused = true)]
async fn m1_instruments_have_msals_names_and_tags_and_failure_appears_with_the_first() {
    let lab = Lab::new(Policy::MSAL_NET);
    let (client, kept) = client(&lab, Generation::V1);
    client.acquire(&for_client("t")).await.unwrap();
    let first = [
        "MsalDurationInExtensionInMs.1B",
        "MsalDurationInHttp.1A",
        "MsalRemainingTokenLifetime.1A",
        "MsalSuccess",
        "MsalTotalDuration.1A",
    ];
    assert_eq!(kept.names(), first.into());
    let (value, tags) = kept.of(Instrument::Success).remove(0);
    assert_eq!(value, 1);
    for (name, expected) in [
        ("ApiId", "AcquireTokenForClient"),
        ("TokenSource", "IdentityProvider"),
        ("CacheLevel", "None"),
        ("CacheRefreshReason", "NoCachedAccessToken"),
        ("TokenType", "Bearer"),
        ("CallerSdkId", ""),
    ] {
        assert_eq!(tags[name], expected, "{name}");
    }
    assert_eq!(tags.len(), 8);
    // Times are kept in whole seconds.
    let left = kept.of(Instrument::RemainingTokenLifetime)[0].0;
    assert!((3_598..=3_600).contains(&left), "{left}");
    lab.provider.fail(503, None);
    client.acquire(&for_client("u")).await.unwrap_err();
    let (_, tags) = kept.of(Instrument::Failure).remove(0);
    assert_eq!(tags["ErrorCode"], "temporarily_unavailable");
    assert_eq!(tags.len(), 7);
    assert_eq!(Instrument::DurationInExtension.name_and_unit().1, "us");
    assert_eq!(Instrument::Success.name_and_unit().1, "");
}

/// Name, unit and tags, of `shared/reference/token-cache.md` section 6.
const TABLE: [(Instrument, &str, &str, &str); 10] = [
    (
        Instrument::Success,
        "MsalSuccess",
        "",
        "MsalVersion, Platform, ApiId, CallerSdkId, TokenSource, CacheRefreshReason, CacheLevel, TokenType",
    ),
    (
        Instrument::Failure,
        "MsalFailure",
        "",
        "MsalVersion, Platform, ErrorCode, ApiId, CallerSdkId, CacheRefreshReason, TokenType",
    ),
    (
        Instrument::TotalDuration,
        "MsalTotalDuration.1A",
        "ms",
        "MsalVersion, Platform, ApiId, TokenSource, CacheLevel, CacheRefreshReason, TokenType",
    ),
    (
        Instrument::TotalDurationV2,
        "MsalTotalDurationV2.1A",
        "ms",
        "MsalVersionPlatform, ApiId, TokenSource, CacheLevel, CacheRefreshReason, TokenType, ErrorCode, Succeeded",
    ),
    (
        Instrument::DurationInL1Cache,
        "MsalDurationInL1CacheInUs.1B",
        "us",
        "MsalVersion, Platform, ApiId, TokenSource, CacheLevel, CacheRefreshReason",
    ),
    (
        Instrument::DurationInL2Cache,
        "MsalDurationInL2Cache.1A",
        "ms",
        "MsalVersion, Platform, ApiId, CacheRefreshReason",
    ),
    (
        Instrument::DurationInHttp,
        "MsalDurationInHttp.1A",
        "ms",
        "MsalVersion, Platform, ApiId, TokenType",
    ),
    (
        Instrument::DurationInHttpV2,
        "MsalDurationInHttpV2.1A",
        "ms",
        "MsalVersionPlatform, ApiId, TokenType, HttpStatusCode",
    ),
    (
        Instrument::DurationInExtension,
        "MsalDurationInExtensionInMs.1B",
        "us",
        "MsalVersion, Platform, ApiId, TokenSource, CacheLevel, TokenType",
    ),
    (
        Instrument::RemainingTokenLifetime,
        "MsalRemainingTokenLifetime.1A",
        "s",
        "MsalVersionPlatform, ApiId, TokenSource, CacheLevel, CacheRefreshReason, TokenType",
    ),
];

#[tokio::test(start_paused = true)]
async fn m1_all_ten_instruments_have_the_names_units_and_tags_of_msals_table() {
    let lab = Lab::new(Policy::MSAL_NET);
    let mut seen = BTreeSet::new();
    for generation in [Generation::V1, Generation::V2] {
        let (one, first) = client(&lab, generation);
        let (two, second) = client(&lab, generation);
        one.acquire(&for_client("t")).await.unwrap();
        for _ in 0..2 {
            two.acquire(&for_client("t")).await.unwrap();
        }
        lab.provider.fail(503, None);
        one.acquire(&for_client("u")).await.unwrap_err();
        *lab.provider.failing.lock() = None;
        for (instrument, name, unit, tags) in TABLE {
            assert_eq!(instrument.name_and_unit(), (name, unit));
            let tags: Vec<&str> = tags.split(", ").collect();
            assert_eq!(instrument.tags(), tags, "{name}");
            let expected: BTreeSet<&str> = tags.into_iter().collect();
            for (_, tags) in first.of(instrument).iter().chain(&second.of(instrument)) {
                assert_eq!(tags.keys().copied().collect::<BTreeSet<_>>(), expected);
                seen.insert(name);
            }
        }
    }
    assert_eq!(seen.len(), 10, "each was recorded: {seen:?}");
}

#[tokio::test(start_paused = true)]
async fn r6_token_types_have_msals_numbers_for_the_provider_and_msals_names_in_metrics() {
    for (presented, number, name) in [
        ("Bearer", 1, "Bearer"),
        ("PoP", 2, "Pop"),
        ("ssh-cert", 3, "SshCert"),
        ("of_our_own", 5, "Extension"),
    ] {
        let lab = Lab::new(Policy::MSAL_NET);
        let (client, kept) = client(&lab, Generation::V1);
        let mut request = for_client("t");
        request.scheme.token_type = TokenType::parse(presented);
        client.acquire(&request).await.unwrap();
        let header = lab.provider.requests.lock()[0].telemetry.clone();
        assert_eq!(header, format!("5|1004,2,,,|1,0,{number},,,"));
        assert_eq!(kept.of(Instrument::Success)[0].1["TokenType"], name);
    }
}

/// It asked nobody, and no caller waited: as a hit it would better their ratio.
#[tokio::test(start_paused = true)]
async fn m2_a_refresh_that_found_anothers_token_in_the_store_counts_as_nothing() {
    let lab = Lab::new(Policy::RECOMMENDED);
    *lab.provider.refresh_in.lock() = Some(HOUR / 2);
    let (one, _) = client(&lab, Generation::V1);
    let (two, kept) = client(&lab, Generation::V1);
    for client in [&one, &two] {
        client.acquire(&for_client("t")).await.unwrap();
    }
    tokio::time::advance(HOUR / 2 + Duration::from_secs(301)).await;
    for client in [&one, &two] {
        client.acquire(&for_client("t")).await.unwrap();
        tokio::time::sleep(LATENCY * 2).await;
    }
    assert_eq!(lab.provider.count(), 2, "the second found the first's");
    let successes = kept.of(Instrument::Success);
    let reasons: Vec<_> = successes
        .iter()
        .map(|(_, tags)| &*tags["CacheRefreshReason"])
        .collect();
    assert_eq!(reasons, ["NotApplicable", "ProactivelyRefreshed"]);
    assert_eq!(kept.of(Instrument::RemainingTokenLifetime).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn m2_a_refresh_behind_the_caller_counts_as_a_second_success_that_the_hit_ratio_leaves_out() {
    let lab = Lab::new(Policy::MSAL_NET);
    *lab.provider.refresh_in.lock() = Some(HOUR / 2);
    let (client, kept) = client(&lab, Generation::V1);
    client.acquire(&for_client("t")).await.unwrap();
    tokio::time::advance(HOUR / 2 + Duration::from_secs(301)).await;
    client.acquire(&for_client("t")).await.unwrap();
    tokio::time::sleep(LATENCY * 2).await;
    let sources: Vec<_> = kept
        .of(Instrument::Success)
        .into_iter()
        .map(|(_, tags)| {
            (
                tags["TokenSource"].clone(),
                tags["CacheRefreshReason"].clone(),
            )
        })
        .collect();
    assert_eq!(sources.len(), 3);
    let behind = |(source, reason): &&(Cow<str>, Cow<str>)| {
        source == "IdentityProvider" && reason == "ProactivelyRefreshed"
    };
    assert_eq!(sources.iter().filter(behind).count(), 1);
    let seen: Vec<_> = sources.iter().filter(|pair| !behind(pair)).collect();
    let hits = seen.iter().filter(|(source, _)| source == "Cache").count();
    assert_eq!((hits, seen.len()), (1, 2), "half of what callers asked for");
    assert_eq!(
        kept.of(Instrument::TotalDuration).len(),
        2,
        "no total for it"
    );
    assert_eq!(kept.of(Instrument::DurationInHttp).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn m3_each_cache_level_has_its_histogram_and_the_provider_the_http_one() {
    let lab = Lab::new(Policy::MSAL_NET);
    let (one, _) = client(&lab, Generation::V1);
    one.acquire(&for_client("t")).await.unwrap();
    *lab.store.round_trip.lock() = Duration::from_millis(7);
    let (two, kept) = client(&lab, Generation::V1);
    two.acquire(&for_client("t")).await.unwrap();
    let l2 = kept.of(Instrument::DurationInL2Cache);
    assert_eq!((l2.len(), l2[0].0), (1, 7), "milliseconds");
    assert!(kept.of(Instrument::DurationInL1Cache).is_empty());
    two.acquire(&for_client("t")).await.unwrap();
    let l1 = kept.of(Instrument::DurationInL1Cache);
    assert_eq!(
        (l1.len(), l1[0].0),
        (1, 7_000),
        "the whole time, in microseconds"
    );
    assert_eq!(kept.of(Instrument::DurationInL2Cache).len(), 1);
    assert!(kept.of(Instrument::DurationInHttp).is_empty());
}

#[tokio::test(start_paused = true)]
async fn m4_the_second_generation_takes_the_place_of_the_first() {
    let lab = Lab::new(Policy::MSAL_NET);
    let (client, kept) = client(&lab, Generation::V2);
    client.acquire(&for_client("t")).await.unwrap();
    lab.provider.fail(503, None);
    client.acquire(&for_client("u")).await.unwrap_err();
    let names = kept.names();
    for (old, new) in [
        ("MsalTotalDuration.1A", "MsalTotalDurationV2.1A"),
        ("MsalDurationInHttp.1A", "MsalDurationInHttpV2.1A"),
    ] {
        assert!(names.contains(new) && !names.contains(old), "{names:?}");
    }
    let totals = kept.of(Instrument::TotalDurationV2);
    assert_eq!(totals[0].1["Succeeded"], "True");
    assert_eq!(
        (&*totals[1].1["Succeeded"], &*totals[1].1["TokenSource"]),
        ("False", "")
    );
    assert_eq!(
        kept.of(Instrument::DurationInHttpV2)[1].1["HttpStatusCode"],
        "503"
    );
}
