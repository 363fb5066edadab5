//! The RSA key is parsed once, not at every signature.
//!
//! `jsonwebtoken`'s stock backend parses the private key each time it signs, which costs as much
//! again as signing. This provider keeps the parsed keys of this process' servers and leaves
//! everything but RS256 signing to the stock one.

use std::sync::{Arc, LazyLock, Once};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, aws_lc};
use jsonwebtoken::errors::{Error, ErrorKind, Result};
use jsonwebtoken::signature::{self, Signer};
use jsonwebtoken::{Algorithm, EncodingKey};
use parking_lot::RwLock;

/// Keys kept; the oldest goes first. A process rarely runs more servers at a time, and a key that
/// fell out is only parsed again.
const KEPT: usize = 16;

static PROVIDER: LazyLock<CryptoProvider> = LazyLock::new(|| CryptoProvider {
    signer_factory,
    ..aws_lc::DEFAULT_PROVIDER.clone()
});

/// The parsed keys, oldest first, beside the DER they were parsed from.
static PARSED: RwLock<Vec<(Vec<u8>, Arc<RsaKeyPair>)>> = RwLock::new(Vec::new());

/// Makes `jsonwebtoken` use this provider. When the program has installed another, that one stays:
/// tokens are as valid, only slower to sign.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if LazyLock::force(&PROVIDER).install_default().is_err() {
            tracing::warn!("another jsonwebtoken provider is installed; signing may be slower");
        }
    });
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the library's signature")]
fn signer_factory(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    match algorithm {
        Algorithm::RS256 => Ok(Box::new(Rs256Signer(parsed(key.as_bytes())?))),
        _ => (aws_lc::DEFAULT_PROVIDER.signer_factory)(algorithm, key),
    }
}

fn parsed(der: &[u8]) -> Result<Arc<RsaKeyPair>> {
    let find = |keys: &[(Vec<u8>, Arc<RsaKeyPair>)]| {
        let found = keys.iter().rev().find(|(known, _)| known == der);
        found.map(|(_, key)| Arc::clone(key))
    };
    if let Some(key) = find(&PARSED.read()) {
        return Ok(key);
    }
    let key = RsaKeyPair::from_der(der)
        .map_err(|error| Error::from(ErrorKind::InvalidRsaKey(error.to_string())))?;
    let key = Arc::new(key);
    let mut keys = PARSED.write();
    if let Some(key) = find(&keys) {
        return Ok(key);
    }
    if keys.len() >= KEPT {
        keys.remove(0);
    }
    keys.push((der.to_vec(), Arc::clone(&key)));
    Ok(key)
}

struct Rs256Signer(Arc<RsaKeyPair>);

impl Signer<Vec<u8>> for Rs256Signer {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, signature::Error> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message,
                &mut signature,
            )
            .map_err(signature::Error::from_source)?;
        Ok(signature)
    }
}

impl JwtSigner for Rs256Signer {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}
