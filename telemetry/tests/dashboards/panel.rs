//! Panels as data, and their Grafana JSON.

use serde_json::{Value, json};

/// One panel of a dashboard.
#[derive(Debug, Clone)]
pub(crate) struct Panel {
    pub(crate) title: &'static str,
    pub(crate) description: &'static str,
    pub(crate) kind: Kind,
    pub(crate) unit: &'static str,
    /// Expressions, and how their series are called.
    pub(crate) targets: Vec<(String, &'static str)>,
    /// From this value on it is red.
    pub(crate) red_from: Option<f64>,
    /// Below this value it is red.
    pub(crate) red_below: Option<f64>,
    pub(crate) log: bool,
    /// Colours of series that have the same one everywhere.
    pub(crate) width: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Stat,
    Lines,
    Stacked,
    Heatmap,
    Table,
}

/// Each source of tokens, and each fate, in its own colour on every board.
const COLOURS: [(&str, &str); 8] = [
    ("l1", "green"),
    ("l2", "blue"),
    ("cache", "green"),
    ("identity_provider", "orange"),
    ("error", "red"),
    ("dropped", "red"),
    ("timeout", "purple"),
    ("started", "blue"),
];

pub(crate) fn stat(
    title: &'static str,
    unit: &'static str,
    expr: String,
    description: &'static str,
) -> Panel {
    Panel {
        title,
        description,
        kind: Kind::Stat,
        unit,
        targets: vec![(expr, "__auto")],
        red_from: None,
        red_below: None,
        log: false,
        width: 4,
    }
}

pub(crate) fn lines(
    title: &'static str,
    unit: &'static str,
    targets: Vec<(String, &'static str)>,
    description: &'static str,
) -> Panel {
    Panel {
        kind: Kind::Lines,
        targets,
        width: 12,
        ..stat(title, unit, String::new(), description)
    }
}

pub(crate) fn stacked(
    title: &'static str,
    unit: &'static str,
    targets: Vec<(String, &'static str)>,
    description: &'static str,
) -> Panel {
    Panel {
        kind: Kind::Stacked,
        ..lines(title, unit, targets, description)
    }
}

pub(crate) fn heatmap(
    title: &'static str,
    unit: &'static str,
    expr: String,
    description: &'static str,
) -> Panel {
    Panel {
        kind: Kind::Heatmap,
        ..lines(title, unit, vec![(expr, "{{le}}")], description)
    }
}

pub(crate) fn table(title: &'static str, expr: String, description: &'static str) -> Panel {
    Panel {
        kind: Kind::Table,
        ..lines(title, "short", vec![(expr, "__auto")], description)
    }
}

impl Panel {
    pub(crate) fn red_from(self, value: f64) -> Self {
        Self {
            red_from: Some(value),
            ..self
        }
    }

    pub(crate) fn red_below(self, value: f64) -> Self {
        Self {
            red_below: Some(value),
            ..self
        }
    }

    pub(crate) fn log(self) -> Self {
        Self { log: true, ..self }
    }

    pub(crate) fn width(self, width: u32) -> Self {
        Self { width, ..self }
    }

    pub(crate) fn height(&self) -> u32 {
        match self.kind {
            Kind::Stat => 4,
            Kind::Table => 5,
            Kind::Lines | Kind::Stacked | Kind::Heatmap => 8,
        }
    }

    /// The panel as Grafana reads it, with its upper left corner at `x`, `y`.
    pub(crate) fn json(&self, id: usize, x: u32, y: u32) -> Value {
        let datasource = json!({ "type": "prometheus", "uid": "${datasource}" });
        let targets: Vec<Value> = self
            .targets
            .iter()
            .enumerate()
            .map(|(index, (expr, legend))| {
                json!({
                    "datasource": datasource,
                    "expr": expr,
                    "legendFormat": legend,
                    "refId": char::from(b'A' + u8::try_from(index).unwrap()).to_string(),
                    "instant": matches!(self.kind, Kind::Stat | Kind::Table),
                    "range": !matches!(self.kind, Kind::Stat | Kind::Table),
                    "format": match self.kind {
                        Kind::Heatmap => "heatmap",
                        Kind::Table => "table",
                        _ => "time_series",
                    },
                })
            })
            .collect();
        json!({
            "id": id,
            "type": match self.kind {
                Kind::Stat => "stat",
                Kind::Lines | Kind::Stacked => "timeseries",
                Kind::Heatmap => "heatmap",
                Kind::Table => "table",
            },
            "title": self.title,
            "description": self.description,
            "datasource": datasource,
            "gridPos": { "x": x, "y": y, "w": self.width, "h": self.height() },
            "targets": targets,
            "fieldConfig": { "defaults": self.defaults(), "overrides": overrides() },
            "options": self.options(),
        })
    }

    fn defaults(&self) -> Value {
        let mut steps = vec![
            json!({ "color": if self.red_below.is_some() { "red" } else { "green" }, "value": null }),
        ];
        if let Some(value) = self.red_below {
            steps.push(json!({ "color": "green", "value": value }));
        }
        if let Some(value) = self.red_from {
            steps.push(json!({ "color": "red", "value": value }));
        }
        let drawn = matches!(self.kind, Kind::Lines | Kind::Stacked);
        let custom = if drawn {
            json!({
                "drawStyle": "line",
                "fillOpacity": if self.kind == Kind::Stacked { 40 } else { 5 },
                "lineWidth": 1,
                "showPoints": "never",
                "scaleDistribution": if self.log { json!({ "type": "log", "log": 10 }) } else { json!({ "type": "linear" }) },
                "stacking": { "mode": if self.kind == Kind::Stacked { "normal" } else { "none" }, "group": "A" },
                "thresholdsStyle": { "mode": if self.red_from.or(self.red_below).is_some() { "line" } else { "off" } },
            })
        } else {
            json!({})
        };
        json!({
            "unit": self.unit,
            "min": if self.log { Value::Null } else { json!(0) },
            "custom": custom,
            "thresholds": { "mode": "absolute", "steps": steps },
        })
    }

    fn options(&self) -> Value {
        match self.kind {
            Kind::Stat => json!({
                "colorMode": "value",
                "graphMode": "none",
                "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
            }),
            Kind::Lines | Kind::Stacked => json!({
                "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true },
                "tooltip": { "mode": "multi", "sort": "desc" },
            }),
            Kind::Heatmap => json!({
                "calculate": false,
                "cellGap": 0,
                "color": { "mode": "scheme", "scheme": "Oranges", "steps": 64 },
                "yAxis": { "unit": self.unit },
            }),
            Kind::Table => json!({ "showHeader": true }),
        }
    }
}

fn overrides() -> Vec<Value> {
    let fixed = |(name, colour): &(&str, &str)| {
        json!({
            "matcher": { "id": "byName", "options": name },
            "properties": [{ "id": "color", "value": { "mode": "fixed", "fixedColor": colour } }],
        })
    };
    COLOURS.iter().map(fixed).collect()
}
