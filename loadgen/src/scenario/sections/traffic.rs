//! `traffic`: the flows offered and how each arrives.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::load::{LoadDraft, load};
use crate::scenario::feature::Feature;
use crate::scenario::plan::{ApplicationCache, Flow, Load, TracePlan, TrafficPlan};
use crate::scenario::problem::{Problems, quoted};
use crate::scenario::reader::{
    AnyShare, Bad, Choice, Integer, ListOf, Located, Table, TableOf, Text,
};
use crate::scenario::span::Span;
use crate::scenario::units::Share;

/// Flows of one scenario: each is a value of the metrics' `flow` label.
pub(super) const MAX_FLOWS: usize = 16;

/// An entry of `traffic`, as far as it could be read: thresholds on a flow with
/// a bad rate can still be checked for their own slips.
#[derive(Debug, Clone)]
pub struct TrafficDraft {
    /// Its name; `None` when that is bad.
    pub name: Option<String>,
    name_span: Span,
    /// What each arrival does; `None` when that is bad.
    pub flow: Option<Flow>,
    /// Where that is written.
    pub flow_span: Span,
    load: Option<LoadDraft>,
    /// Where its load is written.
    pub load_span: Span,
    force_refresh: Option<Share>,
    claims: Option<Share>,
    rephrased: Option<bool>,
    key_values: Option<u32>,
    application_cache: Option<ApplicationCache>,
    code_replayed: Option<bool>,
}

impl TrafficDraft {
    /// Calls on average over `duration`, where that is known.
    pub fn expected_arrivals(&self, duration: Duration) -> Option<f64> {
        match self.load.as_ref()? {
            LoadDraft::Ready(load) => load.expected_arrivals(duration),
            LoadDraft::Trace { .. } => None,
        }
    }

    /// Most calls in a second on average; `None` where that is not known, or
    /// calls come all at once.
    pub fn peak(&self) -> Option<f64> {
        match self.load.as_ref()? {
            LoadDraft::Ready(Load::Rate(rate)) => Some(rate.peak()),
            LoadDraft::Ready(Load::Visits(visits)) => {
                Some(visits.starts.peak() * visits.calls_a_session())
            }
            LoadDraft::Ready(Load::Bursts(_) | Load::Trace(_) | Load::Users(_))
            | LoadDraft::Trace { .. } => None,
        }
    }

    /// Whether a stationary law of its keys is known: of an application's own tokens
    /// and of signed-in users', asked for at a rate. What could not be read is not
    /// judged.
    pub fn can_be_stationary(&self) -> bool {
        let flow = self
            .flow
            .is_none_or(|flow| matches!(flow, Flow::ClientCredentials | Flow::AuthorizationCode));
        let load = self
            .load
            .as_ref()
            .is_none_or(|load| matches!(load, LoadDraft::Ready(Load::Rate(_))));
        let plain = self.key_values.is_none_or(|values| values == 0)
            && self.application_cache != Some(ApplicationCache::ByResource);
        flow && load && plain
    }

    /// Whether its calls come in visits.
    pub fn comes_in_visits(&self) -> bool {
        matches!(self.load, Some(LoadDraft::Ready(Load::Visits(_))))
    }

    /// Calls that are due, or under way, at once by what is written.
    pub fn at_once(&self) -> Option<u64> {
        match self.load.as_ref()? {
            LoadDraft::Ready(Load::Bursts(bursts)) => bursts.iter().map(|burst| burst.calls).max(),
            LoadDraft::Ready(Load::Users(users)) => Some(users.count),
            LoadDraft::Ready(_) | LoadDraft::Trace { .. } => None,
        }
    }

    /// The trace it replays, if it does: the file, the speed, and where the
    /// file is named.
    pub(in crate::scenario) fn trace(&self) -> Option<(&str, f64, Span)> {
        match self.load.as_ref()? {
            LoadDraft::Trace { file, speed, span } => Some((file, *speed, *span)),
            LoadDraft::Ready(_) => None,
        }
    }

    /// The trace has been read.
    pub(in crate::scenario) fn set_trace(&mut self, file: PathBuf, rows: TraceRows) {
        self.load = Some(LoadDraft::Ready(Load::Trace(TracePlan { file, rows })));
    }

