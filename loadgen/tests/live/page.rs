//! The dashboards' panels drawn from Prometheus' numbers on one plain page, for
//! those who have no Grafana at hand: `RENDER=FILE`.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use crate::panels::Panel;
use crate::prometheus::Prometheus;

const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 150.0;
const COLOURS: [&str; 8] = [
    "#4e9a51", "#3b78c2", "#e58b2a", "#b05cc0", "#c94a4a", "#2aa1a8", "#8a8a2a", "#777777",
];

/// What was drawn over the last minute.
const SHOWN: Duration = Duration::from_secs(60);

type Series = (String, Vec<(f64, f64)>);

pub(crate) fn render(prometheus: &Prometheus, panels: &[Panel]) -> String {
    let now = prometheus.now();
    let from = now - SHOWN.as_secs_f64();
    let mut html = String::from(
        "<!doctype html><meta charset=utf-8><title>Dashboards</title><style>\
         body{font:13px system-ui,sans-serif;background:#f4f5f7;color:#222;margin:16px}\
         h1{font-size:18px;margin:20px 0 8px}main{display:grid;gap:8px;grid-template-columns:repeat(auto-fill,416px)}\
         section{background:#fff;border:1px solid #dde;border-radius:4px;padding:8px}\
         h2{font-size:13px;margin:0 0 4px}b{font-size:28px;font-weight:600}\
         i{font-style:normal;margin-right:8px;white-space:nowrap;font-size:11px}svg{display:block}\
         text{font-size:10px;fill:#667}table{font-size:11px;border-collapse:collapse}td{padding:1px 6px}</style>",
    );
    let mut board = "";
    for panel in panels {
        if panel.board != board {
            if !board.is_empty() {
                html.push_str("</main>");
            }
            board = &panel.board;
            write!(html, "<h1>{}</h1><main>", escape(board)).unwrap();
        }
        write!(html, "<section><h2>{}</h2>", escape(&panel.title)).unwrap();
        match panel.kind.as_str() {
            "stat" => {
                let value = prometheus.query(&panel.targets[0].0)[0].1;
                write!(html, "<b>{}</b>", shown(value, &panel.unit)).unwrap();
            }
            "table" => table(&mut html, &prometheus.query(&panel.targets[0].0)),
            _ => chart(
                &mut html,
                &series(prometheus, panel, from, now),
                &panel.unit,
                (from, now),
            ),
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

fn series(prometheus: &Prometheus, panel: &Panel, from: f64, to: f64) -> Vec<Series> {
    let mut all = Vec::new();
    for (expr, legend) in &panel.targets {
        for (labels, points) in prometheus.range(expr, from, to) {
            let mut name = legend.clone();
            for (label, value) in labels.as_object().unwrap() {
                name = name.replace(&format!("{{{{{label}}}}}"), value.as_str().unwrap());
            }
            all.push((name, points));
        }
    }
    if panel.kind == "heatmap" {
        // Drawn as lines, only buckets that something fell into tell anything.
        all.retain(|(_, points)| points.iter().any(|(_, value)| *value > 0.0));
    }
    all
}

fn chart(html: &mut String, series: &[Series], unit: &str, (from, to): (f64, f64)) {
    let values = series.iter().flat_map(|(_, points)| points);
    let top = values.fold(0.0_f64, |top, (_, value)| top.max(*value));
    let top = if top > 0.0 { top } else { 1.0 };
    write!(
        html,
        "<svg viewBox='0 0 {WIDTH} {HEIGHT}' width={WIDTH} height={HEIGHT}>"
    )
    .unwrap();
    for share in [0.0, 0.5, 1.0] {
        let y = 140.0 - share * 125.0;
        let label = shown(top * share, unit);
        write!(
            html,
            "<path d='M60 {y}H400' stroke='#e4e6ea'/><text x=0 y={}>{label}</text>",
            y + 3.0
        )
        .unwrap();
    }
    for (index, (_, points)) in series.iter().enumerate() {
        let mut path = String::new();
        for (at, value) in points.iter().filter(|(_, value)| value.is_finite()) {
            let x = 60.0 + (at - from) / (to - from) * (WIDTH - 60.0);
            let y = 140.0 - value / top * 125.0;
            write!(
                path,
                "{}{x:.1} {y:.1}",
                if path.is_empty() { 'M' } else { 'L' }
            )
            .unwrap();
        }
        let colour = COLOURS[index % COLOURS.len()];
        write!(
            html,
            "<path d='{path}' fill=none stroke='{colour}' stroke-width=1.5 />"
        )
        .unwrap();
    }
    html.push_str("</svg>");
    for (index, (name, _)) in series.iter().enumerate().take(10) {
        let colour = COLOURS[index % COLOURS.len()];
        write!(
            html,
            "<i><span style='color:{colour}'>&#9644;</span> {}</i>",
            escape(name)
        )
        .unwrap();
    }
}

fn shown(value: f64, unit: &str) -> String {
    let scaled = |units: &[(f64, &str)]| {
        let fits = units.iter().find(|(size, _)| value.abs() >= *size);
        let (size, name) = fits.unwrap_or(&units[units.len() - 1]);
        format!("{:.3} {name}", value / size)
    };
    match unit {
        "percentunit" => format!("{:.2} %", value * 100.0),
        "s" => scaled(&[(60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs")]),
        "bytes" => scaled(&[(1e6, "MB"), (1e3, "kB"), (1.0, "B")]),
        "ops" | "reqps" => format!("{value:.2} /s"),
        _ => format!("{value:.0}"),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
