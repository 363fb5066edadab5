//! One signing key: its private half for tokens, its public half as Entra publishes it.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::errors::{Error, ErrorKind, Result as JwtResult};
use jsonwebtoken::{DecodingKey, EncodingKey, TokenData, Validation, crypto};
use rcgen::{
    CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::algorithm::KeyKind;
use super::{SigningAlgorithm, SigningError, provider};
use crate::behavior::forgery::Forgery;
use crate::endpoint::Version;
use crate::random::Stream;
use crate::token::Draft;

/// A key and the self-signed certificate that Entra publishes beside such a key.
pub(crate) struct SigningKey {
    id: String,
    kind: KeyKind,
    numbers: Numbers,
    /// In base64; a simulated key has none.
    certificates: Vec<String>,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

/// The numbers of a public key.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Numbers {
    Rsa {
        n: String,
        e: String,
    },
    Ec {
        crv: &'static str,
        x: String,
        y: String,
    },
    /// The key itself: a simulated one has no secret to keep.
    Simulated {
        k: String,
    },
}

/// The public half as a member of a JWKS: Entra's fields, and so no `alg`.
#[derive(Debug, Serialize)]
pub(crate) struct PublicKey<'a> {
    kty: &'static str,
    r#use: &'static str,
    kid: &'a str,
    x5t: &'a str,
    #[serde(flatten)]
    numbers: &'a Numbers,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    x5c: &'a [String],
    /// Only in the v2 document.
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<&'a str>,
}

/// A token's header, with its members in Entra's order.
#[derive(Serialize)]
struct TokenHeader<'a> {
    typ: &'static str,
    alg: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    x5t: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

/// The id of a key that is never published.
const UNKNOWN_KEY: &str = "forged-key-that-is-nowhere";

/// A signature of RSA-2048 in base64 with the dots around it, and some room, in bytes.
const ROOM_FOR_SIGNATURE: usize = 352;

impl SigningKey {
    /// Makes a new key. An RSA key takes a tenth of a second or more: keep it off the runtime's
    /// threads. `number` counts the keys of a run, for those that are made of its `seed`.
    pub(super) fn generate(kind: KeyKind, seed: u64, number: u64) -> Result<Self, SigningError> {
        provider::install();
        match kind {
            KeyKind::Real(SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256) => Self::rsa(kind),
            KeyKind::Real(SigningAlgorithm::Es256) => Self::ec(kind),
            KeyKind::Simulated => Ok(Self::simulated(seed, number)),
        }
    }

