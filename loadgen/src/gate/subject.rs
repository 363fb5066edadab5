//! What a threshold, a baseline or a comparison is about: a metric with its
//! statistic and labels, read out of a report.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::metric::{Counted, METRICS, Metric, Reading};
use super::threshold::Statistic;
use crate::report::hdr;
use crate::report::model::{Acquisitions, Distribution, Durations, Interval, MarkKind, Report};

/// A metric, and which number of it: `p99(acquire{flow=web,source=cache})`.
#[derive(Debug, Clone)]
pub struct Subject {
    /// What is measured.
    pub metric: &'static Metric,
    /// Which number of a distribution; `None` for metrics that are one number.
    pub statistic: Option<Statistic>,
    /// The flow it is about; `None` for all together.
    pub flow: Option<String>,
    /// The value of the metric's own label, if it has one.
    pub label: Option<&'static str>,
}

impl PartialEq for Subject {
    fn eq(&self, other: &Self) -> bool {
        self.metric.name == other.metric.name
            && self.statistic == other.statistic
            && self.flow == other.flow
            && self.label == other.label
    }
}

/// A part of a run, in time from the first arrival on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// Where it begins.
    pub from: Start,
    /// Where it ends; `None` for the end of the run.
    pub until: Option<Duration>,
}

/// Where a window begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Start {
    /// With the run.
    #[default]
    Run,
    /// So long after the first arrival.
    At(Duration),
    /// When the warm-up ends.
    Warmup,
}

impl Window {
    /// Whether it is the run as a whole.
    pub fn is_whole(self) -> bool {
        self == Self::default()
    }

    /// The report's intervals that lie wholly inside; `None` when it begins with
    /// a warm-up that the run does not have.
    fn intervals(self, report: &Report) -> Option<&[Interval]> {
        let series = &report.series;
        let from = match self.from {
            Start::Run => 0.0,
            Start::At(from) => from.as_secs_f64(),
            Start::Warmup => {
                let warmups = series.marks.iter();
                warmups
                    .filter(|mark| mark.kind == MarkKind::Warmup)
                    .filter_map(|mark| mark.until_s)
                    .reduce(f64::max)?
            }
        };
        let until = self
            .until
            .map_or(f64::INFINITY, |until| until.as_secs_f64());
        let begins = |index: usize| index as f64 * series.interval_s;
        let count = series.intervals.len();
        let first = (0..count).find(|index| begins(*index) >= from)?;
        let last = (first..count)
            .take_while(|index| begins(index + 1) <= until)
            .count();
        Some(&series.intervals[first..first + last])
    }

    /// The acquisitions of the part as if they were a run of their own; `None`
    /// when nothing was kept of it.
    fn acquisitions(self, report: &Report) -> Option<Acquisitions> {
        let intervals = self.intervals(report)?;
        let mut sum = Acquisitions::default();
        let mut times: Option<Histogram<u64>> = None;
        for interval in intervals {
            sum.errors += interval.errors;
            sum.coalesced += interval.coalesced;
            sum.background_refreshes += interval.background_refreshes;
            sum.token_source += interval.token_source;
            sum.cache_level += interval.cache_level;
            sum.cache_refresh_reason += interval.cache_refresh_reason;
            if interval.acquire.is_empty() {
                continue;
            }
            let read = hdr::decode(&interval.acquire).ok()?;
            match &mut times {
                None => times = Some(read),
                Some(times) => times.add(read).ok()?,
            }
        }
        let ok = sum.token_source.cache + sum.token_source.identity_provider;
        sum.acquisitions = ok + sum.errors;
        sum.hit_ratio = (ok > 0).then(|| sum.token_source.cache as f64 / ok as f64);
        sum.durations = Durations {
            total: times.as_ref().map(hdr::distribution).unwrap_or_default(),
            ..Durations::default()
        };
        (!intervals.is_empty()).then_some(sum)
    }
}

impl Subject {
    /// Its number in `report`, or in a part of it, in the metric's unit: counts,
    /// shares from 0 to 1, bytes, microseconds. `None` where the report cannot
    /// tell, or has too few samples.
    pub fn measure(&self, report: &Report, window: Window) -> Option<f64> {
        if window.is_whole() {
            return self.read(report, self.of(report));
        }
        if !self.is_kept_over_time() {
            return None;
        }
        self.read(report, Some(&window.acquisitions(report)?))
    }

    /// How many samples that number rests on.
    pub fn samples(&self, report: &Report, window: Window) -> u64 {
        let of_window;
        let of = if window.is_whole() {
            self.of(report)
        } else {
            of_window = window.acquisitions(report);
            of_window.as_ref()
        };
        let times = of.and_then(|of| self.times(report, of));
        match (times, self.metric.is_distribution()) {
            (Some(times), _) => times.count,
            (None, true) => 0,
            (None, false) => of.map_or(0, |of| of.acquisitions),
        }
    }

    /// Whether a part of a run can be judged by it.
    pub fn is_kept_over_time(&self) -> bool {
        let whole = self.flow.is_none() && !(self.metric.is_distribution() && self.label.is_some());
        whole && self.metric.is_kept_over_time()
    }

