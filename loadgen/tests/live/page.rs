//! The panels of a dashboard drawn from Prometheus' numbers on one plain page, for
//! those who have no Grafana at hand: `RENDER=DIRECTORY`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use crate::panels::Panel;
use crate::prometheus::Prometheus;

const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 154.0;
/// Where the chart begins, right of its scale and below its top.
const LEFT: f64 = 60.0;
const TOP: f64 = 15.0;
const BOTTOM: f64 = 140.0;
const COLUMNS: usize = 4;
/// Series named below a chart; a heatmap has its scale instead.
const NAMED: usize = 10;
const COLOURS: [&str; 8] = [
    "#4e9a51", "#3b78c2", "#e58b2a", "#b05cc0", "#c94a4a", "#2aa1a8", "#8a8a2a", "#777777",
];
/// As on the dashboards themselves.
const FIXED: [(&str, &str); 8] = [
    ("l1", "#4e9a51"),
    ("l2", "#3b78c2"),
    ("cache", "#4e9a51"),
    ("identity_provider", "#e58b2a"),
    ("error", "#c94a4a"),
    ("dropped", "#c94a4a"),
    ("timeout", "#b05cc0"),
    ("started", "#3b78c2"),
];

/// What was drawn over the last minute.
const SHOWN: Duration = Duration::from_secs(60);

struct Series {
    name: String,
    colour: &'static str,
    points: Vec<(f64, f64)>,
}

/// One board. The first line says how high the page is.
pub(crate) fn render(prometheus: &Prometheus, panels: &[Panel]) -> String {
    let now = prometheus.now();
    let span = (now - SHOWN.as_secs_f64(), now);
    let is_stat = |panel: &&Panel| panel.kind == "stat";
    // A row that is not all single numbers is as high as its charts.
    let stats = panels.iter().filter(is_stat).count() / COLUMNS;
    let charts = panels.len().div_ceil(COLUMNS) - stats;
    let mut html = format!(
        "<!-- {} high --><!doctype html><meta charset=utf-8><title>{title}</title><style>\
         body{{font:13px system-ui,sans-serif;background:#f4f5f7;color:#222;margin:16px}}\
         h1{{font-size:18px;margin:0 0 8px}}\
         main{{display:grid;gap:8px;grid-template-columns:repeat({COLUMNS},418px)}}\
         section{{background:#fff;border:1px solid #dde;border-radius:4px;padding:8px;overflow:hidden}}\
         h2{{font-size:13px;margin:0 0 4px}}b{{font-size:28px;font-weight:600}}\
         i{{font-style:normal;display:inline-block;margin-right:8px;font-size:11px}}svg{{display:block}}\
         text{{font-size:10px;fill:#667}}table{{font-size:11px;border-collapse:collapse}}\
         td{{padding:1px 6px}}</style><h1>{title}</h1><main>",
        60 + 74 * stats + 224 * charts,
        title = escape(&panels[0].board),
    );
    // One height a row: single numbers first, as on the boards.
    let (stats, charts): (Vec<&Panel>, Vec<&Panel>) = panels.iter().partition(is_stat);
    for panel in stats.into_iter().chain(charts) {
        write!(html, "<section><h2>{}</h2>", escape(&panel.title)).unwrap();
        match panel.kind.as_str() {
            "stat" => {
                let value = prometheus.query(&panel.targets[0].0)[0].1;
                write!(html, "<b>{}</b>", shown(value, &panel.unit)).unwrap();
            }
            "table" => table(&mut html, &prometheus.query(&panel.targets[0].0)),
            "heatmap" => heatmap(&mut html, prometheus, panel, span),
            _ => chart(&mut html, prometheus, panel, span),
        }
        html.push_str("</section>");
    }
    html + "</main>\n"
}

fn table(html: &mut String, rows: &[(Value, f64)]) {
    html.push_str("<table>");
    for (labels, _) in rows {
        for (name, value) in labels.as_object().unwrap() {
            if name != "__name__" {
                let value = escape(value.as_str().unwrap());
                write!(html, "<tr><td>{name}<td>{value:.24}").unwrap();
            }
        }
    }
    html.push_str("</table>");
}

