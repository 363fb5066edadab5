//! Who is signed in when the run of a model begins, and since when.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::cache::PartitionId;
use super::{Operation, Purpose, Simulation, millis};
use crate::arrival::Arrival;
use crate::engine::beforehand::{AT_ONCE, callers};
use crate::engine::virtual_time::whole_milliseconds;
use crate::scenario::plan::Flow;

impl Simulation<'_> {
    /// Signs in the users who are signed in when the run begins, some at a time as a run
    /// does; it begins when the last is. None of it is counted.
    pub(super) fn sign_in_beforehand(&mut self) {
        let mut waiting = callers(self.plan, &self.subjects, |flow| flow == Flow::Silent);
        waiting.retain(|(_, who)| {
            let user = who.user.unwrap_or_default();
            !self.callers.signed_in.contains(&(who.application, user))
        });
        let mut waiting = waiting.into_iter();
        let mut under_way = BinaryHeap::new();
        let mut begun = Vec::new();
        loop {
            while under_way.len() < AT_ONCE
                && let Some((_, subject)) = waiting.next()
            {
                let takes = millis(whole_milliseconds(self.pace.draw()));
                under_way.push(Reverse((self.now + takes, begun.len())));
                // No arrival of the run's: it stands for the sign-in alone.
                let arrival = Arrival::numbered(0, 0, Duration::ZERO);
                begun.push(Operation::of(arrival, subject, self.now));
            }
            let Some(Reverse((ends, number))) = under_way.pop() else {
                break;
            };
            self.now = ends;
            let operation = begun[number];
            let user = operation.subject.user.unwrap_or_default();
            let account = PartitionId::Account { user };
            let want = self.want(operation, account, Purpose::Acquire);
            self.store(want, operation.started);
            let application = operation.subject.application;
            self.callers.signed_in.insert((application, user));
        }
        self.begin = self.now;
    }
}
