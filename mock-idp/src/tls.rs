//! The server's own certificate authority, kept on disk, and the certificate it serves with.
//!
//! Clients are told to trust the authority once; the server's certificate is made anew at each
//! start and never leaves memory.

use std::fs;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::clock::Clock;
use crate::hosts::{CLOUDS, LINK_LOCAL, WILDCARD_DOMAINS};

/// The authority's own directory in the data directory. Certificate and key appear in it together,
/// by one rename.
const DIRECTORY: &str = "ca";
const CERTIFICATE: &str = "ca.pem";
const KEY: &str = "ca.key";

/// What is wrong with the authority's files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// Neither a data directory nor a home directory is known.
    #[error("no data directory is known")]
    NoDataDirectory,
    /// A file or directory cannot be read or written.
    #[error("`{}` cannot be used", path.display())]
    Unusable {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("`{}` {problem}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A certificate could not be made.
    #[error("no certificate could be made: {0}")]
    Certificate(String),
}

impl TlsError {
    /// What to try.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoDataDirectory => {
                Some("set HOME or XDG_DATA_HOME, or choose one with --data-dir".to_owned())
            }
            Self::Unusable { .. } => {
                Some("check its permissions, or choose another place with --data-dir".to_owned())
            }
            Self::Corrupt { path, .. } => Some(format!(
                "remove `{}` to have a new authority made; clients must then trust the new one",
                path.parent().unwrap_or(path).display()
            )),
            Self::Certificate(_) => None,
        }
    }
}

/// A certificate authority on disk.
pub(crate) struct Authority {
    certificate_path: PathBuf,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// The authority kept in `data_dir`, or in the user's data directory. It is made when there is
    /// none; one that is there but cannot be used is left as it is.
    pub(crate) fn open(data_dir: Option<&Path>) -> Result<Self, TlsError> {
        let data_dir = match data_dir {
            Some(path) => path.to_owned(),
            None => default_data_dir().ok_or(TlsError::NoDataDirectory)?,
        };
        let directory = data_dir.join(DIRECTORY);
        let exists = directory
            .try_exists()
            .map_err(|source| unusable(&directory, source))?;
        if !exists {
            create(&data_dir, &directory)?;
        }
        load(&directory)
    }

    /// The certificate that clients must trust.
    pub(crate) fn certificate_path(&self) -> &Path {
        &self.certificate_path
    }

    /// A TLS configuration with a new certificate for every name the server may be reached by, and
    /// that certificate's SHA-1 thumbprint in upper-case hex.
    pub(crate) fn server_config(&self) -> Result<(ServerConfig, String), TlsError> {
        let failed = |error: rcgen::Error| TlsError::Certificate(error.to_string());
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
        let certificate = leaf_params().map_err(failed)?;
        let certificate = certificate.signed_by(&key, &self.issuer).map_err(failed)?;
        let thumbprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, certificate.der());
        let thumbprint: Vec<_> = thumbprint
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect();
        let chain = vec![certificate.der().clone(), self.certificate.clone()];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let failed = |error: rustls::Error| TlsError::Certificate(error.to_string());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(failed)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok((config, thumbprint.concat()))
    }
}

/// `$XDG_DATA_HOME/mock-idp`, or its default under the home directory.
fn default_data_dir() -> Option<PathBuf> {
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_DATA_HOME")
        .or_else(|| Some(absolute("HOME")?.join(".local/share")))
        .map(|path| path.join("mock-idp"))
}

fn unusable(path: &Path, source: io::Error) -> TlsError {
    TlsError::Unusable {
        path: path.to_owned(),
        source,
    }
}

/// Makes an authority. Its two files are written into a directory of their own that is then
/// renamed: of two processes that start at once one wins, and both use the winner's.
fn create(data_dir: &Path, directory: &Path) -> Result<(), TlsError> {
    let private = |path: &Path, recursive| {
        fs::DirBuilder::new()
            .mode(0o700)
            .recursive(recursive)
            .create(path)
            .map_err(|source| unusable(path, source))
    };
    private(data_dir, true)?;
    let failed = |error: rcgen::Error| TlsError::Certificate(error.to_string());
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
    let certificate = authority_params().self_signed(&key).map_err(failed)?;

    let unfinished = data_dir.join(format!(".{DIRECTORY}-{}", uuid::Uuid::new_v4()));
    private(&unfinished, false)?;
    let result = write(&unfinished.join(KEY), 0o600, &key.serialize_pem())
        .and_then(|()| write(&unfinished.join(CERTIFICATE), 0o644, &certificate.pem()))
        .and_then(|()| match fs::rename(&unfinished, directory) {
            // Another process was faster.
            Err(error) if directory.exists() => {
                tracing::debug!(%error, "another process made the authority");
                Ok(())
            }
            renamed => renamed.map_err(|source| unusable(directory, source)),
        });
    if unfinished.exists() {
        // Best effort: what is left over is private and harmless.
        let _ = fs::remove_dir_all(&unfinished);
    }
    result
}

fn write(path: &Path, mode: u32, text: &str) -> Result<(), TlsError> {
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .map_err(|source| unusable(path, source))
}

fn load(directory: &Path) -> Result<Authority, TlsError> {
    let certificate_path = directory.join(CERTIFICATE);
    let key_path = directory.join(KEY);
    let read = |path: &Path| fs::read_to_string(path).map_err(|source| unusable(path, source));
    let corrupt = |path: &Path, problem: &str| TlsError::Corrupt {
        path: path.to_owned(),
        problem: problem.to_owned(),
    };
    let certificate_pem = read(&certificate_path)?;
    let key = KeyPair::from_pem(&read(&key_path)?)
        .map_err(|_| corrupt(&key_path, "is not a private key in PEM form"))?;
    let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
        .map_err(|_| corrupt(&certificate_path, "is not a certificate in PEM form"))?;
    let public_key = key.public_key_raw();
    if !certificate
        .windows(public_key.len())
        .any(|window| window == public_key)
    {
        return Err(corrupt(
            &certificate_path,
            "does not belong to the key beside it",
        ));
    }
    let issuer = Issuer::from_ca_cert_der(&certificate, key)
        .map_err(|_| corrupt(&certificate_path, "is not an authority's certificate"))?;
    Ok(Authority {
        certificate_path,
        certificate,
        issuer,
    })
}

fn authority_params() -> CertificateParams {
    let (year, month, _) = Clock::system().now().to_date();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, "mock-idp");
    params
        .distinguished_name
        .push(DnType::CommonName, "mock-idp local authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    params.use_authority_key_identifier_extension = true;
    // The month's first day exists ten years later too.
    params.not_before = date_time_ymd(year, month, 1);
    params.not_after = date_time_ymd(year + 10, month, 1);
    params
}

fn leaf_params() -> Result<CertificateParams, rcgen::Error> {
    let (year, month, _) = Clock::system().now().to_date();
    let hosts = CLOUDS
        .iter()
        .flat_map(|cloud| cloud.aliases)
        .map(|host| (*host).to_owned());
    let wildcards = WILDCARD_DOMAINS.iter().map(|domain| format!("*.{domain}"));
    let names = std::iter::once("localhost".to_owned())
        .chain(hosts)
        .chain(wildcards);
    let mut params = CertificateParams::new(names.collect::<Vec<_>>())?;
    let addresses = [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
        IpAddr::V4(LINK_LOCAL),
    ];
    params
        .subject_alt_names
        .extend(addresses.map(SanType::IpAddress));
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "mock-idp");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.not_before = date_time_ymd(year, month, 1);
    params.not_after = date_time_ymd(year + 1, month, 1);
    Ok(params)
}
