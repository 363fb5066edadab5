//! What the operating system says of this process.

use crate::catalogue::{
    PROCESS_CPU, PROCESS_MAX_FDS, PROCESS_OPEN_FDS, PROCESS_RESIDENT_MEMORY, PROCESS_THREADS,
};
use crate::exposition::Family;

/// Processor time up to some moment, in seconds of one processor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// What this process has used.
    pub own_s: f64,
    /// What the host gave to others although this machine wanted it.
    pub stolen_s: f64,
}

/// What processor time went where so far; `None` where there is no `/proc` to
/// read.
#[cfg(target_os = "linux")]
pub fn usage() -> Option<Usage> {
    use procfs::CurrentSI as _;

    let ticks = procfs::ticks_per_second().max(1) as f64;
    let process = procfs::process::Process::myself().ok()?.stat().ok()?;
    let machine = procfs::KernelStats::current().ok()?;
    Some(Usage {
        own_s: (process.utime + process.stime) as f64 / ticks,
        stolen_s: machine.total.steal.unwrap_or_default() as f64 / ticks,
    })
}

/// What processor time went where so far; `None` where there is no `/proc` to
/// read.
#[cfg(not(target_os = "linux"))]
pub fn usage() -> Option<Usage> {
    None
}

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
    fn time_that_a_process_spends_is_its_own() {
        let before = usage().unwrap();
        let mut spun = 0_u64;
        // Bounded, and far more than one tick of ten milliseconds.
        for _ in 0..400 {
            spun = (0..1_000_000_u64).fold(spun, |sum, n| std::hint::black_box(sum ^ n));
            if usage().unwrap().own_s > before.own_s {
                break;
            }
        }
        let after = usage().unwrap();
        assert!(after.own_s > before.own_s, "{before:?} {after:?} {spun}");
        assert!(after.stolen_s >= before.stolen_s);
    }

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
