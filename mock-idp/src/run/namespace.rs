//! A hosts file and a network that a program alone sees.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{RunError, Workplace};
use crate::hosts::{CLOUDS, LINK_LOCAL, REGIONAL_HOST};

const HOSTS: &str = "/etc/hosts";

/// What names this process' mount namespace.
const NAMESPACE: &str = "/proc/self/ns/mnt";

/// Below this port only the privileged may serve.
const FIRST_UNPRIVILEGED: &str = "/proc/sys/net/ipv4/ip_unprivileged_port_start";

/// How `unshare` is asked for the namespaces that this user can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entrance {
    /// Another user's privileges are needed: those of the superuser of a namespace of one's own.
    as_superuser: bool,
    own_network: bool,
}

impl Entrance {
    /// The entrances to try, the one that changes least first. `privileged` users need no other
    /// user's privileges, if they may use their own; port 443 of the machine's network is not for
    /// the superuser of a namespace.
    fn candidates(privileged: bool, imds: bool, first_unprivileged: u32) -> Vec<Self> {
        let least = Self {
            as_superuser: false,
            own_network: imds,
        };
        let most = Self {
            as_superuser: true,
            own_network: imds || first_unprivileged > 443,
        };
        if privileged {
            vec![least, most]
        } else {
            vec![most]
        }
    }

    fn arguments(self) -> Vec<&'static str> {
        let mut arguments = vec!["--mount"];
        if self.own_network {
            arguments.push("--net");
        }
        if self.as_superuser {
            arguments.push("--map-root-user");
        }
        arguments
    }
}

/// Replaces this process by one of the same arguments in namespaces of its own, with `imds` in a
/// network of its own.
///
/// # Errors
///
/// Namespaces that are not to be had. It does not return otherwise.
pub(crate) fn enter(imds: bool) -> Result<Infallible, RunError> {
    let entrance = find_entrance(imds)?;
    let failed = |source| tool("unshare", source);
    let left = fs::read_link(NAMESPACE).map_err(failed)?;
    let program = std::env::current_exe().map_err(failed)?;
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    let subcommand = arguments.next().unwrap_or_else(|| OsString::from("run"));
    tracing::debug!(?name, ?entrance, "entering namespaces");
    let mut unshare = Command::new("unshare");
    unshare
        .args(entrance.arguments())
        .arg("--")
        .arg(program)
        .arg(subcommand)
        .arg("--inside")
        .arg(left);
    if entrance.own_network {
        unshare.arg("--own-network");
    }
    Err(failed(unshare.args(arguments).exec()))
}

fn find_entrance(imds: bool) -> Result<Entrance, RunError> {
    let first_unprivileged = fs::read_to_string(FIRST_UNPRIVILEGED)
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(1024);
    let privileged = rustix::process::geteuid().is_root();
    let mut said = String::new();
    for entrance in Entrance::candidates(privileged, imds, first_unprivileged) {
        let tried = Command::new("unshare")
            .args(entrance.arguments())
            .args(["--", "true"])
            .stdin(Stdio::null())
            .output()
            .map_err(|source| tool("unshare", source))?;
        if tried.status.success() {
            return Ok(entrance);
        }
        said = said_by(&tried.stderr);
    }
    Err(RunError::NotPermitted { said })
}

/// Checks that this process is in another mount namespace than `left`.
///
/// # Errors
///
/// It is in the same, where a hosts file would be everybody's.
pub(crate) fn check_entered(left: &OsStr) -> Result<(), RunError> {
    let names_a_namespace = left.to_str().is_some_and(|left| left.starts_with("mnt:["));
    match fs::read_link(NAMESPACE) {
        Ok(here) if names_a_namespace && here.as_os_str() != left => Ok(()),
        _ => Err(RunError::NotInside),
    }
}

/// Starts the loopback device of a new network, and gives it the address of IMDS.
pub(crate) fn bring_up_network(imds: bool) -> Result<(), RunError> {
    ip(&["link", "set", "lo", "up"])?;
    if imds {
        ip(&["address", "add", &format!("{LINK_LOCAL}/32"), "dev", "lo"])?;
    }
    Ok(())
}

