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

/// What the comment at the top of a scenario says after `label`, in one line.
fn said(text: &str, label: &str) -> Option<String> {
    let mut lines = text
        .lines()
        .map_while(|line| line.strip_prefix('#'))
        .skip_while(|line| !line.trim_start().starts_with(label));
    let first = lines.next()?.trim_start().strip_prefix(label)?.trim();
    let more = lines.take_while(|line| line.starts_with(' ') && !is_labelled(line));
    let words: Vec<&str> = std::iter::once(first).chain(more.map(str::trim)).collect();
    Some(words.join(" "))
}

/// Whether a line begins with a label, or a command.
fn is_labelled(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty()
        || line.starts_with("cargo ")
        || line.split_once(": ").is_some_and(|(label, _)| {
            label.starts_with(|first: char| first.is_uppercase()) && label.len() < 40
        })
}

#[test]
fn the_index_says_of_each_scenario_what_its_file_says() {
    let index = std::fs::read_to_string(directory().join("README.md")).unwrap();
    for name in shipped() {
        let text = std::fs::read_to_string(directory().join(&name)).unwrap();
        let question = said(&text, "Question:").unwrap();
        let symptom = said(&text, "Symptom:").unwrap_or_else(|| "-".to_owned());
        let row = format!("| [{name}]({name}) | {question} | {symptom} |");
        assert!(
            index.lines().any(|line| line == row),
            "the index lacks\n{row}"
        );
    }
}

#[test]
fn every_failure_has_a_twin_and_says_what_to_look_at() {
    let everyday = ["quickstart.yaml", "day-in-the-life.yaml"];
    for name in shipped() {
        if everyday.contains(&name.as_str()) {
            continue;
        }
        let text = std::fs::read_to_string(directory().join(&name)).unwrap();
        for label in [
            "Symptom:",
            "What goes wrong:",
            "Seen in:",
            "Look at:",
            "Change in MSAL terms:",
        ] {
            assert!(said(&text, label).is_some(), "{name} lacks {label}");
        }
        let plan = load(&directory().join(&name), &Overrides::default()).unwrap();
        assert!(plan.twin.is_some(), "{name} has no twin");
        for threshold in plan.thresholds {
            let line = text.lines().nth(threshold.line as usize - 1).unwrap();
            assert!(
                line.contains("# ideal") || line.contains("# msal-compatible"),
                "{name}: {line}"
            );
        }
    }
}
