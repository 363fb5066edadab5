//! A run's report, read back as an outside reader would.

use loadgen::report::model::{Report, Verdict};
use serde_json::Value;

use crate::program::{Ended, Lab};

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) report: Report,
    pub(crate) json: Value,
    pub(crate) ended: Ended,
}

/// Runs `scenario` with `arguments` and reads its `report.json`, which says the
/// same as the exit code.
pub(crate) fn run(lab: &Lab, scenario: &str, arguments: &[&str]) -> Run {
    lab.write("x.yaml", scenario);
    let ended = lab
        .start(&[&["run", "x.yaml", "--out", "out"], arguments].concat())
        .end();
    read(lab, ended)
}

/// Reads the report in `out` of a program that has ended.
pub(crate) fn read(lab: &Lab, ended: Ended) -> Run {
    let text = std::fs::read_to_string(lab.path("out/report.json"))
        .unwrap_or_else(|error| panic!("no report: {error}: {ended:?}"));
    let report: Report = serde_json::from_str(&text).unwrap();
    assert_eq!(ended.code, Some(i32::from(report.exit_code)), "{ended:?}");
    Run {
        json: serde_json::from_str(&text).unwrap(),
        report,
        ended,
    }
}

impl Run {
    /// Asserts that nothing was wrong with the run. That the generator was late or
    /// the machine's clock was set, as may be on a busy machine, is let pass.
    pub(crate) fn is_clean(&self) {
        self.is_wrong_only_in(&[]);
    }

    /// Asserts that each of `expected` is in a reason of its own, and that there
    /// is no other reason, those of the machine apart.
    pub(crate) fn is_wrong_only_in(&self, expected: &[&str]) {
        let reasons = &self.report.reasons;
        let (late, mut others): (Vec<_>, Vec<_>) = reasons.iter().partition(|reason| {
            reason.starts_with("the generator was late: ")
                || reason.starts_with("the wall clock moved by ")
        });
        for part in expected {
            let Some(index) = others.iter().position(|reason| reason.contains(part)) else {
                panic!("no reason says `{part}`: {reasons:?}")
            };
            others.remove(index);
        }
        assert_eq!(others, Vec::<&String>::new(), "{}", self.ended.stdout);
        if expected.is_empty() {
            let verdict = if late.is_empty() {
                Verdict::Pass
            } else {
                Verdict::Invalid
            };
            assert_eq!(self.report.verdict, verdict);
        }
    }

    /// Asserts what holds of every run that was not cut short.
    pub(crate) fn adds_up(&self) {
        let Report {
            load,
            totals,
            idp,
            ledger,
            oracle,
            flows,
            ..
        } = &self.report;
        assert_eq!(load.offered, load.started + load.dropped);
        assert_eq!(
            load.started,
            load.ok + load.error + load.timeout + load.censored
        );
        assert_eq!(totals.acquisitions, load.ok + load.error + load.timeout);
        assert_eq!(totals.errors, load.error + load.timeout);
        assert_eq!(totals.errors, totals.errors_by_kind.values().sum::<u64>());
        for of in flows.iter().map(|flow| &flow.acquisitions).chain([totals]) {
            let (source, level, why) = (of.token_source, of.cache_level, of.cache_refresh_reason);
            let ok = of.acquisitions - of.errors;
            assert_eq!(ok, source.cache + source.identity_provider);
            assert_eq!(ok, level.none + level.l1 + level.l2);
            assert_eq!(source.cache, level.l1 + level.l2);
            let asked = why.no_cached_access_token + why.expired + why.force_refresh_or_claims;
            assert!(asked <= source.identity_provider, "{why:?}, {source:?}");
        }
        for (read, what) in [
            (
                (|of| of.acquisitions) as fn(&loadgen::report::model::Acquisitions) -> u64,
                "acquisitions",
            ),
            (|of| of.errors, "errors"),
            (|of| of.coalesced, "coalesced"),
            (|of| of.token_source.cache, "cache"),
            (|of| of.durations.total.count, "total"),
        ] {
            let parts: u64 = flows.iter().map(|flow| read(&flow.acquisitions)).sum();
            assert_eq!(parts, read(totals), "{what}");
        }
        assert_eq!(idp.token_requests, idp.by_grant.values().sum::<u64>());
        assert_eq!(idp.token_requests, idp.by_status.values().sum::<u64>());
        assert_eq!(
            idp.token_requests,
            ledger.server_side.unwrap() + ledger.driver_requests
        );
        assert!(ledger.balanced, "{ledger:?}");
        assert_eq!(oracle.checked, load.ok);
        assert_eq!(
            oracle.wrong_token + oracle.expired_served + oracle.under_scoped + oracle.not_issued,
            0,
            "{oracle:?}"
        );
    }
}
