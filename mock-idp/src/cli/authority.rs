//! `mock-idp ca`: where the certificate authority is, and how clients come to trust it.

use std::io::{self, Write as _};
use std::path::Path;

use super::failure::Failure;
use crate::tls::Authority;

pub(super) const EXAMPLES: &str = "\
Examples:
  mock-idp ca
  eval \"$(mock-idp ca)\"        # in the shell that will run the client";

pub(super) fn print(data_dir: Option<&Path>) -> Result<(), Failure> {
    let authority = Authority::open(data_dir)?;
    let path = authority.certificate_path();
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    write(&path).map_err(Failure::io("the path cannot be printed"))
}

fn write(path: &Path) -> io::Result<()> {
    let path = path.display().to_string();
    let quoted = format!("'{}'", path.replace('\'', r"'\''"));
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "# {path}")?;
    for (variable, clients) in [
        (
            "REQUESTS_CA_BUNDLE",
            "Python: msal, azure-identity (requests)",
        ),
        (
            "SSL_CERT_FILE",
            "Python ssl, Go, .NET on Linux, Rust (azure_identity), OpenSSL",
        ),
        (
            "NODE_EXTRA_CA_CERTS",
            "Node: @azure/msal-node, @azure/identity",
        ),
    ] {
        writeln!(stdout, "export {variable}={quoted}  # {clients}")?;
    }
    stdout.flush()
}
