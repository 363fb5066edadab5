//! What an L1 hit through `acquire` costs, beside the budgets of the design.
//!
//! Criterion measures; the table at the end sets each figure beside what it is
//! compared with, from the same run: its budget, and hits of the real `msal` and
//! `@azure/msal-node` where `TOKEN_CACHE_LAB_PYTHON` and `TOKEN_CACHE_LAB_NODE`
//! name them. `cargo bench -p token-client`.
#![expect(clippy::print_stdout, reason = "a benchmark's output is its result")]

#[path = "../../tests/support/at_once.rs"]
mod at_once;
mod bare;
mod clients;

use std::sync::{Arc, Barrier};
use std::time::Duration;

use at_once::AtOnce;
use bare::BareMap;
use criterion::Criterion;
use token_cache::{Environment, PartitionKey, Scopes, Secret, TokenCache, TokenCacheOptions};
use token_client::{
    AcquireRequest, Application, Authority, Client, Flow, TokenRequest, TokenResponse, TokenSource,
};
use tokio::runtime::Runtime;
use tokio::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
                client_secret: Some(Secret::new("secret")),
            },
            Authority {
                environment: Environment::of_host("login.microsoftonline.com"),
                // With a token of Entra's usual size.
                provider: Arc::new(AtOnce(|_: &TokenRequest| {
                    let token = Secret::new("x".repeat(1_324));
                    TokenResponse::bearer(token, Duration::from_secs(86_400))
                })),
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

    /// An application's client on a runtime of its own.
    fn of(client: Client) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        Self { runtime, client }
    }

    /// What one partition is as a blob: the payload that MSAL's L1 holds.
    fn blob_bytes(&self) -> usize {
        let key = PartitionKey::application(
            "d3adb33f-c0de-ed0c-c0de-deadb33fc0d3",
            "f645ad92-e38d-4d1a-b510-000000000000",
        );
        let cache = self.client.cache();
        let held = cache.peek_l1(key.borrowed(), cache.clock().now());
        token_cache::schema::write(&held.expect("a partition")).len()
    }

    /// Time of `iterations` hits, by turns on each request. They are made in
    /// batches, outside of what is timed: a caller has just made its request, so
    /// it lies in the processor's caches, where the cache's entry need not.
    fn hits(&self, asked: &[Asked], iterations: u64) -> Duration {
        let scopes: Vec<_> = (0..1_000).map(scopes).collect();
        let mut left = usize::try_from(iterations).unwrap_or(usize::MAX);
        let mut asked = asked.iter().cycle();
        let mut took = Duration::ZERO;
        self.runtime.block_on(async {
            while left > 0 {
                let batch: Vec<_> = (&mut asked)
                    .take(left.min(BATCH))
                    .map(|asked| request_for(asked.tenant, scopes[asked.resource].clone()))
                    .collect();
                left -= batch.len();
                let began = Instant::now();
                for request in &batch {
                    let result = self.client.acquire(std::hint::black_box(request)).await;
                    let source = result.map(|result| result.metadata.token_source);
                    assert!(
                        matches!(source, Ok(TokenSource::Cache)),
                        "every call is a hit"
                    );
                }
                took += began.elapsed();
            }
        });
        took
    }
}

/// So many hits between two looks at the clock.
const BATCH: usize = 16;

/// Which token.
#[derive(Clone, Copy)]
struct Asked {
    tenant: usize,
    resource: usize,
}

fn ask(tenant: usize, resource: usize) -> [Asked; 1] {
    [Asked { tenant, resource }]
}

/// Ten thousand of so many tenants, far apart.
fn spread(tenants: usize) -> Vec<Asked> {
    let tenant = |n: usize| (n * 7_919) % tenants;
    (0..10_000)
        .map(|n| Asked {
            tenant: tenant(n),
            resource: 0,
        })
        .collect()
}

fn scopes(resource: usize) -> Scopes {
    Scopes::parse(&format!(
        "api://0e3a27c7-0000-4000-8000-{resource:012}/.default"
    ))
}

fn request_for(tenant: usize, scopes: Scopes) -> AcquireRequest {
    AcquireRequest::new(Flow::ClientCredentials, tenant_id(tenant).into(), scopes)
}