    pub(in crate::scenario) fn into_plan(self) -> Option<TrafficPlan> {
        Some(TrafficPlan {
            name: Arc::from(self.name?),
            flow: self.flow?,
            load: match self.load? {
                LoadDraft::Ready(load) => load,
                LoadDraft::Trace { .. } => return None,
            },
            force_refresh: self.force_refresh?,
            claims: self.claims?,
            rephrased: self.rephrased?,
            key_values: self.key_values?,
            application_cache: self.application_cache?,
            code_replayed: self.code_replayed?,
        })
    }
}

/// The calls of a trace.
pub(in crate::scenario) type TraceRows = Arc<[crate::scenario::plan::TraceRow]>;

pub(super) fn traffic() -> ListOf<TableOf<TrafficDraft>> {
    ListOf {
        item: TableOf(entry),
        min: 1,
        max: MAX_FLOWS,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "sections share one signature")]
#[expect(clippy::too_many_lines, reason = "a table: a key after the other")]
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
            ("long_running_obo", Flow::LongRunningObo),
            ("silent", Flow::Silent),
            ("refresh_token", Flow::RefreshToken),
            ("managed_identity", Flow::ManagedIdentity),
        ]),
    );
    let (load, load_span) = load(table, flow);
    let force_refresh = table.or(
        "force_refresh",
        "Part of the calls that pass over cached access tokens",
        "0%",
        &AnyShare,
    );
    let claims = table.or(
        "claims",
        "Part of the calls that answer a claims challenge from the resource",
        "0%",
        &AnyShare,
    );
    let rephrased = table.or(
        "wording",
        "Whether each call says what it wants in words of its own: scopes in another case or order, repeated, with OpenID Connect's added",
        "same",
        &Choice(&[("same", false), ("varied", true)]),
    );
    let key_values = table.or(
        "key_values",
        "Values that the application puts into the cache key beside what belongs there, one drawn at each call; `0` for none",
        "0",
        &Integer {
            min: 0,
            max: 1_000_000,
        },
    );
    if let (Some(Flow::Silent), Some(LoadDraft::Ready(Load::Visits(visits)))) = (flow, &load)
        && visits.sign_out.get() > 0.0
    {
        table.problems().add_with_hint(
            load_span,
            "users who sign out have to sign in again, and in the flow `silent` nobody does",
            "leave `sign_out` out, or write `flow: authorization_code`",
        );
    }
    let application_cache = table.or(
        "application_cache",
        "What the application keeps tokens by in a dictionary of its own, before it asks the client",
        "none",
        &Choice(&[
            ("none", ApplicationCache::None),
            ("by_resource", ApplicationCache::ByResource),
        ]),
    );
    let code_replayed = table.or(
        "code_redeemed",
        "Who redeems the code of a sign-in: the application, or its web framework's middleware and then the application again",
        "once",
        &Choice(&[("once", false), ("twice", true)]),
    );
    if code_replayed == Some(true) {
        table.needs(Feature::CodeReplay, "code_redeemed");
        if flow.is_some_and(|flow| flow != Flow::AuthorizationCode) {
            let span = table.key_span("code_redeemed");
            table.problems().add_with_hint(
                span,
                "only users who sign in bring a code",
                "write `flow: authorization_code`, or leave `code_redeemed` out",
            );
        }
    }
    if application_cache.is_some_and(|kept| kept != ApplicationCache::None) {
        table.needs(Feature::Wording, "application_cache");
    }
    if rephrased == Some(true) {
        table.needs(Feature::Wording, "wording");
    }
    if key_values.is_some_and(|values| values > 0) {
        table.needs(Feature::Wording, "key_values");
    }
    for (key, share) in [("force_refresh", force_refresh), ("claims", claims)] {
        if share.is_some_and(|share| share.get() > 0.0) {
            table.needs(Feature::PassOver, key);
        }
    }
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
        flow_span: table.value_span("flow"),
        load,
        load_span,
        force_refresh,
        claims,
        rephrased,
        application_cache,
        code_replayed,
        key_values: key_values.and_then(|values| u32::try_from(values).ok()),
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
