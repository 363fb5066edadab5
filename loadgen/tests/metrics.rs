//! `/metrics` while a run goes on, as Prometheus would scrape it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

#[path = "support/program.rs"]
mod program;
#[path = "support/promtool.rs"]
mod promtool;
#[path = "support/watch.rs"]
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use program::{Lab, Running};
use telemetry::Kind;
use telemetry::catalogue::{self, Metric, Values};

/// Misses, hits, users and an L2, for as long as it takes.
const SCENARIO: &str = "\
version: 1
duration: 1h
idp: { latency: { token: 5ms } }
cache: { l2: { store: memory } }
population: { tenants: 20, users: 40 }
traffic:
  - { flow: client_credentials, rate: 100/s, stages: [{ hold: 1h }] }
  - { name: visits, flow: authorization_code, rate: 30/s }
  - { flow: on_behalf_of, rate: 30/s }
";

/// A run with metrics, and where they are.
fn start(lab: &Lab) -> (Running<'_>, String) {
    lab.write("x.yaml", SCENARIO);
    let running = lab.start(&[
        "run",
        "x.yaml",
        "--metrics-addr",
        "127.0.0.1:0",
        "--log",
        "info",
    ]);
    let line = running.wait_for("serving metrics");
    let (_, rest) = line.split_once("http://").unwrap();
    let (address, _) = rest.split_once("/metrics").unwrap();
    (running, address.to_owned())
}

/// Ends a run as Ctrl-C does.
fn stop(running: Running<'_>) {
    running.signal("INT");
    let ended = running.end();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.stdout.starts_with("INTERRUPTED"), "{ended:?}");
}

/// Headers and body of an answer; `None` when nobody listens any more.
fn ask(address: &str, path: &str) -> Option<(String, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    let patience = Some(Duration::from_secs(30));
    stream.set_read_timeout(patience).ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.to_owned(), body.to_owned()))
}

fn get(address: &str, path: &str) -> (String, String) {
    ask(address, path).unwrap()
}

fn scrape(address: &str) -> String {
    let (head, body) = get(address, "/metrics");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(
        head.to_ascii_lowercase()
            .contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    body
}

/// One line of a scrape.
#[derive(Debug)]
struct Sample<'a> {
    name: &'a str,
    labels: BTreeMap<&'a str, &'a str>,
    value: f64,
}

/// The samples of `text`, by the whole of what stands before their values.
fn samples(text: &str) -> BTreeMap<&str, Sample<'_>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(sample).collect()
}

fn sample(line: &str) -> (&str, Sample<'_>) {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels.strip_suffix('}').unwrap();
    // A value may have commas of its own.
    let labels = labels.split("\",").filter(|label| !label.is_empty());
    let sample = Sample {
        name,
        labels: labels
            .map(|label| {
                let (name, value) = label.split_once('=').unwrap();
                (name, value.trim_matches('"'))
            })
            .collect(),
        value: value.parse().unwrap(),
    };
    (series, sample)
}

/// What a run exports, out of the catalogue.
fn exported() -> Vec<&'static Metric> {
    let ours = ["tokencache_", "loadgen_", "process_"];
    catalogue::all()
        .into_iter()
        .filter(|metric| ours.iter().any(|prefix| metric.name.starts_with(prefix)))
        .collect()
}

/// The metric that a sample belongs to: histograms have three kinds of them.
fn metric_of(sample: &Sample<'_>) -> &'static Metric {
    let named = |name: &str| exported().into_iter().find(|metric| metric.name == name);
    named(sample.name)
        .filter(|metric| !matches!(metric.kind, Kind::Histogram(_)))
        .or_else(|| {
            ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|suffix| named(sample.name.strip_suffix(suffix)?))
                .filter(|metric| matches!(metric.kind, Kind::Histogram(_)))
        })
        .unwrap_or_else(|| panic!("`{}` is not in the catalogue", sample.name))
}

