//! `traffic`: the flows offered and how each arrives.

use std::collections::HashMap;
use std::sync::Arc;

use crate::scenario::plan::{Arrivals, Flow, TrafficPlan};
use crate::scenario::problem::{Problems, quoted};
use crate::scenario::reader::{Bad, Choice, ListOf, Located, Quantity, Table, TableOf, Text};
use crate::scenario::span::Span;
use crate::scenario::units::Rate;

/// Flows of one scenario: each is a value of the metrics' `flow` label.
pub(super) const MAX_FLOWS: usize = 16;

/// An entry of `traffic`, as far as it could be read: thresholds on a flow with
/// a bad rate can still be checked for their own slips.
#[derive(Debug, Clone)]
pub struct TrafficDraft {
    /// Its name; `None` when that is bad.
    pub name: Option<String>,
    name_span: Span,
    flow: Option<Flow>,
    arrivals: Option<Arrivals>,
    /// Its rate; `None` when that is missing or bad.
    pub rate: Option<Rate>,
}

impl TrafficDraft {
    pub(in crate::scenario) fn into_plan(self) -> Option<TrafficPlan> {
        Some(TrafficPlan {
            name: Arc::from(self.name?),
            flow: self.flow?,
            arrivals: self.arrivals?,
            rate: self.rate?,
        })
    }
}

pub(super) fn traffic() -> ListOf<TableOf<TrafficDraft>> {
    ListOf {
        item: TableOf(entry),
        min: 1,
        max: MAX_FLOWS,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "sections share one signature")]
fn entry(table: &mut Table<'_>) -> Option<TrafficDraft> {
    let name = table.optional(
        "name",
        "Its name in the report; the flow's own by default",
        &Located(Text),
    );
    let flow = table.required(
        "flow",
        "What each arrival does",
        &Choice(&[
            ("client_credentials", Flow::ClientCredentials),
            ("authorization_code", Flow::AuthorizationCode),
            ("on_behalf_of", Flow::OnBehalfOf),
        ]),
    );
    let arrivals = table.or(
        "arrivals",
        "How arrivals are spaced",
        "poisson",
        &Choice(&[
            ("constant", Arrivals::Constant),
            ("poisson", Arrivals::Poisson),
        ]),
    );
    let rate = table.required("rate", "Mean arrivals", &Quantity::rate());
    let name = match name {
        Ok(Some((name, _))) if is_name(&name) => Some(name),
        Ok(Some((name, node))) => {
            table.problems().add_with_hint(
                node.span,
                format!("{} cannot be a label value", quoted(&name)),
                "write small letters, digits and `_`, a letter first",
            );
            None
        }
        Ok(None) => flow.map(|flow: Flow| flow.as_str().to_owned()),
        Err(Bad) => None,
    };
    let name_span = if table.has("name") {
        table.value_span("name")
    } else {
        table.value_span("flow")
    };
    Some(TrafficDraft {
        name,
        name_span,
        flow,
        arrivals,
        rate,
    })
}

/// Notes names that are used twice.
pub(super) fn check_names(drafts: &[TrafficDraft], problems: &mut Problems) {
    let mut seen: HashMap<&str, Span> = HashMap::new();
    for draft in drafts {
        let Some(name) = draft.name.as_deref() else {
            continue;
        };
        match seen.get(name) {
            Some(first) => problems.add_with_hint(
                draft.name_span,
                format!("{} is the name of two entries", quoted(name)),
                format!(
                    "the first is on line {}: give one of them another `name`",
                    first.line
                ),
            ),
            None => {
                seen.insert(name, draft.name_span);
            }
        }
    }
}

fn is_name(text: &str) -> bool {
    let first_is_letter = text
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_lowercase());
    let all_allowed = text
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    first_is_letter && all_allowed && text.len() <= 64
}
