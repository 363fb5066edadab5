//! The certificates that applications registered.

use std::path::Path;

use aws_lc_rs::digest;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// A certificate that an application registered.
#[derive(Clone)]
pub(crate) struct Certificate {
    pub(crate) der: Vec<u8>,
    pub(crate) sha1: Vec<u8>,
    pub(crate) sha256: Vec<u8>,
}

impl Certificate {
    /// From PEM, or from a file of PEM.
    pub(super) fn load(named: &str, beside: &Path) -> Result<Self, String> {
        let pem = if named.trim_start().starts_with("-----BEGIN") {
            named.to_owned()
        } else {
            let path = beside.join(named);
            std::fs::read_to_string(&path)
                .map_err(|error| format!("cannot be read from `{}`: {error}", path.display()))?
        };
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| "is no PEM certificate".to_owned())?
            .as_ref()
            .to_vec();
        Ok(Self::new(der))
    }

    /// From DER.
    pub(crate) fn new(der: Vec<u8>) -> Self {
        let hash = |algorithm| digest::digest(algorithm, &der).as_ref().to_vec();
        Self {
            sha1: hash(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            sha256: hash(&digest::SHA256),
            der,
        }
    }
}
