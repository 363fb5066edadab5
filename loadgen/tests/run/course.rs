//! What is made of a run's course: windows of thresholds, charts, an interval log,
//! comparisons arrival by arrival.

use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use loadgen::gate::uncertainty::quantile_interval;
use loadgen::report::model::ThresholdVerdict;

use crate::program::Lab;
use crate::report::{Run, read};

/// Two hours in which the cache fills, and then hits.
const TWO_HOURS: &str = "\
version: 1
name: two-hours
mode: virtual
duration: 2h
idp: { expires_in: 24h, latency: { token: 100ms } }
cache: { l2: { store: memory } }
population: { tenants: { count: 300 } }
traffic: [{ flow: client_credentials, rate: 1/s, stages: [{ hold: 1h }, { to: 2/s, over: 1h }] }]
faults: [{ at: 90m, for: 5m, l2: { is: refuse } }]
thresholds:
  - hit_ratio == 100% after 1h
  - hit_ratio < 70% until 10m
  - p90(acquire) >= 99ms until 10m
";

fn virtual_run(lab: &Lab, out: &str, set: &[&str]) -> Run {
    lab.write("x.yaml", TWO_HOURS);
    let mut arguments = vec!["run", "x.yaml", "--out", out];
    arguments.extend(set.iter().flat_map(|set| ["--set", set]));
    let ended = lab.start(&arguments).end();
    if out == "out" {
        return read(lab, ended);
    }
    std::fs::rename(lab.path(out), lab.path("out")).unwrap();
    let run = read(lab, ended);
    std::fs::rename(lab.path("out"), lab.path(out)).unwrap();
    run
}

fn said(lab: &Lab, arguments: &[&str]) -> String {
    let ended = lab.start(arguments).end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stdout
}

#[test]
fn windows_charts_and_logs_are_made_of_what_a_run_recorded() {
    let lab = Lab::new();
    let run = virtual_run(&lab, "out", &[]);
    run.adds_up();
    run.is_clean();
    let thresholds = &run.report.thresholds;
    assert!(
        thresholds
            .iter()
            .all(|of| of.verdict == ThresholdVerdict::Pass && of.measured.is_some()),
        "{thresholds:?}"
    );
    let series = &run.report.series;
    assert!((series.interval_s - 2.0).abs() < 1e-9);
    assert_eq!(series.intervals.len(), 3_600);
    let last = series.intervals.last().unwrap();
    assert_eq!(last.l1_entries, run.report.cache.l1.entries);
    assert_eq!(last.l2_bytes, run.report.cache.l2.bytes);
    let kinds: Vec<&str> = series.marks.iter().map(|of| of.label.as_str()).collect();
    assert_eq!(kinds, ["1/s", "1/s to 2/s", "L2 refuses connections"]);
    let (low, high) = quantile_interval(series, 0.99).unwrap();
    assert!(low <= high && high > 0.0);

    let page = said(&lab, &["report", "out", "--format", "html"]);
    assert!(page.contains("<svg") && !page.contains("keeps no course over time"));

    let log = std::fs::read(lab.path("out/acquire.hlog")).unwrap();
    assert_eq!(
        log,
        said(&lab, &["report", "out", "--format", "hlog"]).as_bytes()
    );
    let mut samples = 0;
    let mut deserializer = hdrhistogram::serialization::Deserializer::new();
    for entry in IntervalLogIterator::new(&log) {
        if let LogEntry::Interval(interval) = entry.unwrap() {
            use base64::Engine as _;
            let bytes = base64::prelude::BASE64_STANDARD
                .decode(interval.encoded_histogram())
                .unwrap();
            let times: hdrhistogram::Histogram<u64> =
                deserializer.deserialize(&mut bytes.as_slice()).unwrap();
            samples += times.len();
        }
    }
    assert_eq!(samples, run.report.totals.acquisitions);
}

#[test]
fn two_runs_of_one_seed_are_compared_arrival_by_arrival() {
    let lab = Lab::new();
    let base = virtual_run(&lab, "base", &[]);
    let head = virtual_run(&lab, "head", &["idp.expires_in=30m"]);
    let letters = |run: &Run| run.report.outcomes.as_ref().unwrap().unpack().unwrap();
    let (before, now) = (letters(&base), letters(&head));
    assert_eq!(before.len() as u64, base.report.load.offered);
    let first = before
        .iter()
        .zip(&now)
        .position(|(one, other)| one != other);
    let first = first.unwrap();
    assert_eq!((before[first], now[first]), (b'h', b'e'));
    let text = said(&lab, &["compare", "base", "head"]);
    assert!(
        text.contains(" turned from hit to miss, 0 from miss to hit, 0 broke"),
        "{text}"
    );
    assert!(
        text.contains(&format!("arrival {first}: expired")),
        "{text}"
    );
}
