//! Whom each arrival of a plan is about: the same on every clock.

use crate::arrival::Arrival;
use crate::population::{FlowStreams, Population, Subject};
use crate::scenario::plan::Plan;

/// Draws the subjects of a plan's arrivals.
#[derive(Debug)]
pub(super) struct Subjects {
    population: Population,
    /// By entry of `traffic`.
    streams: Vec<FlowStreams>,
}

impl Subjects {
    pub(super) fn of_plan(plan: &Plan) -> Self {
        let population = Population::new(plan);
        let streams = plan
            .traffic
            .iter()
            .map(|traffic| population.streams(&traffic.name, traffic.flow))
            .collect();
        Self {
            population,
            streams,
        }
    }

    /// Whom an arrival is about.
    pub(super) fn of(&self, arrival: &Arrival) -> Subject {
        self.population
            .drawing_from(self.streams[arrival.flow_index])
            .subject(arrival)
    }
}
