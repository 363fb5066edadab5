//! What recording one sample costs, beside what a bare HdrHistogram takes.
//!
//! Criterion measures; the table at the end sets each figure beside its budget,
//! from the same run. `cargo bench -p loadgen --bench recorder`.
#![expect(clippy::print_stdout, reason = "a benchmark's output is its result")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::Criterion;
use hdrhistogram::Histogram;
use loadgen::arrival::Arrival;
use loadgen::oracle::Finding;
use loadgen::record::{Outcome, Recorder, Sample};
use loadgen::scenario::{Overrides, Plan, load::parse};
use token_cache::CacheLevel;
use token_client::ResultMetadata;
use tokio::time::Instant;

/// Nanoseconds for one sample.
const BUDGET_NS: f64 = 60.0;

const SCENARIO: &str = "
version: 1
duration: 1h
traffic: [{ flow: client_credentials, rate: 1000/s }]
";

fn plan() -> Plan {
    let file = std::path::Path::new("bench.yaml");
    parse(file, SCENARIO.as_bytes(), &Overrides::default()).expect("a plan")
}

/// Times as an L1 hit has them: a spread of microseconds, the same every time.
fn times() -> Vec<Duration> {
    (0..4_096_u64)
        .map(|n| Duration::from_nanos(400 + n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 40_000))
        .collect()
}

fn sample(number: u64, times: &[Duration]) -> Sample<'static> {
    let time = |shift: u64| times[usize::try_from(number + shift).unwrap_or(0) % times.len()];
    Sample {
        // A thousand a second, as the plan has it.
        arrival: Arrival::numbered(0, number, Duration::from_millis(number)),
        outcome: Outcome::Token {
            metadata: ResultMetadata {
                cache_level: CacheLevel::L1,
                duration_total: time(1),
                duration_in_cache: time(2),
                ..ResultMetadata::NONE
            },
            finding: Finding::Right,
        },
        lag: time(3),
        queued: Duration::ZERO,
        service: time(4),
    }
}

/// Records from so many threads at once; the time is that of one of them.
fn record(recorder: &Arc<Recorder>, threads: u64, count: u64, times: &[Duration]) -> Duration {
    let began = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let recorder = Arc::clone(recorder);
            scope.spawn(move || {
                for number in 0..count {
                    recorder.record(black_box(&sample(number * threads + thread, times)));
                }
            });
        }
    });
    began.elapsed()
}

fn main() {
    let times = times();
    let mut criterion = Criterion::default()
        .configure_from_args()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    let mut figures: Vec<(&str, f64)> = Vec::new();
    let mut measure = |name: &'static str, run: &mut dyn FnMut(u64) -> Duration| {
        let mut best = f64::INFINITY;
        criterion.bench_function(name, |bencher| {
            bencher.iter_custom(|count| {
                let took = run(count);
                if count > 10_000 {
                    best = best.min(took.as_nanos() as f64 / count as f64);
                }
                took
            });
        });
        figures.push((name, best));
    };
    measure("making a sample, not recorded", &mut |count| {
        let began = Instant::now();
        for number in 0..count {
            black_box(sample(number, &times));
        }
        began.elapsed()
    });
    measure("hdrhistogram, one time", &mut |count| {
        let mut histogram =
            Histogram::<u64>::new_with_bounds(1, 600_000_000_000, 3).expect("bounds");
        let began = Instant::now();
        for number in 0..count {
            let time = times[usize::try_from(number).unwrap_or(0) % times.len()];
            histogram.saturating_record(black_box(u64::try_from(time.as_nanos()).unwrap_or(0)));
        }
        black_box(&histogram);
        began.elapsed()
    });
    let plan = plan();
    measure("a sample, totals alone", &mut |count| {
        record(&Arc::new(Recorder::new(1)), 1, count, &times)
    });
    measure("a sample, with its course", &mut |count| {
        record(&Arc::new(Recorder::of_plan(&plan)), 1, count, &times)
    });
    measure("the same, two threads at once", &mut |count| {
        record(&Arc::new(Recorder::of_plan(&plan)), 2, count, &times)
    });
    criterion.final_summary();

    let of = |wanted: &str| {
        let found = figures.iter().find(|(name, _)| *name == wanted);
        found.map_or(f64::NAN, |(_, figure)| *figure)
    };
    let making = of("making a sample, not recorded");
    println!("\n{:<34}{:>10}   beside", "recording", "ns");
    for (name, figure) in &figures {
        println!("{name:<34}{figure:>10.1}");
    }
    let net = of("a sample, with its course") - making;
    println!(
        "{:<34}{net:>10.1}   budget {BUDGET_NS} ns: {}",
        "recording one sample",
        if net <= BUDGET_NS { "kept" } else { "MISSED" }
    );
}
