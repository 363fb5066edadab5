//! Charts as SVG, drawn here: axes, lines, areas, bands. Each has a title, a
//! description and the table of its numbers behind it.

use std::fmt::Write as _;

use crate::report::escape::xml;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 34.0;

/// How wide a digit is at most, at the size of the chart's words.
const DIGIT: f64 = 7.0;

/// A table has no more rows, nor a line more points.
const MOST_POINTS: usize = 240;

/// How an axis turns a value into a place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scale {
    Linear,
    /// Powers of ten.
    Log,
}

/// An axis with its ends and the values it names.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    pub(super) title: &'static str,
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) scale: Scale,
    pub(super) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// From zero to a round number above `highest`.
    pub(super) fn linear(title: &'static str, highest: f64, show: impl Fn(f64) -> String) -> Self {
        let step = round_step(highest.max(1e-9) / 4.0);
        let to = (highest.max(1e-9) / step).ceil() * step;
        let ticks = (0..=8_u8)
            .map(|index| f64::from(index) * step)
            .take_while(|value| *value <= to + step / 2.0)
            .map(|value| (value, show(value)))
            .collect();
        Self {
            title,
            from: 0.0,
            to,
            scale: Scale::Linear,
            ticks,
        }
    }

    /// Between powers of ten around `lowest` and `highest`.
    pub(super) fn log(
        title: &'static str,
        (lowest, highest): (f64, f64),
        show: impl Fn(f64) -> String,
    ) -> Self {
        let from = 10_f64.powf(lowest.max(1e-3).log10().floor());
        let to = 10_f64
            .powf(highest.max(lowest.max(1e-3)).log10().ceil())
            .max(from * 10.0);
        let mut ticks = Vec::new();
        let mut value = from;
        while value <= to * 1.001 {
            ticks.push((value, show(value)));
            value *= 10.0;
        }
        Self {
            title,
            from,
            to,
            scale: Scale::Log,
            ticks,
        }
    }

    fn share(&self, value: f64) -> f64 {
        let place = |value: f64| match self.scale {
            Scale::Linear => value,
            Scale::Log => value.max(self.from).log10(),
        };
        let (from, to) = (place(self.from), place(self.to));
        ((place(value) - from) / (to - from)).clamp(0.0, 1.0)
    }
}

/// 1, 2 or 5 times a power of ten, at least `least`.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|times| times * power)
        .find(|step| *step >= least * 0.999)
        .unwrap_or(power * 10.0)
}

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Style {
    Line,
    /// The same in dashes: a base, a reference, a prediction.
    Dashed,
    /// Stacked on the areas before it.
    Area,
}

/// A named series of points.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) name: String,
    /// Which colour, from 0; each is told from the others by the blind to red and
    /// green, and has a dash or a place of its own.
    pub(super) hue: usize,
    pub(super) style: Style,
    pub(super) points: Vec<(f64, f64)>,
}

/// Something that happened, on the x axis. Its number leads to its name, for which
/// a chart of many has no room.
#[derive(Debug, Clone)]
pub(super) struct Event {
    /// From one, in the order of the list on the page.
    pub(super) number: usize,
    pub(super) label: String,
    pub(super) from: f64,
    /// The end of what shades its stretch; without it a line stands where it began.
    pub(super) until: Option<f64>,
}

/// A chart.
#[derive(Debug, Clone)]
pub(super) struct Chart {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// What to see in it, for all.
    pub(super) says: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) lines: Vec<Line>,
    /// By when they begin.
    pub(super) events: Vec<Event>,
    /// Cells of a heat map: x from, x until, y from, y until, strength 0 to 1.
    pub(super) cells: Vec<(f64, f64, f64, f64, f64)>,
}

impl Chart {
    fn x(&self, value: f64) -> f64 {
        LEFT + self.x.share(value) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.share(value) * (HEIGHT - TOP - BOTTOM)
    }

