//! Every scenario that ships loads, and the index lists exactly those.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use loadgen::scenario::{Overrides, load};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}

fn shipped() -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory()).expect("the scenarios directory is there");
    let paths = entries.map(|entry| entry.expect("its entries can be read").path());
    paths
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect()
}

#[test]
fn every_shipped_scenario_loads() {
    let shipped = shipped();
    assert!(
        !shipped.is_empty(),
        "there are scenarios in {:?}",
        directory()
    );
    for name in shipped {
        if let Err(error) = load(&directory().join(&name), &Overrides::default()) {
            panic!("{error}");
        }
    }
}

#[test]
fn every_shipped_scenario_is_in_the_index_and_the_reverse() {
    let index = std::fs::read_to_string(directory().join("README.md")).unwrap();
    let listed: BTreeSet<String> = index
        .lines()
        .filter_map(|line| line.strip_prefix("| [")?.split_once(']'))
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(listed, shipped());
}

#[test]
fn every_shipped_scenario_asks_its_question_first_and_has_thresholds() {
    for name in shipped() {
        let text = std::fs::read_to_string(directory().join(&name)).unwrap();
        assert!(text.starts_with("# Question: "), "{name}");
        let plan = load(&directory().join(&name), &Overrides::default()).unwrap();
        assert!(!plan.thresholds.is_empty(), "{name}");
    }
}
