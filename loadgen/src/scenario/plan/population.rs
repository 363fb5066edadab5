//! The population of a plan.

use std::time::Duration;

use crate::scenario::units::{Rate, Share};

/// Who asks for tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct PopulationPlan {
    /// Tenants; at least one.
    pub tenants: Group,
    /// Applications (client ids) of the service; at least one. They neither
    /// come nor go.
    pub applications: Group,
    /// Users over all tenants; at least one.
    pub users: Group,
    /// Protected resources, each one scope; at least one.
    pub resources: Group,
    /// How many sessions a user has at once: each brings its own assertion to
    /// on-behalf-of flows.
    pub sessions: SessionsPlan,
}

/// A number of like members and how often each is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group {
    /// How many there are when the run begins, at least one.
    pub count: u64,
    /// How draws spread over them.
    pub popularity: Popularity,
    /// How popularity moves on from some members to others.
    pub shift: Option<Shift>,
    /// How fast members join.
    pub growth: Option<Rate>,
    /// How fast members leave, those who joined first being the first; one
    /// member always stays.
    pub off_boarding: Option<Rate>,
    /// Members that exist at some time of the run: `count` and all who join.
    pub most: u64,
}

impl Group {
    /// A group of `count` members, all alike, that stays as it is.
    pub const fn of(count: u64) -> Self {
        Self {
            count,
            popularity: Popularity::Uniform,
            shift: None,
            growth: None,
            off_boarding: None,
            most: count,
        }
    }

    /// Members who joined by `time`.
    pub fn joined_by(&self, time: Duration) -> u64 {
        members(self.growth, time)
    }

    /// Members at `time`, by number: those before the first have left, those
    /// from the second on have not joined. Never empty.
    pub fn present(&self, time: Duration) -> (u64, u64) {
        let end = self.count + self.joined_by(time);
        let left = members(self.off_boarding, time);
        (left.min(end.saturating_sub(1)), end)
    }
}

fn members(rate: Option<Rate>, time: Duration) -> u64 {
    let Some(rate) = rate.map(Rate::per_second) else {
        return 0;
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "validation keeps it among the millions"
    )]
    let members = (rate * time.as_secs_f64()).floor() as u64;
    members
}

/// How draws spread over the members of a group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Popularity {
    /// All alike.
    Uniform,
    /// Member `k` (from 1) is drawn in proportion to `1 / k^exponent`.
    Zipf {
        /// More than zero; 0.6 to 1.2 is usual.
        exponent: f64,
    },
    /// Some members get a fixed part of the draws, evenly; the others the rest.
    Hotspot {
        /// Part of the members, above zero; at least one member.
        members: Share,
        /// Part of the draws.
        draws: Share,
    },
    /// As `Zipf`, counted from the member that joined last.
    Latest {
        /// More than zero.
        exponent: f64,
    },
}

/// How popularity moves on: with each step every member takes over the place of
/// the one `by` before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shift {
    /// Time between steps.
    pub every: Duration,
    /// Members moved over at each step.
    pub by: u64,
}

/// How many sessions a user has at once: lognormal, rounded up, cut off at
/// `most`. Few users have very many.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SessionsPlan {
    /// Half of the users have no more than this; at least 1.
    pub median: f64,
    /// 99 of 100 users have no more than this.
    pub p99: f64,
    /// No user has more.
    pub most: u32,
}

impl SessionsPlan {
    /// One session for each user.
    pub const ONE: Self = Self {
        median: 1.0,
        p99: 1.0,
        most: 1,
    };
}
