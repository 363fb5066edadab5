//! The alerts: symptoms, few, each with a page of the runbook.

use crate::recording::share_beyond;
use crate::rule::{Alert, Group, Rule, Windows};

/// Share of acquisitions that may be slow or fail: three nines.
const BUDGET: f64 = 0.001;

pub(crate) fn groups(windows: &Windows) -> Vec<Group> {
    let group = |name, alerts: Vec<Alert>| Group {
        name,
        rules: alerts.into_iter().map(Rule::Alert).collect(),
    };
    vec![
        group("token-acquisition", acquisition(windows)),
        group("token-cache-store", cache(windows)),
        group("token-cache-lab", lab(windows)),
    ]
}

fn burn((long, short, pace): (&str, &str, f64)) -> String {
    let bad = "job:tokencache_acquisitions_bad:ratio_rate";
    format!("  {bad}{long} > {pace} * {BUDGET}\nand\n  {bad}{short} > {pace} * {BUDGET}")
}

/// A time far above what is usual and above a floor, below which nobody cares.
fn spike(metric: &str, floor: f64, windows: &Windows) -> String {
    let recorded = format!("job:{metric}:p99_rate{}", windows.rate);
    let (usual, ago) = windows.usual;
    format!(
        "  {recorded} > {floor}\nand\n  {recorded} > 3 * quantile_over_time(0.5, {recorded}[{usual}] offset {ago})"
    )
}

fn acquisition(windows: &Windows) -> Vec<Alert> {
    let w = windows.rate;
    let traffic = format!("job:tokencache_acquisitions:rate{w}");
    vec![
        Alert {
            name: "TokenAcquisitionBudgetFastBurn",
            expr: burn(windows.fast_burn),
            wait: "2m",
            severity: "critical",
            summary: "{{ $labels.job }}: {{ $value | humanizePercentage }} of acquisitions fail or take over 1 s; the month's budget is gone in two days",
            meaning: "Callers wait longer than a second for tokens, or get none, at a pace that uses up 2 % of the month's error budget (0.1 % of acquisitions) in an hour.",
            action: "Errors by class say whether the provider refuses (throttled, server_error), cannot be reached (connection, timeout) or the credentials are wrong (invalid_client). Without errors it is time: compare the time in HTTP with the time in the cache, and treat the one that grew as its own alert says.",
            advice: Some("`DurationTotalInMs` above 1 s"),
        },
        Alert {
            name: "TokenAcquisitionBudgetSlowBurn",
            expr: burn(windows.slow_burn),
            wait: "15m",
            severity: "warning",
            summary: "{{ $labels.job }}: {{ $value | humanizePercentage }} of acquisitions fail or take over 1 s; the month's budget is gone in five days",
            meaning: "The same at a pace that uses up 5 % of the month's budget in six hours: no emergency, but nothing that goes away by itself either.",
            action: "As for TokenAcquisitionBudgetFastBurn, by daylight. A herd after each token's expiry looks like this: see coalesced acquisitions and redundant requests.",
            advice: Some("`DurationTotalInMs` above 1 s"),
        },
        Alert {
            name: "TokenAcquisitionSlow",
            expr: format!(
                "  job:tokencache_acquisitions_slow:ratio_rate{w} > 0.01\nand\n  {traffic} > 0.1"
            ),
            wait: "5m",
            severity: "warning",
            summary: "{{ $labels.job }}: {{ $value | humanizePercentage }} of acquisitions take over 1 s",
            meaning: "More than one in a hundred acquisitions takes longer than a second. One second is an edge of the histogram, so the share is exact; it is here for services with too little traffic for burn rates.",
            action: "A low hit ratio with a normal time in HTTP: too many acquisitions reach the provider. A normal hit ratio with a long time in HTTP: the provider or the way to it is slow. A long time in the cache: L2 is slow.",
            advice: Some("`DurationTotalInMs` above 1 s"),
        },
        Alert {
            name: "TokenCacheDurationSpike",
            expr: spike("tokencache_acquire_cache_duration_seconds", 0.05, windows),
            wait: "5m",
            severity: "warning",
            summary: "{{ $labels.job }}: reading and writing the cache takes {{ $value | humanizeDuration }} (p99), three times what is usual",
            meaning: "The time acquisitions spend in the cache is above 50 ms and three times its own median of the last hours.",
            action: "Look at the store's operations: their times, sizes of partitions read and written, errors. A partition that has grown (one user with many resources, on-behalf-of sessions) is read and written whole. Then the store itself: its CPU, its network, its evictions.",
            advice: Some("`DurationInCacheInMs` spikes"),
        },
        Alert {
            name: "TokenHttpDurationSpike",
            expr: spike("tokencache_acquire_http_duration_seconds", 0.25, windows),
            wait: "5m",
            severity: "warning",
            summary: "{{ $labels.job }}: the token endpoint takes {{ $value | humanizeDuration }} (p99), three times what is usual",
            meaning: "The time acquisitions wait for the token endpoint is above 250 ms and three times its own median of the last hours.",
            action: "If several services see it, it is the provider or the network. If one does: its outgoing proxy, DNS, connections that are not kept alive, or throttling (HTTP 429, Retry-After).",
            advice: Some("`DurationInHttpInMs` spikes"),
        },
        Alert {
            name: "TokenCacheHitRatioLow",
            expr: format!(
                "(\n    job:tokencache_cache_acquisitions_per_acquisitions:ratio_rate{w} < 0.9\n  and\n    {traffic} > 1\n)\nunless on (job)\n  (time() - min by (job) (tokencache_start_timestamp_seconds) < {})",
                windows.cold_s
            ),
            wait: "10m",
            severity: "warning",
            summary: "{{ $labels.job }}: only {{ $value | humanizePercentage }} of tokens come from the cache",
            meaning: "Fewer than nine in ten tokens come from the cache, although the service has traffic and its oldest instance has had time to warm up. A cold start is excused.",
            action: "Misses by reason: no_cached_access_token points to a cache that is not shared, evicts, or is keyed by something that changes (a client object per request, a session in the key); expired to tokens that live too short or a refresh that fails; force_refresh_or_claims to callers that ask for it; cache_disabled to configuration. Then evictions and capacity.",
            advice: Some("`TokenSource` hit ratio"),
        },
    ]
}

