//! Changes to a scenario from the command line: `--seed 7`, `--set duration=2s`,
//! `--set traffic[0].rate=5/s`.
//!
//! They are laid over the tree before it is read, so an override is checked
//! exactly as if it stood in the file, and its problems point into its text.

use std::collections::BTreeMap;

use super::plan::Mode;
use super::problem::{Problems, quoted};
use super::span::{Origin, Span};
use super::yaml::{self, Entry, Key, Node, Value};

/// What the command line changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--seed`; it wins over a `--set seed=...`.
    pub seed: Option<u64>,
    /// Each `--set`, as given: `path=value`.
    pub set: Vec<String>,
    /// `--mode`; it wins over a `--set mode=...`.
    pub mode: Option<Mode>,
    /// `--twin`: the scenario's known-bad form in its place.
    pub twin: bool,
    /// `--full`: the scenario in its full size.
    pub full: bool,
    /// What `${NAME}` in the file stands for, by name.
    pub variables: BTreeMap<String, String>,
}

impl Overrides {
    /// The texts that problems may point into, each with its option.
    pub fn sources(&self) -> Vec<(&'static str, String)> {
        let set = self.set.iter().map(|text| ("--set", text.clone()));
        set.chain(self.options().map(|(option, _, value)| (option, value)))
            .collect()
    }

    /// The options that stand for one key, after the `--set`s.
    fn options(&self) -> impl Iterator<Item = (&'static str, &'static str, String)> + use<> {
        let seed = self.seed.map(|seed| ("--seed", "seed", seed.to_string()));
        let mode = self
            .mode
            .map(|mode| ("--mode", "mode", mode.as_str().to_owned()));
        seed.into_iter().chain(mode)
    }

    /// Lays the changes over `root`, in the order given.
    pub fn apply(&self, root: &mut Node, problems: &mut Problems) {
        for (index, text) in self.set.iter().enumerate() {
            set(root, text, Origin::Override(index), problems);
        }
        for (index, (_, key, value)) in self.options().enumerate() {
            let origin = Origin::Override(self.set.len() + index);
            let span = Span::start_of(origin).part(0, value.len());
            let steps = [Step::Key(key.to_owned(), span)];
            place(root, &steps, Node::scalar(value, span), problems);
        }
    }
}

/// One step of a path, with where it stands in the override.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String, Span),
    Index(usize, Span),
}

fn set(root: &mut Node, text: &str, origin: Origin, problems: &mut Problems) {
    let start = Span::start_of(origin);
    let example = "write `--set duration=2s` or `--set traffic[0].rate=5/s`";
    let Some((path, value)) = text.split_once('=') else {
        problems.add_with_hint(
            start.part(0, text.chars().count()),
            format!("{} has no `=`", quoted(text)),
            example,
        );
        return;
    };
    let Some(steps) = steps(path, start) else {
        problems.add_with_hint(
            start.part(0, path.chars().count()),
            format!("{} is not the path of a value", quoted(path)),
            example,
        );
        return;
    };
    let shift = path.chars().count() + 1;
    if value.trim().is_empty() {
        problems.add_with_hint(
            start.part(shift - 1, 1),
            format!("`{path}` gets no value"),
            example,
        );
        return;
    }
    if let Some(node) = yaml::read(value, origin, shift, problems) {
        place(root, &steps, node, problems);
    }
}

/// `a.b[0].c` as steps; `None` when a part is empty or a bracket is off.
fn steps(path: &str, start: Span) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut column = 0;
    for part in path.split('.') {
        let (name, brackets) = part.split_at(part.find('[').unwrap_or(part.len()));
        if name.is_empty()
            || name.contains(|character: char| character.is_whitespace() || character == ']')
        {
            return None;
        }
        steps.push(Step::Key(
            name.to_owned(),
            start.part(column, name.chars().count()),
        ));
        let mut at = column + name.chars().count();
        let mut rest = brackets;
        while !rest.is_empty() {
            let (index, after) = rest.strip_prefix('[')?.split_once(']')?;
            let number = index
                .bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| index.parse().ok())??;
            steps.push(Step::Index(number, start.part(at, index.len() + 2)));
            at += index.len() + 2;
            rest = after;
        }
        column += part.chars().count() + 1;
    }
    Some(steps)
}

