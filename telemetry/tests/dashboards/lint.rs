//! Dashboards and rules keep to the catalogue and to the rules of Grafana's
//! dashboard linter (`lint/*.go` there), which is a Go program and not to be had
//! here.

use std::collections::BTreeSet;

use serde_json::Value;
use telemetry::catalogue::{self, Kind, Metric, Values};

use crate::alerts;
use crate::boards;
use crate::files::rule_files;
use crate::promql::{RANGE_S, RATE_INTERVAL_S, Selector, selectors};
use crate::rule::{PRODUCTION, REHEARSAL, Rule, Windows};
use crate::runbook;

/// Names that rules record.
fn recorded(windows: &Windows) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, groups) in rule_files(windows) {
        for rule in groups.into_iter().flat_map(|group| group.rules) {
            if let Rule::Record { name, .. } = rule {
                names.insert(name);
            }
        }
    }
    names
}

/// Every selector in rules, of both sets of windows.
fn in_rules() -> Vec<(Selector, BTreeSet<String>)> {
    let mut found = Vec::new();
    for windows in [&PRODUCTION, &REHEARSAL] {
        for (_, groups) in rule_files(windows) {
            for rule in groups.iter().flat_map(|group| &group.rules) {
                let all = selectors(rule.expr());
                found.extend(all.into_iter().map(|one| (one, recorded(windows))));
            }
        }
    }
    found
}

/// Every selector in panels and variables of dashboards.
fn in_boards() -> Vec<(Selector, BTreeSet<String>)> {
    let mut found = Vec::new();
    for board in boards::all() {
        let exprs = board
            .panels()
            .flat_map(|panel| &panel.targets)
            .map(|(expr, _)| expr.as_str());
        let marks = board.marks.iter().map(|marks| marks.expr);
        for expr in exprs.chain(marks).chain([board.chosen_by]) {
            let all = selectors(expr);
            found.extend(all.into_iter().map(|one| (one, recorded(&PRODUCTION))));
        }
    }
    found
}

#[test]
fn every_metric_and_label_asked_for_is_in_the_catalogue() {
    for (selector, recorded) in in_rules().into_iter().chain(in_boards()) {
        if selector.name.contains(':') {
            assert!(
                recorded.contains(&selector.name),
                "nobody records `{}`",
                selector.name
            );
            continue;
        }
        let metric = Metric::named(&selector.name)
            .unwrap_or_else(|| panic!("`{}` is not in the catalogue", selector.name));
        // A histogram is asked for by its samples, anything else by its name.
        let is_histogram = matches!(metric.kind, Kind::Histogram(_));
        assert_eq!(is_histogram, selector.name != metric.name, "{selector:?}");
        for (label, op, value) in &selector.matchers {
            if ["job", "instance"].contains(&label.as_str()) {
                continue;
            }
            if label == "le" {
                assert_edge(metric, value);
                continue;
            }
            let known = metric.labels.iter().find(|known| known.name == label);
            let known = known.unwrap_or_else(|| panic!("`{}` has no `{label}`", metric.name));
            if let Values::Closed(values) = known.values {
                let all = value.split('|').all(|value| values.contains(&value));
                assert!(all && (op == "=~" || op == "="), "{selector:?}");
            }
        }
    }
}

/// An edge asked for is one, and found however formats spell it: as `1`, `1.0`.
fn assert_edge(metric: &Metric, asked: &str) {
    let Kind::Histogram(edges) = metric.kind else {
        panic!("`{}` has no edges", metric.name)
    };
    let plain = asked.trim_end_matches("(\\.0)?");
    let edge: f64 = plain.parse().unwrap();
    assert!(
        edges.contains(&edge),
        "`{}` has no edge {asked}",
        metric.name
    );
    assert!(
        plain.contains('.') || plain != asked,
        "{asked} is not how OpenMetrics spells it"
    );
}

#[test]
fn every_metric_of_the_catalogue_is_on_a_dashboard_or_in_a_rule() {
    let asked: BTreeSet<&str> = in_rules()
        .into_iter()
        .chain(in_boards())
        .filter_map(|(selector, _)| Metric::named(&selector.name))
        .map(|metric| metric.name)
        .collect();
    for metric in catalogue::all()
        .into_iter()
        .chain(catalogue::msal_dotnet_families())
    {
        assert!(
            asked.contains(metric.name),
            "nobody looks at `{}`",
            metric.name
        );
    }
}

#[test]
fn counters_are_asked_for_their_rate_and_gauges_for_themselves() {
    const OVER_TIME: [&str; 3] = ["rate", "irate", "increase"];
    for (selector, _) in in_rules().into_iter().chain(in_boards()) {
        let Some(metric) = Metric::named(&selector.name) else {
            continue;
        };
        let is_rate = selector
            .inside
            .iter()
            .any(|name| OVER_TIME.contains(&name.as_str()));
        // `A unless B` asks whether B is there, whatever its value.
        let asks_whether_there = selector.range_s.is_none() && selector.matchers.is_empty();
        match metric.kind {
            Kind::Counter | Kind::Histogram(_) => {
                assert!(is_rate || asks_whether_there, "{selector:?}");
            }
            Kind::Gauge => assert!(!is_rate, "{selector:?}"),
        }
    }
}

