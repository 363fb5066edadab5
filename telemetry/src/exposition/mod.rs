//! From numbers to what a scraper reads: families of samples, in text 0.0.4,
//! OpenMetrics or, as a feature, protobuf.

mod accept;
#[cfg(feature = "exponential")]
mod exponential;
mod openmetrics;
#[cfg(feature = "native-histograms")]
mod protobuf;
mod text;
mod timeline;

pub use accept::Format;
#[cfg(feature = "exponential")]
pub use exponential::Exponential;
pub use timeline::Timeline;

use std::collections::BTreeSet;

use crate::catalogue::{Kind, Metric, Values};

/// A metric with its samples, built at scrape time.
#[derive(Debug, Clone)]
pub struct Family {
    pub(crate) metric: &'static Metric,
    pub(crate) samples: Vec<Sample>,
}

/// One series' value, a histogram's several together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    /// In the order of the metric's labels.
    pub(crate) labels: Vec<String>,
    pub(crate) value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Number(f64),
    Histogram(HistogramSample),
}

/// One histogram, folded to a metric's bucket edges.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HistogramSample {
    /// Observations at or below each edge, in the order of the edges.
    pub cumulative: Vec<u64>,
    /// All observations.
    pub count: u64,
    /// Sum of all observations, in the metric's unit.
    pub sum: f64,
    /// One observation to look at, shown in the bucket it fell into; only
    /// OpenMetrics has a place for it.
    pub exemplar: Option<Exemplar>,
    /// The same observations in exponential buckets, where they are known so
    /// finely.
    #[cfg(feature = "exponential")]
    pub exponential: Exponential,
}

/// One observation, with a hint at what it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar {
    /// What it was: a name and a value, together at most 128 letters.
    pub label: (&'static str, String),
    /// The observation, in the metric's unit.
    pub value: f64,
    /// When it was made, Unix seconds.
    pub at: f64,
}

impl HistogramSample {
    /// No observations, for a metric with these edges.
    pub fn empty(edges: &[f64]) -> Self {
        Self {
            cumulative: vec![0; edges.len()],
            ..Self::default()
        }
    }

    /// Adds another's observations, folded to the same edges.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.cumulative.iter_mut().zip(&other.cumulative) {
            *mine += theirs;
        }
        self.count += other.count;
        self.sum += other.sum;
        #[cfg(feature = "exponential")]
        self.exponential.add(&other.exponential);
    }
}

impl Family {
    /// A family without samples yet.
    pub fn of(metric: &'static Metric) -> Self {
        Self {
            metric,
            samples: Vec::new(),
        }
    }

    /// What it is a family of.
    pub fn metric(&self) -> &'static Metric {
        self.metric
    }

    /// How many series it has.
    pub fn series(&self) -> usize {
        let of_sample = |sample: &Sample| match &sample.value {
            Value::Number(_) => 1,
            Value::Histogram(folded) => folded.cumulative.len() + 3,
        };
        self.samples.iter().map(of_sample).sum()
    }

    /// Adds a counter's or gauge's value under these label values, which stand
    /// in the order of the metric's labels.
    ///
    /// A sample whose label values are not the catalogue's, or that does not
    /// fit the metric's kind, is a mistake in the program and never exported: it
    /// is left out and logged.
    ///
    /// # Panics
    ///
    /// In debug builds, upon such a mistake.
    #[must_use]
    pub fn value(self, labels: &[&str], value: f64) -> Self {
        self.with(labels, Value::Number(value))
    }

    /// Adds a count; see [`Family::value`].
    #[must_use]
    pub fn count(self, labels: &[&str], value: u64) -> Self {
        self.value(labels, value as f64)
    }

    /// Adds a distribution under these label values.
    ///
    /// # Panics
    ///
    /// In debug builds, as [`Family::value`] does.
    #[must_use]
    pub fn histogram(self, labels: &[&str], folded: HistogramSample) -> Self {
        self.with(labels, Value::Histogram(folded))
    }

    fn with(mut self, labels: &[&str], value: Value) -> Self {
        let mistake = match (self.metric.kind, &value) {
            (Kind::Histogram(edges), Value::Histogram(folded)) => {
                (edges.len() != folded.cumulative.len()).then(|| "has other edges".to_owned())
            }
            (Kind::Counter | Kind::Gauge, Value::Number(_)) => None,
            _ => Some("is of another kind".to_owned()),
        };
        match mistake.or_else(|| self.mistake_in(labels)) {
            None => self.samples.push(Sample {
                labels: labels.iter().map(|&value| value.to_owned()).collect(),
                value,
            }),
            Some(mistake) => {
                debug_assert!(false, "`{}`: {mistake}", self.metric.name);
                tracing::error!(metric = self.metric.name, mistake, "a sample is left out");
            }
        }
        self
    }

    /// What is wrong with these label values, by the catalogue.
    fn mistake_in(&self, values: &[&str]) -> Option<String> {
        let labels = self.metric.labels;
        if labels.len() != values.len() {
            return Some(format!(
                "{} label values, not {}",
                values.len(),
                labels.len()
            ));
        }
        for (index, (label, &value)) in labels.iter().zip(values).enumerate() {
            match label.values {
                Values::Closed(allowed) if !allowed.contains(&value) => {
                    return Some(format!("`{value}` is no value of `{}`", label.name));
                }
                Values::Declared { at_most } => {
                    let known = self
                        .samples
                        .iter()
                        .map(|sample| sample.labels[index].as_str());
                    let different: BTreeSet<&str> = known.chain([value]).collect();
                    if different.len() > at_most {
                        return Some(format!("more than {at_most} values of `{}`", label.name));
                    }
                }
                Values::Closed(_) | Values::Info => {}
            }
        }
        let is_there = |sample: &Sample| sample.labels == values;
        self.samples
            .iter()
            .any(is_there)
            .then(|| format!("{values:?} stands twice"))
    }
}

