//! The reference of scenario files is the one that the reader would write.

use std::path::Path;

use loadgen::scenario::reference::reference;

#[test]
fn the_published_reference_is_what_the_reader_takes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/scenario-reference.md");
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        published,
        reference(),
        "run `cargo run -p loadgen -- schema --of reference > docs/scenario-reference.md`"
    );
}
