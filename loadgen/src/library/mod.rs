//! The scenarios that ship, as documents: what each asks and how it answers,
//! read from the comment at its top and the marks beside its thresholds.

pub mod index;
pub mod inputs;
#[cfg(feature = "defects")]
pub mod matrix;
pub mod presets;
pub mod side_by_side;
pub mod times;

use std::path::{Path, PathBuf};

use crate::scenario::{Overrides, Plan, load};

/// The scenarios that the defects are held against: those that are quick, and
/// that together are about every area of the catalogue. The others would only
/// make it longer.
pub const AGAINST_DEFECTS: [&str; 15] = [
    "claims-storm",
    "cold-stampede",
    "expiry-cliff",
    "farm-stale-l1",
    "fat-partition",
    "key-hygiene",
    "key-ring-swap",
    "l1-cap-sweep",
    "l2-blackhole",
    "l2-ttl-mismatch",
    "no-shared-cache",
    "refresh-token-race",
    "rolling-deploy",
    "throttle-convoy",
    "unbounded-growth",
];

/// Those of `entries` that defects are held against.
pub fn against_defects(entries: &[Entry]) -> Vec<&Entry> {
    let takes_part = |entry: &&Entry| AGAINST_DEFECTS.contains(&entry.plan.name.as_str());
    entries.iter().filter(takes_part).collect()
}

/// What a scenario's comment says, label by label.
pub const LABELS: [&str; 6] = [
    "Question:",
    "Symptom:",
    "What goes wrong:",
    "Seen in:",
    "Look at:",
    "Change in MSAL terms:",
];

/// A scenario and what its file says of it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The file.
    pub path: PathBuf,
    /// Its name without the directory.
    pub file: String,
    /// What will run.
    pub plan: Plan,
    /// The same in its full size, if it has one.
    pub full: Option<Plan>,
    /// What the comment says under each of [`LABELS`].
    pub said: Vec<Option<String>>,
    /// Each threshold, and whether today's MSAL can keep it.
    pub thresholds: Vec<Marked>,
}

/// A threshold and its mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// As written.
    pub expression: String,
    /// What the comment beside it begins with; `None` for no mark.
    pub bound: Option<Bound>,
}

/// Who can keep a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// A cache as good as can be.
    Ideal,
    /// MSAL as it is, configured as the scenario advises.
    MsalCompatible,
}

/// Reads every scenario of a directory, by name; what cannot be read is said in
/// the second list.
///
/// # Errors
///
/// Why the directory cannot be read.
pub fn read(directory: &Path) -> Result<(Vec<Entry>, Vec<String>), String> {
    let unreadable = |error: std::io::Error| format!("`{}`: {error}", directory.display());
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .map_err(unreadable)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|kind| kind == "yaml"))
        .collect();
    files.sort();
    let (mut entries, mut problems) = (Vec::new(), Vec::new());
    for path in files {
        match entry(&path) {
            Ok(entry) => entries.push(entry),
            Err(problem) => problems.push(problem),
        }
    }
    Ok((entries, problems))
}

fn entry(path: &Path) -> Result<Entry, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("`{}`: {error}", path.display()))?;
    let plan = load(path, &Overrides::default()).map_err(|error| error.to_string())?;
    let full = text
        .lines()
        .any(|line| line.starts_with("full:"))
        .then(|| {
            let overrides = Overrides {
                full: true,
                ..Overrides::default()
            };
            load(path, &overrides).map_err(|error| error.to_string())
        })
        .transpose()?;
    let thresholds = plan.thresholds.iter().map(|threshold| {
        let line = text.lines().nth(threshold.line as usize - 1);
        Marked {
            expression: threshold.expression.clone(),
            bound: line.and_then(bound),
        }
    });
    Ok(Entry {
        file: path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default(),
        path: path.to_owned(),
        said: LABELS.iter().map(|label| said(&text, label)).collect(),
        thresholds: thresholds.collect(),
        plan,
        full,
    })
}

/// The mark at the end of a threshold's line.
fn bound(line: &str) -> Option<Bound> {
    let (_, comment) = line.rsplit_once(" # ")?;
    if comment.starts_with("ideal") {
        Some(Bound::Ideal)
    } else if comment.starts_with("msal-compatible") {
        Some(Bound::MsalCompatible)
    } else {
        None
    }
}

/// What the comment at the top of a scenario says after `label`, in one line.
fn said(text: &str, label: &str) -> Option<String> {
    let comment = || text.lines().map_while(|line| line.strip_prefix('#'));
    let mut lines = comment().skip_while(|line| !line.trim_start().starts_with(label));
    let first = lines.next()?.trim_start().strip_prefix(label)?.trim();
    let is_label = |line: &str| {
        LABELS
            .iter()
            .any(|label| line.trim_start().starts_with(label))
    };
    let more = lines.take_while(|line| {
        !is_label(line) && !line.trim().is_empty() && !line.trim_start().starts_with("cargo ")
    });
    let words: Vec<&str> = std::iter::once(first).chain(more.map(str::trim)).collect();
    Some(words.join(" "))
}

/// What is missing of a scenario that is to ship, in words.
pub fn lacks(entry: &Entry) -> Vec<String> {
    let mut lacks = Vec::new();
    for (label, said) in LABELS.iter().zip(&entry.said) {
        if said.as_ref().is_none_or(String::is_empty) {
            lacks.push(format!("{}: nothing stands under `{label}`", entry.file));
        }
    }
    if let Some(seen) = &entry.said[3]
        && !seen.split(", ").all(|link| link.starts_with("https://"))
    {
        lacks.push(format!("{}: `Seen in:` is not links alone", entry.file));
    }
    if entry.plan.thresholds.is_empty() {
        lacks.push(format!("{}: it has no threshold", entry.file));
    }
    if entry.plan.twin.is_none() {
        lacks.push(format!("{}: it has no twin", entry.file));
    }
    if entry.full.is_none() {
        lacks.push(format!("{}: it has no full size", entry.file));
    }
    for threshold in &entry.thresholds {
        if threshold.bound.is_none() {
            lacks.push(format!(
                "{}: `{}` is marked neither `# ideal` nor `# msal-compatible`",
                entry.file, threshold.expression
            ));
        }
    }
    lacks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_read_label_by_label() {
        let text = "# Question: who\n#   asks?\n#\n# Symptom: a\n#   b\n# Seen in: x,\n#   y\nversion: 1\n";
        assert_eq!(said(text, "Question:").unwrap(), "who asks?");
        assert_eq!(said(text, "Symptom:").unwrap(), "a b");
        assert_eq!(said(text, "Seen in:").unwrap(), "x, y");
        assert_eq!(said(text, "Look at:"), None);
    }

    #[test]
    fn a_threshold_s_mark_is_what_its_comment_begins_with() {
        let cases = [
            ("  - errors == 0 # ideal: why", Some(Bound::Ideal)),
            (
                "  - errors == 0 # msal-compatible",
                Some(Bound::MsalCompatible),
            ),
            ("  - errors == 0 # ideally", Some(Bound::Ideal)),
            ("  - errors == 0", None),
            ("  - errors == 0 # perhaps", None),
        ];
        for (line, expected) in cases {
            assert_eq!(bound(line), expected, "{line}");
        }
    }
}
