//! The arrivals of all flows in one order.

use std::iter::Peekable;
use std::time::Duration;

use super::constant::Constant;
use super::poisson::Poisson;
use crate::population::Stream;
use crate::scenario::plan::{Arrivals, Plan, TrafficPlan};

/// One due piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Which entry of `traffic`, from 0.
    pub flow_index: usize,
    /// Which arrival of that entry, from 0.
    pub number_in_flow: u64,
    /// When it is due, from the start of the run.
    pub intended: Duration,
}

/// All arrivals of a plan by time; at the same instant, by flow in file order.
#[derive(Debug, Clone)]
pub struct Schedule {
    flows: Vec<Numbered>,
}

#[derive(Debug, Clone)]
struct Numbered {
    offsets: Peekable<Process>,
    number: u64,
}

#[derive(Debug, Clone)]
enum Process {
    Constant(Constant),
    Poisson(Poisson),
}

impl Schedule {
    /// The arrivals of `plan` under its seed. Each flow draws from a stream
    /// named after it, so changing one leaves the others' arrivals as they are.
    pub fn new(plan: &Plan) -> Self {
        let numbered = |flow: &TrafficPlan| Numbered {
            offsets: process(plan, flow).peekable(),
            number: 0,
        };
        Self {
            flows: plan.traffic.iter().map(numbered).collect(),
        }
    }
}

impl Iterator for Schedule {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        // At most sixteen flows: looking at each beats keeping a heap.
        let due = |(index, flow): (usize, &mut Numbered)| {
            flow.offsets.peek().map(|offset| (*offset, index))
        };
        let (_, flow_index) = self.flows.iter_mut().enumerate().filter_map(due).min()?;
        let flow = self.flows.get_mut(flow_index)?;
        let intended = flow.offsets.next()?;
        let number_in_flow = flow.number;
        flow.number += 1;
        Some(Arrival {
            flow_index,
            number_in_flow,
            intended,
        })
    }
}

impl Iterator for Process {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        match self {
            Self::Constant(process) => process.next(),
            Self::Poisson(process) => process.next(),
        }
    }
}

fn process(plan: &Plan, flow: &TrafficPlan) -> Process {
    match flow.arrivals {
        Arrivals::Constant => Process::Constant(Constant::new(flow.rate, plan.duration)),
        Arrivals::Poisson => {
            let stream = Stream::named(plan.seed, &format!("arrivals/{}", flow.name));
            Process::Poisson(Poisson::new(stream, flow.rate, plan.duration))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::scenario::Overrides;
    use crate::scenario::load::parse;

    const SCENARIO: &str = "
version: 1
duration: 3s
traffic:
  - { name: app, flow: client_credentials, rate: 100/s }
  - { name: even, flow: on_behalf_of, arrivals: constant, rate: 4/s }
  - { name: even_too, flow: on_behalf_of, arrivals: constant, rate: 2/s }
  - { name: web, flow: authorization_code, rate: 50/s }
";

    fn arrivals(seed: u64, set: &str) -> Vec<Arrival> {
        let overrides = Overrides {
            seed: Some(seed),
            set: vec![set.to_owned()],
        };
        let plan = parse(Path::new("schedule.yaml"), SCENARIO.as_bytes(), &overrides).unwrap();
        Schedule::new(&plan).collect()
    }

    fn of_flow(arrivals: &[Arrival], index: usize) -> Vec<Arrival> {
        arrivals
            .iter()
            .filter(|arrival| arrival.flow_index == index)
            .copied()
            .collect()
    }

    #[test]
    fn flows_due_at_the_same_instant_come_in_file_order() {
        let arrivals = arrivals(1, "duration=3s");
        let even: Vec<(usize, u64, u128)> = arrivals
            .iter()
            .filter(|arrival| matches!(arrival.flow_index, 1 | 2))
            .take(6)
            .map(|arrival| {
                (
                    arrival.flow_index,
                    arrival.number_in_flow,
                    arrival.intended.as_millis(),
                )
            })
            .collect();
        assert_eq!(
            even,
            [
                (1, 0, 0),
                (2, 0, 0),
                (1, 1, 250),
                (1, 2, 500),
                (2, 1, 500),
                (1, 3, 750)
            ]
        );
    }

    #[test]
    fn flows_of_the_same_rate_arrive_apart() {
        let arrivals = arrivals(1, "traffic[3].rate=100/s");
        let offsets = |index| {
            of_flow(&arrivals, index)
                .iter()
                .map(|arrival| arrival.intended)
                .collect::<Vec<_>>()
        };
        assert_ne!(offsets(0)[..10], offsets(3)[..10]);
    }

    #[test]
    fn an_empty_flow_does_not_end_the_others() {
        let arrivals = arrivals(1, "traffic[0].rate=1/h");
        assert!(of_flow(&arrivals, 1).len() == 12 && of_flow(&arrivals, 3).len() > 100);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn time_never_goes_back_and_numbers_count_up(seed in any::<u64>()) {
            let arrivals = arrivals(seed, "duration=2s");
            prop_assert!(arrivals.is_sorted_by_key(|arrival| (arrival.intended, arrival.flow_index)));
            for index in 0..4 {
                let numbers: Vec<u64> = of_flow(&arrivals, index).iter().map(|arrival| arrival.number_in_flow).collect();
                prop_assert_eq!(&numbers, &(0..numbers.len() as u64).collect::<Vec<_>>());
            }
        }

        #[test]
        fn a_seed_decides_and_flows_do_not_disturb_each_other(seed in any::<u64>(), rate in 1_u32..500) {
            let base = arrivals(seed, "duration=3s");
            prop_assert_eq!(&base, &arrivals(seed, "duration=3s"));
            prop_assert_ne!(&base, &arrivals(seed ^ 1, "duration=3s"));
            let changed = arrivals(seed, &format!("traffic[0].rate={rate}/s"));
            for index in 1..4 {
                prop_assert_eq!(of_flow(&base, index), of_flow(&changed, index));
            }
        }

        #[test]
        fn a_longer_run_begins_with_the_shorter_one(seed in any::<u64>()) {
            let (short, long) = (arrivals(seed, "duration=1s"), arrivals(seed, "duration=2s"));
            prop_assert_eq!(&short[..], &long[..short.len()]);
        }
    }
}