/// These families as `format` has them; those without samples are left out.
pub fn encode(families: impl IntoIterator<Item = Family>, format: Format) -> Vec<u8> {
    let families: Vec<Family> = families
        .into_iter()
        .filter(|family| !family.samples.is_empty())
        .collect();
    match format {
        Format::Text => text::render(families).into_bytes(),
        Format::OpenMetrics => openmetrics::render(&families).into_bytes(),
        #[cfg(feature = "native-histograms")]
        Format::Protobuf => protobuf::encode(&families),
    }
}

/// These families in Prometheus' text format 0.0.4; those without samples are
/// left out.
pub fn render(families: impl IntoIterator<Item = Family>) -> String {
    String::from_utf8(encode(families, Format::Text)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{
        DURATION_BUCKETS, LOADGEN_ARRIVALS, LOADGEN_IN_FLIGHT, LOADGEN_OPERATIONS,
        LOADGEN_SCHEDULE_LAG,
    };

    fn samples() -> Vec<Family> {
        let edge = |seconds: f64| DURATION_BUCKETS.iter().position(|edge| *edge >= seconds);
        let mut cumulative = vec![0; DURATION_BUCKETS.len()];
        cumulative[edge(1.0).unwrap()..].fill(1);
        let folded = HistogramSample {
            cumulative,
            count: 2,
            sum: 40.5,
            exemplar: Some(Exemplar {
                label: ("operation", "visits".to_owned()),
                value: 0.75,
                at: 1_767_323_046.5,
            }),
            #[cfg(feature = "exponential")]
            exponential: super::Exponential::default(),
        };
        vec![
            Family::of(&LOADGEN_ARRIVALS)
                .count(&["started"], 3)
                .count(&["dropped"], 0),
            Family::of(&LOADGEN_IN_FLIGHT).value(&[], 2.0),
            Family::of(&LOADGEN_SCHEDULE_LAG).histogram(&[], folded),
        ]
    }

    #[test]
    fn a_counter_and_a_gauge_render_as_text() {
        let text = render(samples().into_iter().take(2));
        assert_eq!(
            text,
            "# HELP loadgen_arrivals_total Arrivals that fell due, by what became of them.\n\
             # TYPE loadgen_arrivals_total counter\n\
             loadgen_arrivals_total{fate=\"started\"} 3\n\
             loadgen_arrivals_total{fate=\"dropped\"} 0\n\
             # HELP loadgen_in_flight_operations Operations begun and not ended.\n\
             # TYPE loadgen_in_flight_operations gauge\n\
             loadgen_in_flight_operations 2\n"
        );
    }

    #[test]
    fn a_histogram_ends_with_every_observation_in_the_last_bucket() {
        let text = render(samples());
        for line in [
            "loadgen_schedule_lag_seconds_bucket{le=\"0.5\"} 0\n",
            "loadgen_schedule_lag_seconds_bucket{le=\"1\"} 1\n",
            "loadgen_schedule_lag_seconds_bucket{le=\"+Inf\"} 2\n",
            "loadgen_schedule_lag_seconds_sum 40.5\n",
            "loadgen_schedule_lag_seconds_count 2\n",
        ] {
            assert!(text.contains(line), "no {line}{text}");
        }
    }

    #[test]
    fn openmetrics_has_units_exemplars_and_an_end() {
        let text = String::from_utf8(encode(samples(), Format::OpenMetrics)).unwrap();
        assert!(
            text.starts_with(
                "# HELP loadgen_arrivals Arrivals that fell due, by what became of them.\n\
                 # TYPE loadgen_arrivals counter\n\
                 loadgen_arrivals_total{fate=\"started\"} 3\n"
            ),
            "{text}"
        );
        for line in [
            "# UNIT loadgen_schedule_lag_seconds seconds\n",
            "loadgen_schedule_lag_seconds_bucket{le=\"0.5\"} 0\n",
            "loadgen_schedule_lag_seconds_bucket{le=\"1.0\"} 1 # {operation=\"visits\"} 0.75 1767323046.500\n",
            "loadgen_schedule_lag_seconds_bucket{le=\"2.5\"} 1\n",
            "loadgen_schedule_lag_seconds_bucket{le=\"+Inf\"} 2\n",
        ] {
            assert!(text.contains(line), "no {line}{text}");
        }
        assert!(text.ends_with("loadgen_schedule_lag_seconds_count 2\n# EOF\n"));
    }

    #[test]
    #[should_panic(expected = "`lost` is no value of `fate`")]
    fn a_label_value_outside_the_catalogue_is_a_mistake() {
        let _ = Family::of(&LOADGEN_ARRIVALS).count(&["lost"], 1);
    }

    #[test]
    #[should_panic(expected = "more than 16 values of `operation`")]
    fn more_declared_values_than_the_catalogue_allows_are_a_mistake() {
        let names: Vec<String> = (0..17).map(|number| format!("flow{number}")).collect();
        names
            .iter()
            .fold(Family::of(&LOADGEN_OPERATIONS), |family, name| {
                family.count(&[name, "ok"], 1)
            });
    }

    #[test]
    #[should_panic(expected = "stands twice")]
    fn one_series_cannot_have_two_values() {
        let _ = Family::of(&LOADGEN_IN_FLIGHT)
            .value(&[], 1.0)
            .value(&[], 2.0);
    }

    #[test]
    fn a_family_without_samples_is_left_out() {
        assert_eq!(render([Family::of(&LOADGEN_ARRIVALS)]), "");
        assert_eq!(
            encode([Family::of(&LOADGEN_ARRIVALS)], Format::OpenMetrics),
            b"# EOF\n"
        );
    }
}
