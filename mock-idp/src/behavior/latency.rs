//! How long an endpoint takes to answer.
//!
//! A latency is a floor, not an addition: the answer leaves when the drawn time has passed since
//! the request arrived, or when the work is done, whichever is later. Signing therefore counts
//! towards the configured latency instead of being added to it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use rand::RngExt;
use rand_distr::{Distribution, Exp, LogNormal, Normal};

use crate::duration;
use crate::endpoint::Endpoint;
use crate::random::Stream;

/// The standard normal distribution's 99th percentile.
const Z_99: f64 = 2.326_347_874_040_840_8;

/// No answer is held back for longer, however far out in the tail it was drawn.
const LONGEST: Duration = Duration::from_hours(1);

/// The distribution of one endpoint's response time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Latency {
    /// Answers as soon as the work is done.
    #[default]
    None,
    /// Always the same.
    Fixed(Duration),
    /// Every value between the two is equally likely.
    Uniform {
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
    /// Lognormal, described by what one reads off a dashboard.
    LogNormal {
        /// Half of the answers are faster.
        median: Duration,
        /// Ninety-nine in a hundred are faster; at least the median.
        p99: Duration,
    },
    /// Normal; what would be below zero takes no time.
    Normal {
        /// The middle.
        mean: Duration,
        /// The standard deviation.
        deviation: Duration,
    },
    /// Exponential: short times are the most frequent, as between independent events.
    Exponential {
        /// The mean.
        mean: Duration,
    },
    /// One of these, each equally likely, as they were measured somewhere; at least one.
    Empirical(Arc<[Duration]>),
}

