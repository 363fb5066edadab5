//! One RSA signing key: its private half for tokens, its public half as Entra publishes it.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{KeyPair as _, RsaKeyPair, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::errors::Result as JwtResult;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, TokenData, Validation};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{SigningError, provider};
use crate::endpoint::Version;
use crate::random::Stream;

/// An RSA-2048 key and the self-signed certificate that Entra publishes beside such a key.
pub(crate) struct SigningKey {
    algorithm: Algorithm,
    id: String,
    /// The secret itself, base64url, of a key that only simulates; nothing of an RSA key.
    secret: Option<String>,
    modulus: String,
    exponent: String,
    certificates: Vec<String>,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

/// The public half as a member of a JWKS: Entra's fields, and so no `alg`.
#[derive(Debug, Serialize)]
pub(crate) struct PublicKey<'a> {
    kty: &'static str,
    r#use: &'static str,
    kid: &'a str,
    x5t: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    n: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    e: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    x5c: &'a [String],
    /// The key itself: a simulated one has no secret to keep.
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<&'a str>,
    /// Only in the v2 document.
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
}

impl SigningKey {
    /// Makes a new key. Takes a tenth of a second or more: keep it off the runtime's threads.
    pub(crate) fn generate() -> Result<Self, SigningError> {
        provider::install();
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)
            .map_err(|error| SigningError::Key(error.to_string()))?;
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "mock-idp token signing");
        params.not_before = rcgen::date_time_ymd(2024, 1, 1);
        params.not_after = rcgen::date_time_ymd(2049, 1, 1);
        let certificate = params
            .self_signed(&pair)
            .map_err(|error| SigningError::Key(error.to_string()))?;

        let thumbprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, certificate.der());
        let encoding = EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes())
            .map_err(|error| SigningError::Key(error.to_string()))?;
        let parsed = RsaKeyPair::from_der(encoding.as_bytes())
            .map_err(|error| SigningError::Key(error.to_string()))?;
        let public = RsaPublicKeyComponents::<Vec<u8>>::from(parsed.public_key());
        Ok(Self {
            algorithm: Algorithm::RS256,
            secret: None,
            id: URL_SAFE_NO_PAD.encode(thumbprint),
            modulus: URL_SAFE_NO_PAD.encode(&public.n),
            exponent: URL_SAFE_NO_PAD.encode(&public.e),
            certificates: vec![STANDARD.encode(certificate.der())],
            decoding: DecodingKey::from_rsa_raw_components(&public.n, &public.e),
            encoding,
        })
    }

    /// A key that is the same for the same seed and signs in microseconds: HMAC, whose secret is
    /// published like a public key. It proves nothing to anybody but the simulation it is in.
    pub(crate) fn simulated(seed: u64) -> Self {
        provider::install();
        let secret = Stream::new(seed, "simulated signing").bytes::<32>();
        let thumbprint = digest::digest(&digest::SHA256, &secret);
        Self {
            algorithm: Algorithm::HS256,
            id: format!(
                "simulated-{}",
                URL_SAFE_NO_PAD.encode(&thumbprint.as_ref()[..12])
            ),
            secret: Some(URL_SAFE_NO_PAD.encode(secret)),
            modulus: String::new(),
            exponent: String::new(),
            certificates: Vec::new(),
            encoding: EncodingKey::from_secret(&secret),
            decoding: DecodingKey::from_secret(&secret),
        }
    }

    /// The key as published; `issuer` is what tokens it signs may claim, and only v2 says so.
    pub(crate) fn public(&self, issuer: Option<String>) -> PublicKey<'_> {
        PublicKey {
            kty: if self.secret.is_some() { "oct" } else { "RSA" },
            r#use: "sig",
            kid: &self.id,
            x5t: &self.id,
            n: &self.modulus,
            e: &self.exponent,
            x5c: &self.certificates,
            k: self.secret.as_deref(),
            issuer,
        }
    }

    /// A compact JWT of these claims. Only v1 tokens name the certificate as well.
    pub(super) fn sign(&self, claims: &impl Serialize, version: Version) -> JwtResult<String> {
        let header = Header {
            kid: Some(self.id.clone()),
            x5t: (version == Version::V1).then(|| self.id.clone()),
            ..Header::new(self.algorithm)
        };
        jsonwebtoken::encode(&header, claims, &self.encoding)
    }

    /// The claims of a token this key signed. Looks at the signature only: what the claims must
    /// say, the time included, is for the caller, whose clock is not the system's.
    pub(crate) fn verify<T: DeserializeOwned>(&self, token: &str) -> JwtResult<T> {
        let mut validation = Validation::new(self.algorithm);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let TokenData { claims, .. } = jsonwebtoken::decode(token, &self.decoding, &validation)?;
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_key_verifies_what_it_signed_and_nothing_else() {
        let (key, other) = (
            SigningKey::generate().unwrap(),
            SigningKey::generate().unwrap(),
        );
        let claims = json!({ "sub": "alice", "exp": 1 });
        let token = key.sign(&claims, Version::V2).unwrap();
        assert_eq!(key.verify::<Value>(&token).unwrap()["sub"], "alice");
        assert!(other.verify::<Value>(&token).is_err());
        assert!(key.verify::<Value>(&token[..token.len() - 2]).is_err());
        assert!(key.verify::<Value>("e30.e30.").is_err());
    }

    #[test]
    fn a_simulated_key_is_its_seed_s_and_verifies_what_it_signed() {
        let claims = json!({ "sub": "alice" });
        let sign = |key: &SigningKey| key.sign(&claims, Version::V2).unwrap();
        let [key, again, other] = [7, 7, 8].map(SigningKey::simulated);
        assert_eq!(sign(&key), sign(&again));
        assert_ne!(sign(&key), sign(&other));
        assert_eq!(key.verify::<Value>(&sign(&again)).unwrap()["sub"], "alice");
        assert!(other.verify::<Value>(&sign(&key)).is_err());
        let published = serde_json::to_value(key.public(None)).unwrap();
        assert_eq!(
            (&published["kty"], &published["n"]),
            (&json!("oct"), &Value::Null)
        );
    }

    #[test]
    fn a_published_key_has_entras_fields() {
        let key = SigningKey::generate().unwrap();
        let published = serde_json::to_value(key.public(Some("https://idp".into()))).unwrap();
        let mut fields: Vec<_> = published.as_object().unwrap().keys().cloned().collect();
        fields.sort();
        assert_eq!(
            fields,
            ["e", "issuer", "kid", "kty", "n", "use", "x5c", "x5t"]
        );
        assert_eq!(published["kid"], published["x5t"]);
        assert_eq!(published["e"], "AQAB");
        assert_eq!(published["n"].as_str().unwrap().len(), 342);
        assert!(
            serde_json::to_value(key.public(None))
                .unwrap()
                .get("issuer")
                .is_none()
        );
    }
}
