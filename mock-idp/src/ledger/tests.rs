//! What is redundant, what is remembered, and what a snapshot says.

use super::*;
use crate::clock::Clock;
use crate::form::Form;
use crate::grant::JWT_BEARER;

const HOUR: Duration = Duration::from_hours(1);

fn identity(client_id: &str) -> TokenIdentity<'_> {
    TokenIdentity {
        client_id,
        tenant_id: Uuid::nil(),
        subject: None,
        assertion: None,
        scopes: "api://x .default",
    }
}

fn redundant_after(lifetime: Duration, waited: Duration, excused: bool) -> u64 {
    let (ledger, now) = (Ledger::default(), Clock::system().now());
    let issue = |at: UnixTime, excused| {
        let grant = GrantType::ClientCredentials;
        ledger.issued(grant, &identity("app"), at, at.plus(lifetime), excused);
    };
    issue(now, false);
    issue(now.plus(waited), excused);
    ledger.snapshot().redundant_token_requests
}

#[test]
fn a_second_token_is_redundant_while_the_first_has_five_minutes_left() {
    assert_eq!(redundant_after(HOUR, Duration::ZERO, false), 1);
    assert_eq!(redundant_after(HOUR, Duration::from_secs(3_299), false), 1);
    assert_eq!(redundant_after(HOUR, Duration::from_secs(3_300), false), 0);
    assert_eq!(
        redundant_after(Duration::from_secs(300), Duration::ZERO, false),
        0
    );
    assert_eq!(redundant_after(HOUR, Duration::ZERO, true), 0);
}

#[test]
fn another_token_is_not_redundant() {
    let now = Clock::system().now();
    let base = identity("app");
    let others = [
        identity("other"),
        TokenIdentity {
            tenant_id: Uuid::max(),
            ..identity("app")
        },
        TokenIdentity {
            subject: Some(Uuid::nil()),
            ..identity("app")
        },
        TokenIdentity {
            assertion: Some("a"),
            ..identity("app")
        },
        TokenIdentity {
            scopes: "api://y .default",
            ..identity("app")
        },
    ];
    let ledger = Ledger::default();
    for identity in std::iter::once(&base).chain(&others) {
        let grant = GrantType::ClientCredentials;
        ledger.issued(grant, identity, now, now.plus(HOUR), false);
    }
    assert_eq!(ledger.snapshot().redundant_token_requests, 0);
    assert_eq!(ledger.snapshot().tokens_issued, 6);
}

#[test]
fn expired_tokens_are_forgotten_and_live_ones_only_at_the_bound() {
    let now = Clock::system().now();
    let mut shard = Shard::default();
    for key in 0..200_000 {
        let at = now.plus(Duration::from_secs(u64::try_from(key).unwrap()));
        let (_, forgotten) = shard.insert(key, at, at.plus(HOUR));
        assert_eq!(forgotten, 0);
    }
    assert!(shard.ends.len() < 10_000, "{} remembered", shard.ends.len());

    let mut shard = Shard::default();
    let mut forgotten = 0;
    for key in 0..200_000 {
        forgotten += shard.insert(key, now, now.plus(HOUR)).1;
    }
    assert!(
        shard.ends.len() <= MOST_PER_SHARD,
        "{} remembered",
        shard.ends.len()
    );
    assert_eq!(
        forgotten,
        200_000 - u64::try_from(shard.ends.len()).unwrap()
    );
}

#[test]
fn a_snapshot_is_consistent_and_survives_json() {
    let ledger = Ledger::default();
    let (parts, ()) = http::Request::new(()).into_parts();
    let form = Form::parse(format!("grant_type={JWT_BEARER}").as_bytes()).unwrap();
    let context = RequestContext::of_token_request(
        &Directory::Open,
        "common",
        &parts,
        Some(&form),
        Uuid::nil(),
    );
    let now = Clock::system().now();
    for (context, status) in [(Some(&context), 200), (Some(&context), 400), (None, 499)] {
        if let Some(context) = context {
            ledger.enter(context);
        }
        let exchange = Exchange {
            status,
            took: Duration::ZERO,
            received: 0,
            sent: 0,
        };
        ledger.request(context, exchange, now);
    }
    let snapshot = ledger.snapshot();
    assert_eq!(
        snapshot.token_requests,
        snapshot.by_grant.values().sum::<u64>()
    );
    assert_eq!(
        snapshot.token_requests,
        snapshot.by_status.values().sum::<u64>()
    );
    assert_eq!(
        snapshot.token_requests,
        snapshot.by_sku.values().sum::<u64>()
    );
    assert_eq!((snapshot.largest_herd, snapshot.herds[&1]), (1, 2));
    let json = serde_json::to_string(&snapshot).unwrap();
    assert!(
        json.contains(r#""by_grant":{"on_behalf_of":2,"other":1}"#),
        "{json}"
    );
    assert_eq!(
        serde_json::from_str::<LedgerSnapshot>(&json).unwrap(),
        snapshot
    );
    let before_skus = r#"{"token_requests":1,"redundant_token_requests":0,"by_grant":{},
        "by_status":{},"faults_injected":0,"tokens_issued":0,"tokens_forgotten":0}"#;
    assert!(serde_json::from_str::<LedgerSnapshot>(before_skus).is_ok());
}

#[test]
fn grant_names_are_those_of_the_metric_catalogue() {
    for grant in GrantType::ALL {
        assert_eq!(serde_json::to_value(grant).unwrap(), grant.as_str());
    }
}
