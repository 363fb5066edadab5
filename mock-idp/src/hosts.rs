//! The hosts that Entra itself answers at.

use std::net::Ipv4Addr;

/// Hosts of one cloud; the first is the one clients connect to, the second the one they file
/// tokens under.
pub(crate) struct Cloud {
    pub(crate) preferred_network: &'static str,
    pub(crate) preferred_cache: &'static str,
    pub(crate) aliases: &'static [&'static str],
}

/// Microsoft's clouds.
pub(crate) const CLOUDS: &[Cloud] = &[
    Cloud {
        preferred_network: "login.microsoftonline.com",
        preferred_cache: "login.windows.net",
        aliases: &[
            "login.microsoftonline.com",
            "login.windows.net",
            "login.microsoft.com",
            "sts.windows.net",
        ],
    },
    Cloud {
        preferred_network: "login.partner.microsoftonline.cn",
        preferred_cache: "login.partner.microsoftonline.cn",
        aliases: &["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
    },
    Cloud {
        preferred_network: "login.microsoftonline.de",
        preferred_cache: "login.microsoftonline.de",
        aliases: &["login.microsoftonline.de"],
    },
    Cloud {
        preferred_network: "login.microsoftonline.us",
        preferred_cache: "login.microsoftonline.us",
        aliases: &["login.microsoftonline.us", "login.usgovcloudapi.net"],
    },
    Cloud {
        preferred_network: "login-us.microsoftonline.com",
        preferred_cache: "login-us.microsoftonline.com",
        aliases: &["login-us.microsoftonline.com"],
    },
    Cloud {
        preferred_network: "login.sovcloud-identity.fr",
        preferred_cache: "login.sovcloud-identity.fr",
        aliases: &["login.sovcloud-identity.fr"],
    },
    Cloud {
        preferred_network: "login.sovcloud-identity.de",
        preferred_cache: "login.sovcloud-identity.de",
        aliases: &["login.sovcloud-identity.de"],
    },
    Cloud {
        preferred_network: "login.sovcloud-identity.sg",
        preferred_cache: "login.sovcloud-identity.sg",
        aliases: &["login.sovcloud-identity.sg"],
    },
    Cloud {
        preferred_network: "login.windows-ppe.net",
        preferred_cache: "login.windows-ppe.net",
        aliases: &["login.windows-ppe.net"],
    },
];

/// Domains under which any one label is a host: regions, external identities, consumers of apps.
pub(crate) const WILDCARD_DOMAINS: &[&str] =
    &["login.microsoft.com", "ciamlogin.com", "b2clogin.com"];

/// The host of the region that the mock's machines are in.
pub(crate) const REGIONAL_HOST: &str = "westeurope.login.microsoft.com";

/// Where managed identities ask for tokens. Only a machine that gave itself this address has it.
pub(crate) const LINK_LOCAL: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// Names under which this machine reaches itself.
pub(crate) const LOOPBACK: &[&str] = &["localhost", "127.0.0.1", "[::1]"];

/// Whether `host`, in lower case and without a port, is one of Microsoft's.
pub(crate) fn is_microsofts(host: &str) -> bool {
    let is_under = |domain: &&str| {
        let label = host
            .strip_suffix(*domain)
            .and_then(|rest| rest.strip_suffix('.'));
        label.is_some_and(|label| !label.is_empty() && !label.contains('.'))
    };
    CLOUDS.iter().any(|cloud| cloud.aliases.contains(&host))
        || WILDCARD_DOMAINS.iter().any(is_under)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn microsofts_hosts_are_known() {
        for host in [
            "login.microsoftonline.com",
            "westus.login.microsoft.com",
            "x.ciamlogin.com",
        ] {
            assert!(is_microsofts(host), "{host}");
        }
        for host in [
            "login.example.com",
            "evil-b2clogin.com",
            ".ciamlogin.com",
            "a.b.b2clogin.com",
        ] {
            assert!(!is_microsofts(host), "{host}");
        }
    }
}
