//! A dashboard: rows of panels, variables, Grafana JSON.

use serde_json::{Value, json};

use crate::panel::Panel;

#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) uid: &'static str,
    pub(crate) title: &'static str,
    pub(crate) description: &'static str,
    /// The metric whose jobs and instances can be chosen from.
    pub(crate) chosen_by: &'static str,
    /// Recorded series have no instance to choose by.
    pub(crate) by_instance: bool,
    pub(crate) rows: Vec<(&'static str, Vec<Panel>)>,
    pub(crate) marks: &'static [Marks],
}

/// An expression that has a value while something goes on, to be marked.
#[derive(Debug)]
pub(crate) struct Marks {
    pub(crate) name: &'static str,
    pub(crate) expr: &'static str,
    /// What a mark says; series' labels in double braces.
    pub(crate) title: &'static str,
}

const COLUMNS: u32 = 24;

impl Board {
    pub(crate) fn file(&self) -> String {
        format!("dashboards/grafana/{}.json", self.uid)
    }

    pub(crate) fn panels(&self) -> impl Iterator<Item = &Panel> {
        self.rows.iter().flat_map(|(_, panels)| panels)
    }

    pub(crate) fn json(&self) -> String {
        let mut variables = vec![
            json!({
                "name": "datasource",
                "label": "Data source",
                "type": "datasource",
                "query": "prometheus",
                "current": {},
                "hide": 0,
            }),
            variable(
                "job",
                "Job",
                &format!("label_values({}, job)", self.chosen_by),
            ),
        ];
        if self.by_instance {
            variables.push(variable(
                "instance",
                "Instance",
                &format!(
                    "label_values({}{{job=~\"$job\"}}, instance)",
                    self.chosen_by
                ),
            ));
        }
        let marks = self.marks.iter();
        let annotations: Vec<Value> = marks
            .map(|marks| {
                json!({
                    "name": marks.name,
                    "enable": true,
                    "iconColor": "purple",
                    "datasource": { "type": "prometheus", "uid": "${datasource}" },
                    "expr": marks.expr,
                    "titleFormat": marks.title,
                })
            })
            .collect();
        let board = json!({
            "uid": self.uid,
            "id": null,
            "title": self.title,
            "description": self.description,
            "tags": ["token-cache-lab"],
            "schemaVersion": 39,
            "editable": false,
            "graphTooltip": 1,
            "refresh": "10s",
            "time": { "from": "now-1h", "to": "now" },
            "timezone": "",
            "annotations": { "list": annotations },
            "templating": { "list": variables },
            "panels": self.grid(),
        });
        format!("{board:#}\n")
    }

    fn grid(&self) -> Vec<Value> {
        let (mut placed, mut id, mut y) = (Vec::new(), 1, 0);
        for (title, panels) in &self.rows {
            placed.push(json!({
                "id": id,
                "type": "row",
                "title": title,
                "collapsed": false,
                "panels": [],
                "gridPos": { "x": 0, "y": y, "w": COLUMNS, "h": 1 },
            }));
            (id, y) = (id + 1, y + 1);
            let (mut x, mut tallest) = (0, 0);
            for panel in panels {
                if x + panel.width > COLUMNS {
                    (x, y, tallest) = (0, y + tallest, 0);
                }
                placed.push(panel.json(id, x, y));
                id += 1;
                x += panel.width;
                tallest = tallest.max(panel.height());
            }
            y += tallest;
        }
        placed
    }
}

fn variable(name: &str, label: &str, query: &str) -> Value {
    json!({
        "name": name,
        "label": label,
        "type": "query",
        "query": { "query": query, "refId": name },
        "definition": query,
        "datasource": { "type": "prometheus", "uid": "${datasource}" },
        "multi": true,
        "includeAll": true,
        "allValue": ".+",
        "current": { "text": "All", "value": "$__all" },
        "refresh": 2,
        "sort": 1,
        "hide": 0,
    })
}
