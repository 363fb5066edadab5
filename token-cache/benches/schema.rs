//! What reading and writing a blob costs, and sealing and opening it, beside
//! `serde_json`'s own `Value` on the same bytes.
//!
//! ```sh
//! cargo bench -p token-cache --bench schema
//! ```
#![expect(clippy::print_stdout, reason = "a benchmark's output is its result")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on may panic")]

use std::hint::black_box;
use std::time::Duration;

use serde_json::{Map, Value, json};
use token_cache::protect::KeyRing;
use token_cache::schema;
use tokio::time::Instant;

/// Each figure is the median of so many rounds, taken by turns.
const ROUNDS: usize = 41;
const ROUND: Duration = Duration::from_millis(12);

fn access_token(number: usize, owner: Option<&str>) -> (String, Value) {
    let target = format!("api://0e3a27c7-0000-4000-8000-{number:012}/.default");
    let mut token = json!({
        "environment": "login.windows.net",
        "client_id": "d3adb33f-c0de-ed0c-c0de-deadb33fc0d3",
        "secret": "eyJ0eXAi".repeat(250),
        "credential_type": "AccessToken",
        "realm": "f645ad92-e38d-4d1a-b510-d1b09a74a8ca",
        "target": target,
        "cached_at": "1795339987",
        "expires_on": "1795343587",
        "extended_expires_on": "1795347187",
        "ext_expires_on": "1795347187",
    });
    if let Some(owner) = owner {
        token["home_account_id"] = json!(owner);
    }
    (format!("token-{number}"), token)
}

fn blob(tokens: usize, owner: Option<&str>) -> Vec<u8> {
    let tokens = (0..tokens).map(|number| access_token(number, owner));
    let credential = |kind: &str| {
        json!({ "k": {
            "home_account_id": owner,
            "environment": "login.windows.net",
            "client_id": "d3adb33f-c0de-ed0c-c0de-deadb33fc0d3",
            "secret": "0.AXoAkq1F9o3j".repeat(145),
            "credential_type": kind,
            "realm": "f645ad92-e38d-4d1a-b510-d1b09a74a8ca",
        } })
    };
    let of_user = |section: Value| owner.map_or(json!({}), |_| section);
    let blob = json!({
        "AccessToken": tokens.collect::<Map<_, _>>(),
        "RefreshToken": of_user(credential("RefreshToken")),
        "IdToken": of_user(credential("IdToken")),
        "Account": of_user(json!({ "k": {
            "home_account_id": owner,
            "environment": "login.windows.net",
            "username": "ann@contoso.com",
            "local_account_id": "f645ad92",
            "authority_type": "MSSTS",
            "realm": "f645ad92-e38d-4d1a-b510-d1b09a74a8ca",
        } })),
        "AppMetadata": { "k": {
            "environment": "login.windows.net",
            "client_id": "d3adb33f-c0de-ed0c-c0de-deadb33fc0d3",
        } },
    });
    // As this crate writes it.
    schema::write(&schema::read(blob.to_string().as_bytes()).unwrap())
}

/// Median seconds of one call of each, taken by turns.
fn measure<const N: usize>(work: [&dyn Fn(); N]) -> [f64; N] {
    let mut times = work.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (work, times) in work.iter().zip(&mut times) {
            let (began, mut calls) = (Instant::now(), 0_u32);
            while began.elapsed() < ROUND {
                for _ in 0..8 {
                    work();
                }
                calls += 8;
            }
            times.push(began.elapsed().as_secs_f64() / f64::from(calls));
        }
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[ROUNDS / 2]
    })
}

fn main() {
    // Cargo's tests run benches too, where there is nothing to measure.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let ring = KeyRing::generate("k1").unwrap();
    println!("Blobs read and written, beside serde_json's Value on the same bytes");
    for (name, blob) in [
        ("an application's entry, one token", blob(1, None)),
        ("a user's entry", blob(1, Some("uid.utid"))),
        ("an application's, 100 tokens", blob(100, None)),
    ] {
        let partition = schema::read(&blob).unwrap();
        let value: Value = serde_json::from_slice(&blob).unwrap();
        let sealed = ring.seal("key", &blob).unwrap();
        let [read, parse, write, print, seal, open] = measure([
            &|| drop(black_box(schema::read(black_box(&blob)))),
            &|| drop(black_box(serde_json::from_slice::<Value>(black_box(&blob)))),
            &|| drop(black_box(schema::write(black_box(&partition)))),
            &|| drop(black_box(serde_json::to_vec(black_box(&value)))),
            &|| drop(black_box(ring.seal("key", black_box(&blob)))),
            &|| drop(black_box(ring.open("key", black_box(&sealed)))),
        ]);
        println!("{name}, {} bytes", blob.len());
        let line = |what: &str, ours: f64, theirs: f64| {
            let rate = |seconds: f64| blob.len() as f64 / seconds / 1e6;
            println!(
                "  {what:<6}{:>9.2} us {:>8.0} MB/s   Value {:>9.2} us {:>8.0} MB/s   {:.2} times as long",
                ours * 1e6,
                rate(ours),
                theirs * 1e6,
                rate(theirs),
                ours / theirs
            );
        };
        line("read", read, parse);
        line("write", write, print);
        for (what, seconds) in [("seal", seal), ("open", open)] {
            println!(
                "  {what:<6}{:>9.2} us {:>8.0} MB/s   {:.0} % of writing or reading it",
                seconds * 1e6,
                blob.len() as f64 / seconds / 1e6,
                100.0 * seconds / if what == "seal" { write } else { read }
            );
        }
    }
}
