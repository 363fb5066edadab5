//! What the operating system says of a process, under Prometheus' own names.

use super::{Metric, Unit, counter, gauge};

const LINUX: &str = "on Linux";

/// Processor time taken.
pub static PROCESS_CPU: Metric = counter(
    "process_cpu_seconds_total",
    "Processor time taken, user and system.",
    &[],
)
.unit(Unit::Seconds)
.only(LINUX);

/// Memory held in RAM.
pub static PROCESS_RESIDENT_MEMORY: Metric =
    gauge("process_resident_memory_bytes", "Memory held in RAM.", &[])
        .unit(Unit::Bytes)
        .only(LINUX);

/// Descriptors open.
pub static PROCESS_OPEN_FDS: Metric =
    gauge("process_open_fds", "File descriptors open.", &[]).only(LINUX);

/// Descriptors allowed.
pub static PROCESS_MAX_FDS: Metric = gauge(
    "process_max_fds",
    "File descriptors allowed; absent without a limit.",
    &[],
)
.only("on Linux, where they are limited");

/// Threads.
pub static PROCESS_THREADS: Metric =
    gauge("process_threads", "Threads of the process.", &[]).only(LINUX);

pub(super) static ALL: &[&Metric] = &[
    &PROCESS_CPU,
    &PROCESS_RESIDENT_MEMORY,
    &PROCESS_OPEN_FDS,
    &PROCESS_MAX_FDS,
    &PROCESS_THREADS,
];