    fn rsa(kind: KeyKind) -> Result<Self, SigningError> {
        let pair =
            KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).map_err(no_key)?;
        let (id, certificate) = certify(&pair)?;
        let encoding =
            EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).map_err(no_key)?;
        let parsed = RsaKeyPair::from_der(encoding.as_bytes()).map_err(no_key)?;
        let public = RsaPublicKeyComponents::<Vec<u8>>::from(parsed.public_key());
        Ok(Self {
            id,
            kind,
            decoding: DecodingKey::from_rsa_raw_components(&public.n, &public.e),
            numbers: Numbers::Rsa {
                n: URL_SAFE_NO_PAD.encode(&public.n),
                e: URL_SAFE_NO_PAD.encode(&public.e),
            },
            certificates: vec![certificate],
            encoding,
        })
    }

    fn ec(kind: KeyKind) -> Result<Self, SigningError> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(no_key)?;
        let (id, certificate) = certify(&pair)?;
        let encoding = EncodingKey::from_ec_der(pair.serialized_der());
        let parsed =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, encoding.as_bytes())
                .map_err(no_key)?;
        // An uncompressed point: a byte that says so, and two coordinates of 32.
        let (x, y) = parsed
            .public_key()
            .as_ref()
            .get(1..)
            .and_then(|point| point.split_at_checked(32))
            .ok_or_else(|| no_key("its public half is no point"))?;
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        Ok(Self {
            id,
            kind,
            decoding: DecodingKey::from_ec_components(&x, &y).map_err(no_key)?,
            numbers: Numbers::Ec { crv: "P-256", x, y },
            certificates: vec![certificate],
            encoding,
        })
    }

    fn simulated(seed: u64, number: u64) -> Self {
        let stream = Stream::new(seed, &format!("simulated signing/{number}"));
        let secret = stream.bytes::<32>();
        let thumbprint = digest::digest(&digest::SHA256, &secret);
        let thumbprint = URL_SAFE_NO_PAD.encode(&thumbprint.as_ref()[..12]);
        Self {
            id: format!("simulated-{thumbprint}"),
            kind: KeyKind::Simulated,
            numbers: Numbers::Simulated {
                k: URL_SAFE_NO_PAD.encode(secret),
            },
            certificates: Vec::new(),
            encoding: EncodingKey::from_secret(&secret),
            decoding: DecodingKey::from_secret(&secret),
        }
    }

    /// The `kid`: for keys that have a certificate, its SHA-1 thumbprint.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The key as published; `issuer` is what tokens it signs may claim, and only v2 says so.
    pub(crate) fn public<'a>(&'a self, issuer: Option<&'a str>) -> PublicKey<'a> {
        PublicKey {
            kty: match self.numbers {
                Numbers::Rsa { .. } => "RSA",
                Numbers::Ec { .. } => "EC",
                Numbers::Simulated { .. } => "oct",
            },
            r#use: "sig",
            kid: &self.id,
            x5t: &self.id,
            numbers: &self.numbers,
            x5c: &self.certificates,
            issuer,
        }
    }

    /// The compact JWT of a draft. Only v1 tokens name the certificate as well.
    pub(super) fn sign(&self, draft: &Draft) -> JwtResult<String> {
        let forgery = draft.forgery();
        let kid = match forgery {
            Some(Forgery::UnknownKid) => Some(UNKNOWN_KEY),
            Some(Forgery::AlgNone) => None,
            _ => Some(self.id.as_str()),
        };
        let header = TokenHeader {
            typ: "JWT",
            alg: match forgery {
                Some(Forgery::AlgNone) => "none",
                _ => self.kind.as_jose(),
            },
            x5t: kid.filter(|_| draft.version() == Version::V1),
            kid,
        };
        let header = serde_json::to_vec(&header).map_err(failed)?;
        let payload = draft.payload().map_err(failed)?;
        let mut token =
            String::with_capacity((header.len() + payload.len()) * 4 / 3 + ROOM_FOR_SIGNATURE);
        URL_SAFE_NO_PAD.encode_string(header, &mut token);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        match forgery {
            Some(Forgery::AlgNone) => token.push('.'),
            // Two segments, the second broken off: what a proxy makes of a long header.
            Some(Forgery::Malformed) => token.truncate(token.len() / 2 + 1),
            _ => {
                let library = self.kind.of_library();
                let mut signature = crypto::sign(token.as_bytes(), &self.encoding, library)?;
                if forgery == Some(Forgery::BadSignature) {
                    // Not the last character: some of its bits mean nothing.
                    let other = if signature.starts_with('A') { "B" } else { "A" };
                    signature.replace_range(..1, other);
                }
                token.push('.');
                token.push_str(&signature);
            }
        }
        Ok(token)
    }

    /// The claims of a token this key signed. Looks at the signature only: what the claims must
    /// say, the time included, is for the caller, whose clock is not the system's.
    pub(super) fn verify<T: DeserializeOwned>(&self, token: &str) -> JwtResult<T> {
        let mut validation = Validation::new(self.kind.of_library());
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let TokenData { claims, .. } = jsonwebtoken::decode(token, &self.decoding, &validation)?;
        Ok(claims)
    }
}

