//! Users of a model: they call, wait, think, and call again, until the run's time
//! is over.

use super::{Millis, Operation, Simulation, Task, millis};
use crate::arrival::Arrival;
use crate::engine::users::{Pauses, call, closed_loops};
use crate::engine::virtual_time::whole_milliseconds;
use crate::scenario::plan::UsersPlan;

/// A user of a closed loop.
pub(super) struct User {
    flow_index: usize,
    plan: UsersPlan,
    /// From 0 within the loop.
    number: u64,
    /// Calls made so far.
    round: u64,
    pauses: Pauses,
}

impl Simulation<'_> {
    /// Lets the users of all closed loops come; whether there are any.
    pub(super) fn let_users_come(&mut self) -> bool {
        for (flow_index, plan) in closed_loops(self.plan) {
            for number in 0..plan.count {
                let pauses = Pauses::of(self.plan, flow_index, &plan, number);
                self.users.push(User {
                    flow_index,
                    plan: plan.clone(),
                    number,
                    round: 0,
                    pauses,
                });
                self.think(self.users.len() - 1);
            }
        }
        !self.users.is_empty()
    }

    /// When no user calls any more.
    pub(super) fn end(&self) -> Millis {
        self.begin + millis(self.plan.duration)
    }

    /// A user thinks before the next call.
    pub(super) fn think(&mut self, user: usize) {
        let pause = self.users[user].pauses.next();
        let due = self.now.saturating_add(millis(whole_milliseconds(pause)));
        if due == self.now {
            self.queue.push_back(Task::Call(user));
        } else {
            self.at(due.min(self.end()), Task::Call(user));
        }
    }

    /// A user has thought.
    pub(super) fn call(&mut self, number: usize) {
        if self.now >= self.end() || self.users_leave {
            return;
        }
        let user = &mut self.users[number];
        let arrival = Arrival {
            number: self.called,
            intended: std::time::Duration::from_millis(self.now - self.begin),
            ..call(user.flow_index, &user.plan, user.number, user.round)
        };
        user.round += 1;
        self.called += 1;
        let subject = self.subjects.of(&arrival);
        self.come(Operation {
            user: Some(number),
            ..Operation::of(arrival, subject, self.now)
        });
    }
}
