//! What the whole server does over HTTP, each figure beside what it is to be compared with, in one
//! run: fresh RS256 tokens and the raw signing rate, ES256 tokens, pooled tokens, the latency that
//! the server adds to a signature, memory over many requests, and the mocks that npm has.
//!
//! `scripts/bench-mock-idp [PART...]` runs it, all of it or the parts named. The load is wrk's, on
//! the same cores.

#[path = "support/bare.rs"]
mod bare;
#[path = "support/processor.rs"]
mod processor;
#[path = "support/wrk.rs"]
mod wrk;

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use bare::{BareServer, SIGNED, Sign};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use mock_idp::{Config, KeySchedule, Server, SigningAlgorithm};
use processor::ProcessorTime;
use tokio::runtime::Runtime;
use tokio::time::Instant;
use wrk::{Load, Wrk};

/// Of the raw signing rate, and in tokens a second.
const RS256_SHARE: f64 = 0.85;
const FAST_RATE: f64 = 20_000.0;

/// What can be measured, in the order in which it is.
const PARTS: [&str; 6] = ["rs256", "es256", "pooled", "latency", "mocks", "memory"];

const FORM: &str = "grant_type=client_credentials&client_id=00000000-0000-0000-0000-000000000001\
                    &client_secret=secret&scope=api://resource/.default";
const PATH: &str = "/contoso.com/oauth2/v2.0/token";

type Failure = Box<dyn std::error::Error>;

/// How much is measured.
struct Effort {
    rounds: usize,
    time: Duration,
    connections: &'static [usize],
    /// Requests one after the other.
    sequential: usize,
    /// Requests over which memory is watched.
    million: u64,
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Failure> {
    // `cargo test --benches` only wants to know that this runs.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_bench = arguments.iter().any(|argument| argument == "--bench");
    if !is_bench {
        return Ok(());
    }
    let mut named = arguments.iter().filter(|argument| *argument != "--bench");
    if let Some(unknown) = named.find(|name| !PARTS.contains(&name.as_str())) {
        return Err(format!("`{unknown}` is none of {}", PARTS.join(", ")).into());
    }
    let is_wanted = |part: &str| {
        let mut named = arguments.iter().filter(|argument| *argument != "--bench");
        let names_none = arguments.iter().all(|argument| argument == "--bench");
        names_none || named.any(|name| name == part)
    };
    let effort = Effort {
        rounds: 3,
        time: Duration::from_secs(4),
        connections: &[16, 64, 256],
        sequential: 2_000,
        million: 1_000_000,
    };
    let wrk = Wrk::posting(FORM)?;
    let runtime = Runtime::new()?;
    let mut out = io::stdout();
    let cores = thread::available_parallelism()?.get();
    writeln!(
        out,
        "{cores} cores, shared by server and load; median of {} rounds of {:?}, taken in turns\n",
        effort.rounds, effort.time
    )?;
    for part in PARTS.into_iter().filter(|part| is_wanted(part)) {
        match part {
            "rs256" => rs256(&mut out, &runtime, &wrk, &effort, cores)?,
            "es256" => es256(&mut out, &runtime, &wrk, &effort, cores)?,
            "pooled" => pooled(&mut out, &runtime, &wrk, &effort)?,
            "latency" => added_latency(&mut out, &runtime, &effort)?,
            "mocks" => other_mocks(&mut out, &runtime, &wrk, &effort)?,
            _ => memory(&mut out, &runtime, &wrk, &effort)?,
        }
        writeln!(out)?;
    }
    Ok(())
}

fn rs256(
    out: &mut impl io::Write,
    runtime: &Runtime,
    wrk: &Wrk,
    effort: &Effort,
    cores: usize,
) -> Result<(), Failure> {
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048)?;
    let sign: Sign = Arc::new(move |message| {
        let mut signature = vec![0; rsa.public_modulus_len()];
        let random = SystemRandom::new();
        let signed = rsa.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature);
        signed.is_ok().then_some(signature)
    });
    beside_signing(
        out,
        runtime,
        wrk,
        effort,
        (SigningAlgorithm::Rs256, cores, sign),
        |_, share| verdict(share >= RS256_SHARE, "0.85"),
    )
}

