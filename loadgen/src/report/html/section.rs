//! The charts of a report, each from its numbers.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::chart::{Axis, Chart, Event, Line, Scale, Style, stretch, table};
use crate::report::hdr;
use crate::report::model::{Distribution, Interval, MarkKind, Report};
use crate::report::number::{bytes, count, microseconds};
use crate::scenario::units::show_duration;

/// Bytes of an application's entry by the article's approximation.
const APP_ENTRY: f64 = 2_500.0;

/// Bytes of a user's entry: an access, a refresh and an ID token.
const USER_ENTRY: f64 = 7_000.0;

/// Most columns of the heat map.
const HEAT_COLUMNS: usize = 90;

/// So many events are shown by name at once.
const FEW: usize = 8;

/// The time at the end of each stretch, with the intervals in it.
fn stretches(report: &Report) -> impl Iterator<Item = (f64, &[Interval])> {
    let series = &report.series;
    let length = stretch(series.intervals.len());
    series
        .intervals
        .chunks(length)
        .scan(0_usize, move |seen, part| {
            *seen += part.len();
            Some((*seen as f64 * series.interval_s, part))
        })
}

fn sum(part: &[Interval], read: fn(&Interval) -> u64) -> f64 {
    part.iter().map(read).sum::<u64>() as f64
}

fn seconds(value: f64) -> String {
    if value >= 7_200.0 {
        format!("{} h", (value / 360.0).round() / 10.0)
    } else if value >= 300.0 {
        format!("{:.0} min", value / 60.0)
    } else {
        format!("{value:.0} s")
    }
}

/// When something happened, to the millisecond, as scenarios write durations.
fn instant(value: f64) -> String {
    let whole = Duration::try_from_secs_f64((value * 1e3).round() / 1e3);
    whole.map_or_else(|_| "–".to_owned(), show_duration)
}

/// Seconds between the names on a time axis.
const STEPS: [f64; 16] = [
    1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 10_800.0,
    21_600.0, 43_200.0, 86_400.0,
];

/// A rate without the digits of its binary form.
fn rate(value: f64) -> String {
    format!("{}", (value * 1e6).round() / 1e6)
}

fn time_axis(report: &Report) -> Axis {
    let series = &report.series;
    let end = series.intervals.len() as f64 * series.interval_s;
    let step = STEPS
        .into_iter()
        .find(|step| end / step <= 9.0)
        .unwrap_or(end);
    let ticks = (0..=9_u8).map(|index| f64::from(index) * step);
    Axis {
        title: "time",
        from: 0.0,
        to: end.max(1e-9),
        scale: Scale::Linear,
        ticks: ticks
            .take_while(|value| *value <= end)
            .map(|value| (value, seconds(value)))
            .collect(),
    }
}

fn events(report: &Report) -> Vec<Event> {
    let end = report.series.intervals.len() as f64 * report.series.interval_s;
    let marks = (1..).zip(&report.series.marks);
    marks
        .map(|(number, mark)| Event {
            number,
            label: mark.label.clone(),
            from: mark.from_s,
            // One stage follows another: where they meet is what there is to see.
            until: mark
                .until_s
                .filter(|_| mark.kind != MarkKind::Stage)
                .map(|until| until.min(end)),
        })
        .collect()
}

/// The names of the numbers above the charts.
pub(super) fn what_happened(report: &Report) -> String {
    let marks = &report.series.marks;
    if marks.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = (1..)
        .zip(marks)
        .map(|(number, mark): (usize, _)| {
            vec![
                number.to_string(),
                instant(mark.from_s),
                mark.until_s.map_or_else(String::new, instant),
                mark.kind.as_str().to_owned(),
                mark.label.clone(),
            ]
        })
        .collect();
    let open = if marks.len() <= FEW { " open" } else { "" };
    format!(
        "<details id=\"events\"{open}><summary>What the numbers above the charts stand for</summary>{}</details>",
        table(&["number", "from", "until", "kind", "what"], &rows)
    )
}

