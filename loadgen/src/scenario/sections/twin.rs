//! `twin`: the known-bad form of a scenario.

use crate::scenario::problem::Problems;
use crate::scenario::reader::{AnyTable, Kind, ListOf, Located, Shape, Table, Text};
use crate::scenario::span::Span;
use crate::scenario::yaml::{Node, Value};

/// Most thresholds a twin is said to break.
const MAX_BROKEN: usize = 20;

/// The twin as written.
#[derive(Debug, Clone)]
pub struct TwinDraft {
    /// What is bad about it.
    pub why: String,
    /// Thresholds it must break, each with where it is named.
    pub breaks: Vec<(String, Node)>,
    /// Where `breaks` stands.
    pub breaks_span: Span,
}

pub(super) fn twin(table: &mut Table<'_>) -> Option<TwinDraft> {
    let why = table.required("why", "What is bad about it, in a line", &Text);
    let breaks = table.required(
        "breaks",
        "The threshold it must break, as it stands in `thresholds`, or a list of them",
        &OneOrMore,
    );
    // Laid over the scenario before it is read, when the twin is what is asked for.
    let change = table.required(
        "change",
        "What is laid over the scenario: tables merge, all else is replaced",
        &AnyTable,
    );
    change?;
    Some(TwinDraft {
        why: why?,
        breaks: breaks?,
        breaks_span: table.key_span("breaks"),
    })
}

/// A text, or a list of them.
struct OneOrMore;

impl Kind for OneOrMore {
    type Value = Vec<(String, Node)>;

    fn read(&self, node: &Node, problems: &mut Problems) -> Option<Self::Value> {
        match &node.value {
            Value::Sequence(_) => texts().read(node, problems),
            Value::Scalar(_) | Value::Mapping(_) => {
                Located(Text).read(node, problems).map(|one| vec![one])
            }
        }
    }

    fn shape(&self) -> Shape {
        Shape::OneOf(vec![Text.shape(), texts().shape()])
    }
}

fn texts() -> ListOf<Located<Text>> {
    ListOf {
        item: Located(Text),
        min: 1,
        max: MAX_BROKEN,
    }
}
