//! What a page was made from that takes minutes to make: a digest of the
//! scenarios, so that a test can tell in an instant that the page is old.

use std::fmt::Write as _;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};

use super::Entry;

/// The line at the end of such a page.
///
/// # Errors
///
/// Which scenario cannot be read.
pub fn line(entries: &[&Entry]) -> Result<String, String> {
    let mut text = String::new();
    for entry in entries {
        let path: &Path = &entry.path;
        let scenario = std::fs::read_to_string(path)
            .map_err(|error| format!("`{}`: {error}", path.display()))?;
        text.push_str(&entry.file);
        text.push('\n');
        text.push_str(&what_runs(&scenario));
    }
    let mut hex = String::new();
    for byte in &digest(&SHA256, text.as_bytes()).as_ref()[..8] {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
    }
    Ok(format!(
        "\nMade from {} scenarios as they were with the digest `{hex}`.\n",
        entries.len()
    ))
}

/// A scenario without its prose and its full size, which no such page is about.
fn what_runs(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let before_full = lines.take_while(|line| *line != "full:");
    before_full.fold(String::new(), |mut out, line| {
        out.push_str(line);
        out.push('\n');
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_and_the_full_size_do_not_make_a_page_old() {
        let scenario = "# Question: why?\nversion: 1\nduration: 1m # a mark\nfull:\n  seed: 7\n";
        assert_eq!(what_runs(scenario), "version: 1\nduration: 1m # a mark\n");
    }
}
