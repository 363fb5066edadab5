//! Families as OpenTelemetry's data model has them.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram,
    HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::Span;
use crate::catalogue::{Kind, Unit};
use crate::exposition::{Exponential, Family, HistogramSample, Sample, Value};

/// Everything counts from the start of the process.
const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

pub(super) fn request(
    service: &str,
    families: &[Family],
    span: Span,
) -> ExportMetricsServiceRequest {
    let metrics = families
        .iter()
        .filter(|family| !family.samples.is_empty())
        .flat_map(|family| metrics(family, span))
        .collect();
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Resource {
                attributes: vec![attribute("service.name", service)],
                ..Resource::default()
            }),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(InstrumentationScope {
                    name: "token-cache-lab".to_owned(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    ..InstrumentationScope::default()
                }),
                metrics,
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
}

/// One metric, or two when some of a histogram's series are known finely and
/// some are not: a metric has points of one kind.
fn metrics(family: &Family, span: Span) -> Vec<Metric> {
    let metric = family.metric;
    let of = |data| Metric {
        name: metric.name.to_owned(),
        description: metric.help.to_owned(),
        unit: unit(metric.unit).to_owned(),
        data: Some(data),
        ..Metric::default()
    };
    let numbers = || {
        let samples = family.samples.iter();
        samples.filter_map(|sample| match sample.value {
            Value::Number(value) => Some(number(family, sample, value, span)),
            Value::Histogram(_) => None,
        })
    };
    match metric.kind {
        Kind::Counter => vec![of(Data::Sum(Sum {
            data_points: numbers().collect(),
            aggregation_temporality: CUMULATIVE,
            is_monotonic: true,
        }))],
        Kind::Gauge => vec![of(Data::Gauge(Gauge {
            data_points: numbers().collect(),
        }))],
        Kind::Histogram(edges) => {
            let (mut fine, mut coarse) = (Vec::new(), Vec::new());
            let known_finely = family.samples.iter().any(|sample| {
                matches!(&sample.value, Value::Histogram(folded) if !folded.exponential.is_empty())
            });
            for sample in &family.samples {
                let Value::Histogram(folded) = &sample.value else {
                    continue;
                };
                // What is empty fits either kind.
                let is_fine = !folded.exponential.is_empty() || (known_finely && folded.count == 0);
                if is_fine {
                    fine.push(exponential(family, sample, folded, span));
                } else {
                    coarse.push(explicit(family, sample, folded, edges, span));
                }
            }
            let mut metrics = Vec::new();
            if !fine.is_empty() {
                metrics.push(of(Data::ExponentialHistogram(ExponentialHistogram {
                    data_points: fine,
                    aggregation_temporality: CUMULATIVE,
                })));
            }
            if !coarse.is_empty() {
                metrics.push(of(Data::Histogram(Histogram {
                    data_points: coarse,
                    aggregation_temporality: CUMULATIVE,
                })));
            }
            metrics
        }
    }
}

fn number(family: &Family, sample: &Sample, value: f64, span: Span) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(family, sample),
        start_time_unix_nano: span.from,
        time_unix_nano: span.to,
        value: Some(Number::AsDouble(value)),
        ..NumberDataPoint::default()
    }
}

fn explicit(
    family: &Family,
    sample: &Sample,
    folded: &HistogramSample,
    edges: &[f64],
    span: Span,
) -> HistogramDataPoint {
    let mut below = 0;
    let each = folded.cumulative.iter().chain([&folded.count]);
    let bucket_counts = each
        .map(|&cumulative| {
            let count = cumulative.saturating_sub(below);
            below = cumulative;
            count
        })
        .collect();
    HistogramDataPoint {
        attributes: attributes(family, sample),
        start_time_unix_nano: span.from,
        time_unix_nano: span.to,
        count: folded.count,
        sum: Some(folded.sum),
        bucket_counts,
        explicit_bounds: edges.to_vec(),
        ..HistogramDataPoint::default()
    }
}

fn exponential(
    family: &Family,
    sample: &Sample,
    folded: &HistogramSample,
    span: Span,
) -> ExponentialHistogramDataPoint {
    let mut buckets = Buckets::default();
    for (index, count) in folded.exponential.buckets() {
        // OpenTelemetry counts a bucket by its lower edge.
        let index = index - 1;
        if buckets.bucket_counts.is_empty() {
            buckets.offset = index;
        }
        let place = usize::try_from(index - buckets.offset).unwrap_or(0);
        buckets.bucket_counts.resize(place + 1, 0);
        buckets.bucket_counts[place] = count;
    }
    ExponentialHistogramDataPoint {
        attributes: attributes(family, sample),
        start_time_unix_nano: span.from,
        time_unix_nano: span.to,
        count: folded.count,
        sum: Some(folded.sum),
        scale: Exponential::SCALE,
        positive: Some(buckets),
        ..ExponentialHistogramDataPoint::default()
    }
}

fn attributes(family: &Family, sample: &Sample) -> Vec<KeyValue> {
    let labels = family.metric.labels.iter().zip(&sample.labels);
    labels
        .map(|(label, value)| attribute(label.name, value))
        .collect()
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(Any::StringValue(value.to_owned())),
        }),
        ..KeyValue::default()
    }
}

/// UCUM's spelling, as OpenTelemetry wants it.
fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::None => "",
        Unit::Seconds | Unit::UnixSeconds => "s",
        Unit::Bytes => "By",
        Unit::Milliseconds => "ms",
        Unit::Microseconds => "us",
    }
}
