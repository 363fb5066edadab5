//! A scenario file to a plan, or everything that is wrong with it.

use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;

use super::compose;
use super::lint;
use super::overrides::Overrides;
use super::plan::{Group, Mode, Plan, PopulationPlan, Start};
use super::problem::{Problem, Problems, Sources, quoted, render};
use super::reader::Table;
use super::sections::{self, Draft, StartDraft, TrafficDraft};
use super::span::{Origin, Span};
use super::trace;
use super::variables::{self, Filled};
use super::yaml::{self, Node, Value};
use crate::snapshot;

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

/// [`load`] for bytes that are at hand; `path` is only named, and files the
/// scenario speaks of are looked for beside it.
///
/// # Errors
///
/// [`LoadError::Invalid`], with all problems.
pub fn parse(path: &Path, bytes: &[u8], overrides: &Overrides) -> Result<Plan, LoadError> {
    let mut problems = Problems::default();
    let composed = compose(path, bytes, overrides, &mut problems);
    let plan = composed
        .root
        .as_ref()
        .and_then(|root| plan_of(path, root, overrides, &mut problems));
    match plan {
        Some(plan) if problems.is_empty() => Ok(Plan {
            hash: composed.hash,
            ..plan
        }),
        _ => Err(LoadError::Invalid {
            problems: problems.sorted(),
            sources: Box::new(composed.sources),
        }),
    }
}

/// A scenario file as one tree: what it extends, variables and overrides are in
/// it, and the twin's overlay when the twin is asked for.
#[derive(Debug)]
pub(super) struct Composed {
    /// The tree; `None` when there is none to speak of.
    pub(super) root: Option<Node>,
    /// The texts that places point into.
    pub(super) sources: Sources,
    /// Where variables were filled in.
    pub(super) filled: Filled,
    hash: String,
}

/// Puts the tree together.
pub(super) fn compose(
    path: &Path,
    bytes: &[u8],
    overrides: &Overrides,
    problems: &mut Problems,
) -> Composed {
    let mut composed = Composed {
        root: None,
        sources: Sources {
            file: path.to_string_lossy().into_owned(),
            text: text_for_display(bytes),
            bases: Vec::new(),
            overrides: overrides.sources(),
        },
        filled: Vec::new(),
        hash: sha256_hex([bytes]),
    };
    let text = match yaml::text_of(bytes) {
        Ok(text) => text,
        Err(problem) => {
            problems.push(problem);
            return composed;
        }
    };
    let Some(root) = yaml::read(text, Origin::File, 0, problems) else {
        return composed;
    };
    if !matches!(root.value, Value::Mapping(_)) {
        not_a_scenario(&root, problems);
        return composed;
    }
    let (mut root, bases) = compose::extend(path, root, &read_file, problems);
    composed.hash = sha256_hex(
        [bytes]
            .into_iter()
            .chain(bases.iter().map(|base| &*base.bytes)),
    );
    composed.sources.bases = bases
        .into_iter()
        .map(|base| (base.name, text_for_display(&base.bytes)))
        .collect();
    composed.filled = variables::fill(&mut root, &overrides.variables, problems);
    if overrides.full {
        make_full(&mut root, problems);
    }
    if overrides.twin {
        lay_twin_over(&mut root, problems);
    }
    overrides.apply(&mut root, problems);
    composed.root = Some(root);
    composed
}

/// Reads the tree and checks its meaning, that of its twin included.
fn plan_of(
    path: &Path,
    root: &Node,
    overrides: &Overrides,
    problems: &mut Problems,
) -> Option<Plan> {
    let mut draft = Table::read(root, problems, sections::read)?;
    read_traces(path, &mut draft, problems);
    if let Some(mode) = draft.mode {
        problems.check_needs(mode);
    }
    let start = start(path, &draft, problems);
    let (thresholds, twin) = lint::check(&draft, problems);
    if !problems.is_empty() {
        return None;
    }
    if twin.is_some() && !overrides.twin {
        // A twin that cannot run would be found out only by whoever runs it.
        let mut as_twin = elsewhere(root, &draft);
        lay_twin_over(&mut as_twin, problems);
        let as_twin_overrides = Overrides {
            twin: true,
            ..overrides.clone()
        };
        plan_of(path, &as_twin, &as_twin_overrides, problems)?;
    }
    if compose::entry(root, "full").is_some() && !overrides.twin {
        let mut in_full = elsewhere(root, &draft);
        make_full(&mut in_full, problems);
        plan_of(path, &in_full, overrides, problems)?;
    }
    let start_span = draft.start_span;
    let Some(plan) = start.and_then(|start| plan(path, draft, start)) else {
        // A value that is bad without a problem would be a defect of the reader;
        // better said than run.
        problems.add(
            Span::start_of(Origin::File),
            "the scenario cannot be read, and the reader does not know why",
        );
        return None;
    };
    if let Start::Snapshot(snapshot) = &plan.start
        && let Some(unfit) = snapshot.misfit(&plan)
    {
        problems.add_with_hint(start_span, unfit.message, unfit.hint);
        return None;
    }
    Some(Plan {
        thresholds,
        twin,
        is_twin: overrides.twin,
        overrides: overrides.set.clone(),
        ..plan
    })
}

/// The tree for a look at what else can be run of it. Without its snapshot, which fits
/// the run that is asked for and no other.
fn elsewhere(root: &Node, draft: &Draft) -> Node {
    let mut root = root.clone();
    if matches!(draft.start, Some(StartDraft::Snapshot(_))) {
        compose::remove(&mut root, "start");
    }
    root
}

