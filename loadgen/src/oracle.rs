//! Is the returned token the right one? Checked from the token itself and the
//! provider's published keys, not from what the cache says of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use foldhash::fast::FixedState;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use parking_lot::{Mutex, RwLock};
use serde::Deserialize;
use token_cache::freshness::EXPIRY_BUFFER;
use token_cache::{Scopes, Secret, Timestamp};
use token_client::TokenSource;

use crate::report::model;

/// Claims are remembered for this many distinct tokens; a fuller memory is
/// emptied and fills again.
const REMEMBERED: usize = 50_000;

/// Checks tokens against what was asked for.
pub struct Oracle {
    keys: RwLock<Keys>,
    /// Held while the provider changes its keys, so that none is missed that
    /// signs already and is not known here yet.
    changing: tokio::sync::RwLock<()>,
    is_simulation: bool,
    /// Claims of tokens already verified. Each distinct token is verified once.
    seen: Mutex<HashMap<Secret, Verified>>,
    /// The same by where the token is in memory, which a hit hands out again and
    /// again: hashing more than a kilobyte takes longer than the hit. The token is
    /// kept, so that nothing else can come to be there.
    held: Mutex<HashMap<usize, (Secret, Verified), FixedState>>,
    /// The slowest answer of the token endpoint so far, in milliseconds.
    slowest_answer_ms: AtomicU64,
}

/// Published keys, by their ids.
type Keys = HashMap<String, (DecodingKey, Algorithm)>;

/// Whom and what a token must be for.
#[derive(Debug, Clone, Copy)]
pub struct Expectation<'a> {
    /// The tenant's id; `None` for any.
    pub tenant_id: Option<&'a str>,
    /// The application it was issued to.
    pub client_id: &'a str,
    /// The user's sign-in name; `None` for the application itself.
    pub username: Option<&'a str>,
    /// The resource's id.
    pub audience: &'a str,
    /// The scopes asked for, without the resource in front; empty in app-only
    /// flows, where the audience says it all.
    pub scopes: &'a str,
}

/// What the oracle says of one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// The right one.
    Right,
    /// Another tenant's, application's, user's or resource's.
    WrongToken,
    /// Past its expiry when it was returned; from a cache, already inside the
    /// five-minute buffer.
    Expired,
    /// Without a scope that was asked for.
    UnderScoped,
    /// Not signed by the provider.
    NotIssued,
}

impl Finding {
    /// The word in reports and metrics; `None` for the right token.
    pub fn kind(self) -> Option<&'static str> {
        match self {
            Self::Right => None,
            Self::WrongToken => Some("wrong_token"),
            Self::Expired => Some("expired_served"),
            Self::UnderScoped => Some("under_scoped"),
            Self::NotIssued => Some("not_issued"),
        }
    }

    /// Adds itself to a report's counts.
    pub fn count_in(self, oracle: &mut model::Oracle) {
        oracle.checked += 1;
        match self {
            Self::Right => {}
            Self::WrongToken => oracle.wrong_token += 1,
            Self::Expired => oracle.expired_served += 1,
            Self::UnderScoped => oracle.under_scoped += 1,
            Self::NotIssued => oracle.not_issued += 1,
        }
    }
}

/// Claims of a token; `None` for one that is not the provider's.
type Verified = Option<Arc<Claims>>;

#[derive(Debug, Deserialize)]
struct Claims {
    aud: String,
    tid: String,
    exp: i64,
    #[serde(default)]
    iat: Option<i64>,
    azp: Option<String>,
    appid: Option<String>,
    preferred_username: Option<String>,
    upn: Option<String>,
    #[serde(default)]
    scp: String,
}

impl Oracle {
    /// An oracle that trusts the keys of this JWKS document.
    ///
    /// # Errors
    ///
    /// When the document is no key set, or holds no key to verify with.
    pub fn new(jwks: &[u8]) -> Result<Self, String> {
        Self::trusting(jwks, false)
    }

    /// [`Oracle::new`], for a provider that simulates signing: its key is a
    /// secret that it publishes, which nobody else may do.
    ///
    /// # Errors
    ///
    /// Those of [`Oracle::new`].
    pub fn of_simulation(jwks: &[u8]) -> Result<Self, String> {
        Self::trusting(jwks, true)
    }

