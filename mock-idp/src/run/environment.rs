//! The variables by which a program trusts the server, and finds it where no name leads to it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::{RunError, Workplace};
use crate::server::Server;

/// Where distributions keep the certificates that everyone trusts.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Variables that name a file of *all* certificates to trust; the server's alone would cut the
/// program off from everything else.
const REPLACING: [&str; 3] = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"];

/// A variable that names certificates to trust in addition.
const ADDING: &str = "NODE_EXTRA_CA_CERTS";

/// Hosts that are not behind the proxy.
const DIRECT: &str = "localhost,127.0.0.1,::1,169.254.169.254";

/// How the program reaches the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// By the names of Entra's hosts.
    Hosts,
    /// By IMDS's address, and maybe those names.
    LinkLocal,
    /// By a proxy.
    Proxy,
}

/// What a program would see without us.
pub(crate) struct Surroundings {
    variable: fn(&str) -> Option<OsString>,
}

impl Surroundings {
    pub(crate) fn of_process() -> Self {
        Self {
            variable: |name| std::env::var_os(name).filter(|value| !value.is_empty()),
        }
    }

    /// The variables to set for a program that reaches `server` by this way.
    ///
    /// # Errors
    ///
    /// A file of certificates that cannot be read or made.
    pub(crate) fn variables(
        &self,
        way: Way,
        server: &Server,
        workplace: &Workplace,
    ) -> Result<Vec<(&'static str, OsString)>, RunError> {
        let mut variables = Vec::new();
        if let Some(certificate) = server.ca_certificate() {
            variables.extend(self.trust(certificate, workplace)?);
        }
        if let Some(address) = server.http_addr() {
            variables.push(("MOCK_IDP_URL", format!("http://{address}").into()));
        }
        if way != Way::Proxy {
            return Ok(variables);
        }
        if let Some(address) = server.imds_addr() {
            let host = format!("http://{address}").into();
            variables.push(("AZURE_POD_IDENTITY_AUTHORITY_HOST", host));
        }
        if let Some(address) = server.proxy_addr() {
            let proxy = OsString::from(format!("http://{address}"));
            for name in ["HTTPS_PROXY", "https_proxy"] {
                variables.push((name, proxy.clone()));
            }
            // Node 24 and later look at the proxy's variables only when asked to.
            variables.push(("NODE_USE_ENV_PROXY", "1".into()));
            for name in ["NO_PROXY", "no_proxy"] {
                variables.push((name, self.direct(name)));
            }
        }
        Ok(variables)
    }

    fn trust(
        &self,
        certificate: &Path,
        workplace: &Workplace,
    ) -> Result<Vec<(&'static str, OsString)>, RunError> {
        let mut variables = Vec::new();
        for name in REPLACING {
            let before = (self.variable)(name)
                .map(PathBuf::from)
                // A directory, as requests allows: its certificates are not in a file to add to.
                .filter(|path| path.is_file())
                .or_else(|| {
                    BUNDLES
                        .iter()
                        .map(PathBuf::from)
                        .find(|path| path.is_file())
                });
            variables.push((name, joined(name, before, certificate, workplace)?));
        }
        let before = (self.variable)(ADDING).map(PathBuf::from);
        variables.push((ADDING, joined(ADDING, before, certificate, workplace)?));
        Ok(variables)
    }

    fn direct(&self, name: &str) -> OsString {
        let mut direct = OsString::from(DIRECT);
        if let Some(before) = (self.variable)(name) {
            direct.push(",");
            direct.push(before);
        }
        direct
    }
}

/// A file with what was trusted before and the server's authority.
fn joined(
    name: &str,
    before: Option<PathBuf>,
    certificate: &Path,
    workplace: &Workplace,
) -> Result<OsString, RunError> {
    let read = |path: &Path| {
        fs::read(path).map_err(|source| RunError::File {
            path: path.to_owned(),
            source,
        })
    };
    let mut bundle = match before {
        Some(path) => read(&path)?,
        None => Vec::new(),
    };
    if !bundle.is_empty() && !bundle.ends_with(b"\n") {
        bundle.push(b'\n');
    }
    bundle.extend(read(certificate)?);
    let file = format!("{}.pem", name.to_ascii_lowercase());
    Ok(workplace.write(&file, &bundle)?.into_os_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_trusted_before_still_is() {
        let workplace = Workplace::new().unwrap();
        let before = workplace.write("before", b"BEFORE").unwrap();
        let ours = workplace.write("ours", b"OURS\n").unwrap();
        let bundle = joined("SSL_CERT_FILE", Some(before), &ours, &workplace).unwrap();
        assert_eq!(fs::read(&bundle).unwrap(), b"BEFORE\nOURS\n");
        let alone = joined("NODE_EXTRA_CA_CERTS", None, &ours, &workplace).unwrap();
        assert_eq!(fs::read(alone).unwrap(), b"OURS\n");
        let path = workplace.path().to_owned();
        drop(workplace);
        assert!(!path.exists() && !Path::new(&bundle).exists());
    }

    #[test]
    fn exceptions_from_the_proxy_are_kept() {
        let surroundings = |variable| Surroundings { variable };
        assert_eq!(surroundings(|_| None).direct("NO_PROXY"), DIRECT);
        let kept = surroundings(|_| Some("db.local".into())).direct("NO_PROXY");
        assert_eq!(kept, format!("{DIRECT},db.local").as_str());
    }
}
