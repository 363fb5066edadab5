//! SQL Server's store over the wire, against the endpoint of `tds`. A real SQL
//! Server was not run: what its Transact-SQL means is not proven here, only what
//! is sent, and what becomes of the answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use token_cache::Clock;
use token_cache::store::{Expiration, SqlServerOptions, SqlServerStore, Store};

use crate::contract::{Candidate, Place, Sliding, store_contract};
use crate::outage::survives_the_network;
use crate::tds::{Endpoint, Fault, PASSWORD, USER};

const HOUR: Duration = Duration::from_secs(3_600);

fn options(port: u16, password: &str) -> SqlServerOptions {
    let mut options = SqlServerOptions::new(format!(
        "Server=tcp:127.0.0.1,{port};User Id={USER};Password={password};Encrypt=DANGER_PLAINTEXT"
    ));
    options.timeout = Duration::from_secs(5);
    // One, so that what happens to it can be told.
    options.connections = 1;
    options
}

fn store_with(options: &SqlServerOptions, clock: Clock) -> Arc<dyn Store> {
    Arc::new(SqlServerStore::try_new(options, clock).unwrap())
}

fn store(endpoint: &Endpoint, clock: Clock) -> Arc<dyn Store> {
    store_with(&options(endpoint.port, PASSWORD), clock)
}

fn later(by: Duration) -> Clock {
    Clock::starting_at(Clock::system().now().plus(by))
}

#[tokio::test]
async fn sql_server_s_store_keeps_the_store_contract_over_the_wire() {
    let endpoint = Endpoint::start().await;
    let port = endpoint.port;
    store_contract(&Candidate {
        name: "sql-server",
        place: Place::Server(Box::new(move |clock| {
            let mut options = options(port, PASSWORD);
            options.connections = 8;
            options.sweep_every = Duration::MAX;
            store_with(&options, clock)
        })),
        sliding: Sliding::InEntry,
        largest_blob: 1_000_000,
    })
    .await;
}

#[tokio::test]
async fn sql_server_s_store_survives_the_network() {
    let endpoint = Endpoint::start().await;
    survives_the_network("sql-server", endpoint.port, |port, limit| {
        let mut options = options(port, PASSWORD);
        options.timeout = limit;
        store_with(&options, Clock::system())
    })
    .await;
}

#[tokio::test]
async fn b2_a_window_never_slides_past_the_end_and_a_write_takes_no_least_of_both() {
    let endpoint = Endpoint::start().await;
    let now = Clock::system().now();
    let end = now.plus(2 * HOUR);
    let both = Expiration {
        absolute: Some(end),
        sliding: Some(3 * HOUR),
    };
    store(&endpoint, Clock::system())
        .set("both", "x".into(), both)
        .await
        .unwrap();
    let row = endpoint.row("both").unwrap();
    assert_eq!(row.absolute_ms, Some(end.unix_millis()));
    assert_eq!(row.sliding_s, Some(3 * 3_600));
    let expires_in = row.expires_ms - now.unix_millis();
    assert!(
        (10_800_000..10_805_000).contains(&expires_in),
        "{expires_in}: now and the window"
    );

    store(&endpoint, later(HOUR)).refresh("both").await.unwrap();
    assert_eq!(endpoint.row("both").unwrap().expires_ms, end.unix_millis());
    let over = store(&endpoint, later(2 * HOUR)).get("both").await.unwrap();
    assert_eq!(
        over, None,
        "what a write let reach past the end, reading does not"
    );
}

#[tokio::test]
async fn b2_without_times_an_entry_slides_by_twenty_minutes() {
    let endpoint = Endpoint::start().await;
    let store = store(&endpoint, Clock::system());
    store
        .set("none", "x".into(), Expiration::default())
        .await
        .unwrap();
    let row = endpoint.row("none").unwrap();
    assert_eq!((row.sliding_s, row.absolute_ms), (Some(1_200), None));
}

#[tokio::test]
async fn b2_a_key_has_449_characters_and_one_more_is_an_error() {
    let endpoint = Endpoint::start().await;
    let store = store(&endpoint, Clock::system());
    store
        .set(&"ü".repeat(449), "x".into(), Expiration::default())
        .await
        .unwrap();
    let long = "k".repeat(450);
    let error = store
        .set(&long, "x".into(), Expiration::default())
        .await
        .unwrap_err();
    assert!(
        error.reason.contains("truncated") && error.reason.contains("2628"),
        "{error}"
    );
    assert!(store.get("none").await.unwrap().is_none(), "and it goes on");
    assert_eq!(endpoint.state.lock().logins, 1, "on the same connection");
}

