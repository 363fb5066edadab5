//! Who has something to do before a run begins: the same on every clock.

use std::collections::BTreeMap;

use super::subjects::Subjects;
use super::users::first_calls;
use crate::arrival::Schedule;
use crate::population::Subject;
use crate::scenario::plan::{Flow, Plan};

/// Callers who get ready at a time.
pub(super) const AT_ONCE: usize = 32;

/// Every caller of the flows that are meant, by the first call of each, in an order of
/// its own.
pub(super) fn callers(
    plan: &Plan,
    subjects: &Subjects,
    is_meant: impl Fn(Flow) -> bool,
) -> Vec<(Flow, Subject)> {
    if !plan.traffic.iter().any(|traffic| is_meant(traffic.flow)) {
        // A day of arrivals need not be drawn to find that out.
        return Vec::new();
    }
    let mut callers = BTreeMap::new();
    for arrival in Schedule::new(plan).chain(first_calls(plan)) {
        let flow = plan.traffic[arrival.flow_index].flow;
        if is_meant(flow) {
            let subject = subjects.of(&arrival);
            let who = (flow, subject.application, subject.user, subject.session);
            callers.entry(who).or_insert(subject);
        }
    }
    let callers = callers.into_iter();
    callers.map(|((flow, ..), who)| (flow, who)).collect()
}