/// A certificate for a key, in base64, and its thumbprint.
fn certify(pair: &KeyPair) -> Result<(String, String), SigningError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "mock-idp token signing");
    params.not_before = rcgen::date_time_ymd(2024, 1, 1);
    params.not_after = rcgen::date_time_ymd(2049, 1, 1);
    let certificate = params.self_signed(pair).map_err(no_key)?;
    let thumbprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, certificate.der());
    Ok((
        URL_SAFE_NO_PAD.encode(thumbprint),
        STANDARD.encode(certificate.der()),
    ))
}

fn no_key(error: impl std::fmt::Display) -> SigningError {
    SigningError::Key(error.to_string())
}

fn failed(error: serde_json::Error) -> Error {
    ErrorKind::Json(std::sync::Arc::new(error)).into()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const ALL: [KeyKind; 4] = [
        KeyKind::Real(SigningAlgorithm::Rs256),
        KeyKind::Real(SigningAlgorithm::Ps256),
        KeyKind::Real(SigningAlgorithm::Es256),
        KeyKind::Simulated,
    ];

    fn key(kind: KeyKind) -> SigningKey {
        SigningKey::generate(kind, 7, 0).unwrap()
    }

    #[test]
    fn a_key_verifies_what_it_signed_and_nothing_else() {
        for kind in ALL {
            let other = SigningKey::generate(kind, 7, 1).unwrap();
            let key = key(kind);
            let token = key.sign(&Draft::for_tests(None)).unwrap();
            assert_eq!(key.verify::<Value>(&token).unwrap()["ver"], "2.0");
            assert!(other.verify::<Value>(&token).is_err());
            assert!(key.verify::<Value>(&token[..token.len() - 2]).is_err());
            assert!(key.verify::<Value>("e30.e30.").is_err());
            let header = jsonwebtoken::decode_header(&token).unwrap();
            assert_eq!(header.kid.as_deref(), Some(key.id()));
        }
    }

    #[test]
    fn a_published_key_has_entras_fields() {
        let published =
            |key: &SigningKey, issuer| serde_json::to_value(key.public(issuer)).unwrap_or_default();
        let rsa = key(KeyKind::Real(SigningAlgorithm::Rs256));
        let members = |value: &Value| {
            let mut members: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
            members.sort();
            members.join(" ")
        };
        let with_issuer = published(&rsa, Some("https://idp"));
        assert_eq!(members(&with_issuer), "e issuer kid kty n use x5c x5t");
        assert_eq!(with_issuer["kid"], with_issuer["x5t"]);
        assert_eq!(with_issuer["e"], "AQAB");
        assert_eq!(with_issuer["n"].as_str().unwrap().len(), 342);
        assert_eq!(members(&published(&rsa, None)), "e kid kty n use x5c x5t");
        let ec = published(&key(KeyKind::Real(SigningAlgorithm::Es256)), None);
        assert_eq!(members(&ec), "crv kid kty use x x5c x5t y");
        let simulated = published(&key(KeyKind::Simulated), None);
        assert_eq!(members(&simulated), "k kid kty use x5t");
    }

    #[test]
    fn a_simulated_key_is_the_same_in_every_run() {
        let sign = |seed, number| {
            let key = SigningKey::generate(KeyKind::Simulated, seed, number).unwrap();
            key.sign(&Draft::for_tests(None)).unwrap()
        };
        assert_eq!(sign(7, 0), sign(7, 0));
        assert_ne!(sign(7, 0), sign(8, 0));
        assert_ne!(sign(7, 0), sign(7, 1));
    }

    #[test]
    fn forged_tokens_do_not_verify() {
        for kind in ALL {
            let key = key(kind);
            for forgery in [Forgery::BadSignature, Forgery::AlgNone, Forgery::Malformed] {
                let token = key.sign(&Draft::for_tests(Some(forgery))).unwrap();
                assert!(key.verify::<Value>(&token).is_err(), "{forgery:?} {token}");
            }
            let token = key
                .sign(&Draft::for_tests(Some(Forgery::UnknownKid)))
                .unwrap();
            let header = jsonwebtoken::decode_header(&token).unwrap();
            assert_eq!(header.kid.as_deref(), Some(UNKNOWN_KEY));
        }
    }
}
