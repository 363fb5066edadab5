//! What the generator says of itself.

use telemetry::catalogue as metric;
use telemetry::{Exemplar, Family};

use super::Scrape;
use crate::report::marks::marks;
use crate::report::model::MarkKind;
use crate::scenario::plan::Plan;

/// The stages of a plan's load, as labels: number and sentence, and from when to
/// when, in seconds from the first arrival.
#[derive(Debug, Default)]
pub struct Stages(Vec<(String, f64, f64)>);

impl Stages {
    /// Those of `plan`, each until it ends or the run does; changes at an instant
    /// are none.
    pub fn of_plan(plan: &Plan) -> Self {
        let stages = marks(plan)
            .into_iter()
            .filter(|mark| mark.kind == MarkKind::Stage);
        let lasting = stages.filter_map(|mark| Some((mark.label, mark.from_s, mark.until_s?)));
        // Two stages may be alike: their numbers tell them apart.
        let numbered = (1..).zip(lasting);
        let labelled = numbered
            .map(|(number, (label, from, until))| (format!("{number}: {label}"), from, until));
        Self(labelled.take(metric::MOST_STAGES).collect())
    }

    /// Whether each goes on so many seconds after the first arrival; `None` before
    /// it and after the end.
    fn family(&self, at: Option<f64>) -> Family {
        let stages = self.0.iter();
        stages.fold(
            Family::of(&metric::LOADGEN_STAGE_ACTIVE),
            |family, (label, from, until)| {
                let goes_on = at.is_some_and(|at| *from <= at && at < *until);
                family.count(&[label], u64::from(goes_on))
            },
        )
    }
}

impl Scrape<'_> {
    pub(super) fn generator(&self) -> Vec<Family> {
        let folded = &self.folded;
        let mut ended = Family::of(&metric::LOADGEN_OPERATIONS);
        let mut response = Family::of(&metric::LOADGEN_RESPONSE_DURATION);
        let mut service = Family::of(&metric::LOADGEN_SERVICE_DURATION);
        let slow = self.slow();
        for (traffic, flow) in self.plan.traffic.iter().zip(&folded.flows) {
            let name = &*traffic.name;
            ended = ended
                .count(&[name, "ok"], flow.counts.ok())
                .count(&[name, "error"], flow.counts.failures())
                .count(&[name, "timeout"], flow.counts.timeouts);
            let mut responses = flow.response.clone();
            responses.exemplar = slow
                .clone()
                .filter(|(operation, _)| *operation == name)
                .map(|(_, slow)| slow);
            response = response.histogram(&[name], responses);
            service = service.histogram(&[name], flow.service.clone());
        }
        let oracle = folded.oracle;
        let seed = self.plan.seed.to_string();
        let info = [
            &*self.plan.name,
            &self.plan.hash,
            &seed,
            self.plan.mode.as_str(),
        ];
        let goes_on = self.began_at > 0.0 && self.ended_at <= 0.0;
        vec![
            Family::of(&metric::LOADGEN_ARRIVALS)
                .count(&["started"], folded.started)
                .count(&["dropped"], folded.dropped),
            ended,
            response,
            service,
            Family::of(&metric::LOADGEN_SCHEDULE_LAG).histogram(&[], folded.lag.clone()),
            Family::of(&metric::LOADGEN_IN_FLIGHT).value(&[], self.in_flight as f64),
            Family::of(&metric::LOADGEN_VIRTUAL_USERS).value(&[], self.users as f64),
            self.stages
                .family(goes_on.then_some(self.now - self.began_at)),
            Family::of(&metric::LOADGEN_INVARIANT_VIOLATIONS)
                .count(&["wrong_token"], oracle.wrong_token)
                .count(&["expired_served"], oracle.expired_served)
                .count(&["under_scoped"], oracle.under_scoped)
                .count(&["not_issued"], oracle.not_issued),
            Family::of(&metric::LOADGEN_RUN_START).value(&[], self.began_at),
            Family::of(&metric::LOADGEN_RUN_END).value(&[], self.ended_at),
            Family::of(&metric::LOADGEN_RUN_INFO).count(&info, 1),
        ]
    }

    /// The last slow response: which operation, and which arrival it was, as
    /// reports number them.
    fn slow(&self) -> Option<(&str, Exemplar)> {
        let slow = self.folded.slow?;
        let name = &self.plan.traffic.get(slow.flow_index)?.name;
        let exemplar = Exemplar {
            label: ("arrival", slow.number.to_string()),
            value: slow.response.as_secs_f64(),
            at: self.now - slow.ended.elapsed().as_secs_f64(),
        };
        Some((name, exemplar))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::{Overrides, load::parse};

    #[test]
    fn stages_are_numbered_and_active_from_their_begin_to_their_end() {
        let text = "
version: 1
duration: 30m
traffic:
  - { flow: client_credentials, rate: 1/s, stages: [{ hold: 10m }, { to: 5/s, over: 0s }, { hold: 10m }, { to: 1/s, over: 10m }] }
";
        let plan = parse(Path::new("x.yaml"), text.as_bytes(), &Overrides::default());
        let stages = Stages::of_plan(&plan.unwrap_or_else(|error| panic!("{error}")));
        let shown = |at| {
            let text = telemetry::render([stages.family(at)]);
            let lines: Vec<String> = text.lines().skip(2).map(str::to_owned).collect();
            lines
        };
        let line =
            |stage: &str, active: u8| format!("loadgen_stage_active{{stage=\"{stage}\"}} {active}");
        for (at, active) in [
            (None, [0, 0, 0]),
            (Some(0.0), [1, 0, 0]),
            (Some(600.0), [0, 1, 0]),
            (Some(1_799.0), [0, 0, 1]),
            (Some(1_800.0), [0, 0, 0]),
        ] {
            let expected = ["1: 1/s", "2: 5/s", "3: 5/s to 1/s"];
            let expected: Vec<String> = expected
                .iter()
                .zip(active)
                .map(|(stage, active)| line(stage, active))
                .collect();
            assert_eq!(shown(at), expected, "{at:?}");
        }
    }
}
