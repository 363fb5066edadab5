//! Prometheus' own checks. `promtool` is in Debian's package `prometheus`, which
//! `scripts/test` installs; without it these tests fail and say so.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::boards;
use crate::files::root;
use crate::promql::filled_in;

fn promtool(arguments: &[&str], directory: &Path) -> String {
    let output = Command::new("promtool")
        .args(arguments)
        .current_dir(directory)
        .output()
        .expect("promtool is needed: apt-get install prometheus, or scripts/test");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
    said
}

/// The files of a directory below `dashboards/prometheus` that end so.
fn files(directory: &str, ending: &str) -> Vec<String> {
    let directory = root().join("dashboards/prometheus").join(directory);
    let entries = std::fs::read_dir(&directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut found: Vec<String> = names.filter(|name| name.ends_with(ending)).collect();
    found.sort();
    assert!(!found.is_empty(), "nothing in {}", directory.display());
    found
}

#[test]
fn rules_are_clean() {
    for directory in [".", "rehearsal"] {
        let files = files(directory, ".rules.yml");
        let mut arguments = vec!["check", "rules", "--lint=all", "--lint-fatal"];
        arguments.extend(files.iter().map(String::as_str));
        let said = promtool(
            &arguments,
            &root().join("dashboards/prometheus").join(directory),
        );
        assert_eq!(said.matches("SUCCESS").count(), 3, "{said}");
    }
}

#[test]
fn the_rule_tests_pass() {
    let files = files("tests", ".test.yml");
    let mut arguments = vec!["test", "rules"];
    arguments.extend(files.iter().map(String::as_str));
    let said = promtool(&arguments, &root().join("dashboards/prometheus/tests"));
    assert_eq!(said.matches("SUCCESS").count(), files.len(), "{said}");
}

#[test]
fn the_scrape_configuration_is_valid() {
    let directory = root().join("dashboards/prometheus");
    promtool(&["check", "config", "prometheus.yml"], &directory);
}

/// Prometheus reads what Grafana will send it.
#[test]
fn prometheus_parses_every_panel_s_expressions() {
    let mut rules = "groups:\n- name: panels\n  rules:\n".to_owned();
    let mut count = 0;
    for board in boards::all() {
        for (expr, _) in board.panels().flat_map(|panel| &panel.targets) {
            count += 1;
            let expr = filled_in(expr);
            writeln!(rules, "  - record: panel:{count}\n    expr: '{expr}'").unwrap();
        }
    }
    let name = format!("panels-{}.rules.yml", std::process::id());
    let directory = std::env::temp_dir();
    std::fs::write(directory.join(&name), rules).unwrap();
    let said = promtool(&["check", "rules", &name], &directory);
    std::fs::remove_file(directory.join(&name)).unwrap();
    assert!(said.contains(&format!("{count} rules found")), "{said}");
}
