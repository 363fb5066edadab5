//! What a plan does to its run, by when: stages of the load, faults, restarts.

use std::time::Duration;

use super::series::{Mark, MarkKind};
use crate::scenario::plan::{Fault, FaultPlan, InstanceFault, Load, Plan, RatePlan};

/// The marks of a run of `plan`, by when they begin. What would begin after the
/// end of the arrivals is left out.
pub(crate) fn marks(plan: &Plan) -> Vec<Mark> {
    let several = plan.traffic.len() > 1;
    let mut marks: Vec<Mark> = plan.faults.iter().map(fault).collect();
    marks.extend(plan.warmup.map(|warmup| Mark {
        kind: MarkKind::Warmup,
        label: "warm-up".to_owned(),
        from_s: 0.0,
        until_s: Some(warmup.as_secs_f64()),
    }));
    for traffic in &plan.traffic {
        let rate = match &traffic.load {
            Load::Rate(rate) => rate,
            Load::Visits(visits) => &visits.starts,
            Load::Bursts(_) | Load::Trace(_) | Load::Users(_) => continue,
        };
        marks.extend(stages(several.then_some(&*traffic.name), rate));
    }
    marks.retain(|mark| mark.from_s < plan.duration.as_secs_f64());
    // Stable: what begins at one instant stays in the plan's order.
    marks.sort_by(|one, other| one.from_s.total_cmp(&other.from_s));
    marks
}

fn fault(fault: &FaultPlan) -> Mark {
    Mark {
        kind: match fault.what {
            Fault::Instances(InstanceFault::Restart { .. }) => MarkKind::Restart,
            _ => MarkKind::Fault,
        },
        label: fault.what.to_string(),
        from_s: fault.at.as_secs_f64(),
        until_s: fault.until.map(|until| until.as_secs_f64()),
    }
}

fn stages(flow: Option<&str>, rate: &RatePlan) -> Vec<Mark> {
    let mut begin = Duration::ZERO;
    let mut from = rate.rate;
    let mut marks = Vec::new();
    for stage in &rate.stages {
        let end = begin + stage.over;
        let label = if from == stage.to {
            stage.to.to_string()
        } else {
            format!("{from} to {}", stage.to)
        };
        marks.push(Mark {
            kind: MarkKind::Stage,
            label: flow.map_or_else(|| label.clone(), |flow| format!("{flow}: {label}")),
            from_s: begin.as_secs_f64(),
            until_s: (!stage.over.is_zero()).then_some(end.as_secs_f64()),
        });
        (begin, from) = (end, stage.to);
    }
    marks
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::{Overrides, load::parse};

    #[test]
    fn stages_faults_and_restarts_are_marked_in_order() {
        let text = "
version: 1
duration: 1h
warmup: 5m
cache: { l2: { store: memory } }
fleet: { instances: 2, rolling_restarts: [{ at: 40m, gap: 1m }] }
traffic:
  - { name: web, flow: client_credentials, rate: 1/s, stages: [{ hold: 10m }, { to: 5/s, over: 5m }, { to: 2/s, over: 0s }] }
  - { name: jobs, flow: client_credentials, rate: 1/s }
faults:
  - { at: 20m, for: 10m, l2: { is: refuse } }
";
        let plan = parse(Path::new("x.yaml"), text.as_bytes(), &Overrides::default());
        let plan = plan.unwrap_or_else(|error| panic!("{error}"));
        let shown: Vec<String> = marks(&plan)
            .into_iter()
            .map(|mark| {
                let until = mark
                    .until_s
                    .map_or("-".to_owned(), |until| until.to_string());
                format!("{:?} {}..{until} {}", mark.kind, mark.from_s, mark.label)
            })
            .collect();
        assert_eq!(
            shown,
            [
                "Warmup 0..300 warm-up",
                "Stage 0..600 web: 1/s",
                "Stage 600..900 web: 1/s to 5/s",
                "Stage 900..- web: 5/s to 2/s",
                "Fault 1200..1800 L2 refuses connections",
                "Restart 2400..- instance 0 restarts, with nothing in memory",
                "Restart 2460..- instance 1 restarts, with nothing in memory",
            ]
        );
    }
}
