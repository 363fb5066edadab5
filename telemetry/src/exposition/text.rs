//! Prometheus' text format 0.0.4, written by the `prometheus` crate.

use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric as Proto, MetricFamily, MetricType,
};
use prometheus::{Encoder as _, TextEncoder};

use super::{Family, Sample, Value};
use crate::catalogue::{Kind, Metric};

pub(super) fn render(families: Vec<Family>) -> String {
    let families: Vec<MetricFamily> = families.into_iter().map(family).collect();
    let mut text = Vec::new();
    // Writing to memory fails only for a family without name or samples, and
    // the catalogue and the caller rule both out.
    if let Err(error) = TextEncoder::new().encode(&families, &mut text) {
        tracing::error!(%error, "metrics could not be encoded");
    }
    String::from_utf8(text).unwrap_or_default()
}

fn family(family: Family) -> MetricFamily {
    let metric = family.metric;
    let mut proto = MetricFamily::default();
    proto.set_name(metric.name.to_owned());
    proto.set_help(metric.help.to_owned());
    proto.set_field_type(match metric.kind {
        Kind::Counter => MetricType::COUNTER,
        Kind::Gauge => MetricType::GAUGE,
        Kind::Histogram(_) => MetricType::HISTOGRAM,
    });
    let samples = family.samples.into_iter();
    proto.set_metric(samples.map(|one| sample(metric, one)).collect());
    proto
}

fn sample(metric: &Metric, sample: Sample) -> Proto {
    let pairs = metric.labels.iter().zip(sample.labels);
    let pairs = pairs.map(|(label, value)| {
        let mut pair = LabelPair::default();
        pair.set_name(label.name.to_owned());
        pair.set_value(value);
        pair
    });
    let mut proto = Proto::default();
    proto.set_label(pairs.collect());
    match (metric.kind, sample.value) {
        (Kind::Counter, Value::Number(value)) => {
            let mut counter = Counter::default();
            counter.set_value(value);
            proto.set_counter(counter);
        }
        (_, Value::Number(value)) => {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            proto.set_gauge(gauge);
        }
        (kind, Value::Histogram(folded)) => {
            let edges: &[f64] = match kind {
                Kind::Histogram(edges) => edges,
                Kind::Counter | Kind::Gauge => &[],
            };
            let buckets = edges.iter().zip(folded.cumulative).map(|(&edge, count)| {
                let mut bucket = Bucket::default();
                bucket.set_upper_bound(edge);
                bucket.set_cumulative_count(count);
                bucket
            });
            let mut histogram = Histogram::default();
            histogram.set_bucket(buckets.collect());
            histogram.set_sample_count(folded.count);
            histogram.set_sample_sum(folded.sum);
            proto.set_histogram(histogram);
        }
    }
    proto
}
