//! A cloud's login hosts: one is written to the cache, any is accepted from it.

use std::sync::Arc;

/// A cloud's login hosts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Environment {
    preferred_cache: Arc<str>,
    aliases: Aliases,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Aliases {
    Known(&'static [&'static str]),
    OnlyItself,
}

/// Preferred cache host and aliases of the public and sovereign clouds, after
/// MSAL.NET's `KnownMetadataProvider`.
const CLOUDS: [(&str, &[&str]); 5] = [
    (
        "login.windows.net",
        &[
            "login.microsoftonline.com",
            "login.windows.net",
            "login.microsoft.com",
            "sts.windows.net",
        ],
    ),
    (
        "login.microsoftonline.us",
        &["login.microsoftonline.us", "login.usgovcloudapi.net"],
    ),
    (
        "login.partner.microsoftonline.cn",
        &["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
    ),
    ("login.microsoftonline.de", &["login.microsoftonline.de"]),
    (
        "login.windows-ppe.net",
        &[
            "login.windows-ppe.net",
            "sts.windows-ppe.net",
            "login.microsoft-ppe.com",
        ],
    ),
];

impl Environment {
    /// The environment that `host` belongs to; an unknown host is its own.
    pub fn of_host(host: &str) -> Self {
        let host = host.to_ascii_lowercase();
        for (preferred_cache, aliases) in CLOUDS {
            if aliases.contains(&host.as_str()) {
                return Self {
                    preferred_cache: preferred_cache.into(),
                    aliases: Aliases::Known(aliases),
                };
            }
        }
        Self {
            preferred_cache: host.into(),
            aliases: Aliases::OnlyItself,
        }
    }

    /// The host that is written to the cache.
    pub fn preferred_cache(&self) -> &Arc<str> {
        &self.preferred_cache
    }

    /// Whether an entry with this host is of this environment.
    pub fn contains(&self, host: &str) -> bool {
        self.is_preferred(host)
            || match self.aliases {
                Aliases::Known(hosts) => hosts.iter().any(|alias| alias.eq_ignore_ascii_case(host)),
                Aliases::OnlyItself => false,
            }
    }

    /// Whether this is the host that is written to the cache.
    pub(crate) fn is_preferred(&self, host: &str) -> bool {
        // Equal text is the common case, and the quicker comparison.
        *self.preferred_cache == *host || self.preferred_cache.eq_ignore_ascii_case(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_knows_its_aliases_and_what_it_writes() {
        let public = Environment::of_host("Login.MicrosoftOnline.com");
        assert_eq!(&**public.preferred_cache(), "login.windows.net");
        assert!(public.contains("sts.windows.net"));
        assert!(!public.contains("login.microsoftonline.us"));
        let own = Environment::of_host("127.0.0.1");
        assert_eq!(&**own.preferred_cache(), "127.0.0.1");
        assert!(!own.contains("login.windows.net"));
    }
}
