//! What an L1 hit through `acquire` costs, beside the budgets of the design.
//!
//! Criterion measures; the table at the end sets each figure beside what it is
//! compared with, from the same run. `cargo bench -p token-client`.
#![expect(clippy::print_stdout, reason = "a benchmark's output is its result")]

use std::sync::{Arc, Barrier};
use std::time::Duration;

use criterion::Criterion;
use token_cache::item::TokenType;
use token_cache::{Environment, PartitionKey, Scopes, Secret, TokenCache, TokenCacheOptions};
use token_client::idp::TokenFuture;
use token_client::{
    AcquireRequest, Application, Authority, Client, Flow, IdentityProvider, TokenRequest,
    TokenResponse, TokenSource,
};
use tokio::runtime::Runtime;
use tokio::time::Instant;

/// Answers at once with a token of Entra's usual size.
#[derive(Debug)]
struct Provider;

impl IdentityProvider for Provider {
    fn request_token<'a>(&'a self, _: &'a TokenRequest) -> TokenFuture<'a> {
        Box::pin(async {
            Ok(TokenResponse {
                access_token: Secret::new("x".repeat(1_324)),
                token_type: TokenType::Bearer,
                expires_in: Duration::from_secs(86_400),
                ext_expires_in: None,
                refresh_in: None,
                scope: None,
                refresh_token: None,
                id_token: None,
                client_info: None,
            })
        })
    }
}

struct Bench {
    runtime: Runtime,
    client: Client,
}

impl Bench {
    /// A client whose cache holds tokens for this many tenants and resources.
    fn warm(tenants: usize, resources: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let cache = TokenCache::new(TokenCacheOptions {
            l1_size_limit_bytes: Some(16_000_000_000),
            ..TokenCacheOptions::default()
        });
        let client = Client::new(
            Application {
                client_id: "d3adb33f-c0de-ed0c-c0de-deadb33fc0d3".into(),
                client_secret: Secret::new("secret"),
            },
            Authority {
                environment: Environment::of_host("login.microsoftonline.com"),
                provider: Arc::new(Provider),
            },
            Arc::new(cache),
        );
        // A service has one set of scopes for a resource, whatever the tenant.
        let scopes: Vec<_> = (0..resources).map(scopes).collect();
        runtime.block_on(async {
            for tenant in 0..tenants {
                for scopes in &scopes {
                    let request = request_for(tenant, scopes.clone());
                    client.acquire(&request).await.expect("a token");
                }
            }
        });
        Self { runtime, client }
    }

    /// What one partition is as a blob: the payload that MSAL's L1 holds.
    fn blob_bytes(&self) -> f64 {
        let key = PartitionKey::application(
            "d3adb33f-c0de-ed0c-c0de-deadb33fc0d3",
            "f645ad92-e38d-4d1a-b510-000000000000",
        );
        let cache = self.client.cache();
        let held = cache.peek_l1(key.borrowed(), cache.clock().now());
        token_cache::schema::write(&held.expect("a partition")).len() as f64
    }

    /// Time of `iterations` hits, by turns on each request.
    fn hits(&self, requests: &[AcquireRequest], iterations: u64) -> Duration {
        self.runtime.block_on(async {
            let started = Instant::now();
            for request in requests
                .iter()
                .cycle()
                .take(usize::try_from(iterations).unwrap_or(usize::MAX))
            {
                let result = self.client.acquire(std::hint::black_box(request)).await;
                let source = result.map(|result| result.metadata.token_source);
                assert!(
                    matches!(source, Ok(TokenSource::Cache)),
                    "every call is a hit"
                );
            }
            started.elapsed()
        })
    }
}

fn request(tenant: usize, resource: usize) -> AcquireRequest {
    request_for(tenant, scopes(resource))
}

fn scopes(resource: usize) -> Scopes {
    Scopes::parse(&format!(
        "api://0e3a27c7-0000-4000-8000-{resource:012}/.default"
    ))
}

fn request_for(tenant: usize, scopes: Scopes) -> AcquireRequest {
    AcquireRequest::new(
        Flow::ClientCredentials,
        format!("f645ad92-e38d-4d1a-b510-{tenant:012}").into(),
        scopes,
    )
}

/// Memory of this process that is in RAM, in bytes; Linux only.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4_096
}

/// Lets Criterion measure, and gives the median time of one hit in nanoseconds.
fn measure(criterion: &mut Criterion, name: &str, hits: impl Fn(u64) -> Duration) -> f64 {
    let mut samples = Vec::new();
    criterion.bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| {
            let elapsed = hits(iterations);
            samples.push(elapsed.as_secs_f64() * 1e9 / iterations as f64);
            elapsed
        });
    });
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Two threads, each on requests of its own, at once.
fn two_threads(bench: &[Bench; 2], requests: [&[AcquireRequest]; 2], iterations: u64) -> Duration {
    let barrier = Barrier::new(2);
    std::thread::scope(|scope| {
        let threads = [0, 1].map(|thread| {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                bench[thread].hits(requests[thread], iterations)
            })
        });
        threads
            .map(|thread| thread.join().expect("no panic"))
            .into_iter()
            .max()
            .expect("two")
    })
}

