//! Authorization codes, device codes, refresh tokens and sign-in pages: opaque to clients, self-contained for this server.
//!
//! What a code or refresh token stands for is encrypted inside it, so the server keeps nothing for
//! the millions it may have handed out. They end with the server: its key is made at each start.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::UnixTime;
use crate::directory::tenant::Tenant;
use crate::directory::user::User;
use crate::random::Stream;

/// Sealed texts are filled up to this size, about Entra's 1.2 KB once encoded.
const PADDED: usize = 880;

const NONCE: usize = 12;

/// How sealed texts begin, as Entra's do.
const PREFIX: &str = "1.A";

/// What an authorization code stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Code {
    pub(crate) id: Uuid,
    pub(crate) client_id: String,
    pub(crate) tenant: Tenant,
    pub(crate) user: User,
    pub(crate) redirect_uri: String,
    pub(crate) scope: String,
    pub(crate) nonce: Option<String>,
    pub(crate) challenge: Option<Challenge>,
    pub(crate) expires: UnixTime,
}

/// A PKCE code challenge. A plain one is the secret itself, so `Debug` shows neither.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Challenge {
    /// The verifier itself.
    Plain(String),
    /// The verifier's SHA-256, base64url.
    S256(String),
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain(***)",
            Self::S256(_) => "S256(***)",
        })
    }
}

/// What a device code stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Device {
    pub(crate) id: Uuid,
    pub(crate) user_code: String,
    pub(crate) client_id: String,
    pub(crate) tenant: Tenant,
    pub(crate) scope: String,
    pub(crate) expires: UnixTime,
}

/// What a refresh token stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refresh {
    pub(crate) client_id: String,
    pub(crate) user: User,
    pub(crate) scope: String,
    pub(crate) issued: UnixTime,
    pub(crate) lineage: Lineage,
    pub(crate) expires: UnixTime,
}

/// What a page on which somebody signs in or consents stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SignIn {
    /// As the application's request named it.
    pub(crate) tenant: String,
    /// The application's request, form-encoded.
    pub(crate) parameters: String,
    /// The mark of the browser that the page is shown in.
    pub(crate) browser: String,
    /// Who signed in, on a page that asks for consent.
    pub(crate) user: Option<User>,
    pub(crate) expires: UnixTime,
}

/// From which sign-in a refresh token descends, and how many came between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lineage {
    pub(crate) family: Uuid,
    pub(crate) number: u64,
    /// When a single-page application has to have its user sign in again, however often it asks.
    pub(crate) ends: Option<UnixTime>,
}

/// Something that travels sealed.
pub(crate) trait Sealed: Serialize + DeserializeOwned {
    /// Binds the seal to the kind, so that one cannot pass for another.
    const KIND: &'static str;
}

impl Sealed for Code {
    const KIND: &'static str = "code";
}

impl Sealed for Device {
    const KIND: &'static str = "device code";
}

impl Sealed for SignIn {
    const KIND: &'static str = "sign-in page";
}

impl Sealed for Refresh {
    const KIND: &'static str = "refresh token";
}

/// Seals and opens.
pub(crate) struct Sealer {
    key: LessSafeKey,
    nonces: Stream,
}

impl Sealer {
    /// `None` when the cipher refuses its key, which it has no reason to.
    pub(crate) fn new(seed: u64) -> Option<Self> {
        // With a seed of one's own even the codes are the same in each run; that is the point.
        let key = Stream::new(seed, "seal").bytes::<32>();
        let key = UnboundKey::new(&AES_256_GCM, &key).ok()?;
        Some(Self {
            key: LessSafeKey::new(key),
            nonces: Stream::new(seed, "nonces"),
        })
    }

    /// The opaque text of `content`; `None` when the cipher fails, which it has no reason to.
    pub(crate) fn seal<T: Sealed>(&self, content: &T) -> Option<String> {
        let mut text = serde_json::to_vec(content).ok()?;
        // JSON may end in blanks, so the padding needs no length.
        text.resize(text.len().max(PADDED), b' ');
        let nonce = self.nonces.bytes::<NONCE>();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(T::KIND),
                &mut text,
            )
            .ok()?;
        let mut sealed = nonce.to_vec();
        sealed.append(&mut text);
        Some(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(sealed)))
    }

    /// What `text` stands for, if this server sealed it as this kind.
    pub(crate) fn open<T: Sealed>(&self, text: &str) -> Option<T> {
        let sealed = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self
            .key
            .open_in_place(nonce, Aad::from(T::KIND), &mut sealed)
            .ok()?;
        serde_json::from_slice(opened).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn refresh() -> Refresh {
        Refresh {
            client_id: "app".to_owned(),
            user: User::named("alice@contoso.com", Tenant::Common),
            scope: "openid".to_owned(),
            issued: Clock::system().now(),
            lineage: Lineage {
                family: Uuid::nil(),
                number: 0,
                ends: None,
            },
            expires: Clock::system().now(),
        }
    }

    #[test]
    fn a_sealed_text_opens_where_it_was_sealed() {
        let (sealer, other) = (Sealer::new(7).unwrap(), Sealer::new(8).unwrap());
        let content = refresh();
        let text = sealer.seal(&content).unwrap();
        assert!((1_100..1_400).contains(&text.len()), "{} bytes", text.len());
        assert_eq!(sealer.open(&text), Some(content.clone()));
        assert_eq!(other.open::<Refresh>(&text), None);
        assert_ne!(sealer.seal(&content).unwrap(), text);
    }

    #[test]
    fn what_was_not_sealed_here_does_not_open() {
        let sealer = Sealer::new(7).unwrap();
        let text = sealer.seal(&refresh()).unwrap();
        for broken in [
            "",
            "1.A",
            "1.AAAAA",
            "x",
            &text[..text.len() - 4],
            &text[1..],
        ] {
            assert_eq!(sealer.open::<Refresh>(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_refresh_token_is_no_code() {
        let sealer = Sealer::new(7).unwrap();
        let text = sealer.seal(&refresh()).unwrap();
        assert_eq!(sealer.open::<Code>(&text), None);
    }
}
