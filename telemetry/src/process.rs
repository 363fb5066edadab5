//! What the operating system says of this process.

use crate::catalogue::{
    PROCESS_CPU, PROCESS_MAX_FDS, PROCESS_OPEN_FDS, PROCESS_RESIDENT_MEMORY, PROCESS_THREADS,
};
use crate::exposition::Family;

/// The `process_` families; empty where there is no `/proc` to read.
#[cfg(target_os = "linux")]
pub fn families() -> Vec<Family> {
    use procfs::process::{LimitValue, Process};

    let Ok(process) = Process::myself() else {
        return Vec::new();
    };
    let mut families = Vec::new();
    if let Ok(stat) = process.stat() {
        let ticks = procfs::ticks_per_second().max(1) as f64;
        let bytes = stat.rss.saturating_mul(procfs::page_size());
        families
            .push(Family::of(&PROCESS_CPU).value(&[], (stat.utime + stat.stime) as f64 / ticks));
        families.push(Family::of(&PROCESS_RESIDENT_MEMORY).count(&[], bytes));
        families.push(Family::of(&PROCESS_THREADS).value(&[], stat.num_threads as f64));
    }
    if let Ok(open) = process.fd_count() {
        families.push(Family::of(&PROCESS_OPEN_FDS).count(&[], open as u64));
    }
    if let Ok(limits) = process.limits()
        && let LimitValue::Value(most) = limits.max_open_files.soft_limit
    {
        families.push(Family::of(&PROCESS_MAX_FDS).count(&[], most));
    }
    families
}

/// The `process_` families; empty where there is no `/proc` to read.
#[cfg(not(target_os = "linux"))]
pub fn families() -> Vec<Family> {
    Vec::new()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_its_memory_threads_and_descriptors() {
        let found: Vec<&str> = families()
            .iter()
            .map(|family| family.metric().name)
            .collect();
        for metric in [
            &PROCESS_CPU,
            &PROCESS_RESIDENT_MEMORY,
            &PROCESS_THREADS,
            &PROCESS_OPEN_FDS,
        ] {
            assert!(
                found.contains(&metric.name),
                "no `{}`: {found:?}",
                metric.name
            );
        }
    }
}
