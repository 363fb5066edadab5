//! The matrix in docs/defects.md is of the defects that there are, and a defect
//! of each area is still caught as it says. `scripts/defects` runs them all.
#![cfg(feature = "defects")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use loadgen::gate::runner::Runner;
use loadgen::library::matrix::why;
use loadgen::report::model::{Mode, Verdict};
use token_cache::defects::{Defect, VARIABLE};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A row of the matrix.
struct Row {
    area: String,
    defect: String,
    what: String,
    scenarios: Vec<String>,
    why: String,
}

fn matrix() -> Vec<Row> {
    let page = std::fs::read_to_string(root().join("docs/defects.md")).unwrap();
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<&str> = line
            .strip_prefix("| ")?
            .strip_suffix(" |")?
            .split(" | ")
            .collect();
        let [area, defect, what, _, scenarios, why] = cells.as_slice() else {
            return None;
        };
        let defect = defect.strip_prefix('`')?.strip_suffix('`')?;
        Some(Row {
            area: (*area).to_owned(),
            defect: defect.to_owned(),
            what: (*what).to_owned(),
            scenarios: scenarios.split(", ").map(str::to_owned).collect(),
            why: (*why).to_owned(),
        })
    });
    rows.collect()
}

#[test]
fn every_defect_has_its_row_and_is_caught() {
    let rows = matrix();
    let expected = Defect::ALL
        .iter()
        .map(|defect| (defect.area(), defect.as_str(), defect.what()));
    let found = rows
        .iter()
        .map(|row| (row.area.as_str(), row.defect.as_str(), row.what.as_str()));
    assert!(
        found.eq(expected),
        "make docs/defects.md again: `scripts/defects`"
    );
    for row in &rows {
        assert!(!row.scenarios.is_empty(), "{}", row.defect);
        assert_ne!(row.why, "nothing catches it", "{}", row.defect);
    }
}

fn runner(scenario: &str) -> Runner {
    Runner {
        program: PathBuf::from(env!("CARGO_BIN_EXE_loadgen")),
        scenario: root().join(format!("scenarios/{scenario}.yaml")),
        set: Vec::new(),
        mode: Mode::Virtual,
        full: false,
    }
}

#[test]
fn a_defect_of_each_area_is_caught_as_the_matrix_says_and_the_right_build_passes() {
    let rows = matrix();
    let mut of_each: BTreeMap<&str, &Row> = BTreeMap::new();
    for row in &rows {
        of_each.entry(&row.area).or_insert(row);
    }
    assert!(of_each.len() >= 10, "{} areas", of_each.len());
    for row in of_each.values() {
        let scenario = row.why.split(": ").next().unwrap();
        let runner = runner(scenario);
        let environment = [(VARIABLE, row.defect.as_str())];
        let bad = runner.run_with(None, false, &environment).unwrap();
        let said = format!("{scenario}: {}", why(&bad).unwrap_or_default());
        assert_eq!(said, row.why.replace("\\|", "|"), "{}", row.defect);
        let good = runner.run(None, false).unwrap();
        assert_eq!(
            good.verdict,
            Verdict::Pass,
            "{scenario}: {:?}",
            good.reasons
        );
    }
}
