//! The index of the library: by symptom and by question.

use std::fmt::Write as _;

use super::Entry;

/// The text of `scenarios/README.md`.
pub fn index(entries: &[Entry]) -> String {
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
    out
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
