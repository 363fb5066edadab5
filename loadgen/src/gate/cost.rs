//! The second tier: what an acquisition costs in instructions and allocations,
//! counted by valgrind over a run in virtual time. Machines disagree on
//! nanoseconds and hardly on these.

use std::path::Path;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::runner::Runner;
use crate::exit::Failure;
use crate::report::read::parse_report;

/// Instructions may grow by this share before the gate is red: what the compiler
/// and the allocator do is not the same in every build.
pub const INSTRUCTION_MARGIN: f64 = 0.03;

/// Allocations may grow by this share.
pub const ALLOCATION_MARGIN: f64 = 0.01;

/// Allocations may grow by this much an acquisition in any case. Two runs of one
/// build differ by a handful of blocks at start-up, which is a per cent and more of
/// five hundred hits that need one block each; a block more a hit is twenty times this.
pub const ALLOCATION_SLACK: f64 = 0.05;

/// What one acquisition costs, on average over a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Costs {
    /// Instructions executed.
    pub instructions: f64,
    /// Blocks of memory asked for.
    pub allocations: f64,
}

/// What one run cost, start-up included.
struct Counted {
    instructions: f64,
    allocations: f64,
    acquisitions: f64,
}

/// Counts what an acquisition costs: the difference between a long and a short
/// run, so that start-up falls out. `durations` in seconds, the short one first.
///
/// # Errors
///
/// A [`Failure`] when valgrind is not there or a run under it fails.
pub fn count(runner: &Runner, seed: u64, durations: (f64, f64)) -> Result<Costs, Failure> {
    let short = one(runner, seed, durations.0)?;
    let long = one(runner, seed, durations.1)?;
    let acquisitions = long.acquisitions - short.acquisitions;
    if acquisitions < 1.0 {
        return Err(Failure::environment(
            "the scenario has too few acquisitions to count costs by",
            "offer more of them",
        ));
    }
    Ok(Costs {
        instructions: (long.instructions - short.instructions) / acquisitions,
        allocations: (long.allocations - short.allocations) / acquisitions,
    })
}

fn one(runner: &Runner, seed: u64, duration_s: f64) -> Result<Counted, Failure> {
    let name = format!("loadgen-costs-{}.json", uuid::Uuid::new_v4());
    let found = std::env::temp_dir().join(name);
    let counted = under_valgrind(runner, seed, duration_s, &found);
    let _ = std::fs::remove_file(&found);
    counted
}

fn under_valgrind(
    runner: &Runner,
    seed: u64,
    duration_s: f64,
    found: &Path,
) -> Result<Counted, Failure> {
    let output = Command::new("valgrind")
        .arg("--tool=dhat")
        .arg(format!("--dhat-out-file={}", found.display()))
        .arg(&runner.program)
        .args(runner.arguments(Some(seed), false))
        .args(["--set", &format!("duration={duration_s:.3}s")])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| {
            Failure::environment(
                format!("valgrind cannot be started: {error}"),
                "install it (Debian: valgrind), or leave --costs out",
            )
        })?;
    let failed = |what: &str| {
        let said = String::from_utf8_lossy(&output.stderr);
        let end: Vec<&str> = said.lines().rev().take(8).collect();
        let end: Vec<&str> = end.into_iter().rev().collect();
        Failure::environment(
            format!("a run under valgrind {what}\n{}", end.join("\n")),
            "run the scenario without --costs first",
        )
    };
    let report = parse_report(&output.stdout)
        .map_err(|(message, _)| failed(&format!("gave no report: {message}")))?;
    let text = std::fs::read_to_string(found).map_err(|_| failed("left no counts"))?;
    let profile: serde_json::Value =
        serde_json::from_str(&text).map_err(|_| failed("left counts that cannot be read"))?;
    let instructions = profile["te"]
        .as_f64()
        .ok_or_else(|| failed("did not count instructions"))?;
    let sites = profile["pps"]
        .as_array()
        .ok_or_else(|| failed("did not count allocations"))?;
    Ok(Counted {
        instructions,
        allocations: sites.iter().filter_map(|site| site["tbk"].as_f64()).sum(),
        acquisitions: report.totals.acquisitions as f64,
    })
}

/// What is red about `head`, a line each, with its number beside the baseline's.
pub fn regressions(base: Costs, head: Costs) -> Vec<String> {
    let rows = [
        (
            "instructions",
            base.instructions,
            head.instructions,
            INSTRUCTION_MARGIN,
            0.0,
        ),
        (
            "allocations",
            base.allocations,
            head.allocations,
            ALLOCATION_MARGIN,
            ALLOCATION_SLACK,
        ),
    ];
    rows.into_iter()
        .map(|(what, base, head, margin, slack)| (what, base, head, (base * margin).max(slack)))
        .filter(|(_, base, head, allowed)| {
            // What is no number is not within what is allowed.
            let within = *head <= base + allowed;
            !within
        })
        .map(|(what, base, head, allowed)| {
            format!(
                "{what} per acquisition rose {base:.2} → {head:.2} ({:+.1} %, limit +{:.1} %)",
                (head / base - 1.0) * 100.0,
                allowed / base * 100.0
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_red_beyond_their_margin_and_when_they_are_no_numbers() {
        let base = Costs {
            instructions: 10_000.0,
            allocations: 20.0,
        };
        assert_eq!(regressions(base, base), Vec::<String>::new());
        let slower = Costs {
            instructions: 10_301.0,
            ..base
        };
        assert!(regressions(base, slower)[0].starts_with("instructions per acquisition rose"));
        let within = Costs {
            instructions: 10_299.0,
            ..base
        };
        assert!(regressions(base, within).is_empty());
        let hungrier = Costs {
            allocations: 20.3,
            ..base
        };
        assert_eq!(
            regressions(base, hungrier),
            ["allocations per acquisition rose 20.00 → 20.30 (+1.5 %, limit +1.0 %)"]
        );
        let hits = Costs {
            allocations: 1.0,
            ..base
        };
        let of_start_up = Costs {
            allocations: 1.04,
            ..base
        };
        assert!(regressions(hits, of_start_up).is_empty());
        let of_twentieth = Costs {
            allocations: 1.06,
            ..base
        };
        assert_eq!(regressions(hits, of_twentieth).len(), 1);
        let nonsense = Costs {
            instructions: f64::NAN,
            allocations: f64::NAN,
        };
        assert_eq!(regressions(base, nonsense).len(), 2);
    }
}
