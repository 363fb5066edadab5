//! Every metric the project exports, as data.
//!
//! Rules, after Prometheus' naming practice: one prefix a role, base units,
//! `_total` on counters only, `sum()` over all labels means something, and no
//! label whose values the outside chooses. MSAL.NET's own metrics, which a run
//! can imitate, follow MSAL.NET instead and stand apart in `msal_dotnet`.

mod loadgen;
mod mockidp;
mod msal_dotnet;
mod process;
mod tokencache;

pub use loadgen::*;
pub use mockidp::*;
pub use msal_dotnet::*;
pub use process::*;
pub use tokencache::*;

/// One metric family.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// Full name, prefix and unit included.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// What its values are measured in.
    pub unit: Unit,
    /// One sentence for the `# HELP` line.
    pub help: &'static str,
    /// Labels, in the order samples give their values.
    pub labels: &'static [Label],
    /// The instrument of MSAL.NET's meter that says the same, if one does.
    pub msal: Option<&'static str>,
    /// Whether the family is there only in some processes, and when.
    pub only: Option<&'static str>,
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

/// What a metric's values are measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things counted, or a flag.
    None,
    /// A length of time.
    Seconds,
    /// A size.
    Bytes,
    /// A moment, in seconds since 1970.
    UnixSeconds,
    /// A length of time as MSAL.NET gives it.
    Milliseconds,
    /// A short length of time as MSAL.NET gives it.
    Microseconds,
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

impl Kind {
    /// The word of the `# TYPE` line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

impl Unit {
    /// The word of OpenMetrics' `# UNIT` line, which is also how the names end
    /// of families that have one.
    pub fn as_str(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Seconds | Self::UnixSeconds => Some("seconds"),
            Self::Bytes => Some("bytes"),
            Self::Milliseconds => Some("milliseconds"),
            Self::Microseconds => Some("microseconds"),
        }
    }
}

impl Metric {
    /// The family by this name or, for a histogram, by one of its samples'.
    pub fn named(name: &str) -> Option<&'static Self> {
        let exact = |name: &str| {
            let all = all().into_iter().chain(msal_dotnet_families());
            all.into_iter().find(|metric| metric.name == name)
        };
        let of_histogram = |suffix: &&str| {
            exact(name.strip_suffix(suffix)?)
                .filter(|metric| matches!(metric.kind, Kind::Histogram(_)))
        };
        exact(name).or_else(|| ["_bucket", "_sum", "_count"].iter().find_map(of_histogram))
    }

    /// The most series one process can export of it, combinations that cannot
    /// occur included.
    pub fn most_series(&self) -> usize {
        let of_label = |label: &Label| match label.values {
            Values::Closed(values) => values.len(),
            Values::Declared { at_most } => at_most,
            Values::Info => 1,
        };
        let combinations: usize = self.labels.iter().map(of_label).product();
        let each = match self.kind {
            Kind::Histogram(edges) => edges.len() + 3,
            Kind::Counter | Kind::Gauge => 1,
        };
        combinations * each
    }

    const fn msal(self, instrument: &'static str) -> Self {
        Self {
            msal: Some(instrument),
            ..self
        }
    }

    const fn only(self, when: &'static str) -> Self {
        Self {
            only: Some(when),
            ..self
        }
    }

    const fn unit(self, unit: Unit) -> Self {
        Self { unit, ..self }
    }
}

/// All families under the project's own prefixes and `process_`, in the order
/// of the documentation.
pub fn all() -> Vec<&'static Metric> {
    [tokencache::ALL, loadgen::ALL, mockidp::ALL, process::ALL]
        .into_iter()
        .flatten()
        .copied()
        .collect()
}

/// MSAL.NET's families, which a run imitates on a page of their own.
pub fn msal_dotnet_families() -> Vec<&'static Metric> {
    msal_dotnet::ALL.to_vec()
}

/// Bucket edges, in seconds, for everything from an L1 hit to a lost request.
/// One second is an edge, so "slower than 1 s" is a counter ratio and exact.
pub const DURATION_BUCKETS: &[f64] = &[
    1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2,
    5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// Bucket edges, in bytes, for partitions as L2 stores them: 256 B to 4 MiB.
pub const SIZE_BUCKETS: &[f64] = &[
    256.0,
    512.0,
    1_024.0,
    2_048.0,
    4_096.0,
    8_192.0,
    16_384.0,
    32_768.0,
    65_536.0,
    131_072.0,
    262_144.0,
    524_288.0,
    1_048_576.0,
    2_097_152.0,
    4_194_304.0,
];

/// Bucket edges, in bytes, for one token: an application's bare one has 1.3 kB, a user's in two
/// hundred groups 13 kB.
pub const TOKEN_SIZE_BUCKETS: &[f64] = &[
    512.0, 1_024.0, 1_536.0, 2_048.0, 2_560.0, 3_072.0, 4_096.0, 5_120.0, 6_144.0, 8_192.0,
    10_240.0, 12_288.0, 16_384.0, 32_768.0, 65_536.0,
];

/// Bucket edges, in seconds, for what is left of a token's life; five minutes,
/// MSAL's expiry buffer, and one second are among them.
pub const LIFETIME_BUCKETS: &[f64] = &[
    1.0, 60.0, 300.0, 600.0, 1_800.0, 3_000.0, 3_600.0, 7_200.0, 21_600.0, 43_200.0, 86_400.0,
];

const fn family(
    name: &'static str,
    kind: Kind,
    help: &'static str,
    labels: &'static [Label],
) -> Metric {
    Metric {
        name,
        kind,
        unit: Unit::None,
        help,
        labels,
        msal: None,
        only: None,
    }
}

const fn counter(name: &'static str, help: &'static str, labels: &'static [Label]) -> Metric {
    family(name, Kind::Counter, help, labels)
}

const fn gauge(name: &'static str, help: &'static str, labels: &'static [Label]) -> Metric {
    family(name, Kind::Gauge, help, labels)
}

/// A histogram of times.
const fn times(name: &'static str, help: &'static str, labels: &'static [Label]) -> Metric {
    family(name, Kind::Histogram(DURATION_BUCKETS), help, labels).unit(Unit::Seconds)
}

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
mod tests;
