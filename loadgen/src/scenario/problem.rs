//! What is wrong with a scenario, said to the person who will mend it: the
//! place, what was found, and what would be accepted.

use std::fmt::Write as _;

use super::feature::{Feature, Unavailable};
use super::plan::Mode;
use super::span::{Origin, Span};

/// Problems shown of one scenario; a file with more is not read to the end of
/// the list by anybody.
const SHOWN: usize = 50;

/// Characters of a source line shown around a problem.
const LINE_WIDTH: usize = 160;

/// Characters of a found value repeated in a message.
const QUOTED_WIDTH: usize = 60;

/// One thing wrong with a scenario.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where.
    pub span: Span,
    /// What: lowercase, no full stop, names in backticks.
    pub message: String,
    /// What to write instead, where that is known.
    pub hint: Option<String>,
}

/// The problems found so far, and what may yet turn out to be one.
#[derive(Debug, Clone, Default)]
pub struct Problems {
    found: Vec<Problem>,
    needs: Vec<(Feature, Span)>,
    /// Where all has been said: what is found there later follows from it.
    settled: Vec<Span>,
}

impl Problems {
    /// Notes a problem.
    pub fn add(&mut self, span: Span, message: impl Into<String>) {
        self.push(Problem {
            span,
            message: message.into(),
            hint: None,
        });
    }

    /// Notes a problem with a way out of it.
    pub fn add_with_hint(
        &mut self,
        span: Span,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push(Problem {
            span,
            message: message.into(),
            hint: Some(hint.into()),
        });
    }

    /// Notes a problem made elsewhere.
    pub fn push(&mut self, problem: Problem) {
        if !self.settled.contains(&problem.span) {
            self.found.push(problem);
        }
    }

    /// Nothing more is to be said of `span`.
    pub fn settle(&mut self, span: Span) {
        self.settled.push(span);
    }

    /// Notes that the scenario asks for `feature` at `span`.
    pub fn need(&mut self, feature: Feature, span: Span) {
        self.needs.push((feature, span));
    }

