//! The desktop file cache, shared by real processes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use token_cache::Clock;
use token_cache::protect::KeyRing;
use token_cache::provider::file::load_or_create_key_ring;
use token_cache::provider::{FileStore, FileStoreOptions};
use token_cache::store::{Expiration, Store, Swap};

use crate::contract::{Candidate, Place, Sliding, store_contract};
use crate::support::scratch::Scratch;

const FOREVER: Expiration = Expiration {
    absolute: None,
    sliding: None,
};

fn open(path: &Path, clock: Clock) -> FileStore {
    let ring = load_or_create_key_ring(&path.with_extension("key")).unwrap();
    FileStore::new(FileStoreOptions::new(path), Arc::new(ring), clock)
}

fn open_now(path: &Path) -> FileStore {
    open(path, Clock::system())
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_file_keeps_the_store_contract() {
    let scratch = Scratch::new("file-contract");
    let path = scratch.path().join("deep/down/cache.bin");
    store_contract(&Candidate {
        name: "file",
        place: Place::Server(Box::new(move |clock| Arc::new(open(&path, clock)))),
        sliding: Sliding::InEntry,
        largest_blob: 1_000_000,
    })
    .await;
}

#[tokio::test]
async fn the_file_is_sealed_and_for_its_user_alone() {
    let scratch = Scratch::new("file-private");
    let path = scratch.path().join("cache.bin");
    let store = open_now(&path);
    let blob = Bytes::from_static(b"refresh-token-of-alice");
    store
        .set("alice.utid", blob.clone(), FOREVER)
        .await
        .unwrap();
    for name in ["cache.bin", "cache.key", "cache.bin.lockfile"] {
        assert_eq!(mode(&scratch.path().join(name)), 0o600, "{name}");
    }
    let bytes = fs::read(&path).unwrap();
    for secret in ["refresh-token", "alice", "cmVmcmVzaC10b2tlb"] {
        let shows = bytes
            .windows(secret.len())
            .any(|part| part == secret.as_bytes());
        assert!(!shows, "{secret} can be read in the file");
    }
    assert!(!format!("{store:?}").contains("refresh-token"));
    let left: Vec<_> = fs::read_dir(scratch.path()).unwrap().collect();
    assert_eq!(left.len(), 4, "no temporary file is left: {left:?}");

    // Another store of the same process or the next one reads it.
    assert_eq!(open_now(&path).get("alice.utid").await.unwrap(), Some(blob));
}

#[tokio::test]
async fn a_key_file_that_others_can_read_is_refused_with_the_remedy() {
    let scratch = Scratch::new("file-key");
    let path = scratch.path().join("ring.key");
    load_or_create_key_ring(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let error = load_or_create_key_ring(&path).unwrap_err().to_string();
    assert!(error.contains("chmod 600"), "{error}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, "{}").unwrap();
    let error = load_or_create_key_ring(&path).unwrap_err().to_string();
    assert!(error.contains("ring.key"), "{error}");
}

#[tokio::test]
async fn a_damaged_file_counts_as_empty_and_the_next_write_replaces_it() {
    let scratch = Scratch::new("file-damaged");
    let path = scratch.path().join("cache.bin");
    let store = open_now(&path);
    store.set("a", "1".into(), FOREVER).await.unwrap();
    let whole = fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let damaged = [
        &b""[..],
        b"garbage",
        br#"{"version":1}"#,
        &whole[..20],
        &flipped,
    ];
    for (number, bytes) in (1..).zip(damaged) {
        fs::write(&path, bytes).unwrap();
        assert_eq!(store.get("a").await.unwrap(), None, "damage {number}");
        assert_eq!(store.unreadable_count(), 2 * number - 1);
        store.set("a", "2".into(), FOREVER).await.unwrap();
        assert_eq!(store.get("a").await.unwrap().as_deref(), Some(&b"2"[..]));
    }
}

#[tokio::test]
async fn a_file_of_another_key_is_an_error_and_stays_as_it_is() {
    let scratch = Scratch::new("file-other-key");
    let path = scratch.path().join("cache.bin");
    open_now(&path).set("a", "1".into(), FOREVER).await.unwrap();
    let before = fs::read(&path).unwrap();
    let other = Arc::new(KeyRing::generate("other").unwrap());
    let store = FileStore::new(FileStoreOptions::new(&path), other, Clock::system());
    let error = store.get("a").await.unwrap_err();
    assert!(error.reason.contains("`k1-"), "{error}");
    assert!(store.set("a", "2".into(), FOREVER).await.is_err());
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_file_of_another_generated_ring_is_an_error_and_stays_as_it_is() {
    let scratch = Scratch::new("file-other-ring");
    let path = scratch.path().join("cache.bin");
    let with_ring = |name: &str| {
        let ring = load_or_create_key_ring(&scratch.path().join(name)).unwrap();
        FileStore::new(
            FileStoreOptions::new(&path),
            Arc::new(ring),
            Clock::system(),
        )
    };
    with_ring("one.key")
        .set("a", "1".into(), FOREVER)
        .await
        .unwrap();
    let before = fs::read(&path).unwrap();
    let other = with_ring("other.key");
    assert!(other.get("a").await.is_err());
    assert!(other.set("a", "2".into(), FOREVER).await.is_err());
    assert_eq!(other.unreadable_count(), 0);
    assert_eq!(fs::read(&path).unwrap(), before);
    let again = with_ring("one.key").get("a").await.unwrap();
    assert_eq!(again.as_deref(), Some(&b"1"[..]), "the ring is kept");
}

#[tokio::test]
async fn a_lock_that_another_holds_is_waited_for_and_then_an_error() {
    let scratch = Scratch::new("file-lock");
    let path = scratch.path().join("cache.bin");
    let held = fs::File::create(scratch.path().join("cache.bin.lockfile")).unwrap();
    held.lock().unwrap();
    let ring = Arc::new(KeyRing::generate("k1").unwrap());
    let mut options = FileStoreOptions::new(&path);
    options.lock_timeout = Duration::from_millis(100);
    let store = FileStore::new(options.clone(), Arc::clone(&ring), Clock::system());
    let error = store.set("a", "1".into(), FOREVER).await.unwrap_err();
    assert!(error.reason.contains("held the lock"), "{error}");

    options.lock_timeout = Duration::from_secs(20);
    let store = FileStore::new(options, ring, Clock::system());
    let writing = store.set("a", "1".into(), FOREVER);
    let (written, ()) = tokio::join!(writing, async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        held.unlock().unwrap();
    });
    written.unwrap();
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_an_error_that_names_it() {
    let scratch = Scratch::new("file-unwritable");
    let in_the_way = scratch.path().join("file");
    fs::write(&in_the_way, "").unwrap();
    let ring = Arc::new(KeyRing::generate("k1").unwrap());
    let options = FileStoreOptions::new(in_the_way.join("cache.bin"));
    let store = FileStore::new(options, ring, Clock::system());
    let error = store.get("a").await.unwrap_err();
    assert!(error.reason.contains("cache.bin"), "{error}");
}

const CACHE: &str = "TOKEN_CACHE_TEST_FILE";
const WRITER: &str = "TOKEN_CACHE_TEST_WRITER";
const WRITES: usize = 20;

/// A process of this program that runs [`child_appends_its_letter`].
fn child(path: &Path, letter: char) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "file::child_appends_its_letter", "--ignored"])
        .env(CACHE, path)
        .env(WRITER, letter.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test]
#[ignore = "the other tests run it as a process of its own"]
async fn child_appends_its_letter() {
    let path = PathBuf::from(std::env::var_os(CACHE).unwrap());
    let letter = std::env::var(WRITER).unwrap();
    let store = open_now(&path);
    for _ in 0..WRITES {
        while !append(&store, &letter).await {}
    }
}

/// Adds to what is there, unless another comes between.
async fn append(store: &FileStore, text: &str) -> bool {
    let cas = store.compare_and_set().unwrap();
    let found = cas.get_versioned("shared").await.unwrap();
    let old = found.as_ref().map_or(&[][..], |found| &found.blob[..]);
    let next = [old, text.as_bytes()].concat().into();
    let expected = found.as_ref().map(|found| &found.version);
    let swap = cas.set_if("shared", expected, next, FOREVER).await.unwrap();
    swap == Swap::Done
}

async fn letters(path: &Path) -> String {
    let blob = open_now(path).get("shared").await.unwrap();
    String::from_utf8(blob.unwrap_or_default().to_vec()).unwrap()
}

#[tokio::test]
async fn processes_that_write_at_once_lose_nothing_of_each_other() {
    let scratch = Scratch::new("file-processes");
    let path = scratch.path().join("cache.bin");
    let writers = ['a', 'b', 'c', 'd'];
    let children: Vec<Child> = writers.iter().map(|&it| child(&path, it)).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let found = letters(&path).await;
    for writer in writers {
        let count = found.chars().filter(|letter| *letter == writer).count();
        assert_eq!(count, WRITES, "{writer} in {found}");
    }
}

#[tokio::test]
async fn processes_that_are_killed_leave_a_whole_file_and_no_lock() {
    let scratch = Scratch::new("file-killed");
    let path = scratch.path().join("cache.bin");
    let mut longest = 0;
    for round in 0..6_u64 {
        let mut children = ['a', 'b'].map(|letter| child(&path, letter));
        for _ in 0..2_000 {
            if letters(&path).await.len() > longest {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(7 * round)).await;
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let store = open_now(&path);
        let found = letters(&path).await;
        assert!(found.len() > longest, "nothing new, or something is lost");
        assert!(append(&store, "!").await, "nobody holds the lock");
        assert_eq!(store.unreadable_count(), 0);
        longest = found.len() + 1;
    }
}
