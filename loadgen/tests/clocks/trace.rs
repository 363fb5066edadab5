//! Calls recorded elsewhere, replayed.

use std::fs;

use loadgen::report::model::Report;
use loadgen::scenario::plan::Mode;

use crate::lab::{plan, report};

/// Six calls within nine seconds, for three tenants.
const TRACE: &str = "\
t_ms,tenant
0,contoso
2000,fabrikam
4000,contoso
4400,adatum
9000,fabrikam
9000,contoso
";

/// Where arrivals were due, by second.
fn offered(report: &Report) -> Vec<u64> {
    let intervals = report.series.intervals.iter();
    intervals.map(|interval| interval.offered).take(5).collect()
}

#[test]
fn a_trace_says_who_asks_and_when_on_every_clock() {
    let file = std::env::temp_dir().join(format!("trace-{}.csv", uuid::Uuid::new_v4()));
    fs::write(&file, TRACE).unwrap();
    let scenario = format!(
        "version: 1\nduration: 6s\nidp: {{ latency: {{ token: 20ms }} }}\n\
         population: {{ tenants: 3 }}\n\
         traffic: [{{ flow: client_credentials, trace: {{ file: {}, speed: 2 }} }}]\n",
        file.display()
    );
    let plan = plan(&scenario, 9, &[]);
    let runs = [Mode::Model, Mode::Virtual, Mode::Real].map(|mode| report(&plan, mode));
    fs::remove_file(&file).unwrap();
    for run in &runs {
        assert_eq!(run.load.fingerprint, runs[0].load.fingerprint);
        assert_eq!(run.load.offered, 6, "{:?}", run.mode);
        // At twice the speed: 0, 1, 2, 2.2 and twice 4.5 s.
        assert_eq!(offered(run), [1, 1, 2, 0, 2], "{:?}", run.mode);
        // Contoso's three calls and fabrikam's two are of one token each.
        assert_eq!(run.totals.token_source.identity_provider, 3);
        assert_eq!(run.totals.token_source.cache, 3);
    }
}