fn ip(arguments: &[&str]) -> Result<(), RunError> {
    let tried = Command::new("ip")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| tool("ip", source))?;
    if tried.status.success() {
        return Ok(());
    }
    Err(RunError::NotPermitted {
        said: said_by(&tried.stderr),
    })
}

/// Lays a hosts file over the machine's, for this namespace.
pub(crate) fn replace_hosts(
    workplace: &Workplace,
    address: Ipv4Addr,
    more: &[String],
) -> Result<(), RunError> {
    let machines = match fs::read_to_string(HOSTS) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(source) => {
            return Err(RunError::File {
                path: HOSTS.into(),
                source,
            });
        }
    };
    let file = workplace.write("hosts", hosts(address, more, &machines).as_bytes())?;
    rustix::mount::mount_bind(&file, Path::new(HOSTS)).map_err(|error| RunError::NotPermitted {
        said: format!("a hosts file cannot be mounted: {error}"),
    })
}

/// The machine's hosts file after lines of ours: the first line that has a name counts.
fn hosts(address: Ipv4Addr, more: &[String], machines: &str) -> String {
    let ours = CLOUDS
        .iter()
        .flat_map(|cloud| cloud.aliases)
        .copied()
        .chain([REGIONAL_HOST])
        .chain(more.iter().map(String::as_str));
    let mut lines: Vec<_> = ours.map(|host| format!("{address} {host}")).collect();
    lines.push(machines.to_owned());
    lines.join("\n")
}

fn tool(tool: &'static str, source: io::Error) -> RunError {
    let package = match tool {
        "ip" => "iproute2",
        _ => "util-linux",
    };
    RunError::Tool {
        tool,
        package,
        source,
    }
}

fn said_by(stderr: &[u8]) -> String {
    let said = String::from_utf8_lossy(stderr);
    let said = said.trim().lines().next().unwrap_or_default();
    if said.is_empty() {
        "without a reason given".to_owned()
    } else {
        said.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_change_is_tried_first() {
        let entrance = |as_superuser, own_network| Entrance {
            as_superuser,
            own_network,
        };
        assert_eq!(
            Entrance::candidates(true, false, 1024),
            [entrance(false, false), entrance(true, true)]
        );
        assert_eq!(
            Entrance::candidates(false, false, 0),
            [entrance(true, false)]
        );
        assert_eq!(Entrance::candidates(false, true, 0), [entrance(true, true)]);
        assert_eq!(
            entrance(true, true).arguments(),
            ["--mount", "--net", "--map-root-user"]
        );
        assert_eq!(entrance(false, false).arguments(), ["--mount"]);
    }

    #[test]
    fn names_of_ours_come_before_the_machines() {
        let machines = "127.0.0.1 localhost\n10.0.0.1 login.microsoftonline.com\n";
        let more = ["contoso.ciamlogin.com".to_owned()];
        let text = hosts(Ipv4Addr::new(127, 0, 0, 9), &more, machines);
        assert!(text.ends_with(machines), "{text}");
        let first = |name: &str| {
            text.lines()
                .find(|line| line.split_whitespace().skip(1).any(|word| word == name))
        };
        for host in [
            "login.microsoftonline.com",
            "sts.windows.net",
            "login.microsoftonline.us",
            "westeurope.login.microsoft.com",
            "contoso.ciamlogin.com",
        ] {
            assert_eq!(first(host), Some(format!("127.0.0.9 {host}").as_str()));
        }
        assert_eq!(first("localhost"), Some("127.0.0.1 localhost"));
    }

    #[test]
    fn nobody_claims_to_be_inside_who_is_not() {
        let here = fs::read_link(NAMESPACE).unwrap();
        for left in [here.as_os_str(), OsStr::new(""), OsStr::new("elsewhere")] {
            let refused = check_entered(left);
            assert!(matches!(refused, Err(RunError::NotInside)), "{left:?}");
        }
        assert!(check_entered(OsStr::new("mnt:[1]")).is_ok());
    }
}
