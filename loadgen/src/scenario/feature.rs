//! What a scenario asks of the engine that not every mode or build can do.
//!
//! The reader notes each with its place; once the mode is known, what cannot be
//! done is a problem of the file. So nothing is accepted here and ignored there.

use super::plan::{Mode, ProviderPlan, RemoteStore, WhenFull};

/// Something asked of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// A clock.
    Mode(Mode),
    /// `start: stationary`
    StationaryStart,
    /// `start: { snapshot: ... }`
    SnapshotStart,
    /// `when_full`
    WhenFull(WhenFull),
    /// A provider that runs elsewhere.
    ExternalProvider,
    /// Tokens signed with ES256.
    Es256,
    /// An L2 that is a server.
    Store(RemoteStore),
    /// Encrypted L2 entries.
    Encryption,
    /// A kind of cache.
    Provider(ProviderPlan),
    /// Some calls pass over cached tokens, or bring claims.
    PassOver,
    /// Calls in words of their own, or with values of their own in the key.
    Wording,
    /// Codes that are redeemed twice.
    CodeReplay,
    /// Tokens of another size than the usual one.
    TokenSize,
    /// Refresh tokens that end sooner than usual, or once they are used.
    RefreshTokenEnd,
    /// Limits on what the provider may be asked for.
    Throttles,
    /// Users who need no time to think.
    NoThink,
    /// Instances that restart or change in number.
    FleetChange,
    /// Faults of the identity provider.
    IdpFault,
    /// Faults of the shared store.
    L2Fault,
    /// Faults of connections.
    NetworkFault,
    /// A step of the service's clock.
    ClockStep,
    /// A new signing key.
    KeyRollover,
    /// A new encryption key ring.
    KeyRingSwap,
}

/// Why something cannot be had, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// What cannot be had: lowercase, no full stop.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

/// Real time has no other start, and why.
fn starts_cold(mode: Mode, why: &str) -> Option<Unavailable> {
    (mode == Mode::Real).then(|| Unavailable {
        message: why.to_owned(),
        hint: "write `mode: virtual` or `start: cold`".to_owned(),
    })
}

impl Feature {
    /// Why this cannot be had in `mode`; `None` when it can.
    pub fn unavailable_in(self, mode: Mode) -> Option<Unavailable> {
        match self {
            Self::Store(store) if mode == Mode::Real && store.is_built_in() => None,
            Self::NetworkFault | Self::Es256 | Self::NoThink if mode == Mode::Real => None,
            Self::Provider(ProviderPlan::Session | ProviderPlan::SessionCookie)
            | Self::Encryption
            | Self::ClockStep
            | Self::KeyRollover
            | Self::KeyRingSwap
            | Self::Wording
            | Self::PassOver
            | Self::CodeReplay
            | Self::TokenSize
            | Self::RefreshTokenEnd
            | Self::Throttles
            | Self::FleetChange
            | Self::IdpFault
            | Self::L2Fault => (mode == Mode::Model).then(|| self.unmodelled()),
            Self::NetworkFault => Some(Unavailable {
                message: format!(
                    "in mode `{}` there are no connections that could fail",
                    mode.as_str()
                ),
                hint: "write `mode: real`, or an `idp` fault such as `{ reset: true }`".to_owned(),
            }),
            Self::ExternalProvider if mode != Mode::Real => Some(Unavailable {
                message: format!(
                    "a provider that runs elsewhere is asked over sockets, and in mode `{}` there are none",
                    mode.as_str()
                ),
                hint: "write `mode: real`, or leave `url` and `ca` out".to_owned(),
            }),
            Self::ExternalProvider
            | Self::Mode(_)
            | Self::WhenFull(WhenFull::Drop)
            | Self::Provider(
                ProviderPlan::Distributed | ProviderPlan::Memory | ProviderPlan::File,
            ) => None,
            Self::StationaryStart => starts_cold(
                mode,
                "caches are filled in the hour before a stationary start, and mode `real` has none",
            ),
            Self::SnapshotStart => starts_cold(
                mode,
                "in mode `real` the provider makes its keys when it starts, and knows no token \
                 of another run",
            ),
            Self::WhenFull(_) if mode != Mode::Model => None,
            Self::WhenFull(_) => Some(Unavailable {
                message: "the model of an ideal cache has room for every arrival".to_owned(),
                hint: "write `when_full: drop`, or choose another `mode`".to_owned(),
            }),
            Self::Es256 => Some(Unavailable {
                message: format!("in mode `{}` signing is simulated", mode.as_str()),
                hint: "write `mode: real`, or leave `signing` out".to_owned(),
            }),
            Self::Store(store) => Some(without(store, mode)),
            Self::NoThink => Some(Unavailable {
                message: format!(
                    "in mode `{}` calls take no time, and users who do not think would make \
                     them for ever",
                    mode.as_str()
                ),
                hint: "write a `think`, or `mode: real`".to_owned(),
            }),
        }
    }

    /// Why the model of an ideal cache cannot have this.
    fn unmodelled(self) -> Unavailable {
        let why = match self {
            Self::Provider(_) => "keeps a user's tokens in one place, whatever the session",
            Self::Encryption | Self::KeyRingSwap | Self::TokenSize => {
                "knows tokens by their times, and has no bytes to encrypt or to weigh"
            }
            Self::PassOver => "takes a cached token wherever there is one",
            Self::Wording => "has calls without words of their own",
            Self::CodeReplay => "redeems a code once",
            Self::RefreshTokenEnd => {
                "has refresh tokens that are good for as long as anybody brings them"
            }
            Self::Throttles | Self::IdpFault => {
                "has a provider that answers every request with a token"
            }
            Self::L2Fault => "has a shared store that never fails",
            Self::FleetChange => "has instances that neither begin anew nor come or go",
            Self::ClockStep => "has one clock for all",
            Self::KeyRollover => "has tokens without signatures",
            _ => "knows nothing of this",
        };
        Unavailable {
            message: format!("the model of an ideal cache {why}"),
            hint: "leave it out, or choose another `mode`".to_owned(),
        }
    }
}

/// Why this build, or mode, has no such store.
fn without(store: RemoteStore, mode: Mode) -> Unavailable {
    let (name, mode_name) = (store.as_str(), mode.as_str());
    let (message, hint) = match store {
        RemoteStore::File => (
            format!(
                "the store `file` is on a disk, and in mode `{mode_name}` nobody waits for one"
            ),
            "write `mode: real`, or `store: memory`".to_owned(),
        ),
        _ if mode != Mode::Real => (
            format!(
                "the store `{name}` is asked over sockets, and in mode `{mode_name}` there are none"
            ),
            "write `mode: real`, or `store: memory`".to_owned(),
        ),
        _ => (
            format!("this build has no store `{name}`"),
            format!("build it with `--features {name}`, or write `store: memory`"),
        ),
    };
    Unavailable { message, hint }
}