/// Puts `node` where `steps` lead, making tables on the way. Whether the keys
/// mean anything is for the reader to say.
fn place(root: &mut Node, steps: &[Step], node: Node, problems: &mut Problems) {
    let mut at = root;
    for (done, step) in steps.iter().enumerate() {
        if at.is_null() {
            at.value = Value::Mapping(Vec::new());
        }
        let found = at.describe();
        let path = || path_of(&steps[..done]);
        at = match (step, &mut at.value) {
            (Step::Key(name, span), Value::Mapping(entries)) => child(entries, name, *span),
            (Step::Index(index, span), Value::Sequence(items)) => {
                let count = items.len();
                match items.get_mut(*index) {
                    Some(item) => item,
                    None => {
                        return problems.add_with_hint(
                            *span,
                            format!("`{}` has no entry {index}", path()),
                            match count {
                                0 => "it is empty".to_owned(),
                                _ => format!("its entries are 0 to {}", count - 1),
                            },
                        );
                    }
                }
            }
            (Step::Key(_, span), _) => {
                return problems.add_with_hint(
                    *span,
                    format!("`{}` is {found}, which has no keys", path()),
                    format!("set all of it: `--set '{}={{...}}'`", path()),
                );
            }
            (Step::Index(_, span), _) => {
                return problems.add_with_hint(
                    *span,
                    format!("`{}` is {found}, not a list", path()),
                    "an index such as `[0]` is for the entries of a list",
                );
            }
        };
    }
    *at = node;
}

fn child<'a>(entries: &'a mut Vec<Entry>, name: &str, span: Span) -> &'a mut Node {
    let index = entries
        .iter()
        .position(|entry| entry.key.text == name)
        .unwrap_or_else(|| {
            let key = Key {
                text: name.to_owned(),
                span,
            };
            entries.push(Entry {
                key,
                node: Node::empty_mapping(span),
            });
            entries.len() - 1
        });
    &mut entries[index].node
}

fn path_of(steps: &[Step]) -> String {
    let parts = steps.iter().map(|step| match step {
        Step::Key(name, _) => format!(".{name}"),
        Step::Index(index, _) => format!("[{index}]"),
    });
    let path: Vec<String> = parts.collect();
    path.concat().trim_start_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The tree as one line of text.
    fn show(node: &Node) -> String {
        match &node.value {
            Value::Scalar(scalar) => scalar.text.clone(),
            Value::Sequence(items) => format!(
                "[{}]",
                items.iter().map(show).collect::<Vec<_>>().join(", ")
            ),
            Value::Mapping(entries) => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|entry| format!("{}: {}", entry.key.text, show(&entry.node)))
                    .collect();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }

    fn apply(file: &str, set: &[&str], seed: Option<u64>) -> (String, Vec<String>) {
        let mut problems = Problems::default();
        let mut root = yaml::read(file, Origin::File, 0, &mut problems).unwrap();
        let overrides = Overrides {
            seed,
            set: set.iter().map(|text| (*text).to_owned()).collect(),
            ..Overrides::default()
        };
        overrides.apply(&mut root, &mut problems);
        let problems = problems.sorted().into_iter();
        let said = problems
            .map(|problem| format!("{} {}", problem.span.column, problem.message))
            .collect();
        (show(&root), said)
    }

    #[test]
    fn overrides_replace_add_and_reach_into_lists() {
        let file = "duration: 10s\ntraffic: [{rate: 1/s}, {rate: 2/s}]\nidp:\n";
        let set = [
            "duration=2s",
            "traffic[1].rate=5/s",
            "cache.l2={store: memory}",
            "idp.latency.token=1ms",
        ];
        assert_eq!(
            apply(file, &set, Some(7)),
            (
                "{duration: 2s, traffic: [{rate: 1/s}, {rate: 5/s}], idp: {latency: {token: 1ms}}, \
                 cache: {l2: {store: memory}}, seed: 7}"
                    .to_owned(),
                vec![]
            )
        );
    }

    #[test]
    fn the_last_override_wins_and_seed_after_all() {
        assert_eq!(
            apply("a: 1", &["seed=1", "seed=2"], None).0,
            "{a: 1, seed: 2}"
        );
        assert_eq!(
            apply("a: 1", &["seed=1", "seed=2"], Some(3)).0,
            "{a: 1, seed: 3}"
        );
    }

    #[test]
    fn an_override_that_leads_nowhere_says_so() {
        let cases = [
            ("duration", "1 `duration` has no `=`"),
            ("=2s", "1 `` is not the path of a value"),
            ("a..b=2s", "1 `a..b` is not the path of a value"),
            ("list[x]=2s", "1 `list[x]` is not the path of a value"),
            ("list[0=2s", "1 `list[0` is not the path of a value"),
            ("list[2]=2s", "5 `list` has no entry 2"),
            ("one[0]=2s", "4 `one` is `1`, not a list"),
            ("one.two=2s", "5 `one` is `1`, which has no keys"),
            ("one=", "4 `one` gets no value"),
            (
                "one=[",
                "6 this is not YAML: while parsing a node, did not find expected node content",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(
                apply("one: 1\nlist: [a, b]", &[text], None).1,
                [expected],
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_override_is_laid_over_or_refused(text in ".*", near in "[a-c.\\[\\]0-9=:{} ]{0,30}") {
            apply("a: {b: [1, {c: 2}]}", &[text.as_str(), near.as_str()], None);
        }
    }
}