fn es256(
    out: &mut impl io::Write,
    runtime: &Runtime,
    wrk: &Wrk,
    effort: &Effort,
    cores: usize,
) -> Result<(), Failure> {
    let document =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())?;
    let ecdsa = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref())?;
    let sign: Sign = Arc::new(move |message| {
        let signed = ecdsa.sign(&SystemRandom::new(), message);
        Some(signed.ok()?.as_ref().to_vec())
    });
    beside_signing(
        out,
        runtime,
        wrk,
        effort,
        (SigningAlgorithm::Es256, cores, sign),
        |tokens, _| verdict(tokens >= FAST_RATE, "20 000/s"),
    )
}

/// Fresh tokens a second beside raw signatures a second, in turns, what each costs in processor
/// time, and what `judge` says of the tokens and their share. Beside them a server that does
/// nothing but sign: what its answers leave of the raw rate is the most that hyper allows.
fn beside_signing(
    out: &mut impl io::Write,
    runtime: &Runtime,
    wrk: &Wrk,
    effort: &Effort,
    (algorithm, cores, sign): (SigningAlgorithm, usize, Sign),
    judge: impl Fn(f64, f64) -> String,
) -> Result<(), Failure> {
    writeln!(
        out,
        "{:37}raw signatures            processor time, us           share of it\n           \
         connections   tokens/s              /s   share   signature   server   loader   \
         with   without the loader   bare server/s   its share",
        format!("{algorithm:?}").to_uppercase()
    )?;
    let server = runtime.block_on(start(algorithm))?;
    let bare_server = runtime.block_on(BareServer::start(Arc::clone(&sign)))?;
    for &connections in effort.connections {
        let (mut loads, mut raws, mut bares) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..effort.rounds {
            raws.push(raw_rate(cores, effort.time / 2, || {
                sign(&SIGNED).is_some()
            })?);
            loads.push(wrk.load(&url(&server), connections, effort.time)?);
            bares.push(wrk.rate(&bare_server.url, connections, effort.time)?);
        }
        let bare = median(bares);
        let of_raws = |part: fn(&Raw) -> f64| median(raws.iter().map(part).collect());
        let of_loads = |part: fn(&Load) -> f64| median(loads.iter().map(part).collect());
        let (raw, signature) = (of_raws(|raw| raw.rate), of_raws(|raw| raw.signature_us));
        let tokens = of_loads(|load| load.rate);
        let (of_server, of_loader) = (
            of_loads(|load| load.server_us),
            of_loads(|load| load.loader_us),
        );
        let share = tokens / raw;
        // Both are the same on a machine of one's own, as it has no time to spare. Elsewhere the
        // server, with more threads, takes more of the cores than the library alone does.
        let of_time = signature / (of_server + of_loader);
        writeln!(
            out,
            "           {connections:>11} {tokens:>10.0}   {raw:>13.0}   {share:>5.2}   \
             {signature:>9.0} {of_server:>8.0} {of_loader:>8.0}   {:>4.2}   {:>18.2}   \
             {bare:>13.0}   {:>9.2}   {}",
            of_time,
            signature / of_server,
            bare / raw,
            judge(tokens, share.min(of_time))
        )?;
    }
    runtime.block_on(server.stop());
    Ok(())
}

