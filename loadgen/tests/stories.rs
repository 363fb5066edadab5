//! The stories in docs/stories tell what really happens: their commands are run,
//! and what they quote is looked for in the output.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A command of a story, what it is said to print, and how it is said to end.
struct Told {
    command: String,
    prints: Vec<String>,
    exit: i32,
}

fn told(text: &str) -> Vec<Told> {
    let blocks = text.split("```console\n").skip(1);
    let blocks = blocks.filter_map(|block| block.split_once("```").map(|(inside, _)| inside));
    blocks
        .map(|block| {
            let mut lines = block.lines();
            let command = lines.next().unwrap().strip_prefix("$ loadgen ").unwrap();
            let mut told = Told {
                command: command.to_owned(),
                prints: Vec::new(),
                exit: 0,
            };
            for line in lines {
                match line.strip_prefix("[exit ") {
                    Some(code) => told.exit = code.trim_end_matches(']').parse().unwrap(),
                    None => told.prints.push(line.to_owned()),
                }
            }
            told
        })
        .collect()
}

fn check(story: &str) {
    let directory = root().join("docs/stories");
    let text = std::fs::read_to_string(directory.join(story)).unwrap();
    let commands = told(&text);
    assert!(
        commands.len() >= 3,
        "{story} has {} commands",
        commands.len()
    );
    for told in commands {
        let output = Command::new(env!("CARGO_BIN_EXE_loadgen"))
            .args(told.command.split(' '))
            .current_dir(root())
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(told.exit), "{}", told.command);
        for line in told.prints {
            let found = printed.lines().any(|printed| printed == line);
            assert!(
                found,
                "{story}: `{}` does not print\n{line}\nbut\n{printed}",
                told.command
            );
        }
    }
    for picture in text.split("](").skip(1) {
        let (target, _) = picture.split_once(')').unwrap();
        if !target.starts_with("https://") {
            assert!(directory.join(target).is_file(), "{story}: {target}");
        }
    }
}

#[test]
fn the_minute_redis_did_not_answer_is_told_as_it_was() {
    check("l2-blackhole.md");
}

#[test]
fn signed_out_once_an_hour_is_told_as_it_was() {
    check("refresh-token-race.md");
}