    /// The figure: drawing, legend, and the numbers in a table that opens.
    pub(super) fn render(&self, table: &str) -> String {
        let mut out = String::new();
        let (id, title, says) = (self.id, xml(self.title), xml(&self.says));
        // Writing to a string does not fail.
        let _ = write!(
            out,
            "<figure id=\"{id}\"><figcaption><h3>{title}</h3><p>{says}</p></figcaption>\
             <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\
             <title id=\"{id}-t\">{title}</title><desc id=\"{id}-d\">{says}</desc>"
        );
        self.events(&mut out);
        self.axes(&mut out);
        for (from, until, low, high, strength) in &self.cells {
            let (x, y) = (self.x(*from), self.y(*high));
            let _ = write!(
                out,
                "<rect class=\"cell\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" opacity=\"{strength:.2}\"/>",
                (self.x(*until) - x).max(0.5),
                (self.y(*low) - y).max(0.5)
            );
        }
        self.areas(&mut out);
        for line in self.lines.iter().filter(|line| line.style != Style::Area) {
            let points = self.path(&line.points);
            let dashed = if line.style == Style::Dashed {
                " dashed"
            } else {
                ""
            };
            let _ = write!(
                out,
                "<polyline class=\"line h{}{dashed}\" points=\"{points}\"><title>{}</title></polyline>",
                line.hue,
                xml(&line.name)
            );
        }
        out.push_str("</svg>");
        self.legend(&mut out);
        let _ = write!(
            out,
            "<details><summary>Numbers behind “{title}”</summary>{table}</details></figure>"
        );
        out
    }

    fn path(&self, points: &[(f64, f64)]) -> String {
        let mut path = String::new();
        for (x, y) in points {
            // Writing to a string does not fail.
            let _ = write!(path, "{:.1},{:.1} ", self.x(*x), self.y(*y));
        }
        path
    }

    fn events(&self, out: &mut String) {
        let height = HEIGHT - TOP - BOTTOM;
        for event in &self.events {
            let from = self.x(event.from);
            let (class, width) = match event.until {
                Some(until) => ("stretch", (self.x(until) - from).max(1.5)),
                None => ("instant", 1.0),
            };
            // Writing to a string does not fail.
            let _ = write!(
                out,
                "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height:.1}\">\
                 <title>{} {}</title></rect>",
                event.number,
                xml(&event.label)
            );
        }
        for (numbers, from) in self.event_numbers() {
            let _ = write!(
                out,
                "<text class=\"event\" x=\"{from:.1}\" y=\"{:.1}\">{numbers}</text>",
                TOP - 4.0
            );
        }
    }

    /// The events' numbers above the plot, and where each stands; those that would run
    /// into each other stand as one, like `4–7`.
    fn event_numbers(&self) -> Vec<(String, f64)> {
        let mut groups: Vec<(usize, usize, f64)> = Vec::new();
        let shown = |first: usize, last: usize| {
            if first == last {
                first.to_string()
            } else {
                format!("{first}–{last}")
            }
        };
        for event in &self.events {
            let from = (self.x(event.from) + 2.0).min(WIDTH - RIGHT - 2.0 * DIGIT);
            match groups.last_mut() {
                Some((first, last, at))
                    if from < *at + (shown(*first, *last).chars().count() as f64 + 1.0) * DIGIT =>
                {
                    *last = event.number;
                }
                _ => groups.push((event.number, event.number, from)),
            }
        }
        let texts = groups.into_iter();
        texts
            .map(|(first, last, at)| (shown(first, last), at))
            .collect()
    }

