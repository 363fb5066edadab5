//! `mock-idp run`: a program for which this server is Entra ID, though nothing of it was changed.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgGroup, Args};

use super::failure::Failure;
use super::options::Options;
use crate::LedgerSnapshot;
use crate::config::Config;
use crate::hosts::{LINK_LOCAL, is_microsofts};
use crate::issuer::IssuerMode;
use crate::run::{Inside, Surroundings, Way, Workplace, child, namespace};
use crate::server::Server;

pub(super) const EXAMPLES: &str = "\
Examples:
  mock-idp run --hosts -- python app.py      # https://login.microsoftonline.com is this server
  mock-idp run --imds -- node machine.js     # so is http://169.254.169.254
  mock-idp run --hosts --imds --ledger ledger.json --expires-in 10m -- ./service
  mock-idp run --proxy -- python app.py      # where namespaces are not permitted

With --hosts the program has a hosts file of its own, with --imds a network of its own, in which
nothing but this server is to be reached. The machine's own are left alone, and both end with the
program. Clients trust the server by SSL_CERT_FILE, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE and
NODE_EXTRA_CA_CERTS, which are set; MOCK_IDP_URL is where the admin API is.

Exit codes: the program's, 128 and its number for a signal; 126 or 127 when it cannot be run, 2
usage, 4 environment (namespaces not permitted, port in use), 5 internal error.";

/// How long connections that outlive the program may last.
const DRAIN: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(group(ArgGroup::new("way").args(["hosts", "imds", "proxy"]).required(true).multiple(true)))]
pub(super) struct Run {
    /// Entra's login hosts are this server, at port 443, by a hosts file that the program alone
    /// sees
    #[arg(long)]
    hosts: bool,
    /// IMDS, <http://169.254.169.254>, is this server, in a network that the program alone sees
    #[arg(long)]
    imds: bool,
    /// Entra's login hosts are this server by way of a proxy (`HTTPS_PROXY`); everything else is
    /// refused there. Managed identities by `AZURE_POD_IDENTITY_AUTHORITY_HOST`. Needs no namespaces
    #[arg(long, conflicts_with_all = ["hosts", "imds"])]
    proxy: bool,
    /// One more login host, such as contoso.ciamlogin.com; a hosts file knows no wildcards
    #[arg(long, value_name = "HOST", requires = "hosts", value_parser = login_host)]
    also_host: Vec<String>,
    /// Write what was asked of the server to this file, as JSON, when the program has ended
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// The namespace that this process was started from, by itself
    #[arg(long, hide = true, value_name = "NAMESPACE")]
    inside: Option<OsString>,
    /// Whether the network is the program's own
    #[arg(long, hide = true, requires = "inside")]
    own_network: bool,
    #[command(flatten)]
    pub(super) options: Options,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

fn login_host(text: &str) -> Result<String, String> {
    let host = text.to_ascii_lowercase();
    if is_microsofts(&host) {
        Ok(host)
    } else {
        Err(format!(
            "`{text}` is none of Entra's login hosts, and the certificate would not cover it"
        ))
    }
}

impl Run {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let inside = match &self.inside {
            None if self.proxy => Inside {
                own_network: false,
                workplace: Workplace::new()?,
            },
            None => match namespace::enter(self.imds)? {},
            Some(left) => {
                namespace::check_entered(left)?;
                Inside {
                    own_network: self.own_network,
                    workplace: Workplace::new()?,
                }
            }
        };
        super::block_on(self.inside(inside))
    }

    /// Serves and runs the program, in the namespaces that it is to see.
    async fn inside(self, inside: Inside) -> Result<ExitCode, Failure> {
        let address = inside.loopback_address();
        if inside.own_network {
            namespace::bring_up_network(self.imds)?;
            if !self.imds {
                tracing::info!(
                    "port 443 is not for this user; the program gets a network of its own, in \
                     which there is nothing but this server"
                );
            }
        }
        if self.hosts {
            namespace::replace_hosts(&inside.workplace, address, &self.also_host)?;
        }
        let way = match (self.proxy, self.imds) {
            (true, _) => Way::Proxy,
            (false, true) => Way::LinkLocal,
            (false, false) => Way::Hosts,
        };
        let issuer = if self.hosts || self.proxy {
            IssuerMode::Microsoft
        } else {
            IssuerMode::Own
        };
        let anywhere = Some((Ipv4Addr::LOCALHOST, 0).into());
        let mut config = Config {
            https: if self.hosts {
                Some((address, 443).into())
            } else {
                anywhere
            },
            http: anywhere,
            imds: match way {
                Way::LinkLocal => Some((LINK_LOCAL, 80).into()),
                Way::Proxy => anywhere,
                Way::Hosts => None,
            },
            proxy: anywhere.filter(|_| self.proxy),
            ..self.options.to_config(issuer, Config::default().seed)?
        };
        config.limits.drain = DRAIN;
        let server = Server::start(config).await?;
        let variables = Surroundings::of_process().variables(way, &server, &inside.workplace)?;
        let ended = child::run(&self.program, variables).await;
        let ledger = server.ledger();
        server.stop().await;
        if let Some(file) = &self.ledger {
            write_ledger(file, &ledger)?;
        }
        tracing::info!(
            token_requests = ledger.token_requests,
            redundant = ledger.redundant_token_requests,
            "the program has ended"
        );
        Ok(ended?)
    }
}

fn write_ledger(file: &Path, ledger: &LedgerSnapshot) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(ledger)
        .map_err(|error| Failure::io("the ledger cannot be written")(error.into()))?;
    text.push('\n');
    std::fs::write(file, text).map_err(Failure::io("the ledger cannot be written"))
}
