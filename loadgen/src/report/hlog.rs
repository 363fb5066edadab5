//! The series as an HdrHistogram interval log (`.hlog`), for the tools that read
//! those: whole acquisitions in nanoseconds, one histogram an interval.

use std::time::Duration;

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use super::hdr;
use super::model::Report;

/// Nanoseconds in the unit of the log's `max` column, milliseconds.
const NS_PER_MS: f64 = 1e6;

/// Renders `report`; a heading alone when it has no series.
///
/// # Errors
///
/// Why a histogram of it cannot be read.
pub fn render(report: &Report) -> Result<String, String> {
    let mut log = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    builder
        .add_comment(&format!(
            "scenario {:?}, seed {}",
            report.scenario.name, report.seed
        ))
        .with_max_value_divisor(NS_PER_MS);
    if let Ok(began) = report.started_at.parse::<jiff::Timestamp>() {
        builder
            .with_start_time(began.into())
            .with_base_time(began.into());
    }
    {
        let mut writer = builder
            .begin_log_with(&mut log, &mut serializer)
            .map_err(|error| error.to_string())?;
        let length = Duration::try_from_secs_f64(report.series.interval_s).unwrap_or_default();
        for (index, interval) in (0_u32..).zip(&report.series.intervals) {
            if interval.acquire.is_empty() {
                continue;
            }
            let times = hdr::decode(&interval.acquire)?;
            writer
                .write_histogram(&times, length * index, length, Tag::new("acquire"))
                .map_err(|error| format!("{error:?}"))?;
        }
    }
    String::from_utf8(log).map_err(|error| error.to_string())
}
