//! `population`: who asks for tokens, and how often.

use crate::scenario::plan::{Group, Popularity, PopulationPlan};
use crate::scenario::problem::Problems;
use crate::scenario::reader::{Choice, Integer, Kind, Number, ScalarOr, Shape, Table, TableOf};
use crate::scenario::yaml::Node;

/// Most members of a group.
const MAX_COUNT: u64 = 10_000_000;

/// Steepest popularity: beyond this all but one draw in a thousand is the first member.
const MAX_EXPONENT: f64 = 10.0;

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
    Some(PopulationPlan {
        tenants: tenants?,
        applications: applications?,
        users: users?,
        resources: resources?,
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
        Some(Group {
            count: count().read(node, problems)?,
            popularity: Popularity::Uniform,
        })
    }

    fn shape(&self) -> Shape {
        count().shape()
    }
}

fn counted(table: &mut Table<'_>) -> Option<Group> {
    let count = table.required("count", "How many", &count());
    let popularity = table.or(
        "popularity",
        "How draws spread over them",
        "uniform",
        &ScalarOr {
            short: Choice(&[("uniform", Popularity::Uniform)]),
            long: TableOf(zipf),
        },
    );
    Some(Group {
        count: count?,
        popularity: popularity?,
    })
}

fn zipf(table: &mut Table<'_>) -> Option<Popularity> {
    let exponent = table.required(
        "zipf",
        "Member k is drawn in proportion to 1 / k^exponent; 0.6 to 1.2 is usual",
        &Number { max: MAX_EXPONENT },
    );
    Some(Popularity::Zipf {
        exponent: exponent?,
    })
}

fn count() -> Integer {
    Integer {
        min: 1,
        max: MAX_COUNT,
    }
}