fn main() {
    const MANY: usize = 1_000_000;
    let mut criterion = Criterion::default()
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    let one = Bench::warm(2, 1);
    let first = [request(0, 0)];
    let second = [request(1, 0)];
    let single = measure(&mut criterion, "acquire/l1_hit", |n| one.hits(&first, n));

    let wide = Bench::warm(1, 1_000);
    let middle = [request(0, 500)];
    let of_thousand = measure(&mut criterion, "acquire/l1_hit_of_1000_tokens", |n| {
        wide.hits(&middle, n)
    });

    // One cache, two clients' worth of runtime: the threads share the cache.
    let pair = [
        Bench {
            runtime: Runtime::new().expect("a runtime"),
            client: one.client.clone(),
        },
        Bench {
            runtime: Runtime::new().expect("a runtime"),
            client: one.client.clone(),
        },
    ];
    let together = measure(&mut criterion, "acquire/l1_hit_two_threads", |n| {
        two_threads(&pair, [&first, &second], n)
    });

    let hundred = Bench::warm(1, 100);
    let middle = [request(0, 50)];
    let of_hundred = measure(&mut criterion, "acquire/l1_hit_of_100_tokens", |n| {
        hundred.hits(&middle, n)
    });

    let ten_thousand = Bench::warm(10_000, 1);
    let spread: Vec<_> = (0..10_000)
        .map(|n| request((n * 7_919) % 10_000, 0))
        .collect();
    let of_ten_thousand = measure(&mut criterion, "acquire/l1_hit_of_10000_partitions", |n| {
        ten_thousand.hits(&spread, n)
    });
    drop(ten_thousand);

    let before = resident_bytes();
    let full = Bench::warm(MANY, 1);
    let resident = (resident_bytes().saturating_sub(before)) as f64 / MANY as f64;
    let payload = full.blob_bytes();
    // Far apart, so that the processor's caches do not hold them.
    let spread: Vec<_> = (0..10_000)
        .map(|n| request((n * 7_919) % MANY, 0))
        .collect();
    let of_million = measure(
        &mut criterion,
        "acquire/l1_hit_of_1000000_partitions",
        |n| full.hits(&spread, n),
    );

    Figures {
        single,
        of_hundred,
        of_thousand,
        of_ten_thousand,
        of_million,
        together,
        resident,
        payload,
    }
    .print();
    criterion.final_summary();
}

/// What was measured; times in nanoseconds, sizes in bytes.
struct Figures {
    single: f64,
    of_hundred: f64,
    of_thousand: f64,
    of_ten_thousand: f64,
    of_million: f64,
    together: f64,
    resident: f64,
    payload: f64,
}

impl Figures {
    /// Each beside its budget.
    fn print(&self) {
        println!("\nL1 hit through `acquire`, client credentials, metadata included");
        let verdict = |holds: bool| if holds { "holds" } else { "DOES NOT HOLD" };
        let line = |what: &str, measured: String, budget: &str, holds: bool| {
            println!(
                "  {what:<34}{measured:>14}   budget {budget:<14} {}",
                verdict(holds)
            );
        };
        line(
            "one token",
            format!("{:.0} ns", self.single),
            "<= 1000 ns",
            self.single <= 1_000.0,
        );
        let ratio = self.of_thousand / self.single;
        line(
            "of 1 000 tokens in the partition",
            format!("{ratio:.2} x one"),
            "<= 2 x",
            ratio <= 2.0,
        );
        line(
            "of 100 tokens in the partition",
            format!("{:.2} x one", self.of_hundred / self.single),
            "none",
            true,
        );
        line(
            "of 10 000 partitions",
            format!("{:.2} x one", self.of_ten_thousand / self.single),
            "none",
            true,
        );
        let ratio = self.of_million / self.single;
        line(
            "of 1 000 000 partitions",
            format!("{ratio:.2} x one"),
            "<= 3 x",
            ratio <= 3.0,
        );
        let speedup = 2.0 * self.single / self.together;
        line(
            "two threads, two tenants",
            format!("{speedup:.2} x one"),
            ">= 1.7 x",
            speedup >= 1.7,
        );
        line(
            "resident bytes per app token",
            format!(
                "{:.2} x {:.0} B",
                self.resident / self.payload,
                self.payload
            ),
            "<= 1.35 x",
            self.resident / self.payload <= 1.35,
        );
        println!(
            "  For comparison, in memory: MSAL.NET 9 900 ns, msal-python 31 000 ns, msal-node 342 000 ns\n  \
         (run on this kind of machine, docs/measurement.md)"
        );
    }
}
