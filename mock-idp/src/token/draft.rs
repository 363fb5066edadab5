//! A token before it is signed: its claims, what a policy adds, and what is forged.

use std::time::Duration;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::policy::TokenPolicy;
use super::shape::Filler;
use super::{Claims, Issue, Opaque};
use crate::behavior::forgery::Forgery;
use crate::directory::id_of;
use crate::directory::user::User;
use crate::endpoint::Version;
use crate::random::Stream;

/// What an oversized token is filled with.
const OVERSIZE: usize = 64 * 1024;

/// What the claims of a token that no policy makes larger fit into, in bytes.
const USUAL_PAYLOAD: usize = 1024;

/// A token before it is signed.
pub(crate) struct Draft {
    /// Boxed, as drafts travel through the futures of a request, each of which would hold all of
    /// them.
    claims: Box<Claims>,
    /// Added to the claims, or in their place.
    extra: Map<String, Value>,
    filler: Option<Filler>,
    forgery: Option<Forgery>,
}

impl Draft {
    /// A draft of just these claims.
    pub(crate) fn of(claims: Claims) -> Self {
        Self {
            claims: Box::new(claims),
            extra: Map::new(),
            filler: None,
            forgery: None,
        }
    }

    /// The same, with these claims too.
    pub(crate) fn with(mut self, claims: Vec<(&'static str, String)>) -> Self {
        let claims = claims.into_iter();
        self.extra
            .extend(claims.map(|(name, value)| (name.to_owned(), Value::String(value))));
        self
    }

    /// The same, with this wrong about it.
    pub(crate) fn forged(self, forgery: Option<Forgery>) -> Self {
        Self { forgery, ..self }
    }

    /// What is to be wrong about it.
    pub(crate) fn forgery(&self) -> Option<Forgery> {
        self.forgery
    }

    /// The same, for a client that copes with claims challenges.
    pub(crate) fn of_continuous_access(mut self) -> Self {
        self.extra.entry("xms_cc").or_insert(json!(["CP1"]));
        self
    }

    /// An application's access token, as the policy wants it.
    pub(crate) fn for_application(
        version: Version,
        issue: &Issue<'_>,
        policy: Option<&TokenPolicy>,
        ids: &Stream,
    ) -> Self {
        let mut draft = Self::of(Claims::for_application(version, issue, Opaque::draw(ids)));
        let Some(policy) = policy else { return draft };
        if let Some(shape) = policy.app {
            draft.extra = shape.claims();
            draft.filler = Some(Filler::to(shape.length(), version, ids));
        }
        draft.extra.extend(policy.claims.clone());
        draft
    }

    /// A user's access token, as the policy wants it.
    pub(crate) fn for_user(
        version: Version,
        issue: &Issue<'_>,
        user: &User,
        policy: Option<&TokenPolicy>,
        ids: &Stream,
    ) -> Self {
        let mut draft = Self::of(Claims::for_user(version, issue, user, Opaque::draw(ids)));
        let Some(policy) = policy else { return draft };
        if let Some(shape) = policy.user {
            draft.extra = shape.claims(issue, user);
            draft.filler = Some(Filler::to(shape.length(), version, ids));
        }
        draft.extra.extend(policy.claims.clone());
        draft
    }

    /// The version of the token it is for.
    pub(crate) fn version(&self) -> Version {
        self.claims.version()
    }

    /// The JSON that is signed.
    pub(crate) fn payload(&self) -> serde_json::Result<Vec<u8>> {
        if self.extra.is_empty() && self.filler.is_none() && self.forgery.is_none() {
            let mut payload = Vec::with_capacity(USUAL_PAYLOAD);
            serde_json::to_writer(&mut payload, &self.claims)?;
            return Ok(payload);
        }
        let Value::Object(mut claims) = serde_json::to_value(&self.claims)? else {
            return serde_json::to_vec(&self.claims);
        };
        claims.extend(self.extra.clone());
        if let Some(filler) = &self.filler {
            let length = serde_json::to_vec(&claims)?.len();
            claims.extend(filler.claim(length));
        }
        if let Some(forgery) = self.forgery {
            forge(forgery, &mut claims);
        }
        let mut payload = serde_json::to_vec(&claims)?;
        if self.forgery == Some(Forgery::DuplicateClaims) {
            payload.pop();
            let second = format!(r#","sub":"{}","tid":"{}"}}"#, stranger(), foreign_tenant());
            payload.extend_from_slice(second.as_bytes());
        }
        Ok(payload)
    }

    #[cfg(test)]
    pub(crate) fn for_tests(forgery: Option<Forgery>) -> Self {
        let claims = super::tests::claims(crate::clock::Clock::fixed().now());
        Self {
            forgery,
            ..Self::of(claims)
        }
    }
}

/// Whom a token about the wrong subject is about.
pub(crate) fn stranger() -> Uuid {
    id_of("user", "stranger")
}

fn foreign_tenant() -> Uuid {
    id_of("tenant", "foreign.example")
}

/// What is forged about the claims. The signature and the header are the key's part.
fn forge(forgery: Forgery, claims: &mut Map<String, Value>) {
    let hour = Duration::from_hours(1).as_secs();
    let time = |claims: &Map<String, Value>, name| claims.get(name).and_then(Value::as_u64);
    let tenant = claims.get("tid").and_then(Value::as_str).map(str::to_owned);
    let mut put = |name: &str, value: Value| {
        claims.insert(name.to_owned(), value);
    };
    match forgery {
        Forgery::BadSignature
        | Forgery::UnknownKid
        | Forgery::AlgNone
        | Forgery::Malformed
        | Forgery::DuplicateClaims => {}
        Forgery::Expired => {
            // Tokens are dated back by minutes, so this end is more than an hour ago.
            let end = time(claims, "nbf").unwrap_or_default().saturating_sub(hour);
            let begin = end.saturating_sub(hour);
            for (name, at) in [("exp", end), ("nbf", begin), ("iat", begin)] {
                claims.insert(name.to_owned(), json!(at));
            }
        }
        Forgery::NotYetValid => {
            for name in ["nbf", "iat", "exp"] {
                let at = time(claims, name).unwrap_or_default();
                claims.insert(name.to_owned(), json!(at + hour + 300));
            }
        }
        Forgery::WrongIssuer => put("iss", json!("https://issuer.foreign.example/")),
        Forgery::WrongAudience => put("aud", json!("api://another-resource")),
        Forgery::MissingTenant => {
            claims.remove("tid");
        }
        Forgery::WrongTenant => {
            let (ours, theirs) = (tenant.unwrap_or_default(), foreign_tenant().to_string());
            if let Some(Value::String(issuer)) = claims.get_mut("iss") {
                *issuer = issuer.replace(&ours, &theirs);
            }
            claims.insert("tid".to_owned(), json!(theirs));
        }
        Forgery::WrongSubject => {
            for name in ["sub", "oid"] {
                put(name, json!(stranger()));
            }
            for name in ["preferred_username", "upn", "unique_name", "name"] {
                if let Some(value) = claims.get_mut(name) {
                    *value = json!("stranger@foreign.example");
                }
            }
        }
        Forgery::ReorderedScopes => {
            if let Some(Value::String(scopes)) = claims.get_mut("scp") {
                *scopes = reordered(scopes);
            }
        }
        Forgery::Oversized => put("xms_filler", json!("A".repeat(OVERSIZE))),
    }
}

/// The same scopes, last first.
pub(crate) fn reordered(scopes: &str) -> String {
    let mut scopes: Vec<_> = scopes.split(' ').collect();
    scopes.reverse();
    scopes.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forged(forgery: Option<Forgery>) -> Value {
        let payload = Draft::for_tests(forgery).payload().unwrap();
        serde_json::from_slice(&payload).unwrap()
    }

    #[test]
    fn a_forgery_changes_what_it_says_and_nothing_else() {
        let right = forged(None);
        for (forgery, changed) in [
            (Forgery::BadSignature, ""),
            (Forgery::UnknownKid, ""),
            (Forgery::AlgNone, ""),
            (Forgery::Malformed, ""),
            (Forgery::Expired, "exp iat nbf"),
            (Forgery::NotYetValid, "exp iat nbf"),
            (Forgery::WrongIssuer, "iss"),
            (Forgery::WrongAudience, "aud"),
            (Forgery::MissingTenant, "tid"),
            (Forgery::WrongTenant, "iss tid"),
            (Forgery::WrongSubject, "name oid preferred_username sub"),
            (Forgery::ReorderedScopes, "scp"),
            // Whoever takes the second of two is deceived.
            (Forgery::DuplicateClaims, "sub tid"),
        ] {
            let wrong = forged(Some(forgery));
            let differs = |name: &&String| right.get(name.as_str()) != wrong.get(name.as_str());
            let names = right.as_object().unwrap().keys();
            let found: Vec<_> = names.filter(differs).map(String::as_str).collect();
            assert_eq!(found.join(" "), changed, "{forgery:?}");
        }
        assert_eq!(forged(Some(Forgery::ReorderedScopes))["scp"], "write read");
        let now = crate::clock::Clock::fixed().now().as_seconds();
        assert!(forged(Some(Forgery::Expired))["exp"].as_u64().unwrap() + 3600 < now);
        assert!(forged(Some(Forgery::NotYetValid))["nbf"].as_u64().unwrap() >= now + 3600);
    }

    #[test]
    fn a_token_of_the_beginning_of_time_can_have_expired() {
        let mut claims = Map::new();
        claims.insert("nbf".to_owned(), json!(0));
        forge(Forgery::Expired, &mut claims);
        assert_eq!((&claims["exp"], &claims["iat"]), (&json!(0), &json!(0)));
    }

    #[test]
    fn duplicate_claims_really_stand_there_twice() {
        let payload = Draft::for_tests(Some(Forgery::DuplicateClaims))
            .payload()
            .unwrap();
        let payload = String::from_utf8(payload).unwrap();
        for name in [r#""sub":"#, r#""tid":"#] {
            assert_eq!(payload.matches(name).count(), 2, "{payload}");
        }
        let oversized = Draft::for_tests(Some(Forgery::Oversized))
            .payload()
            .unwrap();
        assert!(oversized.len() > OVERSIZE);
    }
}