fn tenant_id(number: usize) -> String {
    format!("f645ad92-e38d-4d1a-b510-{number:012}")
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

/// Two threads, each on a token of its own, at once.
fn two_threads(bench: &[Bench; 2], asked: [&[Asked]; 2], iterations: u64) -> Duration {
    let barrier = Barrier::new(2);
    std::thread::scope(|scope| {
        let threads = [0, 1].map(|thread| {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                bench[thread].hits(asked[thread], iterations)
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
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(40)
        .configure_from_args();
    let one = Bench::warm(1, 1);
    let first = ask(0, 0);
    let single = measure(&mut criterion, "acquire/l1_hit", |n| one.hits(&first, n));

    let wide = Bench::warm(1, 1_000);
    let of_thousand = measure(&mut criterion, "acquire/l1_hit_of_1000_tokens", |n| {
        wide.hits(&ask(0, 500), n)
    });
    let hundred = Bench::warm(1, 100);
    let of_hundred = measure(&mut criterion, "acquire/l1_hit_of_100_tokens", |n| {
        hundred.hits(&ask(0, 50), n)
    });

    // So many tenants a thread that where their keys fall is not left to chance: the
    // cache is in sixteen parts, and hits of one part change the same lock.
    let [mine, yours] = [0, 1].map(|thread| -> Vec<_> {
        let tenants = (0..64).map(|n| 2 * n + thread);
        tenants.flat_map(|tenant| ask(tenant, 0)).collect()
    });
    let few = Bench::warm(128, 1);
    let alone = measure(&mut criterion, "acquire/l1_hit_one_thread", |n| {
        few.hits(&mine, n)
    });
    // One cache, two clients' worth of runtime: the threads share the cache.
    let sharing = [few.client.clone(), few.client.clone()].map(Bench::of);
    let together = measure(&mut criterion, "acquire/l1_hit_two_threads", |n| {
        two_threads(&sharing, [&mine, &yours], n)
    });
    // What the machine makes of two threads that share nothing.
    let apart = [Bench::warm(128, 1), Bench::warm(128, 1)];
    let apart = measure(&mut criterion, "acquire/l1_hit_two_caches", |n| {
        two_threads(&apart, [&mine, &yours], n)
    });

    let ten_thousand = Bench::warm(10_000, 1);
    let many = spread(10_000);
    let of_ten_thousand = measure(&mut criterion, "acquire/l1_hit_of_10000_partitions", |n| {
        ten_thousand.hits(&many, n)
    });
    drop(ten_thousand);

    let payload = one.blob_bytes();
    let before = resident_bytes();
    let full = Bench::warm(MANY, 1);
    let resident = (resident_bytes().saturating_sub(before)) as f64 / MANY as f64;
    let many = spread(MANY);
    let of_million = measure(
        &mut criterion,
        "acquire/l1_hit_of_1000000_partitions",
        |n| full.hits(&many, n),
    );
    drop(full);

    let bare = |criterion: &mut Criterion, name: &str, tenants: usize, asked: &[Asked]| {
        let map = BareMap::of(tenants, payload);
        measure(criterion, name, |n| map.lookups(asked, n))
    };
    let bare = [
        bare(&mut criterion, "bare_map/of_1", 1, &first),
        bare(&mut criterion, "bare_map/of_1000000", MANY, &spread(MANY)),
    ];

    Figures {
        single,
        of_hundred,
        of_thousand,
        of_ten_thousand,
        of_million,
        bare,
        alone,
        together,
        apart,
        resident,
        payload,
    }
    .print();
    clients::print(single, of_thousand);
    criterion.final_summary();
}

const MANY: usize = 1_000_000;

/// What was measured; times in nanoseconds, sizes in bytes.
struct Figures {
    single: f64,
    of_hundred: f64,
    of_thousand: f64,
    of_ten_thousand: f64,
    of_million: f64,
    /// The standard library's map, of one entry and of a million.
    bare: [f64; 2],
    /// One thread on 64 tenants, and each of two on 64 of its own: of one cache, and
    /// of a cache each.
    alone: f64,
    together: f64,
    apart: f64,
    resident: f64,
    payload: usize,
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
        let more = |[few, many]: [f64; 2]| format!("{:.0} ns more", many - few);
        line(
            "  what a million costs",
            more([self.single, self.of_million]),
            "none",
            true,
        );
        line("  and in a bare HashMap", more(self.bare), "none", true);
        let speedup = 2.0 * self.alone / self.together;
        line(
            "two threads, 64 tenants each",
            format!("{speedup:.2} x one"),
            ">= 1.7 x",
            speedup >= 1.7,
        );
        line(
            "  the same with a cache each",
            format!("{:.2} x one", 2.0 * self.alone / self.apart),
            "none",
            true,
        );
        let ratio = self.resident / self.payload as f64;
        line(
            "resident bytes per app token",
            format!("{ratio:.2} x {} B", self.payload),
            "<= 1.35 x",
            ratio <= 1.35,
        );
    }
}
