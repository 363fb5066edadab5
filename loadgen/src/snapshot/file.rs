//! Snapshots as files: JSON, with each partition in the unified cache schema, as
//! the libraries write it. Their tokens are a mock's and still nobody else's
//! business: only the owner can read a file.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use token_cache::l1::L1Entry;
use token_cache::store::{Expiration, MemoryStoreEntry};
use token_cache::{PartitionKey, Timestamp, schema};

use super::{Settings, Snapshot};
use crate::exit::Failure;
use crate::flow::session::HeldByUsers;

/// What a snapshot calls itself.
const FORMAT: &str = "token-cache-lab snapshot";

/// The version of the format that this build reads and writes.
const VERSION: u64 = 1;

/// The beginning of any version.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format: String,
    version: u64,
    scenario: String,
    taken_at: Timestamp,
    runs: u64,
    settings: Settings,
    instances: Vec<Vec<InL1>>,
    l2: Vec<InL2>,
    users: HeldByUsers,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InL1 {
    key: PartitionKey,
    expires_at_ms: Option<i64>,
    bytes: usize,
    /// A partition in the unified cache schema.
    blob: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InL2 {
    key: String,
    expires_at_ms: Option<i64>,
    sliding_ms: Option<u64>,
    used_at_ms: i64,
    blob: String,
}

/// Makes sure, before a run, that its snapshot can be written to `path`.
///
/// # Errors
///
/// A [`Failure`] with exit code 4 when it cannot.
pub fn prepare(path: &Path) -> Result<(), Failure> {
    let beside = unfinished(path);
    open(&beside)
        .and_then(|_| fs::remove_file(&beside))
        .map_err(|error| cannot_write(path, &error))
}

/// Writes `snapshot` into its file, which is there as a whole or not at all.
///
/// # Errors
///
/// A [`Failure`] with exit code 4 when the file cannot be written.
pub fn write(snapshot: &Snapshot) -> Result<(), Failure> {
    let path = &snapshot.file;
    let written = written(snapshot)?;
    let beside = unfinished(path);
    let write = || -> std::io::Result<()> {
        let mut file = BufWriter::new(open(&beside)?);
        serde_json::to_writer(&mut file, &written)?;
        file.flush()?;
        fs::rename(&beside, path)
    };
    write().map_err(|error| cannot_write(path, &error))
}

/// Reads the snapshot at `path`.
///
/// # Errors
///
/// Why it is none that can be used, in words.
pub fn read(path: &Path) -> Result<Snapshot, String> {
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    let broken = |error: serde_json::Error| {
        if error.is_eof() {
            "it breaks off in the middle".to_owned()
        } else {
            format!("it is no snapshot: {error}")
        }
    };
    let Head { format, version } = serde_json::from_slice(&bytes).map_err(broken)?;
    if format != FORMAT {
        return Err("it is no snapshot".to_owned());
    }
    if version != VERSION {
        return Err(format!(
            "it is of version {version}, and this build reads version {VERSION}"
        ));
    }
    let written: Written = serde_json::from_slice(&bytes).map_err(broken)?;
    let l1_entry = |entry: InL1| {
        let partition = schema::read(entry.blob.as_bytes()).map_err(|error| {
            format!(
                "what an instance has under `{}` is no partition: {error}",
                entry.key
            )
        })?;
        Ok(L1Entry {
            key: entry.key,
            partition: Arc::new(partition),
            expires_at: entry.expires_at_ms.map(timestamp),
            payload_bytes: entry.bytes,
        })
    };
    let instances = written.instances.into_iter();
    let instances = instances.map(|entries| entries.into_iter().map(l1_entry).collect());
    Ok(Snapshot {
        file: path.to_owned(),
        scenario: written.scenario,
        taken_at: written.taken_at,
        runs: written.runs.max(1),
        settings: written.settings,
        instances: instances.collect::<Result<_, String>>()?,
        l2: written.l2.into_iter().map(l2_entry).collect(),
        users: written.users,
    })
}

fn written(snapshot: &Snapshot) -> Result<Written, Failure> {
    let no_text = || Failure::internal("an entry in the unified cache schema is no text");
    let in_l1 = |entry: &L1Entry| {
        Ok(InL1 {
            key: entry.key.clone(),
            expires_at_ms: entry.expires_at.map(Timestamp::unix_millis),
            bytes: entry.payload_bytes,
            blob: String::from_utf8(schema::write(&entry.partition)).map_err(|_| no_text())?,
        })
    };
    let in_l2 = |entry: &MemoryStoreEntry| {
        Ok(InL2 {
            key: entry.key.clone(),
            expires_at_ms: entry.expiration.absolute.map(Timestamp::unix_millis),
            sliding_ms: entry.expiration.sliding.map(millis),
            used_at_ms: entry.used_at.unix_millis(),
            blob: String::from_utf8(entry.blob.to_vec()).map_err(|_| no_text())?,
        })
    };
    let instances = snapshot.instances.iter();
    let instances = instances.map(|entries| entries.iter().map(in_l1).collect());
    Ok(Written {
        format: FORMAT.to_owned(),
        version: VERSION,
        scenario: snapshot.scenario.clone(),
        taken_at: snapshot.taken_at,
        runs: snapshot.runs,
        settings: snapshot.settings.clone(),
        instances: instances.collect::<Result<_, Failure>>()?,
        l2: snapshot
            .l2
            .iter()
            .map(in_l2)
            .collect::<Result<_, Failure>>()?,
        users: snapshot.users.clone(),
    })
}

fn l2_entry(entry: InL2) -> MemoryStoreEntry {
    MemoryStoreEntry {
        key: entry.key,
        blob: entry.blob.into(),
        expiration: Expiration {
            absolute: entry.expires_at_ms.map(timestamp),
            sliding: entry.sliding_ms.map(Duration::from_millis),
        },
        used_at: timestamp(entry.used_at_ms),
    }
}

fn timestamp(unix_millis: i64) -> Timestamp {
    let time = Duration::from_millis(unix_millis.unsigned_abs());
    if unix_millis < 0 {
        Timestamp::default().minus(time)
    } else {
        Timestamp::default().plus(time)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Where a file is until it is whole.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".unfinished");
    name.into()
}

fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    // One that was there before may be open to others.
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    Ok(file)
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::environment(
        format!(
            "the snapshot `{}` cannot be written: {error}",
            path.display()
        ),
        "choose another --snapshot-out",
    )
}
