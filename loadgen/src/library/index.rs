//! The index of the library: by symptom and by question.

use std::fmt::Write as _;

use super::Entry;
use super::times::{Size, Taken};
use crate::report::number::count;
use crate::scenario::units::show_duration;

/// The text of `scenarios/README.md`, with what each takes by `times`.
pub fn index(entries: &[Entry], times: &[Taken]) -> String {
    let mut out = HEAD.to_owned();
    out.push_str("## By symptom\n\n| what you see | scenario | what to change |\n|---|---|---|\n");
    for entry in entries {
        row(&mut out, entry, [1, 5]);
    }
    out.push_str(
        "\n## By question\n\n| question | scenario | where it was seen |\n|---|---|---|\n",
    );
    for entry in entries {
        row(&mut out, entry, [0, 3]);
    }
    out.push_str("\n## What each twin breaks\n\n| scenario | the twin | breaks |\n|---|---|---|\n");
    for entry in entries {
        let (why, breaks) = match &entry.plan.twin {
            Some(twin) => (
                twin.why.as_str(),
                twin.breaks
                    .iter()
                    .map(|broken| format!("`{broken}`"))
                    .collect::<Vec<_>>()
                    .join(", "),
            ),
            None => ("-", "-".to_owned()),
        };
        // Writing to a string does not fail.
        let _ = writeln!(out, "| {} | {why} | {breaks} |", link(entry));
    }
    out.push_str(SIZES);
    for entry in entries {
        sizes(&mut out, entry, times);
    }
    out.push_str(NOT_HERE);
    out
}

fn sizes(out: &mut String, entry: &Entry, times: &[Taken]) {
    let measured = |size: Size| {
        times
            .iter()
            .find(|taken| taken.scenario == entry.plan.name && taken.size == size)
            .map_or_else(
                || ["-".to_owned(), "-".to_owned(), "-".to_owned()],
                |taken| {
                    [
                        count(taken.calls),
                        format!("{:.1} s", taken.seconds),
                        format!("{} MB", taken.megabytes),
                    ]
                },
            )
    };
    let full = entry.full.as_ref();
    // Writing to a string does not fail.
    let _ = writeln!(
        out,
        "| {} | {} | {} | {} | {} |",
        link(entry),
        show_duration(entry.plan.duration),
        measured(Size::Ci).join(" | "),
        full.map_or_else(|| "-".to_owned(), |plan| show_duration(plan.duration)),
        measured(Size::Full).join(" | "),
    );
}

const HEAD: &str = "\
# Scenarios

One question each, with the failure that makes a team ask it and a *twin*: the same
scenario with a known-bad cache, which must fail. This page is made from the files by
`loadgen scenarios index scenarios`.

- Run one: `cargo run --release -p loadgen -- run scenarios/NAME.yaml`
- See its twin fail: `cargo run --release -p loadgen -- run scenarios/NAME.yaml --twin`
- In its full size: `cargo run --release -p loadgen -- run scenarios/NAME.yaml --full`
- Prove all of them: `cargo run --release -p loadgen -- gate --prove scenarios`
- Every key of a scenario file: [docs/scenario-reference.md](../docs/scenario-reference.md)
- What MSAL.NET's defaults cost in each: `cargo run --release -p loadgen -- scenarios presets scenarios`

A threshold is marked *ideal*, for what a cache as good as can be does, or
*msal-compatible*, for what MSAL as it is can keep, configured as the scenario advises.

";

const SIZES: &str = "
## How long each takes

Simulated time, calls offered, seconds of a processor and the most memory, in the size CI runs and in the full one;
measured by `loadgen scenarios times scenarios > scenarios/times.csv`.

| scenario | simulates | calls | takes | memory | full: simulates | calls | takes | memory |
|---|---:|---:|---:|---:|---:|---:|---:|---:|
";

const NOT_HERE: &str = "
## What is not here

- **region-flip** (tokens when a service moves from one region's endpoint to another): the client asks the global
  endpoint alone and finds no region, so there is nothing to flip.
- In `blocking-callers` the pool of workers has a fixed size. A runtime that adds a thread every half second recovers
  sooner than the twin does.
- `lock-convoy` is about a lock in the application. MSAL's own lock for each partition is `cache.policy.flight`, and
  `cold-stampede` is about that.
";

fn row(out: &mut String, entry: &Entry, [first, last]: [usize; 2]) {
    let said = |label: usize| {
        let text = entry.said[label].as_deref().unwrap_or("-");
        let links = text
            .split(", ")
            .map(|word| match word.strip_prefix("https://") {
                Some(rest) => format!("[{}]({word})", short(rest)),
                None => word.to_owned(),
            });
        links.collect::<Vec<_>>().join(", ").replace('|', "\\|")
    };
    let _ = writeln!(
        out,
        "| {} | {} | {} |",
        said(first),
        link(entry),
        said(last)
    );
}

fn link(entry: &Entry) -> String {
    let name = entry.file.trim_end_matches(".yaml");
    format!("[{name}]({})", entry.file)
}

/// `owner/name#1` of an address at GitHub, and the host of others.
fn short(address: &str) -> String {
    let parts: Vec<&str> = address.split('/').collect();
    match parts.as_slice() {
        ["github.com", _, name, "issues" | "pull", number] => format!("{name}#{number}"),
        [host, ..] => (*host).to_owned(),
        [] => address.to_owned(),
    }
}