impl Latency {
    /// Says what is wrong with the parameters, if anything is.
    ///
    /// # Errors
    ///
    /// A uniform latency whose `min` is above its `max`; a lognormal one whose median is zero or
    /// above its 99th percentile; an exponential one whose mean is zero; an empirical one without
    /// a time.
    pub fn validate(&self) -> Result<(), LatencyError> {
        match self {
            Self::Uniform { min, max } if min > max => Err(LatencyError(format!(
                "the shortest time, {min:?}, is above the longest, {max:?}"
            ))),
            Self::LogNormal { median, .. } if median.is_zero() => {
                Err(LatencyError("the median must be above zero".to_owned()))
            }
            Self::LogNormal { median, p99 } if p99 < median => Err(LatencyError(format!(
                "the 99th percentile, {p99:?}, is below the median, {median:?}"
            ))),
            Self::Exponential { mean } if mean.is_zero() => {
                Err(LatencyError("the mean must be above zero".to_owned()))
            }
            Self::Empirical(times) if times.is_empty() => {
                Err(LatencyError("there must be a time to choose".to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn draw(&self, generator: &mut impl rand::Rng) -> Duration {
        let time = |seconds: f64| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(LONGEST);
        let drawn = match self {
            Self::None => Duration::ZERO,
            Self::Fixed(time) => *time,
            Self::Uniform { min, max } => generator.random_range(*min..=*max),
            Self::Normal { mean, deviation } => {
                Normal::new(mean.as_secs_f64(), deviation.as_secs_f64())
                    .map_or(*mean, |shape| time(shape.sample(generator)))
            }
            Self::Exponential { mean } => Exp::new(mean.as_secs_f64().recip())
                .map_or(*mean, |shape| time(shape.sample(generator))),
            Self::Empirical(times) => match times.len() {
                0 => Duration::ZERO,
                length => times[generator.random_range(0..length)],
            },
            Self::LogNormal { median, p99 } => {
                let mu = median.as_secs_f64().ln();
                let sigma = (p99.as_secs_f64() / median.as_secs_f64()).ln() / Z_99;
                LogNormal::new(mu, sigma)
                    .ok()
                    .map(|shape| shape.sample(generator))
                    .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                    .unwrap_or(LONGEST)
            }
        };
        drawn.min(LONGEST)
    }
}

/// What is wrong with a latency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LatencyError(String);

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Fixed(time) => write!(f, "fixed:{time:?}"),
            Self::Uniform { min, max } => write!(f, "uniform:{min:?},{max:?}"),
            Self::LogNormal { median, p99 } => write!(f, "lognormal:{median:?},{p99:?}"),
            Self::Normal { mean, deviation } => write!(f, "normal:{mean:?},{deviation:?}"),
            Self::Exponential { mean } => write!(f, "exponential:{mean:?}"),
            Self::Empirical(times) => {
                for (place, time) in times.iter().enumerate() {
                    let separator = if place == 0 { "empirical:" } else { "," };
                    write!(f, "{separator}{time:?}")?;
                }
                Ok(())
            }
        }
    }
}

impl FromStr for Latency {
    type Err = LatencyError;

    /// Reads `none`, `fixed:20ms`, `uniform:10ms,50ms`, `lognormal:40ms,250ms` (median, p99),
    /// `normal:40ms,5ms` (mean, standard deviation), `exponential:40ms` (mean) or
    /// `empirical:5ms,5ms,90ms` (one of these).
    fn from_str(text: &str) -> Result<Self, LatencyError> {
        let (shape, times) = text.split_once(':').unwrap_or((text, ""));
        let times = times
            .split(',')
            .filter(|time| !time.is_empty())
            .map(|time| duration::parse(time).map_err(LatencyError))
            .collect::<Result<Vec<_>, _>>()?;
        let latency = match (shape, times.as_slice()) {
            ("none", []) => Self::None,
            ("fixed", &[time]) => Self::Fixed(time),
            ("uniform", &[min, max]) => Self::Uniform { min, max },
            ("lognormal", &[median, p99]) => Self::LogNormal { median, p99 },
            ("normal", &[mean, deviation]) => Self::Normal { mean, deviation },
            ("exponential", &[mean]) => Self::Exponential { mean },
            ("empirical", times) if !times.is_empty() => Self::Empirical(times.into()),
            _ => {
                return Err(LatencyError(format!(
                    "`{text}` is not a latency; write none, fixed:20ms, uniform:10ms,50ms, \
                     lognormal:40ms,250ms (median, 99th percentile), normal:40ms,5ms (mean, \
                     standard deviation), exponential:40ms (mean) or empirical:5ms,5ms,90ms (one \
                     of these)"
                )));
            }
        };
        latency.validate()?;
        Ok(latency)
    }
}

impl duration::Text for Latency {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|error: LatencyError| error.to_string())
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

/// The latency of each endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Latencies {
    /// `/{tenant}/oauth2/v2.0/token` and its v1 form.
    pub token: Latency,
    /// `/{tenant}/oauth2/v2.0/authorize` and its v1 form.
    pub authorize: Latency,
    /// The `OpenID` configuration documents.
    pub discovery: Latency,
    /// The signing keys.
    pub jwks: Latency,
    /// `/common/discovery/instance`.
    pub instance_discovery: Latency,
    /// `/{tenant}/oauth2/v2.0/devicecode` and its v1 form.
    pub device_code: Latency,
}

impl Latencies {
    /// Each with the name of its endpoint.
    pub(crate) fn named(&self) -> [(&'static str, &Latency); 6] {
        [
            ("token", &self.token),
            ("authorize", &self.authorize),
            ("discovery", &self.discovery),
            ("jwks", &self.jwks),
            ("instance_discovery", &self.instance_discovery),
            ("device_code", &self.device_code),
        ]
    }

    /// The latency of `endpoint`; those of the operator (health, metrics, admin) have none. A
    /// machine's tokens take as long as others.
    pub(crate) fn of(&self, endpoint: Endpoint) -> &Latency {
        match endpoint {
            Endpoint::Token | Endpoint::ManagedIdentity => &self.token,
            Endpoint::DeviceCode => &self.device_code,
            Endpoint::Authorize => &self.authorize,
            Endpoint::OpenIdConfiguration => &self.discovery,
            Endpoint::Jwks => &self.jwks,
            Endpoint::InstanceDiscovery => &self.instance_discovery,
            Endpoint::Other => &Latency::None,
        }
    }
}

/// Draws the latency of each request.
pub(crate) struct Pace {
    latencies: RwLock<Latencies>,
    /// One stream per endpoint: how often the keys are fetched does not move the token latencies.
    streams: [Stream; Endpoint::ALL.len()],
    /// And one for what rules add, so that a rule does not move the endpoint's own either.
    added: [Stream; Endpoint::ALL.len()],
}

impl Pace {
    pub(crate) fn new(latencies: Latencies, seed: u64) -> Self {
        let streams = |family: &str| {
            Endpoint::ALL
                .map(|endpoint| Stream::new(seed, &format!("{family}/{}", endpoint.as_str())))
        };
        Self {
            latencies: RwLock::new(latencies),
            streams: streams("latency"),
            added: streams("added latency"),
        }
    }

    /// Other latencies from now on; the streams go on.
    pub(crate) fn change(&self, latencies: Latencies) {
        *self.latencies.write() = latencies;
    }

    /// What a rule adds to the latency of a request to `endpoint`.
    pub(crate) fn draw_added(&self, endpoint: Endpoint, added: &Latency) -> Duration {
        stream(&self.added, endpoint).draw(|generator| added.draw(generator))
    }

    /// How long after its arrival the next request to `endpoint` may be answered.
    pub(crate) fn draw(&self, endpoint: Endpoint) -> Duration {
        match self.latencies.read().of(endpoint) {
            Latency::None => Duration::ZERO,
            latency => stream(&self.streams, endpoint).draw(|generator| latency.draw(generator)),
        }
    }
}

/// The stream that decides at an endpoint; one for all tokens, so that a model of a run need not
/// know where each is asked for.
fn stream(streams: &[Stream; Endpoint::ALL.len()], endpoint: Endpoint) -> &Stream {
    let paced_as = if endpoint.gives_tokens() {
        Endpoint::Token
    } else {
        endpoint
    };
    &streams[paced_as as usize]
}

/// The latencies that a server's token endpoint draws, in the order of its requests: for a model of
/// a run that is to meet the same ones.
pub struct TokenPace(Pace);

impl TokenPace {
    /// Those of a server with this latency and seed.
    pub fn new(token: Latency, seed: u64) -> Self {
        let latencies = Latencies {
            token,
            ..Latencies::default()
        };
        Self(Pace::new(latencies, seed))
    }

