//! The faults of a plan.

use std::fmt;
use std::time::Duration;

use super::{EndpointPlan, LatencyPlan, ThrottlePlan};
use crate::scenario::units::Share;

/// Something that goes wrong at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultPlan {
    /// When it begins, from the start of the run.
    pub at: Duration,
    /// When it is over; `None` for what happens once, and for what lasts to
    /// the end of the run.
    pub until: Option<Duration>,
    /// What it is.
    pub what: Fault,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// The identity provider refuses, fails or is slow.
    Idp(IdpFault),
    /// The shared store is not what it should be.
    L2(L2Fault),
    /// Connections to the identity provider fail; real time only.
    Network(NetworkFault),
    /// The service's clock steps away from the provider's.
    Clock(ClockFault),
    /// Instances restart, or their number changes.
    Instances(InstanceFault),
    /// The provider signs with a new key from now on.
    Keys(KeyFault),
    /// This part of the instances, the first ones, encrypts with a new key
    /// ring from now on.
    KeyRingSwap(Share),
}

/// A fault of the identity provider.
#[derive(Debug, Clone, PartialEq)]
pub struct IdpFault {
    /// What happens.
    pub trouble: IdpTrouble,
    /// Part of the requests it happens to.
    pub share: Share,
    /// The endpoint it happens at.
    pub endpoint: EndpointPlan,
}

/// What the identity provider does.
#[derive(Debug, Clone, PartialEq)]
pub enum IdpTrouble {
    /// Answers with an HTTP status and no AADSTS code.
    Status {
        /// 400 to 599.
        status: u16,
        /// When to come again, in whole seconds.
        retry_after: Option<Duration>,
    },
    /// Answers with an error of Entra's.
    Aadsts {
        /// Such as 50196.
        code: u32,
        /// When to come again, in whole seconds.
        retry_after: Option<Duration>,
    },
    /// Answers later than it would, by this much.
    Latency(LatencyPlan),
    /// Serves no more than this.
    Throttle(ThrottlePlan),
    /// Sends half an answer.
    TruncatedBody,
    /// Reads the request and hangs up.
    Reset,
}

/// A fault of the shared store.
#[derive(Debug, Clone, PartialEq)]
pub struct L2Fault {
    /// What happens.
    pub trouble: L2Trouble,
    /// Part of the operations it happens to.
    pub share: Share,
    /// Only the first so many instances see it; `None` for all.
    pub instances: Option<usize>,
}

/// What the shared store does.
#[derive(Debug, Clone, PartialEq)]
pub enum L2Trouble {
    /// Refuses connections: fails at once.
    Refuse,
    /// Does not answer until the fault is over.
    Hang,
    /// Takes this much longer.
    Slow(LatencyPlan),
    /// Answers with an error after its round trip.
    Error,
    /// Returns what it holds with its second half missing.
    Corrupt,
    /// Has lost all it held; happens once.
    Wipe,
}

/// A fault of connections to the identity provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkFault {
    /// Connections are reset as soon as they are accepted.
    Reset,
    /// TLS handshakes are refused.
    TlsFailure,
    /// TLS handshakes are left unanswered.
    TlsStall,
}

/// A step of the service's clock, in whole seconds; it stays stepped until the
/// fault is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockFault {
    /// Ahead of the provider's when positive.
    pub seconds: i64,
    /// Only on the first so many instances; `None` for all.
    pub instances: Option<usize>,
}

/// What becomes of the key that the provider signed with so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFault {
    /// It stays published, so that its tokens verify until they expire.
    Rollover,
    /// It is withdrawn: no token that it signed verifies any more.
    Withdrawal,
}

/// What happens to instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceFault {
    /// This one, from 0, restarts: its L1, its client and its connections are new.
    Restart {
        /// Which.
        instance: usize,
    },
    /// There are this many from now on, at least one.
    Scale {
        /// How many.
        to: usize,
    },
}

impl fmt::Display for Fault {
    /// In plain words, as after "at 10m, ...".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idp(idp) => {
                write!(f, "the identity provider {}", idp.trouble)?;
                if idp.share.get() < 1.0 {
                    write!(f, " {} of the time", idp.share)?;
                }
                Ok(())
            }
            Self::L2(l2) => write!(f, "L2 {}", l2.trouble),
            Self::Network(NetworkFault::Reset) => f.write_str("connections are reset"),
            Self::Network(NetworkFault::TlsFailure) => f.write_str("TLS handshakes are refused"),
            Self::Network(NetworkFault::TlsStall) => f.write_str("TLS handshakes are not answered"),
            Self::Clock(step) => {
                match step.instances {
                    None => f.write_str("the clock of the service")?,
                    Some(1) => f.write_str("the clock of the first instance")?,
                    Some(count) => write!(f, "the clock of the first {count} instances")?,
                }
                let way = if step.seconds < 0 { "behind" } else { "ahead" };
                write!(f, " is {} s {way}", step.seconds.unsigned_abs())
            }
            Self::Instances(InstanceFault::Restart { instance }) => {
                write!(f, "instance {instance} restarts, with nothing in memory")
            }
            Self::Instances(InstanceFault::Scale { to }) => write!(f, "there are {to} instances"),
            Self::Keys(KeyFault::Rollover) => {
                f.write_str("the provider signs with a new key, the old one stays published")
            }
            Self::Keys(KeyFault::Withdrawal) => {
                f.write_str("the provider signs with a new key, the old one is withdrawn")
            }
            Self::KeyRingSwap(share) => {
                write!(f, "{share} of the instances encrypt with a new key ring")
            }
        }
    }
}

impl fmt::Display for IdpTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { status, .. } => write!(f, "answers with {status}"),
            Self::Aadsts { code, .. } => write!(f, "answers with AADSTS{code}"),
            Self::Latency(latency) => write!(f, "takes {latency} longer"),
            Self::Throttle(_) => f.write_str("throttles"),
            Self::TruncatedBody => f.write_str("sends half its answers"),
            Self::Reset => f.write_str("hangs up"),
        }
    }
}

impl fmt::Display for L2Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refuse => f.write_str("refuses connections"),
            Self::Hang => f.write_str("does not answer"),
            Self::Slow(latency) => write!(f, "takes {latency} longer"),
            Self::Error => f.write_str("answers with errors"),
            Self::Corrupt => f.write_str("returns half of what it holds"),
            Self::Wipe => f.write_str("has lost all it held"),
        }
    }
}