/// RS256, tokens repeated after 16 different ones.
fn pooled(
    out: &mut impl io::Write,
    runtime: &Runtime,
    wrk: &Wrk,
    effort: &Effort,
) -> Result<(), Failure> {
    writeln!(out, "pooled     connections      tokens/s")?;
    let server = runtime.block_on(start_with(Config {
        token_pool: NonZeroUsize::new(16),
        ..config(SigningAlgorithm::Rs256)
    }))?;
    for &connections in effort.connections {
        let rates = (0..effort.rounds).map(|_| wrk.rate(&url(&server), connections, effort.time));
        let tokens = median(rates.collect::<Result<_, _>>()?);
        writeln!(
            out,
            "           {connections:>11}  {tokens:>12.0}   {}",
            verdict(tokens >= FAST_RATE, "20 000/s")
        )?;
    }
    let ledger = server.ledger();
    writeln!(
        out,
        "           of {} issued {} were repeated",
        ledger.tokens_issued, ledger.tokens_repeated
    )?;
    runtime.block_on(server.stop());
    Ok(())
}

/// One request after the other, and one signature after the other, in turns.
fn added_latency(
    out: &mut impl io::Write,
    runtime: &Runtime,
    effort: &Effort,
) -> Result<(), Failure> {
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048)?;
    let server = runtime.block_on(start(SigningAlgorithm::Rs256))?;
    let url = url(&server);
    let (mut tokens, mut raw) = (Vec::new(), Vec::new());
    runtime.block_on(async {
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        for _ in 0..effort.sequential {
            let request = http::Request::post(&url)
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(Full::from(FORM))?;
            let started = Instant::now();
            let answer = client.request(request).await?;
            let is_token = answer.status().is_success();
            answer.into_body().collect().await?;
            tokens.push(started.elapsed());
            if !is_token {
                return Err(Failure::from("a request was refused"));
            }
            let mut signature = vec![0; rsa.public_modulus_len()];
            let started = Instant::now();
            rsa.sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                &[b'x'; 980],
                &mut signature,
            )?;
            raw.push(started.elapsed());
        }
        Ok(())
    })?;
    runtime.block_on(server.stop());
    tokens.sort();
    raw.sort();
    let at = |times: &[Duration], percent: usize| times[(times.len() - 1) * percent / 100];
    writeln!(
        out,
        "latency, one request at a time (latency configured: none)"
    )?;
    for percent in [50, 99] {
        let (token, signature) = (at(&tokens, percent), at(&raw, percent));
        let added = token.saturating_sub(signature);
        writeln!(
            out,
            "           p{percent}  token {token:>9.0?}   raw signature {signature:>9.0?}   added {added:>9.0?}"
        )?;
    }
    Ok(())
}

/// Memory must not grow with the number of requests.
fn memory(
    out: &mut impl io::Write,
    runtime: &Runtime,
    wrk: &Wrk,
    effort: &Effort,
) -> Result<(), Failure> {
    let server = runtime.block_on(start(SigningAlgorithm::Es256))?;
    writeln!(out, "memory     requests        resident")?;
    let mut measured = Vec::new();
    let mut next = effort.million / 10;
    loop {
        let made = server.ledger().token_requests;
        if made >= next {
            let kib = resident_kib()?;
            writeln!(
                out,
                "           {made:>9}  {:>9.1} MiB",
                kib as f64 / 1024.0
            )?;
            measured.push(kib);
            next = made + effort.million * 3 / 10;
            if made >= effort.million {
                break;
            }
        }
        wrk.rate(&url(&server), 64, Duration::from_secs(2))?;
    }
    runtime.block_on(server.stop());
    let (first, last) = (measured[0], measured[measured.len() - 1]);
    let growth = last as f64 / first as f64;
    writeln!(
        out,
        "           growth {growth:.2} {}",
        verdict(growth <= 1.15, "1.15 at most")
    )?;
    Ok(())
}

fn resident_kib() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB"));
    Ok(kib.ok_or("no VmRSS")?.trim().parse()?)
}

