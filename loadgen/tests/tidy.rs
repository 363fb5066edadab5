//! What the workspace says of itself is so: its documents name what exists, its
//! commands are taken, its files open with what they are for.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser as _;
use loadgen::cli::Cli;

const CRATES: [&str; 5] = [
    "token-cache",
    "token-client",
    "mock-idp",
    "loadgen",
    "telemetry",
];

const DOCUMENTS: [&str; 3] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"];

/// Longer files are split.
const MOST_LINES: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn document(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every Rust file below `directory`.
fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

#[test]
fn every_module_says_what_it_is_for_and_is_short_enough_to_read() {
    for name in CRATES {
        let files = rust_files(&root().join(name).join("src"));
        assert!(!files.is_empty(), "{name}");
        for path in files {
            let text = fs::read_to_string(&path).unwrap();
            let path = path.display();
            assert!(
                text.starts_with("//! "),
                "{path} does not begin with `//! `"
            );
            let lines = text.lines().count();
            assert!(lines <= MOST_LINES, "{path} has {lines} lines");
        }
    }
}

/// What stands in backticks in running text, code blocks left out.
fn quoted(text: &str) -> Vec<&str> {
    let mut in_block = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            found.extend(line.split('`').skip(1).step_by(2));
        }
    }
    found
}

/// Where the relative links of a document lead.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1);
    targets
        .filter_map(|rest| rest.split([')', '#']).next())
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .collect()
}

/// Whether a quotation names a file or directory of the repository.
fn is_path(quotation: &str) -> bool {
    const ENDINGS: [&str; 6] = [".rs", ".md", ".toml", ".yaml", ".yml", ".txt"];
    /// What a run writes is not in the repository.
    const WRITTEN: [&str; 1] = ["report.txt"];
    let plain = quotation
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || "_-./".contains(letter));
    // `/metrics` is a page and `/path/to/ca.pem` is anywhere.
    let elsewhere = quotation.starts_with('/') || WRITTEN.contains(&quotation);
    let like_one =
        quotation.contains('/') || ENDINGS.iter().any(|ending| quotation.ends_with(ending));
    plain && like_one && !elsewhere
}

/// Within the walk through one acquisition, files are named from `loadgen/src`.
fn exists(path: &str) -> bool {
    ["", "loadgen/src"]
        .iter()
        .any(|base| root().join(base).join(path).exists())
}

#[test]
fn every_path_that_the_documents_name_exists() {
    for name in DOCUMENTS {
        let text = document(name);
        let quoted: Vec<&str> = quoted(&text).into_iter().filter(|it| is_path(it)).collect();
        let links = links(&text);
        assert!(!quoted.is_empty(), "{name} names no path");
        for path in quoted.into_iter().chain(links) {
            assert!(exists(path), "{name} names `{path}`, which is not there");
        }
    }
}

#[test]
fn every_directory_of_sources_is_on_the_code_map() {
    let map = document("ARCHITECTURE.md");
    for name in CRATES {
        for entry in fs::read_dir(root().join(name).join("src")).unwrap() {
            let path = entry.unwrap().path();
            let directory = path.file_name().unwrap().to_str().unwrap();
            // A directory beside a file of its name belongs to that file.
            if path.is_dir() && !path.with_extension("rs").is_file() {
                let named = format!("`{name}/src/{directory}/`");
                assert!(map.contains(&named), "ARCHITECTURE.md lacks {named}");
            }
        }
    }
}

/// A command line that a document shows, with the program in front.
#[derive(Debug)]
struct Shown {
    document: &'static str,
    words: Vec<String>,
}

/// Every command line of `program` in the code blocks and quotations of the
/// documents, `cargo run -p` read as the program itself.
fn shown(program: &str) -> Vec<Shown> {
    let mut found = Vec::new();
    for document_name in DOCUMENTS {
        let text = document(document_name);
        let mut in_block = false;
        let mut lines = Vec::new();
        for line in text.lines() {
            if let Some(language) = line.strip_prefix("```") {
                in_block = !in_block && ["sh", "console"].contains(&language);
            } else if in_block {
                lines.push(line);
            }
        }
        lines.extend(quoted(&text));
        for line in lines {
            let line = line.split(['#', '|', '>', '&']).next().unwrap_or(line);
            let words: Vec<&str> = line
                .split_whitespace()
                .skip_while(|word| *word == "$")
                .collect();
            if let Some(arguments) = arguments(program, &words) {
                found.push(Shown {
                    document: document_name,
                    words: arguments.iter().map(|&word| word.to_owned()).collect(),
                });
            }
        }
    }
    found
}

/// What follows the program in `words`, if that is what they run and not only
/// mention.
fn arguments<'a>(program: &str, words: &'a [&'a str]) -> Option<&'a [&'a str]> {
    let after = match words {
        [first, after @ ..] if *first == program => after,
        ["cargo", "run", options @ ..] => {
            let dashes = options.iter().position(|word| *word == "--")?;
            let of_program = options[..dashes]
                .windows(2)
                .any(|pair| pair == ["-p", program]);
            of_program.then_some(&options[dashes + 1..])?
        }
        _ => return None,
    };
    (!after.is_empty()).then_some(after)
}

fn is_scenario(word: &str) -> bool {
    Path::new(word)
        .extension()
        .is_some_and(|extension| extension == "yaml")
}

#[test]
fn every_loadgen_command_in_the_documents_is_one() {
    let commands = shown("loadgen");
    assert!(commands.len() >= 4, "{commands:?}");
    for Shown { document, words } in commands {
        let line = words.join(" ");
        let parsed =
            Cli::try_parse_from(std::iter::once("loadgen".to_owned()).chain(words.clone()));
        if let Err(error) = parsed {
            panic!("{document} shows `loadgen {line}`: {error}");
        }
        for file in words.iter().filter(|word| is_scenario(word)) {
            // A scenario in capitals stands for any.
            if !file.contains("NAME") {
                assert!(exists(file), "{document} shows `loadgen {line}`");
            }
        }
    }
}

#[test]
fn every_mock_idp_command_in_the_documents_is_one() {
    let program = Path::new(env!("CARGO_BIN_EXE_loadgen")).with_file_name("mock-idp");
    assert!(
        program.is_file(),
        "{} is needed: `cargo build -p mock-idp`, or `cargo test --workspace`",
        program.display()
    );
    let commands = shown("mock-idp");
    assert!(commands.len() >= 2, "{commands:?}");
    for Shown { document, words } in commands {
        // With `--help` last, what stands before is parsed and nothing is done; what stands after
        // `--` is another program's.
        let own = words.iter().position(|word| word == "--");
        let output = Command::new(&program)
            .args(&words[..own.unwrap_or(words.len())])
            .arg("--help")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = words.join(" ");
        assert!(
            output.status.success(),
            "{document} shows `mock-idp {line}`: {said}"
        );
    }
}
