//! A private key is parsed once, not at every signature.
//!
//! `jsonwebtoken`'s stock backend parses the private key each time it signs, which costs as much
//! again as signing. This provider keeps the parsed keys of this process' servers and leaves
//! everything but signing with them to the stock one.

use std::sync::{Arc, LazyLock, Once};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, aws_lc};
use jsonwebtoken::errors::{Error, ErrorKind, Result};
use jsonwebtoken::signature::{self, Signer};
use jsonwebtoken::{Algorithm, EncodingKey};
use parking_lot::RwLock;

/// Keys kept; the oldest goes first. A process rarely runs more servers at a time, and a key that
/// fell out is only parsed again.
const KEPT: usize = 32;

static PROVIDER: LazyLock<CryptoProvider> = LazyLock::new(|| CryptoProvider {
    signer_factory,
    ..aws_lc::DEFAULT_PROVIDER.clone()
});

/// The parsed keys, oldest first, beside the DER they were parsed from.
static PARSED: RwLock<Vec<(Vec<u8>, Parsed)>> = RwLock::new(Vec::new());

/// A parsed private key.
#[derive(Clone)]
enum Parsed {
    Rsa(Arc<RsaKeyPair>),
    Ec(Arc<EcdsaKeyPair>),
}

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
        Algorithm::RS256 | Algorithm::PS256 | Algorithm::ES256 => Ok(Box::new(CachedSigner {
            algorithm: *algorithm,
            key: parsed(*algorithm, key.as_bytes())?,
        })),
        _ => (aws_lc::DEFAULT_PROVIDER.signer_factory)(algorithm, key),
    }
}

fn parsed(algorithm: Algorithm, der: &[u8]) -> Result<Parsed> {
    let find = |keys: &[(Vec<u8>, Parsed)]| {
        let found = keys.iter().rev().find(|(known, _)| known == der);
        found.map(|(_, key)| key.clone())
    };
    if let Some(key) = find(&PARSED.read()) {
        return Ok(key);
    }
    let key = if algorithm == Algorithm::ES256 {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
            .map(|key| Parsed::Ec(Arc::new(key)))
            .map_err(|_| Error::from(ErrorKind::InvalidEcdsaKey))?
    } else {
        RsaKeyPair::from_der(der)
            .map(|key| Parsed::Rsa(Arc::new(key)))
            .map_err(|error| Error::from(ErrorKind::InvalidRsaKey(error.to_string())))?
    };
    let mut keys = PARSED.write();
    if let Some(key) = find(&keys) {
        return Ok(key);
    }
    if keys.len() >= KEPT {
        keys.remove(0);
    }
    keys.push((der.to_vec(), key.clone()));
    Ok(key)
}

struct CachedSigner {
    algorithm: Algorithm,
    key: Parsed,
}

impl Signer<Vec<u8>> for CachedSigner {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, signature::Error> {
        let random = SystemRandom::new();
        match &self.key {
            Parsed::Rsa(key) => {
                let padding = match self.algorithm {
                    Algorithm::PS256 => &RSA_PSS_SHA256,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(padding, &random, message, &mut signature)
                    .map_err(signature::Error::from_source)?;
                Ok(signature)
            }
            Parsed::Ec(key) => {
                let signature = key
                    .sign(&random, message)
                    .map_err(signature::Error::from_source)?;
                Ok(signature.as_ref().to_vec())
            }
        }
    }
}

impl JwtSigner for CachedSigner {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
