//! Scopes: what a token is good for, and what a request asks for.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The scopes that OpenID Connect reserves. They are asked for but are no part
/// of what a cached access token must cover. `email` is not among them.
const RESERVED: [&str; 3] = ["openid", "profile", "offline_access"];

/// A set of scopes, sorted without regard to case, each spelt as first given.
///
/// Cheap to clone. Comparison is without regard to (ASCII) case, as MSAL's is.
#[derive(Clone, Default)]
pub struct Scopes {
    /// The set as one string, separated by spaces: MSAL's `target`.
    target: Arc<str>,
    /// The same in lower case; shared with `target` where that is lower case
    /// already. One string, so that a comparison follows one pointer.
    folded: Arc<str>,
}

impl Scopes {
    /// The scopes in `text`, separated by white space; repeated ones count once.
    pub fn parse(text: &str) -> Self {
        Self::from_words(text.split_whitespace())
    }

    fn from_words<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        let mut pairs: Vec<(String, &str)> = words
            .map(|word| (word.to_ascii_lowercase(), word))
            .collect();
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs.dedup_by(|later, earlier| later.0 == earlier.0);
        let joined = |words: Vec<&str>| -> Arc<str> { words.join(" ").into() };
        let target = joined(pairs.iter().map(|pair| pair.1).collect());
        let folded = joined(pairs.iter().map(|pair| pair.0.as_str()).collect());
        Self {
            folded: if folded == target {
                Arc::clone(&target)
            } else {
                folded
            },
            target,
        }
    }

    /// The set as MSAL's `target`: sorted, separated by single spaces.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.folded.is_empty()
    }

    /// Lower-cased scopes, sorted.
    pub fn folded(&self) -> impl Iterator<Item = &str> {
        self.folded.split(' ').filter(|scope| !scope.is_empty())
    }

    /// Lower-cased scopes that a cached token must cover: all but the reserved.
    pub fn required(&self) -> impl Iterator<Item = &str> {
        self.folded().filter(|scope| !RESERVED.contains(scope))
    }

    /// The set that a cached token must cover: all but the reserved. Two requests
    /// for which this is the same are served by the same tokens.
    #[must_use]
    pub fn without_reserved(&self) -> Self {
        if self.required().count() == self.folded().count() {
            return self.clone();
        }
        Self::from_words(self.required())
    }

    /// Whether these include every non-reserved scope of `request`.
    pub fn cover(&self, request: &Self) -> bool {
        if defect!(LookupMindsCase) {
            let words = |scopes: &Self| scopes.target.split(' ').map(str::to_owned).collect();
            let (own, asked): (Vec<String>, Vec<String>) = (words(self), words(request));
            return asked.iter().all(|word| own.contains(word));
        }
        if defect!(LookupWantsEqualScopes) {
            return self.folded == request.folded;
        }
        self.folded == request.folded || request.required().all(|scope| self.has(scope))
    }

    /// Whether any scope, reserved ones included, is in both.
    pub fn overlap(&self, other: &Self) -> bool {
        other.folded().any(|scope| self.has(scope))
    }

    /// Both sets together.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        Self::from_words(
            self.target
                .split(' ')
                .chain(other.target.split(' '))
                .filter(|s| !s.is_empty()),
        )
    }

    /// Whether the lower-cased `scope` is among them.
    fn has(&self, scope: &str) -> bool {
        self.folded().any(|candidate| candidate == scope)
    }
}

impl PartialEq for Scopes {
    fn eq(&self, other: &Self) -> bool {
        self.folded == other.folded
    }
}

impl Eq for Scopes {}

impl std::hash::Hash for Scopes {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.folded.hash(state);
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.target)
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.target)
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Ok(Self::parse(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_sorted_without_regard_to_case_and_keep_their_spelling() {
        assert_eq!(
            Scopes::parse("User.Read  mail.read Mail.Read").target(),
            "mail.read User.Read"
        );
        assert_eq!(Scopes::parse("  ").target(), "");
    }

    #[test]
    fn a_token_covers_a_request_when_it_has_every_scope_that_is_not_reserved() {
        let table = [
            ("A B", "A", true),
            ("A", "A B", false),
            ("A", "openid A", true),
            ("A", "profile offline_access a", true),
            ("A", "email A", false),
            ("User.Read", "user.read", true),
            ("A", "", true),
        ];
        for (token, request, expected) in table {
            assert_eq!(
                Scopes::parse(token).cover(&Scopes::parse(request)),
                expected,
                "{token:?} for {request:?}"
            );
        }
    }

    #[test]
    fn without_the_reserved_is_what_a_token_must_cover() {
        let table = [
            ("User.Read", "user.read"),
            ("openid B offline_access a Profile", "A B"),
            ("openid", ""),
            ("", ""),
        ];
        for (asked, needed) in table {
            let scopes = Scopes::parse(asked);
            assert_eq!(
                scopes.without_reserved(),
                Scopes::parse(needed),
                "{asked:?}"
            );
        }
    }

    #[test]
    fn reserved_scopes_count_in_an_overlap() {
        let table = [
            ("A", "B", false),
            ("A openid", "B openid", true),
            ("A", "a", true),
            ("", "A", false),
        ];
        for (one, other, expected) in table {
            assert_eq!(
                Scopes::parse(one).overlap(&Scopes::parse(other)),
                expected,
                "{one:?} {other:?}"
            );
        }
    }
}
