//! From numbers to Prometheus text.

use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric as Sample, MetricFamily, MetricType,
};
use prometheus::{Encoder as _, TextEncoder};

use crate::catalogue::{Kind, Metric, Values};

/// The content type of [`render`]'s text; Prometheus 3 refuses a scrape without.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A metric with its samples, built at scrape time.
#[derive(Debug)]
pub struct Family {
    metric: &'static Metric,
    samples: Vec<Sample>,
}

/// One histogram, folded to a metric's bucket edges.
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramSample {
    /// Observations at or below each edge, in the order of the edges.
    pub cumulative: Vec<u64>,
    /// All observations.
    pub count: u64,
    /// Sum of all observations, in the metric's unit.
    pub sum: f64,
}

impl Family {
    /// A family without samples yet.
    pub fn of(metric: &'static Metric) -> Self {
        Self {
            metric,
            samples: Vec::new(),
        }
    }

    /// Adds a counter's or gauge's value under these label values, which stand
    /// in the order of the metric's labels.
    ///
    /// # Panics
    ///
    /// In debug builds, when the label values are not the catalogue's or the
    /// metric is a histogram: both are mistakes in the program.
    #[must_use]
    pub fn value(mut self, labels: &[&str], value: f64) -> Self {
        let mut sample = self.sample(labels);
        match self.metric.kind {
            Kind::Counter => {
                let mut counter = Counter::default();
                counter.set_value(value);
                sample.set_counter(counter);
            }
            Kind::Gauge => {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                sample.set_gauge(gauge);
            }
            Kind::Histogram(_) => debug_assert!(false, "`{}` is a histogram", self.metric.name),
        }
        self.samples.push(sample);
        self
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
    pub fn histogram(mut self, labels: &[&str], folded: &HistogramSample) -> Self {
        let Kind::Histogram(edges) = self.metric.kind else {
            debug_assert!(false, "`{}` is no histogram", self.metric.name);
            return self;
        };
        debug_assert_eq!(edges.len(), folded.cumulative.len(), "{}", self.metric.name);
        let mut histogram = Histogram::default();
        histogram.set_sample_count(folded.count);
        histogram.set_sample_sum(folded.sum);
        histogram.set_bucket(
            edges
                .iter()
                .zip(&folded.cumulative)
                .map(|(&edge, &count)| {
                    let mut bucket = Bucket::default();
                    bucket.set_upper_bound(edge);
                    bucket.set_cumulative_count(count);
                    bucket
                })
                .collect(),
        );
        let mut sample = self.sample(labels);
        sample.set_histogram(histogram);
        self.samples.push(sample);
        self
    }

    fn sample(&self, values: &[&str]) -> Sample {
        debug_assert_eq!(
            self.metric.labels.len(),
            values.len(),
            "label values of `{}`",
            self.metric.name
        );
        let pairs = self
            .metric
            .labels
            .iter()
            .zip(values)
            .map(|(label, &value)| {
                if let Values::Closed(allowed) = label.values {
                    debug_assert!(
                        allowed.contains(&value),
                        "`{value}` is no value of `{}` on `{}`",
                        label.name,
                        self.metric.name
                    );
                }
                let mut pair = LabelPair::default();
                pair.set_name(label.name.to_owned());
                pair.set_value(value.to_owned());
                pair
            })
            .collect();
        let mut sample = Sample::default();
        sample.set_label(pairs);
        sample
    }

    fn into_proto(self) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(self.metric.name.to_owned());
        family.set_help(self.metric.help.to_owned());
        family.set_field_type(match self.metric.kind {
            Kind::Counter => MetricType::COUNTER,
            Kind::Gauge => MetricType::GAUGE,
            Kind::Histogram(_) => MetricType::HISTOGRAM,
        });
        family.set_metric(self.samples);
        family
    }
}

/// Prometheus text format 0.0.4 of these families; those without samples are
/// left out.
pub fn render(families: impl IntoIterator<Item = Family>) -> String {
    let families: Vec<MetricFamily> = families
        .into_iter()
        .filter(|family| !family.samples.is_empty())
        .map(Family::into_proto)
        .collect();
    let mut text = Vec::new();
    // Writing to memory fails only for a family without name or samples, and
    // the catalogue and the filter above rule both out.
    if let Err(error) = TextEncoder::new().encode(&families, &mut text) {
        tracing::error!(%error, "metrics could not be encoded");
    }
    String::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{
        DURATION_BUCKETS, LOADGEN_ARRIVALS, LOADGEN_IN_FLIGHT, LOADGEN_SCHEDULE_LAG,
    };

    #[test]
    fn a_counter_and_a_gauge_render_as_text() {
        let text = render([
            Family::of(&LOADGEN_ARRIVALS)
                .count(&["started"], 3)
                .count(&["dropped"], 0),
            Family::of(&LOADGEN_IN_FLIGHT).value(&[], 2.0),
        ]);
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
        let folded = HistogramSample {
            cumulative: vec![1; DURATION_BUCKETS.len()],
            count: 2,
            sum: 40.5,
        };
        let text = render([Family::of(&LOADGEN_SCHEDULE_LAG).histogram(&[], &folded)]);
        assert!(
            text.contains("loadgen_schedule_lag_seconds_bucket{le=\"1\"} 1\n"),
            "{text}"
        );
        assert!(
            text.contains("loadgen_schedule_lag_seconds_bucket{le=\"+Inf\"} 2\n"),
            "{text}"
        );
        assert!(
            text.contains("loadgen_schedule_lag_seconds_sum 40.5\n"),
            "{text}"
        );
    }

    #[test]
    #[should_panic(expected = "`lost` is no value of `fate`")]
    fn a_label_value_outside_the_catalogue_is_a_mistake() {
        let _ = Family::of(&LOADGEN_ARRIVALS).count(&["lost"], 1);
    }

    #[test]
    fn a_family_without_samples_is_left_out() {
        assert_eq!(render([Family::of(&LOADGEN_ARRIVALS)]), "");
    }
}