    fn trusting(jwks: &[u8], is_simulation: bool) -> Result<Self, String> {
        Ok(Self {
            keys: RwLock::new(keys_of(jwks, is_simulation)?),
            changing: tokio::sync::RwLock::default(),
            is_simulation,
            seen: Mutex::default(),
            held: Mutex::default(),
            slowest_answer_ms: AtomicU64::new(0),
        })
    }

    /// The provider's keys are these from now on: tokens signed by others are
    /// not its own any more, whatever was found before.
    ///
    /// # Errors
    ///
    /// Those of [`Oracle::new`]; nothing changes then.
    pub fn learn(&self, jwks: &[u8]) -> Result<(), String> {
        let keys = keys_of(jwks, self.is_simulation)?;
        *self.keys.write() = keys;
        self.seen.lock().clear();
        self.held.lock().clear();
        Ok(())
    }

    /// The provider's keys change until this is dropped.
    pub async fn change(&self) -> tokio::sync::RwLockWriteGuard<'_, ()> {
        self.changing.write().await
    }

    /// Waits while the provider's keys change: what is checked then, is checked
    /// against those that came of it.
    pub async fn settled(&self) {
        let _ = self.changing.read().await;
    }

    /// Whether `token`, returned at `now` from `source`, is what was asked for.
    pub fn check(
        &self,
        token: &Secret,
        expected: &Expectation<'_>,
        source: TokenSource,
        now: Timestamp,
    ) -> Finding {
        let Some(claims) = self.claims(token) else {
            return Finding::NotIssued;
        };
        if !claims.are_for(expected) {
            Finding::WrongToken
        } else if claims.exp <= self.must_outlive(source, now).unix_seconds() {
            Finding::Expired
        } else if !claims.cover(expected.scopes) {
            Finding::UnderScoped
        } else {
            Finding::Right
        }
    }

    /// When a token of the provider's was issued.
    pub fn issued_at(&self, token: &Secret) -> Option<Timestamp> {
        let claims = self.claims(token)?;
        claims.iat.map(Timestamp::from_unix_seconds)
    }

    /// Why [`Oracle::check`] said what it said, in words: what was asked for and
    /// what came. The token itself is not in them.
    pub fn why(
        &self,
        token: &Secret,
        expected: &Expectation<'_>,
        source: TokenSource,
        now: Timestamp,
    ) -> String {
        let Some(claims) = self.claims(token) else {
            return "its signature is by none of the provider's published keys".to_owned();
        };
        let (client, username) = (claims.client(), claims.username());
        let differences = [
            (
                "tenant",
                expected.tenant_id.or(Some(claims.tid.as_str())),
                Some(claims.tid.as_str()),
            ),
            ("application", Some(expected.client_id), client),
            ("user", expected.username, username),
            ("audience", Some(expected.audience), Some(claims.audience())),
        ];
        let differ = differences
            .into_iter()
            .filter(|(_, wanted, came)| match (wanted, came) {
                (Some(wanted), Some(came)) => !wanted.eq_ignore_ascii_case(came),
                (None, None) => false,
                _ => true,
            });
        let of = |name: Option<&str>| name.unwrap_or("none").to_owned();
        let mut why: Vec<String> = differ
            .map(|(what, wanted, came)| {
                format!("asked for {what} {}, got {}", of(wanted), of(came))
            })
            .collect();
        let left = claims.exp.saturating_sub(now.unix_seconds());
        if claims.exp <= self.must_outlive(source, now).unix_seconds() {
            why.push(format!("it has {left} s left"));
        }
        if !claims.cover(expected.scopes) {
            why.push(format!(
                "asked for scopes `{}`, got `{}`",
                expected.scopes, claims.scp
            ));
        }
        why.join("; ")
    }

    /// The token endpoint took this long to answer.
    pub fn note_answer(&self, took: Duration) {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.slowest_answer_ms.fetch_max(millis, Ordering::Relaxed);
    }

    /// The moment a token must outlive to be rightly served at `now`. From a
    /// cache it must be out of the five-minute buffer; but a client counts a
    /// lifetime from the answer, and the token says its end in whole seconds
    /// from when it was signed, so it gets that much grace.
    fn must_outlive(&self, source: TokenSource, now: Timestamp) -> Timestamp {
        match source {
            TokenSource::IdentityProvider => now,
            TokenSource::Cache => {
                let waited = self.slowest_answer_ms.load(Ordering::Relaxed);
                let grace = Duration::from_millis(waited.saturating_add(2_000));
                now.plus(EXPIRY_BUFFER.saturating_sub(grace))
            }
        }
    }

    /// The token's claims, if the provider signed it.
    fn claims(&self, token: &Secret) -> Verified {
        let place = token.expose().as_ptr() as usize;
        if let Some((_, known)) = self.held.lock().get(&place) {
            return known.clone();
        }
        let claims = self.verified(token);
        let mut held = self.held.lock();
        if held.len() >= REMEMBERED {
            held.clear();
        }
        held.insert(place, (token.clone(), claims.clone()));
        claims
    }

    fn verified(&self, token: &Secret) -> Verified {
        if let Some(known) = self.seen.lock().get(token) {
            return known.clone();
        }
        let claims = self.verify(token.expose()).map(Arc::new);
        let mut seen = self.seen.lock();
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        seen.insert(token.clone(), claims.clone());
        claims
    }

    fn verify(&self, token: &str) -> Option<Claims> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        let keys = self.keys.read();
        let (key, algorithm) = keys.get(&header.kid?)?;
        let mut validation = Validation::new(*algorithm);
        // Times and audience are judged here, by our clock and expectation.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        jsonwebtoken::decode(token, key, &validation)
            .ok()
            .map(|token| token.claims)
    }
}

