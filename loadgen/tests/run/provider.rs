//! Runs against a provider that was there before, and outlives them.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use loadgen::report::model::{Report, Verdict};
use mock_idp::{Config, Forgery, Lifetimes, Server};
use tokio::runtime::Runtime;

use crate::program::Lab;
use crate::report::{read, run};

/// A provider on a free port, with its data in the lab.
pub(crate) struct Provider {
    server: Option<Server>,
    runtime: Runtime,
    /// The section of a scenario that leads to it.
    pub(crate) section: String,
}

impl Provider {
    pub(crate) fn start(lab: &Lab, lifetimes: Lifetimes) -> Self {
        let config = Config {
            data_dir: Some(lab.path("provider")),
            https: Some((Ipv4Addr::LOCALHOST, 0).into()),
            http: Some((Ipv4Addr::LOCALHOST, 0).into()),
            lifetimes,
            ..Config::default()
        };
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(Server::start(config)).unwrap();
        let port = server.https_addr().unwrap().port();
        let ca = server.ca_certificate().unwrap().display().to_string();
        Self {
            section: format!("idp: {{ url: \"https://localhost:{port}\", ca: \"{ca}\" }}\n"),
            server: Some(server),
            runtime,
        }
    }

    /// Every token it issues from now on is wrong in this way.
    pub(crate) fn forge(&self, forgery: Forgery) {
        let rule = serde_json::json!({
            "name": "forged", "fault": { "kind": "forged_token", "forgery": forgery }
        });
        let rule = serde_json::from_value(rule).unwrap();
        let server = self.server.as_ref().unwrap();
        server.idp().set_rules(vec![rule]).unwrap();
    }

    /// Its ledger loses all it has counted so far.
    pub(crate) fn lose_ledger(&self) {
        let address = self.server.as_ref().unwrap().http_addr().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        let patience = Some(Duration::from_secs(30));
        stream.set_read_timeout(patience).unwrap();
        let head = "DELETE /admin/ledger HTTP/1.0\r\nhost: localhost\r\n\
                    content-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(" 200 "), "{answer}");
    }

    fn token_requests(&self) -> u64 {
        self.server.as_ref().unwrap().ledger().token_requests
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop());
        }
    }
}

const TRAFFIC: &str = "\
version: 1
duration: 1s
population: { tenants: 3, users: 9 }
traffic:
  - { flow: client_credentials, rate: 40/s }
  - { flow: authorization_code, rate: 40/s }
  - { flow: on_behalf_of, rate: 40/s }
";

#[test]
fn a_provider_elsewhere_is_driven_twice_and_each_run_counts_its_own() {
    let lab = Lab::new();
    let provider = Provider::start(&lab, Lifetimes::default());
    let mut before = 0;
    for _ in 0..2 {
        let run = run(&lab, &format!("{TRAFFIC}{}", provider.section), &[]);
        run.is_clean();
        run.adds_up();
        let Report { idp, ledger, .. } = &run.report;
        assert!(ledger.client_side > 0 && Some(ledger.client_side) == ledger.server_side);
        let after = provider.token_requests();
        // Getting ready asks too: a call token for each on-behalf-of caller.
        let sign_ins = after - before - idp.token_requests;
        assert!((1..=9).contains(&sign_ins), "{sign_ins}");
        before = after;
    }
}

#[test]
fn errors_of_the_provider_are_counted_by_their_codes() {
    let lab = Lab::new();
    // Every code has expired when it is redeemed.
    let lifetimes = Lifetimes {
        code: Duration::ZERO,
        ..Lifetimes::default()
    };
    let provider = Provider::start(&lab, lifetimes);
    let traffic = TRAFFIC.replace("  - { flow: on_behalf_of, rate: 40/s }\n", "");
    let scenario = format!("{traffic}{}thresholds: [errors == 0]\n", provider.section);
    let run = run(&lab, &scenario, &[]);
    run.adds_up();
    run.is_wrong_only_in(&["threshold `errors == 0` does not hold"]);
    let [applications, users] = run.report.flows.as_slice() else {
        panic!("{:?}", run.report.flows)
    };
    assert_eq!(applications.acquisitions.errors, 0);
    let users = &users.acquisitions;
    assert!(
        users.errors > 0 && users.errors == users.acquisitions,
        "{users:?}"
    );
    assert_eq!(users.errors_by_kind["invalid_grant"], users.errors);
    assert_eq!(users.hit_ratio, None);
    // What failed took its time too, and asked.
    assert_eq!(users.durations.total.count, users.acquisitions);
    assert_eq!(users.durations.http.count, users.acquisitions);
    assert_eq!(run.report.idp.by_status["400"], users.errors);
    assert_ne!(run.report.verdict, Verdict::Pass);
}

#[test]
fn callers_that_cannot_sign_in_are_an_environment_error() {
    let lab = Lab::new();
    let lifetimes = Lifetimes {
        code: Duration::ZERO,
        ..Lifetimes::default()
    };
    let provider = Provider::start(&lab, lifetimes);
    lab.write("x.yaml", format!("{TRAFFIC}{}", provider.section));
    let ended = lab.start(&["run", "x.yaml"]).end();
    assert_eq!(
        ended.stderr,
        "error: a user could not sign in: the token endpoint answered a front end with \
         400 Bad Request\n  hint: the identity provider's log tells more\n"
    );
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(4), ""));
}

#[test]
fn a_provider_that_goes_away_costs_the_run_its_validity_and_not_its_report() {
    let lab = Lab::new();
    let mut provider = Provider::start(&lab, Lifetimes::default());
    lab.write("x.yaml", format!("{TRAFFIC}{}", provider.section));
    let running = lab.start(&["run", "x.yaml", "--out", "out", "--set", "duration=3s"]);
    running.wait_for("s of 3s  offered ");
    let server = provider.server.take().unwrap();
    provider.runtime.block_on(server.stop());
    let run = read(&lab, running.end());
    let said = "the provider's ledger could not be read: the identity provider at ";
    let reasons = &run.report.reasons;
    assert!(
        reasons.iter().any(|reason| reason.starts_with(said)),
        "{reasons:?}"
    );
    assert_eq!(run.report.verdict, Verdict::Invalid);
    assert_eq!(run.ended.code, Some(3));
    assert!(run.report.load.ok > 0);
    let ledger = run.report.ledger;
    assert!(
        ledger.server_side.is_none() && !ledger.balanced,
        "{ledger:?}"
    );
}
