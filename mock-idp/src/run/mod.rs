//! What `mock-idp run` does around a program, so that this server is Entra ID for it.
//!
//! Namespaces are entered by running this program again under `unshare` of util-linux, and an
//! address is given to the loopback device by `ip` of iproute2: the kernel's own calls for both
//! have no safe interface, and this way everything that belongs to the program, this server
//! included, is in the namespaces, so they end with the last of it and there is nothing to clean
//! up.

pub(crate) mod child;
mod environment;
pub(crate) mod namespace;
mod workplace;

use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;

pub(crate) use self::environment::{Surroundings, Way};
pub(crate) use self::workplace::Workplace;

/// Why a program was not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RunError {
    /// The kernel or its administrator does not let this user have namespaces.
    #[error("namespaces are not permitted here: {said}")]
    NotPermitted {
        /// In whose words.
        said: String,
    },
    /// A program that sets up namespaces is not there or cannot be started.
    #[error("`{tool}` cannot be run")]
    Tool {
        /// Its name.
        tool: &'static str,
        /// The package it is in.
        package: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The flag that says that namespaces were entered is false.
    #[error("`--inside` is for this program's own use")]
    NotInside,
    /// A file that the program is to see cannot be made.
    #[error("`{}` cannot be used", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The program itself.
    #[error("`{program}` cannot be run")]
    Program {
        /// As it was given.
        program: String,
        /// Why.
        source: io::Error,
    },
}

impl RunError {
    /// What to try.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::NotPermitted { .. } => Some(
                "use --proxy, which needs none: login hosts are reached by HTTPS_PROXY, managed \
                 identities by AZURE_POD_IDENTITY_AUTHORITY_HOST"
                    .to_owned(),
            ),
            Self::Tool { package, .. } => Some(format!(
                "install {package}, or use --proxy, which needs no namespaces"
            )),
            Self::NotInside => Some("leave it out".to_owned()),
            Self::File { .. } | Self::Program { .. } => None,
        }
    }
}

/// The place that the server and its program are in.
pub(crate) struct Inside {
    /// Whether nobody else is in its network.
    pub(crate) own_network: bool,
    pub(crate) workplace: Workplace,
}

impl Inside {
    /// Where to serve: in a network shared with the machine one that hardly anyone else has, so
    /// that several servers can have port 443 at a time.
    pub(crate) fn loopback_address(&self) -> Ipv4Addr {
        if self.own_network {
            return Ipv4Addr::LOCALHOST;
        }
        let [b, c, d] = rand::random::<[u8; 3]>();
        Ipv4Addr::new(127, 64 + b % 64, c, 1 + d % 254)
    }
}
