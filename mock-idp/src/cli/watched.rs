//! Notices that a file has changed.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

/// How often the file is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// A file that is looked at, if there is one.
pub(super) struct Watched<'a> {
    file: Option<&'a Path>,
    seen: Option<Stamp>,
}

/// What differs after a change: which file it is, how long, and when it was written.
type Stamp = (u64, u64, i64, i64);

impl<'a> Watched<'a> {
    pub(super) fn new(file: Option<&'a Path>) -> Self {
        Self {
            file,
            seen: file.and_then(stamp),
        }
    }

    /// Returns once the file is another than before; never when there is none. One that is gone
    /// has not changed: an editor may be about to put another in its place.
    pub(super) async fn changed(&mut self) {
        let Some(file) = self.file else {
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(EVERY).await;
            let now = stamp(file);
            if now.is_some() && now != self.seen {
                self.seen = now;
                return;
            }
        }
    }
}

fn stamp(file: &Path) -> Option<Stamp> {
    let data = std::fs::metadata(file).ok()?;
    Some((data.ino(), data.len(), data.mtime(), data.mtime_nsec()))
}
