//! The caches of a model: which tokens each layer knows of, and until when.

use std::collections::HashMap;

/// Milliseconds since the run began.
pub(super) type Millis = u64;

/// A token with this little left counts as expired.
const BUFFER: Millis = 300_000;

/// What is stored together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum PartitionId {
    /// An application's own tokens in a tenant.
    Application { application: u32, tenant: u32 },
    /// The tokens of a machine's identity, of no tenant.
    Machine { application: u32 },
    /// A user's tokens, for all applications.
    Account { user: u32 },
    /// What a web API holds of a user in a session, whom it works on for.
    Session {
        application: u32,
        user: u32,
        session: u32,
    },
    /// What one on-behalf-of assertion was traded for.
    Assertion { number: u64 },
}

impl PartitionId {
    /// Whether refresh tokens are kept there. On-behalf-of keeps none: the next call
    /// brings an assertion of its own.
    pub(super) fn keeps_refresh_tokens(self) -> bool {
        matches!(self, Self::Account { .. } | Self::Session { .. })
    }
}

/// Which token of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Item {
    pub(super) application: u32,
    pub(super) resource: u32,
}

/// A token, by its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) expires_on: Millis,
    /// When clients are advised to replace it; each puts that off by a jitter of its own.
    pub(super) refresh_on: Option<Millis>,
    /// Which token, of all of a run.
    pub(super) number: u64,
}

impl Token {
    fn is_fresh(&self, now: Millis) -> bool {
        self.expires_on > now + BUFFER
    }
}

/// The tokens of a partition; few, so a list.
#[derive(Debug, Clone, Default)]
pub(super) struct Partition {
    tokens: Vec<(Item, Token)>,
    /// Applications that hold a refresh token here.
    refresh_tokens: Vec<u32>,
    /// A layer forgets it then.
    ends: Option<Millis>,
}

/// What a look into a partition finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Fresh(Token),
    Expired,
    Missing,
}

impl Partition {
    pub(super) fn holding(
        tokens: Vec<(Item, Token)>,
        refresh_tokens: Vec<u32>,
        ends: Option<Millis>,
    ) -> Self {
        Self {
            tokens,
            refresh_tokens,
            ends,
        }
    }

    pub(super) fn find(&self, item: Item, now: Millis) -> Found {
        match self.tokens.iter().find(|(of, _)| *of == item) {
            Some((_, token)) if token.is_fresh(now) => Found::Fresh(*token),
            Some(_) => Found::Expired,
            None => Found::Missing,
        }
    }

    pub(super) fn has_refresh_token(&self, application: u32) -> bool {
        self.refresh_tokens.contains(&application)
    }

    /// With one more token, and a refresh token of its application if there is
    /// one.
    pub(super) fn save(&mut self, item: Item, token: Token, with_refresh_token: bool) {
        match self.tokens.iter_mut().find(|(of, _)| *of == item) {
            Some((_, old)) => *old = token,
            None => self.tokens.push((item, token)),
        }
        if with_refresh_token && !self.has_refresh_token(item.application) {
            self.refresh_tokens.push(item.application);
        }
        let last = self.tokens.iter().map(|(_, token)| token.expires_on).max();
        self.ends = last.filter(|_| self.refresh_tokens.is_empty());
    }

    /// Whether a cache would store it.
    fn is_worth_storing(&self, now: Millis) -> bool {
        let lasts = |(_, token): &(Item, Token)| token.expires_on >= now + BUFFER;
        !self.refresh_tokens.is_empty() || self.tokens.iter().any(lasts)
    }
}

/// One layer: an instance's memory, or the shared store.
#[derive(Debug, Default)]
pub(super) struct Layer(HashMap<PartitionId, Partition>);

impl Layer {
    pub(super) fn get(&mut self, id: PartitionId, now: Millis) -> Option<&Partition> {
        let ended = |held: &Partition| held.ends.is_some_and(|end| end <= now);
        if self.0.get(&id).is_some_and(ended) {
            self.0.remove(&id);
        }
        self.0.get(&id)
    }

    pub(super) fn put(&mut self, id: PartitionId, partition: Partition, now: Millis) {
        if partition.is_worth_storing(now) {
            self.0.insert(id, partition);
        } else {
            self.0.remove(&id);
        }
    }

    /// What was found in the shared store: it carries no end of its own.
    pub(super) fn propagate(&mut self, id: PartitionId, partition: &Partition) {
        let copy = Partition {
            ends: None,
            ..partition.clone()
        };
        self.0.insert(id, copy);
    }

    /// As it was found elsewhere.
    pub(super) fn hold(&mut self, id: PartitionId, partition: Partition) {
        self.0.insert(id, partition);
    }

    pub(super) fn forget(&mut self, id: PartitionId) {
        self.0.remove(&id);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
