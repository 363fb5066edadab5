//! `population`: who asks for tokens, and how often.

use crate::scenario::plan::{Group, Popularity, PopulationPlan, SessionsPlan, Shift};
use crate::scenario::problem::Problems;
use crate::scenario::reader::{
    AnyShare, Choice, DurationIn, Integer, Kind, Number, Quantity, ScalarOr, Shape, Table, TableOf,
};
use crate::scenario::yaml::Node;

/// Most members of a group.
pub(in crate::scenario) const MAX_COUNT: u64 = 10_000_000;

/// Steepest popularity: beyond this all but one draw in a thousand is the first member.
const MAX_EXPONENT: f64 = 10.0;

/// Most sessions of one user.
const MAX_SESSIONS: u64 = 100_000;

pub(super) fn population(table: &mut Table<'_>) -> Option<PopulationPlan> {
    let tenants = table.or("tenants", "Tenants", "1", &group());
    let applications = table.or("applications", "Client ids of the service", "1", &group());
    let users = table.or("users", "Users over all tenants", "1", &group());
    let resources = table.or(
        "resources",
        "Protected resources, one scope each",
        "1",
        &group(),
    );
    let sessions = table.or(
        "sessions",
        "Sessions each user has at once, with an assertion each in on-behalf-of flows",
        "1",
        &ScalarOr {
            short: OneEach,
            long: TableOf(sessions),
        },
    );
    if let Some(group) = applications
        && group != Group::of(group.count)
        && (group.growth.is_some() || group.off_boarding.is_some())
    {
        let span = table.value_span("applications");
        table.problems().add_with_hint(
            span,
            "a service's applications neither join nor leave while it runs",
            "leave `growth` and `off_boarding` out",
        );
    }
    Some(PopulationPlan {
        tenants: tenants?,
        applications: applications?,
        users: users?,
        resources: resources?,
        sessions: sessions?,
    })
}

fn group() -> impl Kind<Value = Group> {
    ScalarOr {
        short: Count,
        long: TableOf(counted),
    }
}

/// A count alone: all members alike.
struct Count;

impl Kind for Count {
    type Value = Group;

    fn read(&self, node: &Node, problems: &mut Problems) -> Option<Group> {
        count().read(node, problems).map(Group::of)
    }

    fn shape(&self) -> Shape {
        count().shape()
    }
}

fn counted(table: &mut Table<'_>) -> Option<Group> {
    let count = table.required("count", "How many when the run begins", &count());
    let popularity = table.or(
        "popularity",
        "How draws spread over them",
        "uniform",
        &ScalarOr {
            short: Choice(&[("uniform", Popularity::Uniform)]),
            long: TableOf(popularity),
        },
    );
    let shift = table.optional(
        "shift",
        "How popularity moves on from some members to others",
        &TableOf(shift),
    );
    let growth = table.optional(
        "growth",
        "How fast members join, such as `2/h`",
        &Quantity::rate(),
    );
    let off_boarding = table.optional(
        "off_boarding",
        "How fast members leave, those who joined first being the first; one always stays",
        &Quantity::rate(),
    );
    let count = count?;
    let shift = shift.ok()?;
    if let Some(shift) = shift
        && shift.by >= count
    {
        let span = table.key_span("shift");
        table.problems().add_with_hint(
            span,
            format!(
                "a shift by {} among {count} members comes full circle",
                shift.by
            ),
            "write `by` below `count`",
        );
    }
    Some(Group {
        count,
        popularity: popularity?,
        shift,
        growth: growth.ok()?,
        off_boarding: off_boarding.ok()?,
        most: count,
    })
}

fn popularity(table: &mut Table<'_>) -> Option<Popularity> {
    let exponent = Number { max: MAX_EXPONENT };
    let zipf = table.optional(
        "zipf",
        "Member k is drawn in proportion to 1 / k^exponent; 0.6 to 1.2 is usual",
        &exponent,
    );
    let hotspot = table.optional(
        "hotspot",
        "Some of the members get a fixed part of the draws",
        &TableOf(hotspot),
    );
    let latest = table.optional(
        "latest",
        "As `zipf`, counted from the member that joined last",
        &exponent,
    );
    let written: Vec<&str> = ["zipf", "hotspot", "latest"]
        .into_iter()
        .filter(|name| table.has(name))
        .collect();
    if written.len() != 1 {
        let span = table.key_span(written.get(1).copied().unwrap_or_default());
        table.problems().add_with_hint(
            span,
            format!("a popularity is one distribution, found {}", written.len()),
            "write one of `zipf`, `hotspot` and `latest`, or `uniform`",
        );
        return None;
    }
    zipf.ok()?
        .map(|exponent| Popularity::Zipf { exponent })
        .or(hotspot.ok()?)
        .or(latest.ok()?.map(|exponent| Popularity::Latest { exponent }))
}

fn hotspot(table: &mut Table<'_>) -> Option<Popularity> {
    let members = table.required("members", "Part of the members, such as `1%`", &AnyShare);
    let draws = table.required(
        "draws",
        "Part of the draws they get, such as `80%`",
        &AnyShare,
    );
    let (members, draws) = (members?, draws?);
    for (key, share) in [("members", members), ("draws", draws)] {
        if share.get() <= 0.0 || share.get() >= 1.0 {
            let span = table.value_span(key);
            table.problems().add_with_hint(
                span,
                "a hot spot is a part: not nothing, and not the whole",
                "write `uniform` when all are alike",
            );
        }
    }
    Some(Popularity::Hotspot { members, draws })
}

fn shift(table: &mut Table<'_>) -> Option<Shift> {
    let every = table.required("every", "Time between steps", &DurationIn::above_zero());
    let by = table.or(
        "by",
        "Members whose places are taken over at each step",
        "1",
        &Integer {
            min: 1,
            max: MAX_COUNT,
        },
    );
    Some(Shift {
        every: every?,
        by: by?,
    })
}

/// A number of sessions alone: the same for every user.
struct OneEach;

impl Kind for OneEach {
    type Value = SessionsPlan;

    fn read(&self, node: &Node, problems: &mut Problems) -> Option<SessionsPlan> {
        let count = session_count().read(node, problems)?;
        Some(SessionsPlan {
            median: count as f64,
            p99: count as f64,
            most: u32::try_from(count).ok()?,
        })
    }

    fn shape(&self) -> Shape {
        session_count().shape()
    }
}

fn sessions(table: &mut Table<'_>) -> Option<SessionsPlan> {
    let median = table.required("median", "Half of the users have no more", &session_count());
    let p99 = table.required("p99", "99 of 100 users have no more", &session_count());
    let most = table.required("most", "No user has more", &session_count());
    let (median, p99, most) = (median?, p99?, most?);
    if !(median <= p99 && p99 <= most) {
        let span = table.value_span("p99");
        table.problems().add_with_hint(
            span,
            "`median`, `p99` and `most` are in this order, from few to many",
            "write `median` at most `p99`, and `p99` at most `most`",
        );
        return None;
    }
    Some(SessionsPlan {
        median: median as f64,
        p99: p99 as f64,
        most: u32::try_from(most).ok()?,
    })
}

fn session_count() -> Integer {
    Integer {
        min: 1,
        max: MAX_SESSIONS,
    }
}

fn count() -> Integer {
    Integer {
        min: 1,
        max: MAX_COUNT,
    }
}
