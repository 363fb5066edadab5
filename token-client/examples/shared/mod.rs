//! What the examples have in common: a client of a `mock-idp` that runs on this
//! machine, and a line that says where a token came from.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use token_cache::{Environment, Secret, TokenCache, TokenCacheOptions};
use token_client::{Application, AuthenticationResult, Authority, Client, HttpIdentityProvider};

/// Ends an example with the whole chain of causes.
pub(crate) use anyhow::Result as Outcome;

/// The tenant of the examples; in mock-idp's open directory it exists.
pub(crate) const TENANT: &str = "contoso.com";

/// Takes the provider's address and its certificate authority from the command
/// line, and makes a client for `client_id`.
pub(crate) fn client(client_id: &str) -> Outcome<(String, Client)> {
    let mut arguments = std::env::args().skip(1);
    let (Some(base), Some(ca)) = (arguments.next(), arguments.next()) else {
        bail!(
            "two arguments are needed: https://localhost:PORT and the file that \
             `mock-idp ca` names"
        );
    };
    let mut roots = RootCertStore::empty();
    let unread = || format!("cannot read certificates from `{ca}`");
    for certificate in CertificateDer::pem_file_iter(&ca).with_context(unread)? {
        roots.add(certificate.with_context(unread)?)?;
    }
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let provider = HttpIdentityProvider::new(&base, &tls, Duration::from_secs(10));
    let client = Client::new(
        Application {
            client_id: client_id.into(),
            client_secret: Some(Secret::new("any secret will do")),
        },
        Authority {
            environment: Environment::of_host("localhost"),
            provider: Arc::new(provider),
        },
        Arc::new(TokenCache::new(TokenCacheOptions::default())),
    );
    Ok((base, client))
}

/// Where a token came from, and how long that took.
#[expect(clippy::print_stdout, reason = "an example shows what happens")]
pub(crate) fn show(what: &str, result: &AuthenticationResult) {
    let metadata = &result.metadata;
    println!(
        "{what}: from {} ({}) in {:?}",
        metadata.token_source,
        metadata.cache_refresh_reason.as_str(),
        metadata.duration_total
    );
}