#[test]
fn every_panel_follows_the_variables_and_the_rate_interval() {
    for board in boards::all() {
        let exprs: Vec<&str> = board
            .panels()
            .flat_map(|panel| &panel.targets)
            .map(|(expr, _)| expr.as_str())
            .collect();
        for expr in exprs {
            for selector in selectors(expr) {
                let follows = |label: &str| {
                    let wanted = (label.to_owned(), "=~".to_owned(), format!("${label}"));
                    selector.matchers.contains(&wanted)
                };
                assert!(follows("job"), "{expr}");
                // The linter's `.lint` exclusion: recorded series are sums over
                // instances and have none.
                assert_eq!(follows("instance"), board.by_instance, "{expr}");
                if let Some(range_s) = selector.range_s {
                    let function = selector.inside.last().map(String::as_str);
                    let expected = if function == Some("rate") {
                        range_s == RATE_INTERVAL_S
                    } else {
                        [RATE_INTERVAL_S, RANGE_S].contains(&range_s)
                    };
                    assert!(expected, "{expr}");
                }
            }
        }
    }
}

#[test]
fn every_panel_has_title_description_unit_and_targets() {
    const UNITS: [&str; 6] = ["percentunit", "s", "bytes", "ops", "reqps", "short"];
    for board in boards::all() {
        let mut titles = BTreeSet::new();
        for panel in board.panels() {
            let title = panel.title;
            assert!(
                !title.is_empty() && panel.description.ends_with('.'),
                "{title}"
            );
            assert!(UNITS.contains(&panel.unit), "{title}: {}", panel.unit);
            assert!(!panel.targets.is_empty(), "{title}");
            let of_rows = board
                .rows
                .iter()
                .filter(|(_, panels)| panels.iter().any(|one| one.title == title));
            titles.extend(of_rows.map(|(row, _)| (*row, title)));
        }
        assert_eq!(
            titles.len(),
            board.panels().count(),
            "a title stands twice in a row"
        );
    }
}

#[test]
fn the_json_is_what_the_linter_wants() {
    let mut uids = BTreeSet::new();
    for board in boards::all() {
        let json: Value = serde_json::from_str(&board.json()).unwrap();
        assert!(uids.insert(json["uid"].as_str().unwrap().to_owned()));
        assert_eq!(json["id"], Value::Null);
        assert_eq!(json["editable"], false);
        assert!(json["schemaVersion"].as_u64().unwrap() >= 39);
        assert!(json.get("__inputs").is_none());
        let variables = json["templating"]["list"].as_array().unwrap();
        assert_eq!(variables[0]["name"], "datasource");
        assert_eq!(variables[0]["label"], "Data source");
        assert_eq!(variables[0]["type"], "datasource");
        assert_eq!(variables[0]["query"], "prometheus");
        for (variable, label) in variables[1..].iter().zip(["Job", "Instance"]) {
            assert_eq!(variable["label"], label);
            assert_eq!(variable["name"], label.to_lowercase());
            assert_eq!(variable["multi"], true);
            assert_eq!(variable["allValue"], ".+");
            assert_eq!(variable["datasource"]["uid"], "${datasource}");
            assert_eq!(variable["refresh"], 2, "reloads when the time changes");
        }
        let panels = json["panels"].as_array().unwrap();
        let ids: BTreeSet<u64> = panels
            .iter()
            .map(|panel| panel["id"].as_u64().unwrap())
            .collect();
        assert_eq!(ids.len(), panels.len(), "ids are unique");
        for (index, one) in panels.iter().enumerate() {
            if one["type"] != "row" {
                assert_eq!(one["datasource"]["uid"], "${datasource}");
            }
            for other in &panels[index + 1..] {
                assert!(
                    !overlap(&one["gridPos"], &other["gridPos"]),
                    "{one} {other}"
                );
            }
        }
    }
}

fn overlap(one: &Value, other: &Value) -> bool {
    let at = |place: &Value, key: &str| place[key].as_u64().unwrap();
    let apart = |axis: &str, size: &str| {
        at(one, axis) + at(one, size) <= at(other, axis)
            || at(other, axis) + at(other, size) <= at(one, axis)
    };
    assert!(at(one, "x") + at(one, "w") <= 24);
    !apart("x", "w") && !apart("y", "h")
}

#[test]
fn both_sets_of_windows_make_the_same_alerts() {
    let names = |windows: &Windows| -> Vec<&str> {
        let groups = alerts::groups(windows);
        runbook::alerts(&groups)
            .iter()
            .map(|alert| alert.name)
            .collect()
    };
    assert_eq!(names(&PRODUCTION), names(&REHEARSAL));
    assert!(names(&PRODUCTION).len() >= 11);
}

#[test]
fn each_advice_of_msal_dotnet_s_documentation_has_an_alert() {
    let groups = alerts::groups(&PRODUCTION);
    let advice: BTreeSet<&str> = runbook::alerts(&groups)
        .iter()
        .filter_map(|alert| alert.advice)
        .collect();
    for watched in [
        "DurationTotalInMs",
        "DurationInCacheInMs",
        "DurationInHttpInMs",
        "TokenSource",
    ] {
        assert!(
            advice.iter().any(|text| text.contains(watched)),
            "{watched}"
        );
    }
}
