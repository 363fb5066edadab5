//! A scenario file to a plan, or everything that is wrong with it.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;

use super::lint;
use super::overrides::Overrides;
use super::plan::Plan;
use super::problem::{Problem, Problems, Sources, quoted, render};
use super::reader::Table;
use super::sections::{self, Draft, TrafficDraft};
use super::span::{Origin, Span};
use super::yaml::{self, Node, Value};

/// Most bytes of a scenario file.
pub const MAX_FILE_SIZE: u64 = 1 << 20;

/// Why a scenario cannot be loaded. Its text is the whole message for the
/// terminal; either way the exit code is 2.
#[derive(Debug)]
pub enum LoadError {
    /// The file cannot be read at all.
    Unreadable {
        /// As given.
        path: PathBuf,
        /// The system's reason, or the limit it is past.
        reason: String,
    },
    /// The file says something that cannot run.
    Invalid {
        /// The problems, in the order of the text.
        problems: Vec<Problem>,
        /// The texts they point into.
        sources: Box<Sources>,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, reason } => {
                writeln!(
                    f,
                    "error: cannot read scenario {}: {reason}",
                    quoted(&path.to_string_lossy())
                )
            }
            Self::Invalid { problems, sources } => f.write_str(&render(sources, problems)),
        }
    }
}

impl std::error::Error for LoadError {}

/// Reads the scenario at `path`, lays `overrides` over it and validates it.
///
/// # Errors
///
/// [`LoadError::Unreadable`] when the file cannot be opened or is larger than
/// [`MAX_FILE_SIZE`]; [`LoadError::Invalid`], with all problems, otherwise.
pub fn load(path: &Path, overrides: &Overrides) -> Result<Plan, LoadError> {
    let bytes = read_file(path).map_err(|reason| LoadError::Unreadable {
        path: path.to_owned(),
        reason,
    })?;
    parse(path, &bytes, overrides)
}

/// [`load`] for bytes that are at hand; `path` is only named.
///
/// # Errors
///
/// [`LoadError::Invalid`], with all problems.
pub fn parse(path: &Path, bytes: &[u8], overrides: &Overrides) -> Result<Plan, LoadError> {
    let invalid = |problems: Problems| LoadError::Invalid {
        problems: problems.sorted(),
        sources: Box::new(Sources {
            file: path.to_string_lossy().into_owned(),
            text: String::from_utf8_lossy(bytes)
                .trim_start_matches('\u{feff}')
                .to_owned(),
            overrides: overrides.sources(),
        }),
    };
    let mut problems = Problems::default();
    let Some(draft) = draft(bytes, overrides, &mut problems) else {
        return Err(invalid(problems));
    };
    let thresholds = lint::check(&draft, &mut problems);
    if !problems.is_empty() {
        return Err(invalid(problems));
    }
    let Some(mut plan) = plan(path, bytes, draft) else {
        // A value that is bad without a problem would be a defect of the reader;
        // better said than run.
        problems.add(
            Span::start_of(Origin::File),
            "the scenario cannot be read, and the reader does not know why",
        );
        return Err(invalid(problems));
    };
    plan.thresholds = thresholds;
    plan.overrides.clone_from(&overrides.set);
    Ok(plan)
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_SIZE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_FILE_SIZE {
        return Err(format!("it is larger than {} KiB", MAX_FILE_SIZE / 1024));
    }
    Ok(bytes)
}

fn draft(bytes: &[u8], overrides: &Overrides, problems: &mut Problems) -> Option<Draft> {
    let text = match yaml::text_of(bytes) {
        Ok(text) => text,
        Err(problem) => {
            problems.push(problem);
            return None;
        }
    };
    let mut root = yaml::read(text, Origin::File, 0, problems)?;
    if !matches!(root.value, Value::Mapping(_)) {
        not_a_scenario(&root, problems);
        return None;
    }
    overrides.apply(&mut root, problems);
    Table::read(&root, problems, sections::read)
}

fn not_a_scenario(root: &Node, problems: &mut Problems) {
    problems.add_with_hint(
        root.span,
        format!("a scenario is a table, found {}", root.describe()),
        "begin with `version: 1`",
    );
}

fn plan(path: &Path, bytes: &[u8], draft: Draft) -> Option<Plan> {
    let name = draft.name.ok()?.unwrap_or_else(|| {
        path.file_stem().map_or_else(
            || "scenario".to_owned(),
            |stem| stem.to_string_lossy().into_owned(),
        )
    });
    Some(Plan {
        name,
        file: path.to_owned(),
        hash: sha256_hex(bytes),
        overrides: Vec::new(),
        seed: draft.seed?,
        duration: draft.duration?,
        graceful_stop: draft.graceful_stop?,
        acquire_timeout: draft.acquire_timeout?,
        max_in_flight: draft.max_in_flight?,
        idp: draft.idp?,
        cache: draft.cache?,
        fleet: draft.fleet?,
        population: draft.population?,
        traffic: draft
            .traffic?
            .into_iter()
            .map(TrafficDraft::into_plan)
            .collect::<Option<_>>()?,
        thresholds: Vec::new(),
    })
}

fn sha256_hex(bytes: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, bytes);
    digest.as_ref().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
