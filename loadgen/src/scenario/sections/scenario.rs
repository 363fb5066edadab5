//! The top level of a scenario file.

use std::time::Duration;

use super::cache::cache;
use super::fleet::fleet;
use super::idp::idp;
use super::population::population;
use super::traffic::{TrafficDraft, check_names, traffic};
use crate::scenario::plan::{CachePlan, FleetPlan, IdpPlan, PopulationPlan};
use crate::scenario::reader::{Bad, DurationIn, Integer, ListOf, Located, Table, Text};
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
    /// `seed`.
    pub seed: Option<u64>,
    /// `duration`.
    pub duration: Option<Duration>,
    /// `graceful_stop`.
    pub graceful_stop: Option<Duration>,
    /// `acquire_timeout`.
    pub acquire_timeout: Option<Duration>,
    /// `max_in_flight`.
    pub max_in_flight: Option<usize>,
    /// Where `max_in_flight` stands, or the file's beginning.
    pub max_in_flight_span: Span,
    /// `idp`.
    pub idp: Option<IdpPlan>,
    /// `cache`.
    pub cache: Option<CachePlan>,
    /// `fleet`.
    pub fleet: Option<FleetPlan>,
    /// `population`.
    pub population: Option<PopulationPlan>,
    /// `traffic`, bad entries included.
    pub traffic: Option<Vec<TrafficDraft>>,
    /// Where `traffic` is written.
    pub traffic_span: Span,
    /// `thresholds` as text, each with where it stands.
    pub thresholds: Vec<(String, Node)>,
}

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
    let idp = table.section("idp", "The identity provider", idp);
    let cache = table.section("cache", "How every instance caches", cache);
    let fleet = table.section("fleet", "The service's instances", fleet);
    let population = table.section("population", "Who asks for tokens", population);
    let traffic = table.required("traffic", "The flows offered", &traffic());
    let thresholds = table.optional(
        "thresholds",
        "What must hold for the run to pass",
        &ListOf {
            item: Located(Text),
            min: 0,
            max: MAX_THRESHOLDS,
        },
    );
    check_names(traffic.as_deref().unwrap_or_default(), table.problems());
    Some(Draft {
        name,
        seed,
        duration,
        graceful_stop,
        acquire_timeout,
        max_in_flight: max_in_flight.and_then(|count| usize::try_from(count).ok()),
        max_in_flight_span: table.value_span("max_in_flight"),
        idp,
        cache,
        fleet,
        population,
        traffic,
        traffic_span: table.key_span("traffic"),
        thresholds: thresholds.ok().flatten().unwrap_or_default(),
    })
}
