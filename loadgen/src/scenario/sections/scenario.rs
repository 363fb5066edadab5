//! The top level of a scenario file.

use std::time::Duration;

use super::cache::cache;
use super::faults::{FaultDraft, faults};
use super::fleet::{FleetDraft, fleet};
use super::idp::idp;
use super::population::population;
use super::start::{StartDraft, start};
use super::traffic::{TrafficDraft, check_names, traffic};
use super::twin::{TwinDraft, twin};
use crate::scenario::feature::Feature;
use crate::scenario::plan::{CachePlan, IdpPlan, Mode, PopulationPlan, WhenFull};
use crate::scenario::reader::{
    AnyTable, Bad, Choice, DurationIn, Integer, ListOf, Located, Table, TableOf, Text,
};
use crate::scenario::span::Span;
use crate::scenario::yaml::Node;

/// Most thresholds of one scenario.
const MAX_THRESHOLDS: usize = 200;

/// Work in flight is a task and a connection each.
const MAX_IN_FLIGHT: u64 = 1_000_000;

/// What could be read of a scenario; `None` where a value is missing or bad.
#[derive(Debug)]
pub struct Draft {
    /// `name`, if written.
    pub name: Result<Option<String>, Bad>,
    /// `mode`.
    pub mode: Option<Mode>,
    /// `start`.
    pub start: Option<StartDraft>,
    /// Where `start` is written.
    pub start_span: Span,
    /// `seed`.
    pub seed: Option<u64>,
    /// `duration`.
    pub duration: Option<Duration>,
    /// `warmup`, if written.
    pub warmup: Option<Duration>,
    /// Where it is written.
    pub warmup_span: Span,
    /// `graceful_stop`.
    pub graceful_stop: Option<Duration>,
    /// `acquire_timeout`.
    pub acquire_timeout: Option<Duration>,
    /// `max_in_flight`.
    pub max_in_flight: Option<usize>,
    /// Where `max_in_flight` stands, or the file's beginning.
    pub max_in_flight_span: Span,
    /// `when_full`.
    pub when_full: Option<WhenFull>,
    /// `idp`.
    pub idp: Option<IdpPlan>,
    /// `cache`.
    pub cache: Option<CachePlan>,
    /// `fleet`.
    pub fleet: Option<FleetDraft>,
    /// Where `fleet` is written.
    pub fleet_span: Span,
    /// `population`.
    pub population: Option<PopulationPlan>,
    /// Where `population` is written.
    pub population_span: Span,
    /// `traffic`, bad entries included.
    pub traffic: Option<Vec<TrafficDraft>>,
    /// Where `traffic` is written.
    pub traffic_span: Span,
    /// `faults`, as far as they could be read.
    pub faults: Vec<FaultDraft>,
    /// `thresholds` as text, each with where it stands.
    pub thresholds: Vec<(String, Node)>,
    /// `twin`, if written.
    pub twin: Result<Option<TwinDraft>, Bad>,
}

#[expect(
    clippy::too_many_lines,
    reason = "a table of contents: each line is a key of the top level"
)]
/// Reads the top level; never `None`: what is bad is so field by field.
pub fn read(table: &mut Table<'_>) -> Option<Draft> {
    table.required(
        "version",
        "Version of the scenario language",
        &Integer { min: 1, max: 1 },
    );
    let name = table.optional("name", "Its name in reports; the file's by default", &Text);
    // Read for its problems alone: nothing depends on it.
    let _ = table.optional("description", "The question it answers", &Text);
    let _ = table.optional(
        "extends",
        "A scenario file this one is laid over: tables merge, all else is replaced",
        &Text,
    );
    let mode = table.or(
        "mode",
        "Which clock drives it: a model of an ideal cache, the real cache on a paused clock, or sockets and the wall clock",
        "real",
        &Choice(&[
            ("model", Mode::Model),
            ("virtual", Mode::Virtual),
            ("real", Mode::Real),
        ]),
    );
    let start = table.or(
        "start",
        "What the caches hold before the first arrival",
        "cold",
        &start(),
    );
    let seed = table.or(
        "seed",
        "Seed of every random stream",
        "42",
        &Integer {
            min: 0,
            max: u64::MAX,
        },
    );
    let duration = table.required(
        "duration",
        "How long arrivals are offered",
        &DurationIn::above_zero(),
    );
    let warmup = table.optional(
        "warmup",
        "The first part of the run, which thresholds leave out that say `after warmup`",
        &DurationIn::above_zero(),
    );
    let graceful_stop = table.or(
        "graceful_stop",
        "How long to wait for work in flight at the end",
        "5s",
        &DurationIn::any(),
    );
    let acquire_timeout = table.or(
        "acquire_timeout",
        "An acquisition that takes longer fails",
        "30s",
        &DurationIn::above_zero(),
    );
    let max_in_flight = table.or(
        "max_in_flight",
        "Arrivals that find this much work in flight are dropped",
        "10000",
        &Integer {
            min: 1,
            max: MAX_IN_FLIGHT,
        },
    );
    let when_full = table.or(
        "when_full",
        "What becomes of an arrival that finds `max_in_flight` under way",
        "drop",
        &Choice(&[
            ("drop", WhenFull::Drop),
            ("queue", WhenFull::Queue),
            ("abort", WhenFull::Abort),
        ]),
    );
    let idp = table.section("idp", "The identity provider", idp);
    let cache = table.section("cache", "How every instance caches", cache);
    let fleet = table.section("fleet", "The service's instances", fleet);
    let population = table.section("population", "Who asks for tokens", population);
    let traffic = table.required("traffic", "The flows offered", &traffic());
    let faults = table.optional("faults", "What goes wrong, and when", &faults());
    let thresholds = table.optional(
        "thresholds",
        "What must hold for the run to pass",
        &ListOf {
            item: Located(Text),
            min: 0,
            max: MAX_THRESHOLDS,
        },
    );
    let twin = table.optional(
        "twin",
        "The known-bad form of the scenario, which must fail",
        &TableOf(twin),
    );
    // Laid over the scenario before it is read, when the full size is asked for.
    let _ = table.optional(
        "full",
        "The full size: what is laid over the scenario, `twin` left out, with --full",
        &AnyTable,
    );
    if let Some(mode) = mode {
        table.needs(Feature::Mode(mode), "mode");
    }
    match &start {
        None | Some(StartDraft::Cold) => {}
        Some(StartDraft::Stationary) => table.needs(Feature::StationaryStart, "start"),
        Some(StartDraft::Snapshot(_)) => table.needs(Feature::SnapshotStart, "start"),
    }
    if let Some(when_full) = when_full {
        table.needs(Feature::WhenFull(when_full), "when_full");
    }
    check_names(traffic.as_deref().unwrap_or_default(), table.problems());
    Some(Draft {
        name,
        mode,
        start,
        start_span: table.value_span("start"),
        seed,
        duration,
        warmup: warmup.ok().flatten(),
        warmup_span: table.value_span("warmup"),
        graceful_stop,
        acquire_timeout,
        max_in_flight: max_in_flight.and_then(|count| usize::try_from(count).ok()),
        max_in_flight_span: table.value_span("max_in_flight"),
        when_full,
        idp,
        cache,
        fleet,
        fleet_span: table.key_span("fleet"),
        population,
        population_span: table.key_span("population"),
        traffic,
        traffic_span: table.key_span("traffic"),
        faults: faults.ok().flatten().unwrap_or_default(),
        thresholds: thresholds.ok().flatten().unwrap_or_default(),
        twin,
    })
}