/// The mocks that npm has, where they are installed, beside this one.
fn other_mocks(
    out: &mut impl io::Write,
    runtime: &Runtime,
    wrk: &Wrk,
    effort: &Effort,
) -> Result<(), Failure> {
    writeln!(
        out,
        "side by side, 64 connections, RS256, client credentials"
    )?;
    let Some(modules) = std::env::var_os("TOKEN_CACHE_LAB_MOCKS").map(PathBuf::from) else {
        writeln!(
            out,
            "           not measured: TOKEN_CACHE_LAB_MOCKS names no node_modules"
        )?;
        return Ok(());
    };
    let server = runtime.block_on(start(SigningAlgorithm::Rs256))?;
    let mut rows = vec![("mock-idp", url(&server), None)];
    for name in ["oauth2-mock-server", "oidc-provider"] {
        match NpmMock::start(&modules, name) {
            Ok(mock) => rows.push((name, mock.url.clone(), Some(mock))),
            Err(error) => writeln!(out, "           {name}: not measured: {error}")?,
        }
    }
    let mut rates = vec![Vec::new(); rows.len()];
    for _ in 0..effort.rounds {
        for (place, (_, url, _)) in rows.iter().enumerate() {
            rates[place].push(wrk.rate(url, 64, effort.time)?);
        }
    }
    let rates: Vec<_> = rates.into_iter().map(median).collect();
    for ((name, ..), rate) in rows.iter().zip(&rates) {
        writeln!(
            out,
            "           {name:<20} {rate:>8.0} tokens/s   {:>5.1} x",
            rates[0] / rate
        )?;
    }
    drop(rows);
    runtime.block_on(server.stop());
    Ok(())
}

/// A mock written for Node, in a process of its own that ends with it.
struct NpmMock {
    child: Child,
    url: String,
}

impl NpmMock {
    fn start(modules: &Path, name: &str) -> Result<Self, Failure> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/npm_mocks.mjs");
        let mut child = Command::new("node")
            .arg(script)
            .arg(modules)
            .arg(name)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("no stdout")?;
        let mut mock = Self {
            child,
            url: String::new(),
        };
        BufReader::new(stdout).read_line(&mut mock.url)?;
        mock.url.truncate(mock.url.trim_end().len());
        if mock.url.is_empty() {
            return Err("it did not start".into());
        }
        Ok(mock)
    }
}

impl Drop for NpmMock {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn start(algorithm: SigningAlgorithm) -> Result<Server, Failure> {
    start_with(config(algorithm)).await
}

async fn start_with(config: Config) -> Result<Server, Failure> {
    Ok(Server::start(config).await?)
}

fn config(algorithm: SigningAlgorithm) -> Config {
    Config {
        http: Some(([127, 0, 0, 1], 0).into()),
        keys: KeySchedule {
            algorithm,
            ..KeySchedule::default()
        },
        ..Config::default()
    }
}

fn url(server: &Server) -> String {
    let address = server.http_addr().map(|address| address.to_string());
    format!("http://{}{PATH}", address.unwrap_or_default())
}

/// What the library alone does.
struct Raw {
    /// Signatures a second.
    rate: f64,
    /// Microseconds of processor time a signature.
    signature_us: f64,
}

/// Signatures of about a token's size, on every core.
fn raw_rate(cores: usize, time: Duration, sign: impl Fn() -> bool + Sync) -> Result<Raw, Failure> {
    let signed = AtomicU64::new(0);
    let (before, started) = (ProcessorTime::now()?, Instant::now());
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while started.elapsed() < time {
                    assert!(sign(), "the library signs");
                    signed.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let signed = signed.load(Ordering::Relaxed) as f64;
    let taken = ProcessorTime::now()? - before;
    Ok(Raw {
        rate: signed / started.elapsed().as_secs_f64(),
        signature_us: taken.own * 1e6 / signed,
    })
}

fn verdict(is_met: bool, budget: &str) -> String {
    let word = if is_met { "within" } else { "MISSES" };
    format!("{word} the budget of {budget}")
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
