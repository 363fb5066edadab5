//! The arrivals of all flows in one order.

use std::iter::Peekable;
use std::sync::Arc;
use std::time::Duration;

use super::bursts::Bursts;
use super::constant::Constant;
use super::curve::Curve;
use super::poisson::Poisson;
use super::visits::Visits;
use crate::population::stream::mix;
use crate::population::{Stream, Subject};
use crate::scenario::plan::{Arrivals, Load, Plan, RatePlan, TraceRow, TrafficPlan};

/// One due piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Which arrival of the run, from 0.
    pub number: u64,
    /// Which entry of `traffic`, from 0.
    pub flow_index: usize,
    /// Which arrival of that entry, from 0.
    pub number_in_flow: u64,
    /// When it is due, from the start of the run.
    pub intended: Duration,
    /// Whose draws decide whom it is about: the same for the calls of one
    /// session, the arrival's own number where there are no sessions.
    pub session: u64,
    /// Whether the user signs out after it.
    pub signs_out: bool,
    /// Whether its session is over after it, in whatever way.
    pub is_last: bool,
}

impl Arrival {
    /// Arrival `number_in_flow` of a flow without sessions, which is alone in its
    /// run.
    pub fn numbered(flow_index: usize, number_in_flow: u64, intended: Duration) -> Self {
        Self {
            number: number_in_flow,
            flow_index,
            number_in_flow,
            intended,
            session: number_in_flow,
            signs_out: false,
            is_last: false,
        }
    }
}

impl Arrival {
    /// A number that tells this arrival, about `subject`, from others: two runs
    /// had the same arrivals if the sums of theirs are equal.
    pub fn fingerprint(&self, subject: &Subject) -> u64 {
        let nanoseconds = u64::try_from(self.intended.as_nanos()).unwrap_or(u64::MAX);
        [
            self.flow_index as u64,
            self.number_in_flow,
            nanoseconds,
            u64::from(subject.tenant),
            u64::from(subject.application),
            subject.user.map_or(u64::MAX, u64::from),
            u64::from(subject.resource),
            subject.instance_draw,
        ]
        .into_iter()
        .fold(0, |mixed, part| mix(mixed ^ part))
    }
}

/// All arrivals of a plan by time; at the same instant, by flow in file order.
/// Closed loops have none: their pace is up to the answers.
#[derive(Debug, Clone)]
pub struct Schedule {
    flows: Vec<Numbered>,
    next: u64,
}

#[derive(Debug, Clone)]
struct Numbered {
    calls: Peekable<Process>,
    number: u64,
}

/// A call of one flow, before it has a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// When it is due.
    pub offset: Duration,
    /// Which session it belongs to; `None` where there are no sessions.
    pub session: Option<u64>,
    /// Whether the user signs out after it.
    pub signs_out: bool,
    /// Whether its session is over after it, in whatever way.
    pub is_last: bool,
}

impl Call {
    fn at(offset: Duration) -> Self {
        Self {
            offset,
            session: None,
            signs_out: false,
            is_last: false,
        }
    }
}

#[derive(Debug, Clone)]
enum Process {
    Spaced(Spaced),
    Visits(Box<Visits>),
    Bursts(Bursts),
    Trace {
        rows: Arc<[TraceRow]>,
        next: usize,
        duration: Duration,
    },
    None,
}

/// Instants under a rate.
#[derive(Debug, Clone)]
pub enum Spaced {
    /// Evenly apart.
    Constant(Constant),
    /// Independent of each other.
    Poisson(Poisson),
}

impl Spaced {
    /// The instants of `plan`; where they are random, from `stream`.
    pub fn new(plan: &RatePlan, stream: Stream, duration: Duration) -> Self {
        let curve = Curve::new(plan);
        match plan.arrivals {
            Arrivals::Constant => Self::Constant(Constant::new(curve, duration)),
            Arrivals::Poisson => Self::Poisson(Poisson::new(stream, curve, duration)),
        }
    }
}

impl Iterator for Spaced {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        match self {
            Self::Constant(process) => process.next(),
            Self::Poisson(process) => process.next(),
        }
    }
}

impl Schedule {
    /// The arrivals of `plan` under its seed. Each flow draws from a stream
    /// named after it, so changing one leaves the others' arrivals as they are.
    pub fn new(plan: &Plan) -> Self {
        let numbered = |flow: &TrafficPlan| Numbered {
            calls: process(plan, flow).peekable(),
            number: 0,
        };
        Self {
            flows: plan.traffic.iter().map(numbered).collect(),
            next: 0,
        }
    }
}

impl Iterator for Schedule {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        // At most sixteen flows: looking at each beats keeping a heap.
        let due = |(index, flow): (usize, &mut Numbered)| {
            flow.calls.peek().map(|call| (call.offset, index))
        };
        let (_, flow_index) = self.flows.iter_mut().enumerate().filter_map(due).min()?;
        let flow = self.flows.get_mut(flow_index)?;
        let call = flow.calls.next()?;
        let number_in_flow = flow.number;
        flow.number += 1;
        let number = self.next;
        self.next += 1;
        Some(Arrival {
            number,
            flow_index,
            number_in_flow,
            intended: call.offset,
            session: call.session.unwrap_or(number_in_flow),
            signs_out: call.signs_out,
            is_last: call.is_last,
        })
    }
}

impl Iterator for Process {
    type Item = Call;

    fn next(&mut self) -> Option<Call> {
        match self {
            Self::Spaced(process) => process.next().map(Call::at),
            Self::Visits(process) => process.next(),
            Self::Bursts(process) => process.next().map(Call::at),
            Self::Trace {
                rows,
                next,
                duration,
            } => {
                let row = rows.get(*next).filter(|row| row.offset < *duration)?;
                *next += 1;
                Some(Call::at(row.offset))
            }
            Self::None => None,
        }
    }
}

fn process(plan: &Plan, flow: &TrafficPlan) -> Process {
    let stream = |family: &str| Stream::named(plan.draw_seed(), &format!("{family}/{}", flow.name));
    match &flow.load {
        Load::Rate(rate) => Process::Spaced(Spaced::new(rate, stream("arrivals"), plan.duration)),
        Load::Visits(visits) => {
            let starts = Spaced::new(&visits.starts, stream("arrivals"), plan.duration);
            let visits = Visits::new(visits.clone(), starts, stream("visits"), plan.duration);
            Process::Visits(Box::new(visits))
        }
        Load::Bursts(bursts) => Process::Bursts(Bursts::new(bursts, plan.duration)),
        Load::Trace(trace) => Process::Trace {
            rows: Arc::clone(&trace.rows),
            next: 0,
            duration: plan.duration,
        },
        Load::Users(_) => Process::None,
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
            ..Overrides::default()
        };
        let plan = parse(Path::new("schedule.yaml"), SCENARIO.as_bytes(), &overrides).unwrap();
        Schedule::new(&plan).collect()
    }

    fn of_flow(arrivals: &[Arrival], index: usize) -> Vec<Arrival> {
        arrivals
            .iter()
            .filter(|arrival| arrival.flow_index == index)
            .map(|arrival| Arrival {
                // Other flows have their say in that.
                number: 0,
                ..*arrival
            })
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
            prop_assert!(arrivals.iter().map(|arrival| arrival.number).eq(0..arrivals.len() as u64));
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