    /// The latency of the next request.
    pub fn draw(&self) -> Duration {
        self.0.draw(Endpoint::Token)
    }
}

impl fmt::Debug for TokenPace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenPace")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn latencies_are_read_and_written_in_one_form() {
        for (text, latency) in [
            ("none", Latency::None),
            ("fixed:20ms", Latency::Fixed(MS(20))),
            (
                "uniform:10ms,50ms",
                Latency::Uniform {
                    min: MS(10),
                    max: MS(50),
                },
            ),
            (
                "lognormal:40ms,250ms",
                Latency::LogNormal {
                    median: MS(40),
                    p99: MS(250),
                },
            ),
            (
                "normal:40ms,5ms",
                Latency::Normal {
                    mean: MS(40),
                    deviation: MS(5),
                },
            ),
            ("exponential:40ms", Latency::Exponential { mean: MS(40) }),
            (
                "empirical:5ms,5ms,90ms",
                Latency::Empirical([MS(5), MS(5), MS(90)].into()),
            ),
        ] {
            assert_eq!(text.parse().as_ref(), Ok(&latency), "{text}");
            assert_eq!(latency.to_string(), text);
        }
    }

    #[test]
    fn impossible_latencies_are_refused() {
        for text in [
            "",
            "fixed",
            "fixed:20",
            "fixed:-20ms",
            "fixed:1ms,2ms",
            "uniform:5ms",
            "uniform:50ms,10ms",
            "lognormal:0s,10ms",
            "lognormal:40ms,39ms",
            "normal:4ms",
            "exponential:0s",
            "exponential:1ms,2ms",
            "empirical:",
            "gamma:4ms,5ms",
        ] {
            assert!(text.parse::<Latency>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_lognormal_latency_has_the_median_and_p99_it_was_given() {
        let latency = Latency::LogNormal {
            median: MS(40),
            p99: MS(250),
        };
        let stream = Stream::new(7, "test");
        let mut drawn: Vec<_> = (0..40_000)
            .map(|_| stream.draw(|generator| latency.draw(generator)))
            .collect();
        drawn.sort_unstable();
        let at = |percentile: usize| drawn[drawn.len() * percentile / 100].as_secs_f64() * 1e3;
        assert!((38.0..42.0).contains(&at(50)), "median {} ms", at(50));
        assert!((225.0..275.0).contains(&at(99)), "p99 {} ms", at(99));
    }

    /// Mean and standard deviation in milliseconds of many draws, and the shortest.
    fn shape_of(latency: &Latency) -> (f64, f64, f64) {
        let stream = Stream::new(7, "test");
        let drawn: Vec<f64> = (0..40_000)
            .map(|_| {
                stream
                    .draw(|generator| latency.draw(generator))
                    .as_secs_f64()
                    * 1e3
            })
            .collect();
        let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
        let squares: f64 = drawn.iter().map(|time| (time - mean).powi(2)).sum();
        let shortest = drawn.iter().copied().fold(f64::INFINITY, f64::min);
        (mean, (squares / drawn.len() as f64).sqrt(), shortest)
    }

    #[test]
    fn shapes_have_the_moments_they_were_given() {
        for (text, mean, deviation) in [
            ("normal:100ms,10ms", 100.0, 10.0),
            ("exponential:40ms", 40.0, 40.0),
            ("empirical:10ms,10ms,40ms", 20.0, 14.142),
            ("uniform:0ms,120ms", 60.0, 34.641),
        ] {
            let (found_mean, found_deviation, shortest) = shape_of(&text.parse().unwrap());
            assert!(
                (found_mean / mean - 1.0).abs() < 0.02,
                "{text}: {found_mean}"
            );
            assert!(
                (found_deviation / deviation - 1.0).abs() < 0.03,
                "{text}: {found_deviation}"
            );
            assert!(shortest >= 0.0);
        }
        let (.., shortest) = shape_of(&"normal:1ms,10ms".parse().unwrap());
        assert!(
            shortest.abs() < f64::EPSILON,
            "what is below zero takes no time"
        );
    }

    #[test]
    fn an_endless_tail_is_cut() {
        let latency = Latency::LogNormal {
            median: Duration::MAX,
            p99: Duration::MAX,
        };
        let stream = Stream::new(7, "test");
        assert_eq!(stream.draw(|generator| latency.draw(generator)), LONGEST);
    }

    #[test]
    fn one_endpoints_draws_do_not_move_anothers() {
        let shape = Latency::Uniform {
            min: MS(0),
            max: MS(1000),
        };
        let latencies = Latencies {
            token: shape.clone(),
            jwks: shape,
            ..Latencies::default()
        };
        let (quiet, busy) = (Pace::new(latencies.clone(), 7), Pace::new(latencies, 7));
        for _ in 0..10 {
            busy.draw(Endpoint::Jwks);
            busy.draw_added(Endpoint::Token, &Latency::Exponential { mean: MS(1) });
        }
        assert_eq!(quiet.draw(Endpoint::Token), busy.draw(Endpoint::Token));
    }
}
