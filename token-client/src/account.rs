//! Accounts: who is signed in, and signing them out.

use std::sync::Arc;

use token_cache::{Account, CacheError, HomeAccountId, Partition, PartitionKey};

use crate::client::Client;
use crate::flow::LongRunningSession;

impl Client {
    /// The account with this id, from its partition; MSAL's `GetAccountAsync`.
    ///
    /// # Errors
    ///
    /// [`CacheError`] for an entry that cannot be read, where the policy makes
    /// that an error.
    pub async fn account(&self, id: &HomeAccountId) -> Result<Option<Arc<Account>>, CacheError> {
        let read = self
            .cache()
            .read(&PartitionKey::Account(id.clone()))
            .await?;
        let partition = read.partition;
        Ok(partition.and_then(|partition| partition.find_account(id.as_str()).cloned()))
    }

    /// The accounts in this process's memory; MSAL's `GetAccountsAsync`. It has
    /// no key to ask a shared cache with, and so asks none.
    pub fn accounts(&self) -> Vec<Arc<Account>> {
        self.cache().l1_accounts()
    }

    /// Signs an account out: its tokens go from the cache. The provider is not
    /// told, and other instances' memory keeps what it has; MSAL's
    /// `RemoveAsync`.
    ///
    /// # Errors
    ///
    /// As [`Client::account`].
    pub async fn remove_account(&self, id: &HomeAccountId) -> Result<(), CacheError> {
        let key = PartitionKey::Account(id.clone());
        let id = id.clone();
        let change = move |partition: &Partition| partition.remove_account(&id);
        self.cache().update(&key, change).await.map(drop)
    }

    /// Ends a long-running session: its tokens go from the cache; MSAL's
    /// `StopLongRunningProcessInWebApiAsync`. Says whether there were any.
    ///
    /// # Errors
    ///
    /// As [`Client::account`].
    pub async fn stop_long_running(
        &self,
        session: &LongRunningSession,
    ) -> Result<bool, CacheError> {
        let key = PartitionKey::Assertion(session.hash().clone());
        let read = self.cache().read(&key).await;
        // Also where nothing was seen: L2 may not have answered, or its entry may not
        // have been readable, and the session would go on when it is again.
        self.cache().remove(&key).await;
        read.map(|read| read.partition.is_some())
    }
}
