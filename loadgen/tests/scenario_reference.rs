//! The references are the ones that the readers would write.

use std::path::Path;

use loadgen::gate::threshold;
use loadgen::scenario::reference::reference;

fn is_published(file: &str, of: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(file);
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        published, expected,
        "run `cargo run -p loadgen -- schema --of {of} > docs/{file}`"
    );
}

#[test]
fn the_published_reference_is_what_the_reader_takes() {
    is_published("scenario-reference.md", "reference", &reference());
}

#[test]
fn the_published_thresholds_are_what_can_be_judged() {
    is_published(
        "thresholds.md",
        "thresholds",
        &threshold::reference::reference(),
    );
}