#[test]
fn every_family_of_the_catalogue_is_there_from_the_first_scrape() {
    let lab = Lab::new();
    let (running, address) = start(&lab);
    let first = scrape(&address);
    assert!(get(&address, "/").0.starts_with("HTTP/1.1 404 "));
    for metric in exported() {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        let header = format!(
            "# HELP {} {}\n# TYPE {} {kind}\n",
            metric.name, metric.help, metric.name
        );
        assert!(first.contains(&header), "no {header}{first}");
    }
    // No series comes into being later: a rate over its birth would miss it.
    running.wait_for("s of 3600s  offered ");
    let later = scrape(&address);
    let series = |text| samples(text).into_keys().collect::<BTreeSet<_>>();
    assert_eq!(series(&first), series(&later));
    assert!(later.contains("loadgen_operations_total{operation=\"visits\",outcome=\"ok\"} "));
    stop(running);
}

/// Tenants, applications and users of a run are UUIDs and addresses, tokens are
/// JWTs; none of them has any business here.
fn shows_nobody(text: &str) {
    let is_uuid = |word: &str| {
        let lengths: Vec<usize> = word.split('-').map(str::len).collect();
        lengths == [8, 4, 4, 4, 12]
    };
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
    let uuids: Vec<&str> = words.filter(|word| is_uuid(word)).collect();
    assert!(uuids.is_empty(), "{uuids:?}");
    for hidden in ["eyJ", "@", "secret", "api://"] {
        assert!(!text.contains(hidden), "`{hidden}` is shown: {text}");
    }
    assert!(text.len() < 200_000, "{} bytes", text.len());
}

#[test]
fn labels_are_the_catalogue_s_and_counters_never_go_down() {
    let lab = Lab::new();
    let (running, address) = start(&lab);
    running.wait_for("s of 3600s  offered ");
    let scrapes: Vec<String> = (0..10)
        .map(|_| {
            std::thread::sleep(Duration::from_millis(300));
            scrape(&address)
        })
        .collect();
    stop(running);
    for text in &scrapes {
        shows_nobody(text);
    }
    let scrapes: Vec<_> = scrapes.iter().map(|text| samples(text)).collect();
    for sample in scrapes.iter().flat_map(BTreeMap::values) {
        let metric = metric_of(sample);
        let mut expected: BTreeSet<&str> = metric.labels.iter().map(|label| label.name).collect();
        expected.extend(sample.name.ends_with("_bucket").then_some("le"));
        let names: BTreeSet<&str> = sample.labels.keys().copied().collect();
        assert_eq!(names, expected, "{sample:?}");
        for label in metric.labels {
            if let Values::Closed(values) = label.values {
                assert!(values.contains(&sample.labels[label.name]), "{sample:?}");
            }
        }
    }
    for pair in scrapes.windows(2) {
        for (series, before) in &pair[0] {
            if metric_of(before).kind != Kind::Gauge {
                let after = pair[1][series].value;
                assert!(
                    after >= before.value,
                    "{series}: {} to {after}",
                    before.value
                );
            }
        }
    }
    let sum = |samples: &BTreeMap<&str, Sample<'_>>, name: &str| -> f64 {
        let of_name = samples.values().filter(|sample| sample.name == name);
        of_name.map(|sample| sample.value).sum()
    };
    let (first, last) = (&scrapes[0], &scrapes[9]);
    for name in [
        "loadgen_arrivals_total",
        "loadgen_operations_total",
        "tokencache_acquisitions_total",
        "tokencache_operations_total",
        "loadgen_response_duration_seconds_count",
    ] {
        assert!(sum(last, name) > sum(first, name), "{name} stood still");
    }
}

#[test]
fn prometheus_own_linter_has_nothing_to_say() {
    let lab = Lab::new();
    let (running, address) = start(&lab);
    running.wait_for("s of 3600s  offered ");
    let text = scrape(&address);
    stop(running);
    assert_eq!(promtool::lint(text.as_bytes()), "", "{text}");
}