    /// Notes a problem for each feature asked for that cannot be had in `mode`.
    pub fn check_needs(&mut self, mode: Mode) {
        for (feature, span) in std::mem::take(&mut self.needs) {
            if let Some(Unavailable { message, hint }) = feature.unavailable_in(mode) {
                self.add_with_hint(span, message, hint);
            }
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// In the order they stand in the text, each once: a value used through an
    /// alias is read, and refused, more than once.
    #[must_use]
    pub fn sorted(mut self) -> Vec<Problem> {
        self.found.sort();
        self.found.dedup();
        self.found
    }
}

/// The texts problems point into.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The scenario's file name as given.
    pub file: String,
    /// What stands in it.
    pub text: String,
    /// Each file it extends, by name, with what stands in it.
    pub bases: Vec<(String, String)>,
    /// Each override as given on the command line, with the name of its option.
    pub overrides: Vec<(&'static str, String)>,
}

/// The whole message for the terminal, without colour, ending in a newline.
pub fn render(sources: &Sources, problems: &[Problem]) -> String {
    let count = problems.len();
    let plural = if count == 1 { "" } else { "s" };
    let mut out = format!(
        "error: scenario `{}` has {count} problem{plural}\n",
        printable(&sources.file)
    );
    for (index, problem) in problems.iter().take(SHOWN).enumerate() {
        if index > 0 {
            out.push('\n');
        }
        render_one(&mut out, sources, problem);
    }
    if count > SHOWN {
        let _ = writeln!(out, "\n... and {} more", count - SHOWN);
    }
    out
}

/// A found value, short and safe to print, in backticks.
pub fn quoted(found: &str) -> String {
    let safe = printable(found);
    if safe.chars().count() <= QUOTED_WIDTH {
        return format!("`{safe}`");
    }
    let head: String = safe.chars().take(QUOTED_WIDTH).collect();
    format!("`{head}...`")
}

/// `words` as `` `a`, `b` or `c` ``.
pub fn alternatives<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

/// The accepted word that `found` is most likely a misspelling of.
pub fn did_you_mean<'a>(
    found: &str,
    accepted: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // Beyond this nothing we accept is near, and the distance costs length squared.
    if found.len() > 64 {
        return None;
    }
    let found = found.to_lowercase();
    let near = |word: &str| strsim::damerau_levenshtein(&found, word);
    accepted
        .into_iter()
        .map(|word| (near(word), word))
        .filter(|(distance, word)| {
            *distance <= 2 && *distance < word.chars().count().min(found.chars().count())
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

fn render_one(out: &mut String, sources: &Sources, problem: &Problem) {
    let Span {
        origin,
        line,
        column,
        length,
    } = problem.span;
    let (place, text) = match origin {
        Origin::File => (printable(&sources.file), sources.text.as_str()),
        Origin::Base(index) => match sources.bases.get(index) {
            Some((file, text)) => (printable(file), text.as_str()),
            None => (printable(&sources.file), ""),
        },
        Origin::Override(index) => match sources.overrides.get(index) {
            Some((option, text)) => ((*option).to_owned(), text.as_str()),
            None => ("--set".to_owned(), ""),
        },
    };
    let number = line.to_string();
    let gutter = " ".repeat(number.len());
    let source = lines(text)
        .nth(line.saturating_sub(1) as usize)
        .unwrap_or("");
    let (shown, column_shown) = window(source, column.saturating_sub(1) as usize);
    let room = shown.chars().count().saturating_sub(column_shown).max(1);
    let carets = "^".repeat((length.max(1) as usize).min(room));
    let _ = writeln!(out, "{gutter}--> {place}:{line}:{column}");
    let _ = writeln!(out, "{gutter} |");
    let _ = writeln!(out, "{}", format!("{number} | {shown}").trim_end());
    let _ = writeln!(
        out,
        "{gutter} | {}{carets} {}",
        " ".repeat(column_shown),
        problem.message
    );
    if let Some(hint) = &problem.hint {
        let _ = writeln!(out, "{gutter} = hint: {hint}");
    }
}

/// The part of a line worth showing, and where `column` (from 0) falls in it.
fn window(line: &str, column: usize) -> (String, usize) {
    let safe = printable(line);
    if safe.chars().count() <= LINE_WIDTH {
        return (safe, column);
    }
    let first = column.saturating_sub(LINE_WIDTH / 2);
    (
        safe.chars().skip(first).take(LINE_WIDTH).collect(),
        column - first,
    )
}

/// Lines as YAML breaks them: at LF, CR LF and CR.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n')
        .flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

/// One column for each character, and nothing that steers a terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\t' => ' ',
            other if other.is_control() => '\u{fffd}',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(line: u32, column: u32, length: u32) -> Span {
        Span {
            origin: Origin::File,
            line,
            column,
            length,
        }
    }

    fn sources(text: &str) -> Sources {
        Sources {
            file: "scenarios/x.yaml".to_owned(),
            text: text.to_owned(),
            bases: Vec::new(),
            overrides: vec![("--set", "duration=2x".to_owned())],
        }
    }

    #[test]
    fn problems_stand_in_the_order_of_the_text_with_caret_and_hint() {
        let mut problems = Problems::default();
        problems.add(span(2, 1, 4), "unknown key `sped`");
        problems.add_with_hint(
            span(1, 7, 3),
            "`500` needs a unit",
            "write `500/s` or `500/min`",
        );
        problems.add_with_hint(
            span(1, 7, 3),
            "`500` needs a unit",
            "write `500/s` or `500/min`",
        );
        problems.add(
            Span {
                origin: Origin::Override(0),
                ..span(1, 10, 2)
            },
            "`2x` has no known unit",
        );
        let rendered = render(&sources("rate: 500\nsped: 3\n"), &problems.sorted());
        assert_eq!(
            rendered,
            "\
error: scenario `scenarios/x.yaml` has 3 problems
 --> scenarios/x.yaml:1:7
  |
1 | rate: 500
  |       ^^^ `500` needs a unit
  = hint: write `500/s` or `500/min`

 --> scenarios/x.yaml:2:1
  |
2 | sped: 3
  | ^^^^ unknown key `sped`

 --> --set:1:10
  |
1 | duration=2x
  |          ^^ `2x` has no known unit
"
        );
    }

    #[test]
    fn a_problem_cannot_steer_the_terminal_or_flood_it() {
        let long = "x".repeat(100_000);
        let text = format!("a: \u{1b}[31m{long}\n");
        let mut problems = Problems::default();
        for column in 1..=60 {
            problems.add(
                span(1, column * 1000, 90_000),
                format!("bad {}", quoted(&long)),
            );
        }
        let rendered = render(&sources(&text), &problems.sorted());
        assert!(!rendered.contains('\u{1b}'), "escape sequence kept");
        assert!(rendered.ends_with("\n... and 10 more\n"), "{rendered}");
        assert!(
            rendered.lines().all(|line| line.chars().count() < 260),
            "a line is too long"
        );
    }

    #[test]
    fn a_place_outside_the_text_is_still_shown() {
        let rendered = render(
            &sources(""),
            &[Problem {
                span: span(9, 4, 2),
                message: "m".to_owned(),
                hint: None,
            }],
        );
        assert!(rendered.contains("9 |\n"), "{rendered}");
        assert!(rendered.contains("  |    ^ m\n"), "{rendered}");
    }

    #[test]
    fn near_words_are_offered_and_far_ones_are_not() {
        let accepted = ["rate", "flow", "arrivals", "l1"];
        let cases = [
            ("rte", Some("rate")),
            ("arivals", Some("arrivals")),
            ("arivls", Some("arrivals")),
            ("Flow", Some("flow")),
            ("l2", Some("l1")),
            ("x", None),
            ("threshold", None),
            ("", None),
        ];
        for (found, expected) in cases {
            assert_eq!(did_you_mean(found, accepted), expected, "{found}");
        }
    }

    #[test]
    fn alternatives_read_as_a_sentence() {
        assert_eq!(alternatives([]), "");
        assert_eq!(alternatives(["a"]), "`a`");
        assert_eq!(alternatives(["a", "b", "c"]), "`a`, `b` or `c`");
    }
}