#[tokio::test]
async fn b2_what_has_expired_is_swept_behind_the_first_operation() {
    let endpoint = Endpoint::start().await;
    let soon = Expiration {
        absolute: Some(Clock::system().now().plus(HOUR)),
        sliding: None,
    };
    store(&endpoint, Clock::system())
        .set("swept", "x".into(), soon)
        .await
        .unwrap();
    let store = store(&endpoint, later(2 * HOUR));
    for _ in 0..500 {
        store.get("other").await.unwrap();
        if endpoint.row("swept").is_none() {
            let state = endpoint.state.lock();
            let sweeps = state
                .statements
                .iter()
                .filter(|it| it.contains("WHERE NOT"));
            assert_eq!(sweeps.count(), 2, "one for each store, not for each call");
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the expired entry was not swept");
}

#[tokio::test]
async fn the_table_is_made_once_as_asp_net_s_tool_makes_it() {
    let endpoint = Endpoint::start().await;
    let store = store(&endpoint, Clock::system());
    for _ in 0..3 {
        store.get("none").await.unwrap();
    }
    let state = endpoint.state.lock();
    let made: Vec<_> = state
        .statements
        .iter()
        .filter(|it| it.contains("CREATE TABLE"))
        .collect();
    assert_eq!(made.len(), 1);
    for part in [
        "Id nvarchar(449) COLLATE SQL_Latin1_General_CP1_CS_AS NOT NULL PRIMARY KEY",
        "Value varbinary(MAX) NOT NULL",
        "ExpiresAtTime datetimeoffset NOT NULL",
        "SlidingExpirationInSeconds bigint NULL",
        "AbsoluteExpiration datetimeoffset NULL",
        "INDEX Index_ExpiresAtTime",
    ] {
        assert!(made[0].contains(part), "{part}");
    }
    // Keys and values travel as parameters, never in the text.
    assert!(state.statements.iter().all(|it| !it.contains("none")));
}

#[tokio::test]
async fn a_wrong_password_is_an_error_that_does_not_show_it() {
    let endpoint = Endpoint::start().await;
    let wrong = options(endpoint.port, "wr0ng-word");
    let wrong_store = store_with(&wrong, Clock::system());
    let error = wrong_store.get("a").await.unwrap_err();
    assert!(
        error.reason.contains("18456") && !error.reason.contains("wr0ng"),
        "{error}"
    );
    assert!(!format!("{wrong:?} {wrong_store:?}").contains("wr0ng"));
    let unreadable = SqlServerOptions::new("Server=x;Port=pa55word;=");
    if let Err(error) = SqlServerStore::try_new(&unreadable, Clock::system()) {
        assert!(!error.reason.contains("pa55word"), "{error}");
    }
}

#[tokio::test]
async fn faults_of_the_server_are_errors_or_are_made_good() {
    let endpoint = Endpoint::start().await;
    let store = store(&endpoint, Clock::system());
    store
        .set("a", "1".into(), Expiration::default())
        .await
        .unwrap();
    let cause = |fault| endpoint.state.lock().fault = Some(fault);

    cause(Fault::Error(1_205, 13));
    let error = store.get("a").await.unwrap_err();
    assert!(
        error.reason.contains("1205") && !error.reason.contains("secret"),
        "{error}"
    );
    assert_eq!(
        endpoint.state.lock().logins,
        1,
        "the connection is in order"
    );

    // Another writer inserted the row first: the write is made again.
    cause(Fault::Error(2_627, 14));
    store
        .set("a", "2".into(), Expiration::default())
        .await
        .unwrap();
    assert_eq!(store.get("a").await.unwrap().as_deref(), Some(&b"2"[..]));

    // Half an answer, or a fatal error: made again on a new connection.
    for fault in [Fault::BreakOff, Fault::Error(596, 21)] {
        let before = endpoint.state.lock().logins;
        cause(fault);
        assert_eq!(store.get("a").await.unwrap().as_deref(), Some(&b"2"[..]));
        assert_eq!(endpoint.state.lock().logins, before + 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_takes_its_connection_and_no_other_answer_with_it() {
    let endpoint = Endpoint::start().await;
    let store = store(&endpoint, Clock::system());
    let blob = Bytes::from(vec![7; 20_000]);
    store
        .set("mine", blob.clone(), Expiration::default())
        .await
        .unwrap();
    store
        .set("other", "other".into(), Expiration::default())
        .await
        .unwrap();
    endpoint.state.lock().fault = Some(Fault::Stall(Duration::from_secs(30)));
    let given_up = tokio::time::timeout(Duration::from_millis(50), store.get("other")).await;
    assert!(given_up.is_err());
    assert_eq!(store.get("mine").await.unwrap(), Some(blob));
    for _ in 0..500 {
        if endpoint.state.lock().given_up == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the endpoint never saw the call given up");
}
