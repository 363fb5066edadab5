//! Prometheus' protobuf format, which alone carries native histograms: the
//! messages of `io.prometheus.client` in its `metrics.proto`, as far as they are
//! used here, each preceded by its length.

use prost::Message;

use super::{Exemplar, Exponential, Family, HistogramSample, Sample, Value};
use crate::catalogue::Kind;

#[derive(Clone, PartialEq, Message)]
struct MetricFamily {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    help: String,
    /// 0 counter, 1 gauge, 4 histogram.
    #[prost(int32, tag = "3")]
    kind: i32,
    #[prost(message, repeated, tag = "4")]
    metrics: Vec<Metric>,
    #[prost(string, tag = "5")]
    unit: String,
}

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, optional, tag = "2")]
    gauge: Option<Number>,
    #[prost(message, optional, tag = "3")]
    counter: Option<Number>,
    #[prost(message, optional, tag = "7")]
    histogram: Option<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Number {
    #[prost(double, tag = "1")]
    value: f64,
}

#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(uint64, tag = "1")]
    count: u64,
    #[prost(double, tag = "2")]
    sum: f64,
    #[prost(message, repeated, tag = "3")]
    buckets: Vec<Bucket>,
    #[prost(sint32, tag = "5")]
    schema: i32,
    #[prost(double, tag = "6")]
    zero_threshold: f64,
    #[prost(message, repeated, tag = "12")]
    spans: Vec<Span>,
    /// The first span's first count, then differences.
    #[prost(sint64, repeated, tag = "13")]
    deltas: Vec<i64>,
    #[prost(message, repeated, tag = "16")]
    exemplars: Vec<Pointer>,
}

#[derive(Clone, PartialEq, Message)]
struct Bucket {
    #[prost(uint64, tag = "1")]
    cumulative: u64,
    #[prost(double, tag = "2")]
    upper_bound: f64,
}

/// Buckets in a row.
#[derive(Clone, PartialEq, Message)]
struct Span {
    /// Of the first span its first index, of another the gap before it.
    #[prost(sint32, tag = "1")]
    offset: i32,
    #[prost(uint32, tag = "2")]
    length: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Pointer {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(double, tag = "2")]
    value: f64,
    #[prost(message, optional, tag = "3")]
    at: Option<Moment>,
}

#[derive(Clone, PartialEq, Message)]
struct Moment {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanoseconds: i32,
}

pub(super) fn encode(families: &[Family]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for one in families {
        // A vector grows as it must.
        let _ = family(one).encode_length_delimited(&mut bytes);
    }
    bytes
}

fn family(family: &Family) -> MetricFamily {
    let metric = family.metric;
    MetricFamily {
        name: metric.name.to_owned(),
        help: metric.help.to_owned(),
        kind: match metric.kind {
            Kind::Counter => 0,
            Kind::Gauge => 1,
            Kind::Histogram(_) => 4,
        },
        metrics: family
            .samples
            .iter()
            .map(|one| sample(metric, one))
            .collect(),
        unit: metric.unit.as_str().unwrap_or_default().to_owned(),
    }
}

fn sample(metric: &crate::catalogue::Metric, sample: &Sample) -> Metric {
    let labels = metric.labels.iter().zip(&sample.labels);
    let mut proto = Metric {
        labels: labels
            .map(|(label, value)| Label {
                name: label.name.to_owned(),
                value: value.clone(),
            })
            .collect(),
        ..Metric::default()
    };
    match (&sample.value, metric.kind) {
        (Value::Number(value), Kind::Counter) => proto.counter = Some(Number { value: *value }),
        (Value::Number(value), _) => proto.gauge = Some(Number { value: *value }),
        (Value::Histogram(folded), Kind::Histogram(edges)) => {
            proto.histogram = Some(histogram(folded, edges));
        }
        (Value::Histogram(_), _) => {}
    }
    proto
}

/// With the catalogue's buckets always, with exponential ones where they are
/// known: a server takes those that it is configured for.
fn histogram(folded: &HistogramSample, edges: &[f64]) -> Histogram {
    let buckets = edges.iter().zip(&folded.cumulative);
    let mut proto = Histogram {
        count: folded.count,
        sum: folded.sum,
        buckets: buckets
            .map(|(&upper_bound, &cumulative)| Bucket {
                cumulative,
                upper_bound,
            })
            .collect(),
        ..Histogram::default()
    };
    if !folded.exponential.is_empty() {
        proto.schema = Exponential::SCALE;
        // What is not above it would be in a bucket for zero: nothing is.
        proto.zero_threshold = f64::MIN_POSITIVE;
        let mut next = None;
        let mut last = 0;
        for (index, count) in folded.exponential.buckets() {
            match (next, proto.spans.last_mut()) {
                (Some(next), Some(span)) if next == index => span.length += 1,
                _ => proto.spans.push(Span {
                    offset: index - next.unwrap_or(0),
                    length: 1,
                }),
            }
            next = Some(index + 1);
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            proto.deltas.push(count - last);
            last = count;
        }
        proto.exemplars = folded.exemplar.iter().map(pointer).collect();
    }
    proto
}

fn pointer(exemplar: &Exemplar) -> Pointer {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "seconds since 1970 and parts of one fit"
    )]
    let at = Moment {
        seconds: exemplar.at.floor() as i64,
        nanoseconds: (exemplar.at.fract() * 1e9) as i32,
    };
    Pointer {
        labels: vec![Label {
            name: exemplar.label.0.to_owned(),
            value: exemplar.label.1.clone(),
        }],
        value: exemplar.value,
        at: Some(at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_in_a_row_are_one_span_and_counts_are_differences() {
        let mut folded = HistogramSample {
            count: 10,
            ..HistogramSample::default()
        };
        for (value, count) in [(1.0, 4), (1.05, 1), (4.0, 5)] {
            folded.exponential.record(value, count);
        }
        let proto = histogram(&folded, &[]);
        let span = |offset, length| Span { offset, length };
        assert_eq!(proto.spans, [span(0, 2), span(14, 1)]);
        assert_eq!(proto.deltas, [4, -3, 4]);
        assert_eq!(proto.schema, 3);
    }

    #[test]
    fn without_exponential_buckets_it_is_a_classic_histogram() {
        let folded = HistogramSample {
            cumulative: vec![1, 2],
            count: 3,
            sum: 4.0,
            ..HistogramSample::default()
        };
        let proto = histogram(&folded, &[0.5, 1.0]);
        assert!(proto.spans.is_empty() && proto.deltas.is_empty());
        assert_eq!(proto.buckets.len(), 2);
        assert_eq!((proto.schema, proto.buckets[1].cumulative), (0, 2));
    }
}