/// Both pages of a run that has ended, and its report. It serves until each page
/// has been read after the end.
fn last_pages(running: Running<'_>, address: &str) -> (String, String, serde_json::Value) {
    let (mut own, mut theirs) = (String::new(), String::new());
    // The last that is read of each is of after the end: until then it serves.
    while let Some((_, body)) = ask(address, "/metrics/msal") {
        theirs = body;
        let Some((_, body)) = ask(address, "/metrics") else {
            break;
        };
        own = body;
        std::thread::sleep(Duration::from_millis(50));
    }
    let ended = running.end();
    let report = serde_json::from_str(&ended.stdout);
    (own, theirs, report.unwrap_or_else(|_| panic!("{ended:?}")))
}

#[test]
fn msal_dotnet_s_page_has_its_instruments_and_the_report_s_counts() {
    let lab = Lab::new();
    lab.write(
        "x.yaml",
        "version: 1\nduration: 3s\n\
         idp: { latency: { token: 5ms } }\n\
         cache: { l2: { store: memory, latency: 1ms } }\n\
         fleet: { instances: 3, affinity: none }\n\
         population: { tenants: 20, users: 40 }\n\
         traffic:\n  - { flow: client_credentials, rate: 100/s }\n  \
         - { flow: on_behalf_of, rate: 50/s }\n",
    );
    let running = lab.start(&[
        "run",
        "x.yaml",
        "--metrics-addr",
        "127.0.0.1:0",
        "--metrics-compat",
        "msal-dotnet",
        "--linger",
        "60s",
        "--format",
        "json",
        "--log",
        "info",
    ]);
    let line = running.wait_for("serving metrics");
    let (_, rest) = line.split_once("http://").unwrap();
    let address = rest.split_once("/metrics").unwrap().0.to_owned();
    let (own, theirs, report) = last_pages(running, &address);
    let samples = samples(&theirs);
    let sum = |name: &str, labels: &[(&str, &str)]| -> f64 {
        let fits = |sample: &&Sample<'_>| {
            sample.name == name
                && labels
                    .iter()
                    .all(|(label, value)| sample.labels[label] == *value)
        };
        samples
            .values()
            .filter(fits)
            .map(|sample| sample.value)
            .sum()
    };
    let reported = |pointer: &str| report.pointer(pointer).unwrap().as_f64().unwrap();
    let tokens = reported("/totals/acquisitions") - reported("/totals/errors");
    let hits = reported("/totals/token_source/cache");
    let of_l1 = reported("/totals/cache_level/l1");
    let of_l2 = reported("/totals/cache_level/l2");
    let misses = reported("/totals/token_source/identity_provider");
    assert!(hits > 100.0 && of_l2 > 0.0 && misses > 0.0, "{report}");
    let from = |source| [("TokenSource", source)];
    for (name, labels, expected) in [
        ("MsalSuccess_total", &from("Cache")[..], hits),
        ("MsalSuccess_total", &from("IdentityProvider"), misses),
        ("MsalTotalDuration_1A_milliseconds_count", &[], tokens),
        (
            "MsalTotalDuration_1A_milliseconds_bucket",
            &[("le", "+Inf")],
            tokens,
        ),
        (
            "MsalDurationInL1CacheInUs_1B_microseconds_count",
            &[],
            of_l1,
        ),
        ("MsalDurationInL2Cache_1A_milliseconds_count", &[], of_l2),
        ("MsalDurationInHttp_1A_milliseconds_count", &[], misses),
        (
            "MsalDurationInExtensionInMs_1B_microseconds_count",
            &[],
            tokens,
        ),
        ("MsalRemainingTokenLifetime_1A_seconds_count", &[], tokens),
    ] {
        let shown = sum(name, labels);
        assert!(
            (shown - expected).abs() < 0.5,
            "{name} {labels:?}: {shown} is not {expected}"
        );
    }
    for sample in samples.values() {
        let metric = Metric::named(sample.name).unwrap_or_else(|| panic!("{sample:?}"));
        for label in metric.labels {
            let value = sample.labels[label.name];
            if let Values::Closed(values) = label.values {
                assert!(values.contains(&value), "{sample:?}");
            }
        }
    }
    shows_nobody(&theirs);
    shows_nobody(&own);
}
