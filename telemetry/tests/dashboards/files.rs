//! What is made here is what is checked in.

use std::fs;
use std::path::PathBuf;

use crate::rule::{Group, PRODUCTION, REHEARSAL, Windows, yaml};
use crate::{alerts, boards, msal_dotnet, recording, reference, runbook};

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every group of rules, with the file it is in.
pub(crate) fn rule_files(windows: &Windows) -> [(&'static str, Vec<Group>); 3] {
    [
        ("recording.rules.yml", recording::groups(windows)),
        ("msal-dotnet.rules.yml", msal_dotnet::groups(windows)),
        ("alerts.rules.yml", alerts::groups(windows)),
    ]
}

/// Path and content of everything that is made.
fn made() -> Vec<(String, String)> {
    let mut files = vec![("docs/metrics.md".to_owned(), reference::page())];
    for (directory, windows) in [
        ("dashboards/prometheus", &PRODUCTION),
        ("dashboards/prometheus/rehearsal", &REHEARSAL),
    ] {
        for (name, groups) in rule_files(windows) {
            files.push((format!("{directory}/{name}"), yaml(&groups, windows)));
        }
    }
    let groups = alerts::groups(&PRODUCTION);
    let page = runbook::page(&runbook::alerts(&groups));
    files.push(("docs/runbook.md".to_owned(), page));
    for board in boards::all() {
        files.push((board.file(), board.json()));
    }
    files
}

#[test]
fn what_is_checked_in_is_what_the_catalogue_makes() {
    let is_update = std::env::var_os("UPDATE").is_some();
    let mut stale = Vec::new();
    for (path, content) in made() {
        let full = root().join(&path);
        let found = fs::read_to_string(&full).unwrap_or_default();
        if found == content {
            continue;
        }
        if is_update {
            fs::create_dir_all(full.parent().unwrap()).unwrap();
            fs::write(full, content).unwrap();
        } else {
            stale.push(path);
        }
    }
    assert!(
        stale.is_empty(),
        "{stale:?} are not current: UPDATE=1 cargo test -p telemetry --test dashboards"
    );
}

#[test]
fn nothing_else_lies_where_made_files_lie() {
    let made: Vec<String> = made().into_iter().map(|(path, _)| path).collect();
    for (directory, ending) in [
        ("dashboards/grafana", ".json"),
        ("dashboards/prometheus", ".rules.yml"),
        ("dashboards/prometheus/rehearsal", ".rules.yml"),
    ] {
        for entry in fs::read_dir(root().join(directory)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let path = format!("{directory}/{name}");
            assert!(
                !name.ends_with(ending) || made.contains(&path),
                "{path} is made by nobody"
            );
        }
    }
}