type Reading = (&'static str, usize, fn(&Interval) -> u64);

/// Rates over time, stacked.
fn stacked(
    report: &Report,
    (id, title, says): (&'static str, &'static str, String),
    readings: &[Reading],
) -> String {
    let mut rows = Vec::new();
    let mut lines: Vec<Line> = readings
        .iter()
        .map(|(name, hue, _)| Line {
            name: (*name).to_owned(),
            hue: *hue,
            style: Style::Area,
            points: Vec::new(),
        })
        .collect();
    let mut highest: f64 = 0.0;
    for (at, part) in stretches(report) {
        let length = part.len() as f64 * report.series.interval_s;
        let rates: Vec<f64> = readings
            .iter()
            .map(|(.., read)| sum(part, *read) / length)
            .collect();
        highest = highest.max(rates.iter().sum());
        for (line, rate) in lines.iter_mut().zip(&rates) {
            line.points.push((at - length / 2.0, *rate));
        }
        let row = rates.iter().map(|rate| format!("{rate:.1}"));
        rows.push(std::iter::once(seconds(at)).chain(row).collect());
    }
    let heading: Vec<&str> = std::iter::once("until")
        .chain(readings.iter().map(|(name, ..)| *name))
        .collect();
    let chart = Chart {
        id,
        title,
        says,
        x: time_axis(report),
        y: Axis::linear("per second", highest.max(0.1), rate),
        lines,
        events: events(report),
        cells: Vec::new(),
    };
    chart.render(&table(&heading, &rows))
}

pub(super) fn misses(report: &Report) -> String {
    let reason = report.totals.cache_refresh_reason;
    let most = [
        ("no cached token", reason.no_cached_access_token),
        ("expired", reason.expired),
        ("forced", reason.force_refresh_or_claims),
        ("cache disabled", reason.cache_disabled),
    ]
    .into_iter()
    .max_by_key(|(_, times)| *times)
    .filter(|(_, times)| *times > 0);
    let says = most.map_or_else(
        || "Nothing missed.".to_owned(),
        |(word, times)| format!("Most often: {word}, {} times.", count(times)),
    );
    stacked(
        report,
        ("misses", "Why misses happened", says),
        &[
            ("no cached token", 1, |of| {
                of.cache_refresh_reason.no_cached_access_token
            }),
            ("expired", 2, |of| of.cache_refresh_reason.expired),
            ("forced or claims", 3, |of| {
                of.cache_refresh_reason.force_refresh_or_claims
            }),
            ("cache disabled", 4, |of| {
                of.cache_refresh_reason.cache_disabled
            }),
            ("refreshed ahead", 5, |of| {
                of.cache_refresh_reason.proactively_refreshed
            }),
        ],
    )
}

pub(super) fn sources(report: &Report) -> String {
    let source = report.totals.token_source;
    let mut readings: Vec<Reading> = vec![
        ("L1", 0, |of| of.cache_level.l1),
        ("L2", 5, |of| of.cache_level.l2),
        ("identity provider", 2, |of| {
            of.token_source.identity_provider
        }),
        ("errors", 1, |of| of.errors),
    ];
    if report.totals.cache_level.unknown > 0 {
        readings.insert(2, ("session", 4, |of| of.cache_level.unknown));
    }
    stacked(
        report,
        (
            "sources",
            "Where tokens came from",
            format!(
                "{} from the cache, {} from the identity provider; {} acquisitions failed.",
                count(source.cache),
                count(source.identity_provider),
                count(report.totals.errors)
            ),
        ),
        &readings,
    )
}

pub(super) fn lag(report: &Report) -> String {
    let mut rows = Vec::new();
    let mut points = Vec::new();
    for (at, part) in stretches(report) {
        let worst = part.iter().map(|of| of.lag_p99_us).fold(0.0, f64::max);
        points.push((at, worst));
        rows.push(vec![seconds(at), microseconds(worst)]);
    }
    let highest = points.iter().map(|(_, y)| *y).fold(0.0, f64::max);
    let chart = Chart {
        id: "lag",
        title: "How late the generator was",
        says: format!(
            "99 of 100 arrivals began within {} of their time; a late generator spoils what it measures.",
            microseconds(report.load.lag.p99_us)
        ),
        x: time_axis(report),
        y: Axis::linear("p99", highest.max(1.0), microseconds),
        lines: vec![Line {
            name: "lag, p99".to_owned(),
            hue: 0,
            style: Style::Line,
            points,
        }],
        events: events(report),
        cells: Vec::new(),
    };
    chart.render(&table(&["until", "lag, p99"], &rows))
}

pub(super) fn held(report: &Report) -> String {
    let mut rows = Vec::new();
    let (mut l1, mut l2) = (Vec::new(), Vec::new());
    for (at, part) in stretches(report) {
        let Some(last) = part.last() else { continue };
        let of_each =
            |bytes: u64, entries: u64| (entries > 0).then(|| bytes as f64 / entries as f64);
        l1.extend(of_each(last.l1_bytes, last.l1_entries).map(|size| (at, size)));
        l2.extend(of_each(last.l2_bytes, last.l2_entries).map(|size| (at, size)));
        rows.push(vec![
            seconds(at),
            bytes(last.l1_bytes),
            count(last.l1_entries),
            bytes(last.l2_bytes),
            count(last.l2_entries),
        ]);
    }
    let end = report.series.intervals.len() as f64 * report.series.interval_s;
    let reference = |name: &str, size: f64| Line {
        name: name.to_owned(),
        hue: 6,
        style: Style::Dashed,
        points: vec![(0.0, size), (end, size)],
    };
    let measured = |name: &str, hue, points| Line {
        name: name.to_owned(),
        hue,
        style: Style::Line,
        points,
    };
    let highest = l1
        .iter()
        .chain(&l2)
        .map(|(_, size)| *size)
        .fold(USER_ENTRY, f64::max);
    let cache = report.cache;
    let chart = Chart {
        id: "held",
        title: "Bytes of an entry",
        says: format!(
            "At the end L1 holds {} in {} entries, L2 {} in {}. Dashed: the article's approximations.",
            bytes(cache.l1.bytes),
            count(cache.l1.entries),
            bytes(cache.l2.bytes),
            count(cache.l2.entries)
        ),
        x: time_axis(report),
        y: Axis::linear("bytes", highest, |value| format!("{:.1} kB", value / 1e3)),
        lines: vec![
            measured("L1", 0, l1),
            measured("L2", 2, l2),
            reference("application, 2.5 kB", APP_ENTRY),
            reference("user, 7 kB", USER_ENTRY),
        ],
        events: events(report),
        cells: Vec::new(),
    };
    chart.render(&table(&["until", "L1", "entries", "L2", "entries"], &rows))
}

/// Places on the axis of percentiles, with each ten times rarer as far again.
const PERCENTILES: [(f64, &str); 7] = [
    (1.0, "0"),
    (2.0, "50"),
    (10.0, "90"),
    (100.0, "99"),
    (1_000.0, "99.9"),
    (10_000.0, "99.99"),
    (100_000.0, "99.999"),
];

pub(super) fn percentiles(report: &Report, base: Option<&Report>) -> String {
    let of = |report: &Report| {
        let by = &report.totals.durations.by_source;
        [
            ("cache", 0, by.cache.clone()),
            ("identity provider", 2, by.identity_provider.clone()),
        ]
    };
    let mut lines = Vec::new();
    let mut rows = Vec::new();
    let mut ends: Option<(f64, f64)> = None;
    let sides = [
        ("", Style::Line, Some(report)),
        ("base: ", Style::Dashed, base),
    ];
    for (prefix, style, side) in sides {
        for (name, hue, times) in side.map(of).into_iter().flatten() {
            let Some(points) = quantiles(&times) else {
                continue;
            };
            for (_, time) in &points {
                let (low, high) = ends.unwrap_or((*time, *time));
                ends = Some((low.min(*time), high.max(*time)));
            }
            let name = format!("{prefix}{name}");
            rows.push(vec![
                name.clone(),
                count(times.count),
                microseconds(times.p50_us),
                microseconds(times.p90_us),
                microseconds(times.p99_us),
                microseconds(times.p999_us),
                microseconds(times.max_us),
            ]);
            lines.push(Line {
                name,
                hue,
                style,
                points,
            });
        }
    }
    let chart = Chart {
        id: "percentiles",
        title: "How long an acquisition took",
        says: "By where the token came from. To the right each step is ten times rarer.".to_owned(),
        x: Axis {
            title: "percentile",
            from: 1.0,
            to: 100_000.0,
            scale: Scale::Log,
            ticks: PERCENTILES.map(|(at, label)| (at, label.to_owned())).into(),
        },
        y: Axis::log("time", ends.unwrap_or((1.0, 1_000.0)), microseconds),
        lines,
        events: Vec::new(),
        cells: Vec::new(),
    };
    chart.render(&table(
        &["source", "count", "p50", "p90", "p99", "p99.9", "max"],
        &rows,
    ))
}

fn quantiles(times: &Distribution) -> Option<Vec<(f64, f64)>> {
    let held = hdr::decode(&times.hdr)
        .ok()
        .filter(|held| !held.is_empty())?;
    let most = (held.len() as f64).min(100_000.0);
    let points = (0..=100_u8).map(|step| 10_f64.powf(f64::from(step) / 20.0));
    let points = points.take_while(|rarity| *rarity <= most);
    Some(
        points
            .map(|rarity| {
                let value = held.value_at_quantile(1.0 - 1.0 / rarity) as f64 / 1e3;
                (rarity, value.max(0.001))
            })
            .collect(),
    )
}

pub(super) fn heat(report: &Report) -> String {
    let series = &report.series;
    let length = series.intervals.len().div_ceil(HEAT_COLUMNS).max(1);
    let mut columns: Vec<(f64, f64, Vec<u64>)> = Vec::new();
    for (index, part) in series.intervals.chunks(length).enumerate() {
        let from = (index * length) as f64 * series.interval_s;
        let until = from + part.len() as f64 * series.interval_s;
        let mut counts = vec![0; HEAT_ROWS];
        for times in part.iter().filter_map(|of| hdr::decode(&of.acquire).ok()) {
            spread(&times, &mut counts);
        }
        columns.push((from, until, counts));
    }
    let most = columns
        .iter()
        .flat_map(|(.., counts)| counts)
        .max()
        .copied()
        .unwrap_or(0)
        .max(1);
    let edge = |row: usize| 10_f64.powf(row as f64 / 2.0);
    let (mut cells, mut rows) = (Vec::new(), Vec::new());
    for (from, until, counts) in &columns {
        for (row, times) in counts.iter().enumerate().filter(|(_, times)| **times > 0) {
            // Logarithmic, so that one slow acquisition among thousands shows.
            let strength = 0.15 + 0.85 * (*times as f64).ln_1p() / (most as f64).ln_1p();
            cells.push((*from, *until, edge(row), edge(row + 1), strength));
        }
        let row = counts.iter().map(|times| count(*times));
        rows.push(std::iter::once(seconds(*until)).chain(row).collect());
    }
    let edges: Vec<String> = (1..=HEAT_ROWS)
        .map(|row| format!("≤ {}", microseconds(edge(row))))
        .collect();
    let heading: Vec<&str> = std::iter::once("until")
        .chain(edges.iter().map(String::as_str))
        .collect();
    let used = |read: fn(&Vec<u64>) -> Option<usize>| {
        columns.iter().filter_map(move |(.., counts)| read(counts))
    };
    let low = used(|counts| counts.iter().position(|times| *times > 0))
        .min()
        .unwrap_or(0);
    let high = used(|counts| counts.iter().rposition(|times| *times > 0))
        .max()
        .unwrap_or(6);
    let chart = Chart {
        id: "heat",
        title: "Latency over time",
        says: "Each column is a stretch of the run; darker is more acquisitions of that time."
            .to_owned(),
        x: time_axis(report),
        y: Axis::log("time", (edge(low), edge(high + 1)), microseconds),
        lines: Vec::new(),
        events: events(report),
        cells,
    };
    chart.render(&table(&heading, &rows))
}

/// Rows of the heat map: half powers of ten from 1 us.
const HEAT_ROWS: usize = 18;

fn spread(times: &Histogram<u64>, counts: &mut [u64]) {
    for step in times.iter_recorded() {
        let time_us = step.value_iterated_to() as f64 / 1e3;
        let row = (0..HEAT_ROWS - 1)
            .find(|row| time_us < 10_f64.powf((row + 1) as f64 / 2.0))
            .unwrap_or(HEAT_ROWS - 1);
        counts[row] += step.count_at_value();
    }
}
