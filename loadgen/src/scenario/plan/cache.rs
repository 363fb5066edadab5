//! The cache of a plan.

use std::time::Duration;

use token_cache::{Policy, Secret};

use super::LatencyPlan;
use crate::scenario::units::Bytes;

/// The named sets of cache behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresetPlan {
    /// Single flight, L2 touched only when its entries slide.
    Recommended,
    /// What MSAL.NET with Microsoft.Identity.Web does: no single flight, an L2
    /// refresh on every L1 hit.
    MsalNet,
}

impl PresetPlan {
    /// The word in scenario files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recommended => "recommended",
            Self::MsalNet => "msal_net",
        }
    }

    /// Its choices.
    pub fn policy(self) -> Policy {
        match self {
            Self::Recommended => Policy::RECOMMENDED,
            Self::MsalNet => Policy::MSAL_NET,
        }
    }
}

/// How an instance caches.
#[derive(Debug, Clone, PartialEq)]
pub struct CachePlan {
    /// The behaviour it started from.
    pub preset: PresetPlan,
    /// Every choice: the preset's, and what the scenario changed of them.
    pub policy: Policy,
    /// Which kind of cache the application chose.
    pub provider: ProviderPlan,
    /// How long and how large a session's cache may be.
    pub session: SessionPlan,
    /// L1, in each instance's memory; `None` when disabled.
    pub l1: Option<L1Plan>,
    /// L2, shared by the instances; `None` when there is none.
    pub l2: Option<L2Plan>,
    /// Whether L2 entries are encrypted.
    pub encryption: bool,
}

impl CachePlan {
    /// Whether each session of a user has a cache of its own.
    pub fn is_by_session(&self) -> bool {
        matches!(
            self.provider,
            ProviderPlan::Session | ProviderPlan::SessionCookie
        )
    }

    /// Whether anything is encrypted.
    pub fn is_sealed(&self) -> bool {
        self.encryption || self.provider == ProviderPlan::SessionCookie
    }
}

/// The limits of a session's cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionPlan {
    /// In the server's store: it goes when left alone for this long.
    pub idle_timeout: Duration,
    /// In the browser: most cookies that it may be cut into.
    pub cookies: usize,
}

/// The kinds of cache an application chooses from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderPlan {
    /// L1 over L2.
    Distributed,
    /// In each instance's memory alone.
    Memory,
    /// In the user's web session, which the server keeps: in L2, or without one
    /// in the memory of the instance that began it.
    Session,
    /// In the user's web session, which the browser keeps in encrypted cookies.
    SessionCookie,
    /// In a file.
    File,
}

/// The memory layer of one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct L1Plan {
    /// Bytes an instance's L1 may hold, more than zero.
    pub size_limit: Bytes,
}

/// The layer that instances share.
#[derive(Debug, Clone, PartialEq)]
pub struct L2Plan {
    /// Which store.
    pub store: StorePlan,
    /// Entries not touched for this long go; `None` for no sliding expiration.
    pub sliding_expiration: Option<Duration>,
}

/// The L2 backends.
#[derive(Debug, Clone, PartialEq)]
pub enum StorePlan {
    /// Distributed memory: in this process, with a modelled round trip.
    Memory {
        /// Bytes it may hold, more than zero.
        size_limit: Bytes,
        /// Time each operation takes.
        latency: LatencyPlan,
    },
    /// Outside this process: a server, or a file.
    Remote {
        /// Which kind.
        kind: RemoteStore,
        /// Where, in the kind's own notation; it may hold a password.
        url: Secret,
    },
}

/// The kinds of stores outside this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteStore {
    /// Redis.
    Redis,
    /// `PostgreSQL`.
    Postgres,
    /// Microsoft SQL Server.
    SqlServer,
    /// Azure Cosmos DB.
    Cosmos,
    /// memcached.
    Memcached,
    /// A file that several processes share, as the desktop cache of MSAL.
    File,
}

impl RemoteStore {
    /// The word in scenario files, which is also the cargo feature.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Postgres => "postgres",
            Self::SqlServer => "sql_server",
            Self::Cosmos => "cosmos",
            Self::Memcached => "memcached",
            Self::File => "file",
        }
    }

    /// What its address begins with, before the colon; of a `file` the address is a path.
    pub fn schemes(self) -> &'static [&'static str] {
        match self {
            Self::Redis => &["redis", "rediss"],
            Self::Postgres => &["postgres", "postgresql"],
            Self::SqlServer => &["sqlserver"],
            Self::Cosmos => &["cosmos"],
            Self::Memcached => &["memcached"],
            Self::File => &[],
        }
    }

    /// An address of it, to be written anew.
    pub fn address_example(self) -> &'static str {
        match self {
            Self::Redis => "redis://127.0.0.1:6379",
            Self::Postgres => "postgres://user@127.0.0.1:5432/database",
            Self::SqlServer => "sqlserver:Server=tcp:127.0.0.1,1433;User Id=..;Password=..",
            Self::Cosmos => {
                "cosmos:AccountEndpoint=https://..;AccountKey=..;Database=..;Container=..;Region=.."
            }
            Self::Memcached => "memcached://127.0.0.1:11211",
            Self::File => "/var/tmp/cache",
        }
    }
}