impl Claims {
    fn are_for(&self, expected: &Expectation<'_>) -> bool {
        expected.tenant_id.is_none_or(|tenant| self.tid == tenant)
            && self.client() == Some(expected.client_id)
            && self.username() == expected.username
            && self.audience().eq_ignore_ascii_case(expected.audience)
    }

    /// Whether they hold all of `scopes`; mostly the very same text.
    fn cover(&self, scopes: &str) -> bool {
        scopes.is_empty()
            || self.scp == scopes
            || Scopes::parse(&self.scp).cover(&Scopes::parse(scopes))
    }

    fn client(&self) -> Option<&str> {
        self.azp.as_deref().or(self.appid.as_deref())
    }

    fn username(&self) -> Option<&str> {
        self.preferred_username.as_deref().or(self.upn.as_deref())
    }

    fn audience(&self) -> &str {
        audience(&self.aud)
    }
}

/// The resource's id, however it was asked for: ids are the same in any case.
fn audience(aud: &str) -> &str {
    let prefix = "api://";
    match aud.get(..prefix.len()) {
        Some(head) if head.eq_ignore_ascii_case(prefix) => &aud[prefix.len()..],
        _ => aud,
    }
}

fn keys_of(jwks: &[u8], is_simulation: bool) -> Result<Keys, String> {
    let set: JwkSet = serde_json::from_slice(jwks).map_err(|error| error.to_string())?;
    let key = |jwk: &Jwk| {
        let simulated = is_simulation.then(|| simulated(jwk)).flatten();
        simulated.or_else(|| usable(jwk))
    };
    let keys: Keys = set.keys.iter().filter_map(key).collect();
    if keys.is_empty() {
        return Err("the key set has no RSA or EC key with a `kid`".to_owned());
    }
    Ok(keys)
}

fn simulated(jwk: &Jwk) -> Option<(String, (DecodingKey, Algorithm))> {
    use jsonwebtoken::jwk::AlgorithmParameters;
    let AlgorithmParameters::OctetKey(_) = jwk.algorithm else {
        return None;
    };
    let kid = jwk.common.key_id.clone()?;
    let key = DecodingKey::from_jwk(jwk).ok()?;
    Some((kid, (key, Algorithm::HS256)))
}

fn usable(jwk: &Jwk) -> Option<(String, (DecodingKey, Algorithm))> {
    use jsonwebtoken::jwk::AlgorithmParameters;
    let algorithm = match jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(_) => Algorithm::ES256,
        _ => return None,
    };
    let kid = jwk.common.key_id.clone()?;
    let key = DecodingKey::from_jwk(jwk).ok()?;
    Some((kid, (key, algorithm)))
}

impl std::fmt::Debug for Oracle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Oracle")
            .field("keys", &self.keys.read().keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
