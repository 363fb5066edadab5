//! Reads client assertions in every dialect that clients write them in.
//!
//! The libraries disagree about nearly everything a JWT leaves open, so this reader is lenient
//! where they differ: the base64 alphabet and its padding, numbers written as text or with a
//! fraction, one certificate or a list of them.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A signed JWT, its signature not looked at yet. `Debug` shows no part of it: it is a credential.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Jwt {
    pub(super) header: Header,
    pub(super) claims: Claims,
    /// What was signed, as it was written.
    pub(super) signed: String,
    pub(super) signature: Vec<u8>,
}

impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jwt(***)")
    }
}

/// What the header says about the key.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Header {
    pub(super) alg: String,
    x5t: Option<String>,
    #[serde(rename = "x5t#S256")]
    x5t_s256: Option<String>,
    x5c: Option<OneOrMany>,
}

/// What the claims say about the client.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: Option<String>,
    pub(super) sub: Option<String>,
    aud: Option<OneOrMany>,
    #[serde(default, deserialize_with = "seconds")]
    pub(super) nbf: Option<u64>,
    #[serde(default, deserialize_with = "seconds")]
    pub(super) exp: Option<u64>,
}

#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn as_slice(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        }
    }
}

/// Seconds since the epoch as an integer, with a fraction, or as text of either.
fn seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Time {
        Whole(u64),
        Fraction(f64),
        Text(String),
    }
    let no_time = || serde::de::Error::custom("not a time");
    let seconds = match Time::deserialize(deserializer)? {
        Time::Whole(seconds) => return Ok(Some(seconds)),
        Time::Fraction(seconds) => seconds,
        Time::Text(text) => text.trim().parse().map_err(|_| no_time())?,
    };
    // Far beyond every date that `jiff` can write, and exact as a float.
    if !(0.0..1e15).contains(&seconds) {
        return Err(no_time());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was checked and the fraction is not wanted"
    )]
    Ok(Some(seconds as u64))
}

impl Jwt {
    /// Reads a compact JWT; `None` when it is none.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        Some(Self {
            header: object(header)?,
            claims: object(claims)?,
            signed: signed.to_owned(),
            signature: bytes(signature)?,
        })
    }

    /// Whom the token is for.
    pub(super) fn audiences(&self) -> &[String] {
        self.claims.aud.as_ref().map_or(&[], OneOrMany::as_slice)
    }
}

impl Header {
    /// The certificate's SHA-1 that the header names, if it names one.
    pub(super) fn sha1(&self) -> Option<Vec<u8>> {
        bytes(self.x5t.as_deref()?).filter(|print| print.len() == 20)
    }

    /// The certificate's SHA-256 that the header names, if it names one.
    pub(super) fn sha256(&self) -> Option<Vec<u8>> {
        bytes(self.x5t_s256.as_deref()?).filter(|print| print.len() == 32)
    }

    /// The signing certificate the header carries. `None` when it carries none, an error when what
    /// it carries is no certificate.
    pub(super) fn certificate(&self) -> Option<Result<Vec<u8>, ()>> {
        let text = self.x5c.as_ref()?.as_slice().first()?;
        Some(certificate(text).ok_or(()))
    }
}

/// DER of a certificate: base64 of it, or base64 of its PEM, which `azure_identity` for Rust sends.
fn certificate(text: &str) -> Option<Vec<u8>> {
    let decoded = bytes(text)?;
    if !decoded.starts_with(b"-----BEGIN") {
        return Some(decoded);
    }
    let certificate = CertificateDer::from_pem_slice(&decoded).ok()?;
    Some(certificate.as_ref().to_vec())
}

fn object<T: DeserializeOwned>(segment: &str) -> Option<T> {
    serde_json::from_slice(&bytes(segment)?).ok()
}

/// Undoes either base64 alphabet, with or without padding and line breaks.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let text: String = text
        .chars()
        .filter(|c| !c.is_ascii_whitespace())
        .map(|c| match c {
            '+' => '-',
            '/' => '_',
            other => other,
        })
        .collect();
    LENIENT.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE as PADDED, URL_SAFE_NO_PAD};

    use super::*;

    fn claims(json: &str) -> Option<Claims> {
        object(&URL_SAFE_NO_PAD.encode(json))
    }

    #[test]
    fn times_are_read_in_every_form() {
        for (json, exp) in [
            (r#"{"exp":1800000000}"#, Some(1_800_000_000)),
            (r#"{"exp":1800000000.75}"#, Some(1_800_000_000)),
            (r#"{"exp":"1800000000"}"#, Some(1_800_000_000)),
            (r#"{"exp":" 1800000000.5 "}"#, Some(1_800_000_000)),
            ("{}", None),
        ] {
            assert_eq!(claims(json).unwrap().exp, exp, "{json}");
        }
        for json in [
            r#"{"exp":"soon"}"#,
            r#"{"exp":-1}"#,
            r#"{"exp":1e300}"#,
            r#"{"exp":"NaN"}"#,
            r#"{"exp":[]}"#,
        ] {
            assert!(claims(json).is_none(), "{json}");
        }
    }

    #[test]
    fn both_alphabets_are_read_with_and_without_padding() {
        let print = [0xfb_u8; 20];
        for text in [
            PADDED.encode(print),
            URL_SAFE_NO_PAD.encode(print),
            STANDARD.encode(print),
        ] {
            let header = format!(r#"{{"alg":"RS256","x5t":"{text}"}}"#);
            let header: Header = object(&PADDED.encode(header)).unwrap();
            assert_eq!(header.sha1().unwrap(), print, "{text}");
            assert_eq!(header.sha256(), None);
        }
    }

    #[test]
    fn what_is_no_jwt_is_not_read() {
        for text in [
            "",
            ".",
            "..",
            "a.b.c",
            "e30.e30",
            "e30.e30.e30",
            "e30.e30.e30.e30",
        ] {
            assert!(Jwt::read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        let text = format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#));
        assert_eq!(format!("{:?}", Jwt::read(&text).unwrap()), "Jwt(***)");
    }
}
