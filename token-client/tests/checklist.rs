//! Every item of the checklist in `shared/reference/token-cache.md` §9 has a
//! test that bears its id: `k3_a_session_is_...`, or `s6_s7_...` for two.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// How many items each section has.
const SECTIONS: [(char, u32); 10] = [
    ('k', 8),
    ('l', 11),
    ('s', 8),
    ('r', 6),
    ('p', 6),
    ('j', 8),
    ('a', 12),
    ('b', 4),
    ('c', 3),
    ('m', 4),
];

/// The ids that a line's test bears, if it is the head of one.
fn ids_of(line: &str) -> Vec<String> {
    let line = line.trim_start().trim_start_matches("async ");
    let Some(name) = line.strip_prefix("fn ") else {
        return Vec::new();
    };
    let is_id = |word: &&str| {
        let mut chars = word.chars();
        let is_section = chars
            .next()
            .is_some_and(|first| SECTIONS.iter().any(|(section, _)| *section == first));
        is_section && word.len() > 1 && chars.all(|c| c.is_ascii_digit())
    };
    name.split(['_', '('])
        .take_while(is_id)
        .map(ToOwned::to_owned)
        .collect()
}

fn collect(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("UTF-8");
            // Tests of stores are called with a server by those that start it.
            let is_called = path.components().any(|part| part.as_os_str() == "stores");
            let mut is_test = false;
            for line in text.lines() {
                let attribute = line.trim_start();
                if attribute.starts_with("#[test]") || attribute.starts_with("#[tokio::test") {
                    is_test = true;
                } else if !attribute.starts_with("#[") {
                    if is_test || is_called {
                        found.extend(ids_of(line));
                    }
                    is_test = false;
                }
            }
        }
    }
}

#[test]
fn every_item_of_the_checklist_has_a_test_named_after_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = BTreeSet::new();
    for directory in [
        "token-cache/src",
        "token-cache/tests",
        "token-client/src",
        "token-client/tests",
    ] {
        collect(&root.join(directory), &mut found);
    }
    let missing = missing(&found);
    assert!(missing.is_empty(), "no test bears {missing:?}");
}

/// The items that no test bears.
fn missing(found: &BTreeSet<String>) -> Vec<String> {
    let items = |(section, count): &(char, u32)| {
        let section = *section;
        (1..=*count).map(move |number| format!("{section}{number}"))
    };
    let wanted = SECTIONS.iter().flat_map(items);
    wanted.filter(|id| !found.contains(id)).collect()
}

#[test]
fn an_item_without_a_test_is_missing() {
    let all: BTreeSet<String> = missing(&BTreeSet::new()).into_iter().collect();
    assert_eq!(all.len(), 70, "items of the checklist");
    for id in &all {
        let mut others = all.clone();
        others.remove(id);
        assert_eq!(missing(&others), std::slice::from_ref(id));
    }
}

#[test]
fn an_id_is_read_from_the_name_of_a_test() {
    assert_eq!(ids_of("async fn k3_a_session() {"), ["k3"]);
    assert_eq!(ids_of("    fn s6_s7_only_what() {"), ["s6", "s7"]);
    assert_eq!(ids_of("fn l10_silent() {"), ["l10"]);
    assert!(ids_of("fn a_token_is_read() {").is_empty());
    assert!(ids_of("let k1_x = 1;").is_empty());
}
