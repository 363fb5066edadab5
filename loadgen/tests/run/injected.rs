//! What must not be overlooked, put there on purpose: each is named in the report
//! and has its exit code.

use std::thread;
use std::time::Duration;

use loadgen::report::model::Verdict;
use mock_idp::{Forgery, Lifetimes};

use crate::program::Lab;
use crate::report::{read, run};
use crate::run_provider::Provider;

const TRAFFIC: &str = "\
version: 1
duration: 2s
population: { tenants: 4 }
traffic:
  - { name: jobs, flow: client_credentials, rate: 50/s }
";

#[test]
fn a_wrong_token_is_explained_and_fails_the_run() {
    for (forgery, kind, reason, why) in [
        (
            Forgery::WrongTenant,
            "wrong_token",
            "were another tenant's, application's, user's or resource's",
            "asked for tenant ",
        ),
        (
            Forgery::WrongAudience,
            "wrong_token",
            "were another tenant's, application's, user's or resource's",
            "asked for audience ",
        ),
        (
            Forgery::Expired,
            "expired_served",
            "had expired when they were returned",
            "it has -",
        ),
        (
            Forgery::BadSignature,
            "not_issued",
            "were not signed by the provider",
            "its signature is by none of the provider's published keys",
        ),
    ] {
        let lab = Lab::new();
        let provider = Provider::start(&lab, Lifetimes::default());
        provider.forge(forgery);
        let run = run(&lab, &format!("{TRAFFIC}{}", provider.section), &[]);
        assert_eq!(run.ended.code, Some(1), "{:?}", run.ended);
        assert_eq!(run.report.verdict, Verdict::Fail);
        assert!(
            run.report.reasons[0].ends_with(reason),
            "{:?}",
            run.report.reasons
        );
        assert_eq!(run.report.oracle.violations(), run.report.load.ok);
        assert_eq!(run.report.oracle.wrong_rate_below, None);
        // The first few are explained, and the others counted.
        let violations = &run.report.violations;
        assert_eq!(violations.len(), 5, "{violations:?}");
        for violation in violations {
            assert_eq!((violation.kind.as_str(), &*violation.flow), (kind, "jobs"));
            assert!(violation.why.contains(why), "{violation:?}");
            assert!((0.0..60.0).contains(&violation.at_s), "{violation:?}");
        }
        assert!(run.ended.stdout.contains(why), "{}", run.ended.stdout);
        // No token is in anything that is written.
        assert!(!run.json.to_string().contains("eyJ"));
    }
}

#[test]
fn a_ledger_entry_that_was_lost_fails_the_run() {
    let lab = Lab::new();
    let provider = Provider::start(&lab, Lifetimes::default());
    lab.write("x.yaml", format!("{TRAFFIC}{}", provider.section));
    let running = lab.start(&["run", "x.yaml", "--out", "out", "--set", "duration=4s"]);
    running.wait_for("s of 4s  offered ");
    provider.lose_ledger();
    let run = read(&lab, running.end());
    let reason =
        "the ledgers disagree: clients account for 4 token requests, the provider counted 0";
    let reasons = &run.report.reasons;
    assert!(reasons.iter().any(|of| of == reason), "{reasons:?}");
    assert!(!run.report.ledger.balanced);
    assert!(run.ended.stdout.contains("NOT BALANCED"));
    // On a busy machine it may have been late as well, which goes first and says so.
    let expected = match reasons.as_slice() {
        [_] => (Verdict::Fail, Some(1)),
        _ => (Verdict::Invalid, Some(3)),
    };
    assert_eq!(
        (run.report.verdict, run.ended.code),
        expected,
        "{reasons:?}"
    );
}

#[test]
fn a_generator_that_stood_still_is_called_late_and_the_run_invalid() {
    let lab = Lab::new();
    lab.write("x.yaml", TRAFFIC);
    let running = lab.start(&["run", "x.yaml", "--out", "out", "--set", "duration=6s"]);
    running.wait_for("s of 6s  offered ");
    running.signal("STOP");
    thread::sleep(Duration::from_millis(2_600));
    running.signal("CONT");
    let run = read(&lab, running.end());
    run.adds_up();
    let late = "the generator was late: it stood still for ";
    let reasons = &run.report.reasons;
    assert!(reasons.iter().any(|of| of.starts_with(late)), "{reasons:?}");
    assert_eq!(run.report.verdict, Verdict::Invalid);
    assert_eq!(run.ended.code, Some(3));
    assert!(run.ended.stdout.contains(late), "{}", run.ended.stdout);
    assert!(run.report.load.generator.longest_pause_us > 2e6);
    // Nobody left out what came due meanwhile: it waited, and that shows.
    assert!(run.report.load.response.max_us > 1e6);
    assert_eq!(run.report.load.offered, run.report.load.ok);
}