fn cache(windows: &Windows) -> Vec<Alert> {
    let w = windows.rate;
    let operations = "tokencache_operations_total";
    let (from, ahead) = windows.growth;
    let (size, capacity) = (
        "sum by (job, level) (tokencache_size_bytes)",
        "sum by (job, level) (tokencache_capacity_bytes)",
    );
    let unbounded = windows.unbounded;
    let missed = windows.missed;
    vec![
        Alert {
            name: "TokenCacheL2Failing",
            expr: format!(
                "  sum by (job) (rate({operations}{{level=\"l2\",outcome=~\"error|timeout\"}}[{w}]))\n/\n  (sum by (job) (rate({operations}{{level=\"l2\"}}[{w}])) > 0)\n> 0.01"
            ),
            wait: "5m",
            severity: "warning",
            summary: "{{ $labels.job }}: {{ $value | humanizePercentage }} of operations on the shared cache fail",
            meaning: "More than one in a hundred operations on the shared store fails. Callers do not see it, L1 and the provider serve them; but what is written is lost, and the next instance to start will start cold.",
            action: "The store's health, its certificates and credentials, its connection limits. Until it is back, do not restart instances: their L1 is all there is.",
            advice: None,
        },
        Alert {
            name: "TokenCacheGrowing",
            expr: format!(
                "(\n    sum by (job, level) (predict_linear(tokencache_size_bytes[{from}], {ahead})) > {capacity}\n  and\n    {size} < 0.9 * {capacity}\n)\nor\n(\n    sum by (job, level) (delta(tokencache_size_bytes[{unbounded}])) > 0.2 * {size}\n  unless\n    {capacity}\n)"
            ),
            wait: "15m",
            severity: "warning",
            summary: "{{ $labels.job }}: {{ $labels.level }} keeps growing; at this pace it outgrows its bound, or it has none",
            meaning: "A level that has a bound will reach it within hours at the pace it grows; or one that has none has grown by more than a fifth and nothing will ever stop it. MSAL's own memory cache, when nothing serializes it, is of the second kind.",
            action: "Entries tell growth in number from growth in size. In number: keys that never come again (a tenant or an assertion per request); give entries an expiration, the level a bound. In size: one partition collects tokens; bytes per entry against 2-3 kB for an app token and about 7 kB for a user.",
            advice: Some("a cache that is not serialized grows for ever"),
        },
        Alert {
            name: "TokenCacheMetricsAbsent",
            // `absent` knows no jobs; the second part names one that was there.
            expr: format!(
                "  absent(tokencache_build_info)\nor\n  (group by (job) (last_over_time(tokencache_build_info[{missed}])) unless group by (job) (tokencache_build_info))\nor\n  (group by (job) (tokencache_build_info) unless group by (job) (tokencache_acquisitions_total))"
            ),
            wait: "5m",
            severity: "critical",
            summary: "{{ $labels.job }}: the token cache's metrics are not there",
            meaning: "No job exports the token cache's metrics, or one that did no longer does, or it says its version and counts nothing. All other alerts are blind meanwhile.",
            action: "Is the service up (`up{job=...}`)? Did its metrics move, or the scrape configuration? A job taken away on purpose is forgotten after an hour.",
            advice: None,
        },
    ]
}

fn lab(windows: &Windows) -> Vec<Alert> {
    let w = windows.rate;
    let late = format!("le=\"{}\"", windows.late);
    let redundant = "mockidp_redundant_token_requests_total";
    vec![
        Alert {
            name: "LoadgenBehindSchedule",
            expr: format!(
                "{}\n> 0.01",
                share_beyond("loadgen_schedule_lag_seconds", "", &late, w)
            ),
            wait: "1m",
            severity: "warning",
            summary: "{{ $labels.job }}: {{ $value | humanizePercentage }} of operations start late; the run is invalid",
            meaning: "The load generator does not keep up with its own schedule: more than one operation in a hundred starts more than 10 ms late (half a second in rehearsals). What it measures is then the generator, not the cache.",
            action: "Give it more cores, take the mock provider off its machine, or offer less. Results of this run do not count.",
            advice: None,
        },
        Alert {
            name: "MockIdpRedundantRequests",
            expr: format!(
                "  sum by (job) (rate({redundant}[{w}]))\n/\n  (sum by (job) (rate(mockidp_token_requests_total[{w}])) > 0)\n> 0.001"
            ),
            wait: "5m",
            severity: "warning",
            summary: "{{ $labels.job }}: {{ $value | humanizePercentage }} of token requests ask for a token that had been issued and was still good",
            meaning: "Clients ask the provider for tokens they should have had. It is counted at the provider, so no client can embellish it.",
            action: "Many at once for one key: no single flight, or several instances that do not share L2. Steadily: a cache that forgets (evictions, restarts) or callers that force refreshes.",
            advice: None,
        },
    ]
}
