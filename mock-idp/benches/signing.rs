//! Fresh RS256 tokens a second, beside what the library can sign on the same cores.
//!
//! Both rates are taken in turns in one run, because the machine's speed changes by the minute.
//! The budget is 0.85: everything around the signature may cost at most the rest.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use axum::Router;
use axum::body::Body;
use http::header::{CONTENT_TYPE, HOST};
use http::{Request, StatusCode};
use mock_idp::{Config, Idp, router};
use tokio::time::Instant;
use tower::ServiceExt as _;

const BUDGET: f64 = 0.85;

/// Token requests in flight at a time.
const CLIENTS: usize = 64;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // `cargo test --benches` only wants to know that this runs.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let (rounds, time) = if is_bench {
        (5, Duration::from_secs(2))
    } else {
        (1, Duration::from_millis(50))
    };
    let cores = thread::available_parallelism()?.get();
    let key = RsaKeyPair::generate(KeySize::Rsa2048)?;
    let router = router(Arc::new(Idp::new(&Config::default())?));
    let runtime = tokio::runtime::Runtime::new()?;

    let (mut raw, mut tokens) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        raw.push(raw_signatures(&key, cores, time));
        tokens.push(runtime.block_on(fresh_tokens(&router, time)));
    }
    let (raw, tokens) = (median(raw), median(tokens));
    let ratio = tokens / raw;
    let mut stdout = io::stdout().lock();
    writeln!(
        stdout,
        "on {cores} cores, median of {rounds} rounds of {time:?} each, taken in turns"
    )?;
    writeln!(stdout, "raw RSA-2048 signatures  {raw:>8.0} /s")?;
    writeln!(
        stdout,
        "fresh RS256 tokens       {tokens:>8.0} /s   (in-process, {CLIENTS} clients)"
    )?;
    let verdict = if ratio >= BUDGET { "within" } else { "below" };
    writeln!(
        stdout,
        "ratio                    {ratio:>8.2}      {verdict} the budget of {BUDGET}"
    )?;
    Ok(())
}

/// Signatures a second of about a token's size, on every core.
fn raw_signatures(key: &RsaKeyPair, cores: usize, time: Duration) -> f64 {
    let signed = AtomicU64::new(0);
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                let message = [b'x'; 980];
                let mut signature = vec![0; key.public_modulus_len()];
                let random = SystemRandom::new();
                while started.elapsed() < time {
                    let result = key.sign(&RSA_PKCS1_SHA256, &random, &message, &mut signature);
                    assert!(result.is_ok(), "the library signs");
                    signed.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    signed.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64()
}

/// Tokens a second that the whole token endpoint issues, without sockets.
async fn fresh_tokens(router: &Router, time: Duration) -> f64 {
    let started = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let router = router.clone();
            tokio::spawn(async move {
                let mut issued = 0_u64;
                while started.elapsed() < time {
                    let answer = router.clone().oneshot(request()).await;
                    assert_eq!(answer.map(|answer| answer.status()), Ok(StatusCode::OK));
                    issued += 1;
                }
                issued
            })
        })
        .collect();
    let mut issued = 0;
    for client in clients {
        issued += client.await.unwrap_or_default();
    }
    issued as f64 / started.elapsed().as_secs_f64()
}

fn request() -> Request<Body> {
    let form = "grant_type=client_credentials&client_id=00000000-0000-0000-0000-000000000001\
                &client_secret=secret&scope=api://resource/.default";
    let mut request = Request::new(Body::from(form));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = http::Uri::from_static("/contoso.com/oauth2/v2.0/token");
    let headers = request.headers_mut();
    headers.insert(
        HOST,
        http::HeaderValue::from_static("login.microsoftonline.com"),
    );
    headers.insert(
        CONTENT_TYPE,
        http::HeaderValue::from_static("application/x-www-form-urlencoded"),
    );
    request
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
