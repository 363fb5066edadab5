//! The two sets of keys there are, as at Entra: one that all organisations share, and one of
//! personal accounts, whose keys say so.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::ring::KeyStatus;
use super::signer::{SavedRing, Signer};
use super::{KeySchedule, Rollover, Signing, SigningError, SigningKey};
use crate::clock::UnixTime;
use crate::directory::tenant::{PERSONAL_ACCOUNTS, Tenant};
use crate::token::Draft;

/// The signing keys of one identity provider.
pub(crate) struct SigningKeys {
    shared: Signer,
    /// Made when somebody asks for them: few tests are about personal accounts, and an RSA key
    /// takes a tenth of a second.
    personal: OnceCell<Signer>,
}

/// Whose tokens a key may sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Accounts {
    /// Those of any organisation.
    Organizations,
    /// Personal ones.
    Personal,
}

/// The keys at some moment. They never leave the process.
#[derive(Clone)]
pub(crate) struct SavedKeys {
    shared: SavedRing,
    personal: Option<SavedRing>,
}

/// A key, as the admin API shows it.
#[derive(Serialize)]
pub(crate) struct ListedKey {
    accounts: Accounts,
    #[serde(flatten)]
    status: KeyStatus,
}

impl SigningKeys {
    /// Makes a key. Blocks for the time a key takes.
    pub(crate) fn start(
        signing: Signing,
        schedule: KeySchedule,
        seed: u64,
        now: UnixTime,
    ) -> Result<Self, SigningError> {
        Signer::start(signing, schedule, seed, now).map(Self::of)
    }

    fn of(shared: Signer) -> Self {
        Self {
            shared,
            personal: OnceCell::new(),
        }
    }

    /// Others with the same keys and turns, which go their own way from here.
    pub(crate) fn branch(&self, seed: u64) -> Self {
        let branch = Self::of(self.shared.branch(seed));
        if let Some(personal) = self.personal.get() {
            // Cannot be set already.
            let _ = branch.personal.set(personal.branch(seed));
        }
        branch
    }

    async fn personal(&self, now: UnixTime) -> Result<&Signer, SigningError> {
        let make = || self.shared.sibling("personal accounts", now);
        self.personal.get_or_try_init(make).await
    }

    fn made(&self) -> impl Iterator<Item = (Accounts, &Signer)> {
        let personal = self.personal.get().map(|keys| (Accounts::Personal, keys));
        std::iter::once((Accounts::Organizations, &self.shared)).chain(personal)
    }

    /// The signed token of a draft for an account of this tenant.
    pub(crate) async fn sign(
        &self,
        draft: &Draft,
        tenant_id: Uuid,
        now: UnixTime,
    ) -> Result<String, SigningError> {
        let signer = match tenant_id {
            PERSONAL_ACCOUNTS => self.personal(now).await?,
            _ => &self.shared,
        };
        signer.sign(draft, now).await
    }

    /// The key whose turn it is to sign for organisations.
    pub(crate) async fn current_key(&self, now: UnixTime) -> Result<Arc<SigningKey>, SigningError> {
        self.shared.current_key(now).await
    }

    /// The claims of a token that a published key signed, whatever they say.
    pub(crate) fn verify<T: DeserializeOwned>(&self, token: &str, now: UnixTime) -> Option<T> {
        self.made()
            .find_map(|(_, signer)| signer.verify(token, now))
    }

    /// The keys that one answer to a validator of this tenant's tokens holds.
    pub(crate) async fn shown(
        &self,
        tenant: Tenant,
        now: UnixTime,
    ) -> Result<Vec<(Accounts, Arc<SigningKey>)>, SigningError> {
        let (shared, personal) = match tenant {
            Tenant::Common => (true, true),
            Tenant::Consumers | Tenant::Directory(PERSONAL_ACCOUNTS) => (false, true),
            Tenant::Organizations | Tenant::Directory(_) => (true, false),
        };
        let mut keys = Vec::new();
        if shared {
            let shown = self.shared.shown(now).await?.into_iter();
            keys.extend(shown.map(|key| (Accounts::Organizations, key)));
        }
        if personal {
            let shown = self.personal(now).await?.shown(now).await?.into_iter();
            keys.extend(shown.map(|key| (Accounts::Personal, key)));
        }
        Ok(keys)
    }

    /// All keys made so far.
    pub(crate) async fn status(&self, now: UnixTime) -> Result<Vec<ListedKey>, SigningError> {
        let mut keys = Vec::new();
        for (accounts, signer) in self.made() {
            let status = signer.status(now).await?.into_iter();
            keys.extend(status.map(|status| ListedKey { accounts, status }));
        }
        Ok(keys)
    }

    /// The `alg` of the tokens to come.
    pub(crate) fn algorithm(&self) -> &'static str {
        self.shared.algorithm()
    }

    pub(crate) fn schedule(&self) -> KeySchedule {
        self.shared.schedule()
    }

    /// Follow another schedule from now on, which must be valid. Another algorithm begins with the
    /// next key.
    pub(crate) fn reschedule(&self, schedule: KeySchedule) {
        for (_, signer) in self.made() {
            signer.reschedule(schedule);
        }
    }

    /// Have new keys follow out of turn.
    pub(crate) async fn roll(&self, rollover: Rollover, now: UnixTime) -> Result<(), SigningError> {
        for (_, signer) in self.made() {
            signer.roll(rollover, now).await?;
        }
        Ok(())
    }

    /// The keys as they are, to come back to.
    pub(crate) fn save(&self) -> SavedKeys {
        SavedKeys {
            shared: self.shared.save(),
            personal: self.personal.get().map(Signer::save),
        }
    }

    /// Comes back to these keys, and to their schedule. Personal accounts' keys that were made
    /// since stay.
    pub(crate) fn restore(&self, saved: &SavedKeys) {
        self.shared.restore(&saved.shared);
        match (self.personal.get(), &saved.personal) {
            (Some(personal), Some(saved)) => personal.restore(saved),
            (Some(personal), None) => personal.reschedule(self.shared.schedule()),
            (None, _) => {}
        }
    }
}