    fn axes(&self, out: &mut String) {
        // Writing to a string does not fail.
        for (value, label) in &self.y.ticks {
            let y = self.y(*value);
            let _ = write!(
                out,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0,
                xml(label)
            );
        }
        for (value, label) in &self.x.ticks {
            let x = self.x(*value);
            // In the middle of its tick the last would not fit.
            let anchor = if x > WIDTH - RIGHT - 1.0 {
                "end"
            } else {
                "middle"
            };
            let _ = write!(
                out,
                "<text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
                HEIGHT - BOTTOM + 15.0,
                xml(label)
            );
        }
        let _ = write!(
            out,
            "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <text class=\"tick\" x=\"2\" y=\"12\">{}</text>",
            WIDTH - RIGHT,
            HEIGHT - 4.0,
            xml(self.x.title),
            xml(self.y.title)
        );
    }

    fn areas(&self, out: &mut String) {
        let mut floor: Vec<(f64, f64)> = Vec::new();
        for line in self.lines.iter().filter(|line| line.style == Style::Area) {
            if floor.len() != line.points.len() {
                floor = line.points.iter().map(|(x, _)| (*x, 0.0)).collect();
            }
            let roof: Vec<(f64, f64)> = line
                .points
                .iter()
                .zip(&floor)
                .map(|((x, y), (_, below))| (*x, y + below))
                .collect();
            let mut outline = self.path(&roof);
            let back: Vec<(f64, f64)> = floor.iter().rev().copied().collect();
            outline.push_str(&self.path(&back));
            // Writing to a string does not fail.
            let _ = write!(
                out,
                "<polygon class=\"area h{}\" points=\"{outline}\"><title>{}</title></polygon>",
                line.hue,
                xml(&line.name)
            );
            floor = roof;
        }
    }

    fn legend(&self, out: &mut String) {
        if self.lines.len() < 2 {
            return;
        }
        out.push_str("<ul class=\"legend\">");
        for line in &self.lines {
            let dashed = if line.style == Style::Dashed {
                " dashed"
            } else {
                ""
            };
            // Writing to a string does not fail.
            let _ = write!(
                out,
                "<li><i class=\"h{}{dashed}\" aria-hidden=\"true\"></i>{}</li>",
                line.hue,
                xml(&line.name)
            );
        }
        out.push_str("</ul>");
    }
}

/// Groups of neighbours, so that a long run has no more points than a page needs.
pub(super) fn stretch(count: usize) -> usize {
    count.div_ceil(MOST_POINTS).max(1)
}

/// A table with a heading; every cell is text.
pub(super) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let mut out = String::from("<div class=\"scroll\" tabindex=\"0\"><table><thead><tr>");
    for cell in heading {
        // Writing to a string does not fail.
        let _ = write!(out, "<th scope=\"col\">{}</th>", xml(cell));
    }
    out.push_str("</tr></thead><tbody>");
    for row in rows {
        out.push_str("<tr>");
        for cell in row {
            let _ = write!(out, "<td>{}</td>", xml(cell));
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_would_run_into_each_other_stand_as_one() {
        let axis = |title| Axis::linear(title, 100.0, |value| value.to_string());
        let event = |(number, from): (usize, f64)| Event {
            number,
            label: String::new(),
            from,
            until: None,
        };
        let chart = |starts: &[f64]| Chart {
            id: "x",
            title: "x",
            says: String::new(),
            x: axis("x"),
            y: axis("y"),
            lines: Vec::new(),
            events: (1..).zip(starts.iter().copied()).map(event).collect(),
            cells: Vec::new(),
        };
        let table: [(&[f64], &[&str]); 5] = [
            (&[], &[]),
            (&[0.0, 50.0], &["1", "2"]),
            (&[10.0, 10.5, 11.0, 60.0], &["1–3", "4"]),
            (&[10.0, 10.5, 16.0], &["1–2", "3"]),
            (&[99.0, 100.0], &["1–2"]),
        ];
        for (starts, expected) in table {
            let shown = chart(starts).event_numbers();
            let numbers: Vec<&str> = shown.iter().map(|(text, _)| text.as_str()).collect();
            assert_eq!(numbers, expected, "{starts:?}");
        }
    }
}
