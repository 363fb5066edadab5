//! Postgres, against a cluster of its own, which `initdb` makes for the test.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use token_cache::Clock;
use token_cache::store::{Expiration, PostgresOptions, PostgresStore, Store};
use tokio_postgres::NoTls;

use crate::contract::{Candidate, Place, Sliding, store_contract};
use crate::outage::{Subject, survives_outages};
use crate::support::scratch::Scratch;
use crate::support::server::{Server, free_port};

const HOUR: Duration = Duration::from_secs(3_600);

/// A cluster on disk. Postgres refuses to run as root, so root hands it to the
/// user that Debian made for it.
struct Cluster {
    directory: Scratch,
    user: Option<(u32, u32)>,
    programs: PathBuf,
}

fn id(words: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(words).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

impl Cluster {
    fn new() -> Self {
        let user = (id(&["-u"]) == Some(0)).then(|| {
            let user = id(&["-u", "postgres"]).zip(id(&["-g", "postgres"]));
            user.expect("Debian's `postgresql` makes the user `postgres`")
        });
        let versions = fs::read_dir("/usr/lib/postgresql");
        let programs = versions
            .into_iter()
            .flatten()
            .map(|version| version.unwrap().path().join("bin"))
            .find(|bin| bin.join("initdb").is_file())
            .expect("Debian's `postgresql` is installed; `scripts/test` does that");
        let cluster = Self {
            directory: Scratch::new("postgres"),
            user,
            programs,
        };
        if let Some((user, group)) = cluster.user {
            chown(cluster.directory.path(), Some(user), Some(group)).unwrap();
        }
        let mut initdb = cluster.program("initdb");
        initdb.args(["--no-sync", "--auth", "trust", "--username", "tester"]);
        initdb.args(["--encoding", "UTF8", "--locale", "C", "--pgdata"]);
        let made = initdb.arg(cluster.data()).output().unwrap();
        let said = String::from_utf8_lossy(&made.stderr).into_owned();
        assert!(made.status.success(), "initdb: {said}");
        cluster
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.current_dir(self.directory.path());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }

    fn start(&self, port: u16, more: &[&str]) -> Server {
        let mut command = self.program("postgres");
        command.arg("-D").arg(self.data());
        command.args(["-p", &port.to_string(), "-h", "127.0.0.1", "-F"]);
        command.arg("-k").arg(self.directory.path()).args(more);
        // A killed postmaster leaves its lock; its children end by themselves.
        let _ = fs::remove_file(self.data().join("postmaster.pid"));
        Server::start(port, command)
    }
}

fn options(port: u16) -> PostgresOptions {
    let url = format!("postgres://tester@127.0.0.1:{port}/postgres");
    let mut options = PostgresOptions::new(url);
    options.timeout = Duration::from_secs(10);
    // A store whose clock is ahead would sweep what others have yet to read.
    options.sweep_every = Duration::MAX;
    options
}

fn store(options: &PostgresOptions, clock: Clock) -> Arc<dyn Store> {
    Arc::new(PostgresStore::try_new(options, clock).unwrap())
}

fn later(by: Duration) -> Clock {
    Clock::starting_at(Clock::system().now().plus(by))
}

/// The session answers once the server has started up.
async fn look(port: u16) -> tokio_postgres::Client {
    let config = format!("host=127.0.0.1 port={port} user=tester dbname=postgres");
    for _ in 0..500 {
        if let Ok((client, connection)) = tokio_postgres::connect(&config, NoTls).await {
            tokio::spawn(connection);
            return client;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("Postgres does not start");
}

#[tokio::test]
async fn postgres_keeps_the_store_contract() {
    let cluster = Cluster::new();
    let server = cluster.start(free_port(), &[]);
    let port = server.port;
    look(port).await;
    store_contract(&Candidate {
        name: "postgres",
        place: Place::Server(Box::new(move |clock| store(&options(port), clock))),
        sliding: Sliding::InEntry,
        largest_blob: 4_000_000,
    })
    .await;
}

#[tokio::test]
async fn postgres_outages_end_within_the_limit_and_use_resumes_by_itself() {
    let cluster = Cluster::new();
    survives_outages(&Subject {
        name: "postgres",
        start: Box::new(move |port| cluster.start(port, &[])),
        open: |port, limit| {
            let mut options = options(port);
            options.timeout = limit;
            store(&options, Clock::system())
        },
    })
    .await;
}

#[tokio::test]
async fn the_table_is_microsoft_s_and_times_keep_their_promise() {
    let cluster = Cluster::new();
    let server = cluster.start(free_port(), &[]);
    let client = look(server.port).await;
    let mut options = options(server.port);
    options.table = "odd \"name".to_owned();
    let store_at = |clock| store(&options, clock);

    // Many instances start at once on an empty database.
    let all = (0..8).map(|_| store_at(Clock::system()));
    let firsts = all.map(|store| async move { store.get("none").await.unwrap() });
    futures_util::future::join_all(firsts).await;

    let columns = client
        .query(
            "SELECT column_name::text, data_type::text, coalesce(collation_name, '')::text, \
             coalesce(character_maximum_length, 0)::int FROM information_schema.columns \
             WHERE table_name = 'odd \"name' ORDER BY ordinal_position",
            &[],
        )
        .await
        .unwrap();
    let found: Vec<(String, String, String, i32)> = columns
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
        .collect();
    let column = |name: &str, kind: &str, collation: &str, length| {
        (
            name.to_owned(),
            kind.to_owned(),
            collation.to_owned(),
            length,
        )
    };
    assert_eq!(
        found,
        [
            column("id", "character varying", "C", 449),
            column("value", "bytea", "", 0),
            column("expiresattime", "timestamp with time zone", "", 0),
            column("slidingexpirationinseconds", "bigint", "", 0),
            column("absoluteexpiration", "timestamp with time zone", "", 0),
        ]
    );
    let unlogged = client
        .query_one(
            "SELECT relpersistence::text FROM pg_class WHERE relname = 'odd \"name'",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(unlogged.get::<_, String>(0), "u");

    b4_a_refresh_adds_the_window_and_not_the_whole_way_to_the_end(&client, &store_at).await;
    b4_an_entry_without_an_end_gets_twenty_minutes(&store_at).await;
    let mut sweeping = options.clone();
    sweeping.sweep_every = HOUR;
    let store_that_sweeps = |clock| store(&sweeping, clock);
    b2_what_has_expired_is_swept_once_in_the_interval(&client, &store_that_sweeps).await;

    let store = store_at(Clock::system());
    let long = "k".repeat(450);
    let too_long = store.set(&long, "x".into(), Expiration::default());
    let error = too_long.await.unwrap_err();
    assert!(error.reason.contains("too long"), "{error}");
    assert!(store.get("after\0nul").await.is_err());
    assert!(store.get("after the errors").await.unwrap().is_none());
}

type StoreAt<'a> = &'a dyn Fn(Clock) -> Arc<dyn Store>;

/// Sliding an hour, ending in 72: Microsoft's refresh would go to the end.
async fn b4_a_refresh_adds_the_window_and_not_the_whole_way_to_the_end(
    client: &tokio_postgres::Client,
    store_at: StoreAt<'_>,
) {
    let store = store_at(Clock::system());
    let both = Expiration {
        absolute: Some(Clock::system().now().plus(72 * HOUR)),
        sliding: Some(HOUR),
    };
    store
        .set("b4", Bytes::from_static(b"x"), both)
        .await
        .unwrap();
    for by in [Duration::ZERO, HOUR / 2] {
        store_at(later(by)).refresh("b4").await.unwrap();
        let left = client
            .query_one(
                "SELECT extract(epoch FROM expiresattime - now())::float8 \
                 FROM \"odd \"\"name\" WHERE id = 'b4'",
                &[],
            )
            .await
            .unwrap();
        let left = left.get::<_, f64>(0) - by.as_secs_f64();
        assert!((3_570.0..=3_601.0).contains(&left), "{left} s after {by:?}");
    }
    assert!(store_at(later(2 * HOUR)).get("b4").await.unwrap().is_none());
}

async fn b4_an_entry_without_an_end_gets_twenty_minutes(store_at: StoreAt<'_>) {
    let store = store_at(Clock::system());
    store
        .set("default", "x".into(), Expiration::default())
        .await
        .unwrap();
    let minutes = |minutes: u64| later(Duration::from_secs(60 * minutes));
    assert!(
        store_at(minutes(19))
            .get("default")
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        store_at(minutes(38))
            .get("default")
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        store_at(minutes(59))
            .get("default")
            .await
            .unwrap()
            .is_none()
    );
}

async fn b2_what_has_expired_is_swept_once_in_the_interval(
    client: &tokio_postgres::Client,
    store_at: StoreAt<'_>,
) {
    let soon = Expiration {
        absolute: Some(Clock::system().now().plus(HOUR)),
        sliding: None,
    };
    store_at(Clock::system())
        .set("swept", "x".into(), soon)
        .await
        .unwrap();
    let there = "SELECT count(*)::bigint FROM \"odd \"\"name\" WHERE id = 'swept'";
    let count = async || client.query_one(there, &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!(count().await, 1);
    // The first operation of a store sweeps, behind the caller's back.
    let store = store_at(later(2 * HOUR));
    store.get("other").await.unwrap();
    for _ in 0..500 {
        if count().await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the expired entry was not swept");
}

#[tokio::test]
async fn tls_and_passwords_work_and_secrets_are_shown_nowhere() {
    let cluster = Cluster::new();
    let (authority, certificate, key) = authority();
    let write = |name: &str, text: &str| {
        let path = cluster.data().join(name);
        fs::write(&path, text).unwrap();
        private(&path, cluster.user);
    };
    write("server.crt", &certificate);
    write("server.key", &key);
    write(
        "pg_hba.conf",
        "host all all 127.0.0.1/32 scram-sha-256\nlocal all all trust\n",
    );
    let port = free_port();
    let _server = cluster.start(port, &["-c", "ssl=on"]);
    let socket = cluster.directory.path().display().to_string();
    let mut psql = cluster.program("psql");
    psql.args([
        "-h",
        &socket,
        "-p",
        &port.to_string(),
        "-U",
        "tester",
        "postgres",
        "-c",
    ]);
    psql.arg("ALTER ROLE tester PASSWORD 's3cret-word'");
    // The server listens before it lets anyone in.
    let let_in = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        psql.output().unwrap().status.success()
    });
    assert!(let_in, "psql cannot set the password");

    let at = |password: &str, ca_pem: Option<String>| {
        let url = format!("postgres://tester:{password}@localhost:{port}/postgres?sslmode=require");
        let mut options = PostgresOptions::new(url);
        options.timeout = Duration::from_secs(10);
        options.ca_pem = ca_pem;
        options
    };
    let right = at("s3cret-word", Some(authority.clone()));
    let store = PostgresStore::try_new(&right, Clock::system()).unwrap();
    store
        .set("a", "1".into(), Expiration::default())
        .await
        .unwrap();
    assert!(!format!("{right:?} {store:?}").contains("s3cret"));
    let wrong = at("wr0ng-word", Some(authority));
    let store = PostgresStore::try_new(&wrong, Clock::system()).unwrap();
    let error = store.get("a").await.unwrap_err();
    assert!(
        error.reason.contains("password") && !error.reason.contains("wr0ng"),
        "{error}"
    );
    let untrusted = at("s3cret-word", None);
    let store = PostgresStore::try_new(&untrusted, Clock::system()).unwrap();
    let error = store.get("a").await.unwrap_err();
    assert!(error.reason.contains("certificate"), "{error}");
    let error = PostgresStore::try_new(&PostgresOptions::new("pa55word"), Clock::system());
    assert!(!error.unwrap_err().reason.contains("pa55word"));
}

/// An authority, and a certificate of it for `localhost` with its key, in PEM.
fn authority() -> (String, String, String) {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let own_key = rcgen::KeyPair::generate().unwrap();
    let authority = rcgen::CertifiedIssuer::self_signed(params, own_key).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &authority).unwrap();
    (authority.pem(), leaf.pem(), key.serialize_pem())
}

/// Postgres takes a key that only its user may read.
fn private(path: &Path, user: Option<(u32, u32)>) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    if let Some((user, group)) = user {
        chown(path, Some(user), Some(group)).unwrap();
    }
}