    /// Every subject that `report` has a number for, in the report's order: of
    /// distributions the quantiles and the extreme, of flows each.
    pub fn all(report: &Report) -> Vec<Self> {
        let flows = report.flows.iter().map(|flow| Some(flow.name.clone()));
        // With one flow, that flow is the whole.
        let scopes: Vec<Option<String>> = if report.flows.len() > 1 {
            std::iter::once(None).chain(flows).collect()
        } else {
            vec![None]
        };
        let mut subjects = Vec::new();
        for metric in METRICS {
            let labels: Vec<Option<&'static str>> =
                match (metric.required_label(), metric.optional_label()) {
                    (Some((_, values)), _) => values.into_iter().map(Some).collect(),
                    (None, Some((_, values))) => std::iter::once(None)
                        .chain(values.into_iter().map(Some))
                        .collect(),
                    (None, None) => vec![None],
                };
            let statistics: Vec<Option<Statistic>> = if metric.is_distribution() {
                [Statistic::P50, Statistic::P99, Statistic::Max]
                    .map(Some)
                    .into()
            } else {
                vec![None]
            };
            let whole = [None];
            let of = if metric.by_flow() {
                &scopes[..]
            } else {
                &whole[..]
            };
            for flow in of {
                for label in &labels {
                    for statistic in &statistics {
                        subjects.push(Self {
                            metric,
                            statistic: *statistic,
                            flow: flow.clone(),
                            label: *label,
                        });
                    }
                }
            }
        }
        subjects.retain(|subject| {
            subject
                .measure(report, Window::default())
                .is_some_and(f64::is_finite)
        });
        subjects
    }

    /// The numbers of the subject's flow, or of all; `None` for a flow the report
    /// does not have.
    fn of<'a>(&self, report: &'a Report) -> Option<&'a Acquisitions> {
        match &self.flow {
            None => Some(&report.totals),
            Some(name) => report
                .flows
                .iter()
                .find(|flow| flow.name == *name)
                .map(|flow| &flow.acquisitions),
        }
    }

    fn read(&self, report: &Report, of: Option<&Acquisitions>) -> Option<f64> {
        let value = match self.metric.reading {
            Reading::Flow(read) => read(of?),
            Reading::FlowBy(_, values) => {
                let of = of?;
                (of.acquisitions > 0).then(|| self.counted(values, of))?
            }
            Reading::Run(read) => read(report),
            Reading::RunBy(_, values) => {
                (report.totals.acquisitions > 0).then(|| self.counted(values, report))?
            }
            Reading::FlowTimes(_) | Reading::FlowTimesBy(..) | Reading::RunTimes(_) => {
                let times = match self.metric.reading {
                    Reading::RunTimes(read) => read(report),
                    _ => self.times(report, of?)?,
                };
                statistic(self.statistic?, times)
            }
        };
        value.filter(|value| value.is_finite())
    }

    fn times<'a>(&self, report: &'a Report, of: &'a Acquisitions) -> Option<&'a Distribution> {
        match self.metric.reading {
            Reading::FlowTimes(read) => Some(read(of)),
            Reading::FlowTimesBy(read, _, narrowed) => match self.label {
                None => Some(read(of)),
                Some(chosen) => narrowed
                    .iter()
                    .find(|(value, _)| *value == chosen)
                    .map(|(_, read)| read(of)),
            },
            Reading::RunTimes(read) => Some(read(report)),
            _ => None,
        }
    }

    fn counted<T>(&self, values: &[Counted<T>], of: &T) -> Option<f64> {
        let chosen = self.label?;
        values
            .iter()
            .find(|(value, _)| *value == chosen)
            .map(|(_, read)| read(of) as f64)
    }
}

fn statistic(statistic: Statistic, times: &Distribution) -> Option<f64> {
    if times.count < statistic.samples_needed() {
        return None;
    }
    Some(match statistic {
        Statistic::P50 => times.p50_us,
        Statistic::P90 => times.p90_us,
        Statistic::P99 => times.p99_us,
        Statistic::P999 => times.p999_us,
        Statistic::Max => times.max_us,
        Statistic::Mean => times.mean_us,
    })
}

/// As a threshold names it.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(statistic) = self.statistic {
            write!(f, "{}(", statistic.as_str())?;
        }
        f.write_str(self.metric.name)?;
        let own = self
            .metric
            .required_label()
            .or_else(|| self.metric.optional_label())
            .map(|(name, _)| name);
        let labels = [
            self.flow.as_deref().map(|flow| ("flow", flow)),
            own.zip(self.label),
        ];
        let mut labels = labels.into_iter().flatten();
        if let Some((name, value)) = labels.next() {
            write!(f, "{{{name}={value}")?;
            for (name, value) in labels {
                write!(f, ",{name}={value}")?;
            }
            f.write_str("}")?;
        }
        if self.statistic.is_some() {
            f.write_str(")")?;
        }
        Ok(())
    }
}
