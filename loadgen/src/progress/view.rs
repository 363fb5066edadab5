//! The live view: a bar for the time that has passed, and a row for each number
//! that tells how a cache does, with its course beside it.

use std::time::Duration;

use super::sparkline::{Ramp, sparkline};
use crate::record::Tally;
use crate::report::number::{count, microseconds};
use crate::scenario::plan::Plan;

/// No sparkline is longer than a minute at two readings a second.
const MOST_READINGS: usize = 120;

/// From the left edge to a row's sparkline.
const BEFORE_SPARKLINE: usize = 32;

/// What was read of a run at some moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) elapsed: Duration,
    pub(super) tally: Tally,
    pub(super) in_flight: usize,
    /// Of acquisitions that ended in the last whole interval.
    pub(super) p99_us: Option<f64>,
}

/// One point of each row.
#[derive(Debug, Clone, Copy)]
struct Point {
    acquired: f64,
    hit_ratio: Option<f64>,
    fetched: f64,
    errors: f64,
    in_flight: f64,
    p99_us: Option<f64>,
}

/// A row: what it is called, its latest number, and its number at a point.
type Row = (&'static str, String, fn(&Point) -> Option<f64>);

/// What there is to see of a run.
#[derive(Debug)]
pub(super) struct View {
    title: String,
    duration: Duration,
    ramp: Ramp,
    last: Option<Reading>,
    points: Vec<Point>,
}

impl View {
    pub(super) fn new(plan: &Plan, ramp: Ramp) -> Self {
        Self {
            title: format!("{}  seed {}", plan.name, plan.seed),
            duration: plan.duration,
            ramp,
            last: None,
            points: Vec::new(),
        }
    }

    /// Takes a reading; rates are those since the one before.
    pub(super) fn add(&mut self, now: Reading) {
        let (then, before) = self
            .last
            .map_or((Duration::ZERO, Tally::default()), |last| {
                (last.elapsed, last.tally)
            });
        let seconds = now.elapsed.saturating_sub(then).as_secs_f64();
        let since = |now: u64, before: u64| now.saturating_sub(before) as f64;
        let rate = |count: f64| if seconds > 0.0 { count / seconds } else { 0.0 };
        let tokens = since(now.tally.tokens, before.tokens);
        let hits = since(now.tally.hits, before.hits);
        let errors = since(now.tally.errors, before.errors);
        if self.points.len() == MOST_READINGS {
            self.points.remove(0);
        }
        self.points.push(Point {
            acquired: rate(tokens + errors),
            hit_ratio: (tokens > 0.0).then(|| hits / tokens),
            fetched: rate(tokens - hits),
            errors: rate(errors),
            in_flight: now.in_flight as f64,
            p99_us: now.p99_us,
        });
        self.last = Some(now);
    }

    /// The view, a line each, none longer than `width`.
    pub(super) fn lines(&self, width: usize) -> Vec<String> {
        let (Some(last), Some(point)) = (&self.last, self.points.last()) else {
            return Vec::new();
        };
        let mut lines = vec![self.title_line(last, width), self.bar(last, width)];
        let whole = |number: f64| count(format!("{number:.0}").parse().unwrap_or_default());
        let rows: [Row; 6] = [
            ("acquisitions/s", whole(point.acquired), |of| {
                Some(of.acquired)
            }),
            (
                "hit ratio",
                point
                    .hit_ratio
                    .map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.4}")),
                |of| of.hit_ratio,
            ),
            ("from provider/s", whole(point.fetched), |of| {
                Some(of.fetched)
            }),
            (
                "p99 acquire",
                point.p99_us.map_or_else(|| "-".to_owned(), microseconds),
                |of| of.p99_us,
            ),
            ("in flight", whole(point.in_flight), |of| Some(of.in_flight)),
            ("errors/s", whole(point.errors), |of| Some(of.errors)),
        ];
        for (name, value, read) in rows {
            let values: Vec<_> = self.points.iter().map(read).collect();
            let room = width.saturating_sub(BEFORE_SPARKLINE).min(MOST_READINGS);
            let course = sparkline(&values, room, self.ramp);
            lines.push(format!("  {name:<16}{value:>11}  {course}"));
        }
        lines.push(format!(
            "  so far: {} tokens, {} errors, {} dropped",
            count(last.tally.tokens),
            count(last.tally.errors),
            count(last.tally.dropped)
        ));
        for line in &mut lines {
            *line = line.chars().take(width.saturating_sub(1)).collect();
        }
        lines
    }

    fn title_line(&self, last: &Reading, width: usize) -> String {
        let time = format!(
            "{:.1} of {:.0} s",
            last.elapsed.as_secs_f64(),
            self.duration.as_secs_f64()
        );
        let room = width.saturating_sub(time.len() + 7);
        let title: String = self.title.chars().take(room).collect();
        format!("  {title:<room$}  {time}")
    }

    fn bar(&self, last: &Reading, width: usize) -> String {
        let (full, empty) = match self.ramp {
            Ramp::Blocks => ('█', '░'),
            Ramp::Ascii => ('#', '.'),
        };
        let length = width.saturating_sub(5);
        let share = last.elapsed.as_secs_f64() / self.duration.as_secs_f64().max(1e-9);
        let done = |place: &usize| (*place as f64) < share * length as f64;
        let bar = (0..length).map(|place| if done(&place) { full } else { empty });
        format!("  {}", bar.collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        View {
            title: "quickstart  seed 42".to_owned(),
            duration: Duration::from_secs(10),
            ramp: Ramp::Blocks,
            last: None,
            points: Vec::new(),
        }
    }

    fn reading(half_seconds: u32, tokens: u64, hits: u64) -> Reading {
        Reading {
            elapsed: Duration::from_millis(500) * half_seconds,
            tally: Tally {
                offered: tokens,
                dropped: 1,
                tokens,
                hits,
                errors: 0,
            },
            in_flight: 3,
            p99_us: (half_seconds > 2).then_some(141_000.0),
        }
    }

    #[test]
    fn a_view_has_each_number_with_its_course() {
        let mut view = view();
        assert_eq!(view.lines(60), Vec::<String>::new());
        view.add(reading(1, 200, 100));
        view.add(reading(2, 450, 300));
        view.add(reading(3, 700, 540));
        let expected = "
  quickstart  seed 42                         1.5 of 10 s
  █████████░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░
  acquisitions/s          500  ▇██
  hit ratio            0.9600  ▅▇█
  from provider/s          20  █▅▂
  p99 acquire          141 ms    █
  in flight                 3  ███
  errors/s                  0  ▁▁▁
  so far: 700 tokens, 0 errors, 1 dropped";
        assert_eq!(format!("\n{}", view.lines(60).join("\n")), expected);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_none_grows_for_ever() {
        let mut view = view();
        view.title = "a scenario with a name that is longer than any terminal".repeat(3);
        for number in 1..=1_000 {
            view.add(reading(number, u64::from(number) * 10_000_000, 0));
        }
        assert_eq!(view.points.len(), MOST_READINGS);
        for width in [0, 1, 20, 50, 80, 300] {
            for line in view.lines(width) {
                assert!(line.chars().count() < width.max(1), "{width}: {line}");
            }
        }
    }
}