fn x(at: f64, (from, to): (f64, f64)) -> f64 {
    LEFT + (at - from) / (to - from) * (WIDTH - LEFT)
}

fn begin(html: &mut String) {
    write!(
        html,
        "<svg viewBox='0 0 {WIDTH} {HEIGHT}' width={WIDTH} height={HEIGHT}>"
    )
    .unwrap();
    let seconds = SHOWN.as_secs();
    for (share, anchor, label) in [
        (0.0, "start", format!("{seconds} s ago")),
        (0.5, "middle", format!("{} s", seconds / 2)),
        (1.0, "end", "now".to_owned()),
    ] {
        let x = LEFT + share * (WIDTH - LEFT);
        write!(
            html,
            "<text x={x} y={HEIGHT} text-anchor={anchor} dy=-2>{label}</text>"
        )
        .unwrap();
    }
}

/// How often each bucket was hit at each moment, dark where often.
fn heatmap(html: &mut String, prometheus: &Prometheus, panel: &Panel, span: (f64, f64)) {
    // By upper edge; the differences of neighbours are what fell in between.
    let mut cumulative = BTreeMap::<u64, BTreeMap<u64, f64>>::new();
    for (labels, points) in prometheus.range(&panel.targets[0].0, span.0, span.1) {
        let edge: f64 = labels["le"].as_str().unwrap().parse().unwrap();
        let points = points.iter().map(|(at, value)| (at.to_bits(), *value));
        // Bits of positive numbers are in the order of the numbers.
        cumulative.insert(edge.to_bits(), points.collect());
    }
    let mut rows = Vec::new();
    let mut below = BTreeMap::new();
    for (edge, points) in &cumulative {
        let of = |at: &u64| below.get(at).copied().unwrap_or(0.0);
        let row: Vec<(f64, f64)> = points
            .iter()
            .map(|(at, value)| (f64::from_bits(*at), (value - of(at)).max(0.0)))
            .collect();
        rows.push((f64::from_bits(*edge), row));
        below.clone_from(points);
    }
    let is_hit = |(_, row): &(f64, Vec<(f64, f64)>)| row.iter().any(|(_, count)| *count > 0.0);
    let first = rows.iter().position(is_hit).unwrap_or(0);
    let last = rows.iter().rposition(is_hit).unwrap_or(0);
    let rows = &rows[first..=last];
    let most = rows
        .iter()
        .flat_map(|(_, row)| row)
        .fold(1e-9_f64, |most, (_, count)| most.max(*count));
    let height = (BOTTOM - TOP) / rows.len() as f64;
    begin(html);
    for (number, (edge, row)) in rows.iter().enumerate() {
        let y = BOTTOM - height * (number + 1) as f64;
        if height >= 10.0 || number % 2 == 0 {
            let edge = if edge.is_finite() {
                shown(*edge, &panel.unit)
            } else {
                "more".to_owned()
            };
            write!(
                html,
                "<text x=0 y={:.1}>{edge}</text>",
                y + height / 2.0 + 3.0
            )
            .unwrap();
        }
        for (at, count) in row.iter().filter(|(_, count)| *count > 0.0) {
            let (x, next) = (x(at - 1.0, span).max(LEFT), x(*at, span));
            write!(
                html,
                "<rect x={x:.1} y={y:.1} width={:.1} height={height:.1} fill='#d9480f' opacity={:.2} />",
                next - x,
                0.1 + 0.9 * (count / most).sqrt()
            )
            .unwrap();
        }
    }
    html.push_str("</svg>");
}