fn lay_twin_over(root: &mut Node, problems: &mut Problems) {
    let change = compose::entry(root, "twin").and_then(|twin| compose::entry(twin, "change"));
    match change.cloned() {
        Some(change) => compose::lay_over(root, change),
        None => problems.add_with_hint(
            root.span,
            "the scenario has no twin",
            "write a `twin` with `why`, `breaks` and `change`",
        ),
    }
}

/// Lays the full size over the scenario. A twin proves itself in the small one,
/// by thresholds that the large one may not have.
fn make_full(root: &mut Node, problems: &mut Problems) {
    let Some(full) = compose::entry(root, "full").cloned() else {
        problems.add_with_hint(
            root.span,
            "the scenario has one size",
            "write `full` with what is larger, or leave --full out",
        );
        return;
    };
    compose::remove(root, "full");
    compose::remove(root, "twin");
    compose::lay_over(root, full);
}

/// Reads the traces that flows replay.
fn read_traces(path: &Path, draft: &mut Draft, problems: &mut Problems) {
    let directory = path.parent().unwrap_or(Path::new(""));
    let population = draft.population.as_ref().map(|population| {
        [
            population.tenants.count,
            population.applications.count,
            population.users.count,
            population.resources.count,
        ]
    });
    for entry in draft.traffic.iter_mut().flatten() {
        let Some((file, speed, span)) = entry.trace() else {
            continue;
        };
        let file = directory.join(file);
        let read = fs::read_to_string(&file)
            .map_err(|error| error.to_string())
            .and_then(|text| trace::read(&text, speed));
        match read {
            Ok(trace) => {
                for ((column, members), count) in trace
                    .members
                    .into_iter()
                    .zip(population.into_iter().flatten())
                {
                    if members > count {
                        problems.add_with_hint(
                            span,
                            format!("the trace has {members} in its column `{column}`, and the population {count}"),
                            format!("write `population: {{ {column}s: {members} }}` or more"),
                        );
                    }
                }
                entry.set_trace(file, trace.rows.into());
            }
            Err(reason) => problems.add_with_hint(
                span,
                format!(
                    "the trace {} cannot be used: {reason}",
                    quoted(&file.to_string_lossy())
                ),
                "its path is relative to the scenario's, and its first line names the columns",
            ),
        }
    }
}

/// What the caches begin with; a snapshot is read. Real time can begin with none,
/// and has been told so.
fn start(path: &Path, draft: &Draft, problems: &mut Problems) -> Option<Start> {
    let file = match draft.start.as_ref()? {
        StartDraft::Cold => return Some(Start::Cold),
        StartDraft::Stationary => return Some(Start::Stationary),
        StartDraft::Snapshot(_) if draft.mode == Some(Mode::Real) => return None,
        StartDraft::Snapshot(file) => path.parent().unwrap_or(Path::new("")).join(file),
    };
    match snapshot::file::read(&file) {
        Ok(snapshot) => Some(Start::Snapshot(Arc::new(snapshot))),
        Err(reason) => {
            problems.add_with_hint(
                draft.start_span,
                format!(
                    "the snapshot {} cannot be used: {reason}",
                    quoted(&file.to_string_lossy())
                ),
                "its path is relative to the scenario's; `loadgen run --snapshot-out` writes one",
            );
            None
        }
    }
}

pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, String> {
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

fn text_for_display(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .trim_start_matches('\u{feff}')
        .to_owned()
}

fn not_a_scenario(root: &Node, problems: &mut Problems) {
    problems.add_with_hint(
        root.span,
        format!("a scenario is a table, found {}", root.describe()),
        "begin with `version: 1`",
    );
}

fn plan(path: &Path, draft: Draft, start: Start) -> Option<Plan> {
    let name = draft.name.ok()?.unwrap_or_else(|| {
        path.file_stem().map_or_else(
            || "scenario".to_owned(),
            |stem| stem.to_string_lossy().into_owned(),
        )
    });
    let (duration, fleet) = (draft.duration?, draft.fleet?);
    let mut faults: Vec<_> = draft.faults.into_iter().map(|draft| draft.fault).collect();
    faults.extend(fleet.events(duration));
    faults.sort_by_key(|fault| fault.at);
    Some(Plan {
        name,
        file: path.to_owned(),
        hash: String::new(),
        overrides: Vec::new(),
        mode: draft.mode?,
        start,
        seed: draft.seed?,
        duration,
        warmup: draft.warmup,
        graceful_stop: draft.graceful_stop?,
        acquire_timeout: draft.acquire_timeout?,
        max_in_flight: draft.max_in_flight?,
        when_full: draft.when_full?,
        idp: draft.idp?,
        cache: draft.cache?,
        fleet: fleet.fleet,
        population: grown(&draft.population?, duration),
        traffic: draft
            .traffic?
            .into_iter()
            .map(TrafficDraft::into_plan)
            .collect::<Option<_>>()?,
        faults,
        thresholds: Vec::new(),
        twin: None,
        is_twin: false,
    })
}

/// The population with everybody who joins by the end of the run.
fn grown(population: &PopulationPlan, duration: Duration) -> PopulationPlan {
    let grown = |group: Group| Group {
        most: group.count + group.joined_by(duration),
        ..group
    };
    PopulationPlan {
        tenants: grown(population.tenants),
        applications: grown(population.applications),
        users: grown(population.users),
        resources: grown(population.resources),
        sessions: population.sessions,
    }
}

fn sha256_hex<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let digest = context.finish();
    digest.as_ref().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
