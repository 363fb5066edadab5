//! Every metric the project exports, as data.
//!
//! Rules, after Prometheus' naming practice: one prefix a role, base units,
//! `_total` on counters only, `sum()` over all labels means something, and no
//! label whose values the outside chooses.

mod loadgen;
mod mockidp;
mod tokencache;

pub use loadgen::*;
pub use mockidp::*;
pub use tokencache::*;

/// One metric family.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// Full name, prefix and unit included.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// One sentence for the `# HELP` line.
    pub help: &'static str,
    /// Labels, in the order samples give their values.
    pub labels: &'static [Label],
}

/// What kind of metric a family is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution over these upper bucket edges (`+Inf` is implied).
    Histogram(&'static [f64]),
}

/// A label and the values it can take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// Its values.
    pub values: Values,
}

/// The values of a label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Values {
    /// Exactly these.
    Closed(&'static [&'static str]),
    /// Declared in the scenario, at most this many.
    Declared {
        /// The bound.
        at_most: usize,
    },
    /// One value a process, such as a version or a hash.
    Info,
}

/// All families, in the order they are exposed.
pub fn all() -> Vec<&'static Metric> {
    [tokencache::ALL, loadgen::ALL, mockidp::ALL]
        .into_iter()
        .flatten()
        .copied()
        .collect()
}

/// Bucket edges, in seconds, for everything from an L1 hit to a lost request.
/// One second is an edge, so "slower than 1 s" is a counter ratio and exact.
pub const DURATION_BUCKETS: &[f64] = &[
    1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2,
    5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

const fn closed(name: &'static str, values: &'static [&'static str]) -> Label {
    Label {
        name,
        values: Values::Closed(values),
    }
}

const fn info(name: &'static str) -> Label {
    Label {
        name,
        values: Values::Info,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_carry_the_prefix_of_a_role() {
        let mut seen = BTreeSet::new();
        for metric in all() {
            assert!(seen.insert(metric.name), "`{}` stands twice", metric.name);
            assert!(
                ["tokencache_", "loadgen_", "mockidp_"]
                    .iter()
                    .any(|prefix| metric.name.starts_with(prefix)),
                "`{}` has no role's prefix",
                metric.name
            );
        }
    }

    #[test]
    fn only_counters_end_in_total() {
        for metric in all() {
            assert_eq!(
                metric.name.ends_with("_total"),
                metric.kind == Kind::Counter,
                "`{}`",
                metric.name
            );
        }
    }

    #[test]
    fn tenants_users_and_keys_are_never_labels() {
        for metric in all() {
            for label in metric.labels {
                assert!(
                    !["tenant", "tenant_id", "user", "key", "client_id"].contains(&label.name),
                    "`{}` has label `{}`",
                    metric.name,
                    label.name
                );
            }
        }
    }

    #[test]
    fn bucket_edges_rise_and_one_second_is_one_of_them() {
        for metric in all() {
            if let Kind::Histogram(edges) = metric.kind {
                assert!(
                    edges.windows(2).all(|pair| pair[0] < pair[1]),
                    "{}",
                    metric.name
                );
                if metric.name.ends_with("_seconds") {
                    assert!(edges.contains(&1.0), "`{}` lacks the 1 s edge", metric.name);
                }
            }
        }
    }
}
