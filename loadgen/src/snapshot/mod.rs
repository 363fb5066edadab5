//! What a run in virtual time leaves at its end, for another to begin with: what
//! the caches hold, who is signed in, and what time it is. The provider needs
//! nothing else: under the same seed it has the same keys, and what it issued says
//! all about itself.

pub mod file;
mod fit;
mod take;

use std::fmt;
use std::path::PathBuf;

use token_cache::Timestamp;
use token_cache::l1::L1Entry;
use token_cache::store::MemoryStoreEntry;

use crate::flow::session::HeldByUsers;
pub use fit::{Settings, Unfit, unfit};
pub use take::take;

/// How a service was at the end of a run.
pub struct Snapshot {
    /// The file it is in.
    pub file: PathBuf,
    /// The name of the scenario that ran.
    pub scenario: String,
    /// When it was taken; a whole second.
    pub taken_at: Timestamp,
    /// Runs that led to it, each from the snapshot of the one before; at least 1.
    pub runs: u64,
    /// What a run that goes on from here has to have the same.
    pub settings: Settings,
    /// What each instance has in memory; nothing where there is no L1.
    pub instances: Vec<Vec<L1Entry>>,
    /// What they share; nothing where there is no L2.
    pub l2: Vec<MemoryStoreEntry>,
    /// What users' browsers and front ends hold.
    pub users: HeldByUsers,
}

impl Snapshot {
    /// Partitions in all L1 together.
    pub fn l1_partitions(&self) -> usize {
        self.instances.iter().map(Vec::len).sum()
    }
}

/// Shows how much it holds: what it holds are tokens.
impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("file", &self.file)
            .field("taken_at", &self.taken_at)
            .field("l1", &self.l1_partitions())
            .field("l2", &self.l2.len())
            .finish_non_exhaustive()
    }
}

/// In a few words: `the end of day-in-the-life (a.snapshot)`.
impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = match self.runs {
            1 => String::new(),
            runs => format!(", after {runs} runs"),
        };
        write!(
            f,
            "the end of {}{times} ({})",
            self.scenario,
            self.file.display()
        )
    }
}