fn series(prometheus: &Prometheus, panel: &Panel, (from, to): (f64, f64)) -> Vec<Series> {
    let mut all = Vec::new();
    for (expr, legend) in &panel.targets {
        for (labels, points) in prometheus.range(expr, from, to) {
            let mut name = legend.clone();
            for (label, value) in labels.as_object().unwrap() {
                name = name.replace(&format!("{{{{{label}}}}}"), value.as_str().unwrap());
            }
            let fixed = FIXED.iter().find(|(known, _)| *known == name);
            let is_free = |colour: &&str| all.iter().all(|one: &Series| one.colour != *colour);
            let free = COLOURS.into_iter().find(is_free);
            let free = free.unwrap_or(COLOURS[all.len() % COLOURS.len()]);
            let colour = fixed.map_or(free, |(_, colour)| colour);
            let points = points.into_iter().filter(|(_, value)| value.is_finite());
            all.push(Series {
                name,
                colour,
                points: points.collect(),
            });
        }
    }
    // Those that are nothing but zero have only a name to show, and so many lines
    // that the others would be hidden.
    if all
        .iter()
        .any(|series| series.points.iter().any(|(_, value)| *value != 0.0))
    {
        all.retain(|series| series.points.iter().any(|(_, value)| *value != 0.0));
    }
    all
}

fn chart(html: &mut String, prometheus: &Prometheus, panel: &Panel, span: (f64, f64)) {
    let series = series(prometheus, panel, span);
    let mut sums = BTreeMap::<u64, f64>::new();
    // What each is drawn on: the sum of those before, or nothing.
    let lines: Vec<Vec<(f64, f64, f64)>> = series
        .iter()
        .map(|series| {
            let points = series.points.iter();
            points
                .map(|(at, value)| {
                    let sum = sums.entry(at.to_bits()).or_default();
                    let base = if panel.is_stacked { *sum } else { 0.0 };
                    *sum += value;
                    (*at, base, base + value)
                })
                .collect()
        })
        .collect();
    let top = lines
        .iter()
        .flatten()
        .fold(0.0_f64, |top, (.., value)| top.max(*value));
    let top = if top > 0.0 { top } else { 1.0 };
    let y = |value: f64| BOTTOM - value.max(0.0) / top * (BOTTOM - TOP);
    begin(html);
    for share in [0.0, 0.5, 1.0] {
        let (y, label) = (y(top * share), shown(top * share, &panel.unit));
        write!(
            html,
            "<path d='M{LEFT} {y}H{WIDTH}' stroke='#e4e6ea'/><text x=0 y={}>{label}</text>",
            y + 3.0
        )
        .unwrap();
    }
    for (series, line) in series.iter().zip(&lines) {
        let path = |points: &mut dyn Iterator<Item = (f64, f64)>| {
            let points: Vec<String> = points
                .map(|(at, value)| format!("{:.1} {:.1}", x(at, span), y(value)))
                .collect();
            points.join("L")
        };
        let upper = path(&mut line.iter().map(|(at, _, value)| (*at, *value)));
        let colour = series.colour;
        if panel.is_stacked {
            let lower = path(&mut line.iter().rev().map(|(at, base, _)| (*at, *base)));
            write!(
                html,
                "<path d='M{upper}L{lower}Z' fill='{colour}' opacity=.45 />"
            )
            .unwrap();
        }
        write!(
            html,
            "<path d='M{upper}' fill=none stroke='{colour}' stroke-width=1.5 />"
        )
        .unwrap();
    }
    html.push_str("</svg>");
    for series in series.iter().take(NAMED) {
        write!(
            html,
            "<i><span style='color:{}'>&#9644;</span> {}</i>",
            series.colour,
            escape(&series.name)
        )
        .unwrap();
    }
}

fn shown(value: f64, unit: &str) -> String {
    let scaled = |units: &[(f64, &str)]| {
        let fits = units.iter().find(|(size, _)| value.abs() >= *size);
        let (size, name) = fits.unwrap_or(&units[units.len() - 1]);
        format!("{} {name}", digits(value / size))
    };
    match unit {
        "percentunit" => format!("{:.2} %", value * 100.0),
        "s" if value == 0.0 => "0 s".to_owned(),
        "s" => scaled(&[(60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs")]),
        "bytes" => scaled(&[(1e6, "MB"), (1e3, "kB"), (1.0, "B")]),
        "ops" | "reqps" => format!("{} /s", digits(value)),
        _ => format!("{value:.0}"),
    }
}

/// Three of them, and no zeros behind the point.
fn digits(value: f64) -> String {
    let text = match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
