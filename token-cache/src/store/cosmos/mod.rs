//! Azure Cosmos DB, in the layout of Microsoft's `Extensions.Caching.Cosmos`.
//!
//! An entry is a document `{id, content, ttl, isSlidingExpiration,
//! absoluteSlidingExpiration}`, partitioned by `/id`. Reading an entry that slides
//! replaces it on condition of its ETag. Beside Microsoft's fields there is
//! `expiresAtMs`, as our clock decides when an entry has expired and the server's
//! `ttl` only frees the room; Microsoft's reader passes over it.
//!
//! Tested against the in-memory emulator of the SDK's own team, over HTTP, which
//! keeps no `ttl`; a real account was not used.

mod connection_string;
mod container;
mod document;

use std::fmt;
use std::time::Duration;

use azure_core::http::Etag;
use azure_data_cosmos::models::ItemResponse;
use azure_data_cosmos::options::{ItemWriteOptions, Precondition};
use azure_data_cosmos::{ContainerClient, CosmosError};
use bytes::Bytes;
use tokio::time::timeout;

use self::container::Container;
use self::document::{Document, document_id};
use super::lifetime::Lifetime;
use super::{CompareAndSet, Expiration, Store, StoreFuture, Swap, Version, Versioned};
use crate::clock::Clock;
use crate::error::StoreError;
use crate::secret::Secret;

/// How often an extension of a window is tried when others come between.
const TRIES: usize = 3;

/// Where the account is and how to speak with it.
#[derive(Debug, Clone)]
pub struct CosmosOptions {
    /// `https://{account}.documents.azure.com`.
    pub endpoint: String,
    /// One of the account's keys.
    pub key: Secret,
    /// The region nearest to this instance, as Azure calls it: `East US`.
    pub region: String,
    /// The database.
    pub database: String,
    /// The container.
    pub container: String,
    /// Whether to make database and container where there are none, with `ttl`
    /// switched on and nothing indexed, as Microsoft's store makes them.
    pub create: bool,
    /// An operation that takes longer has failed; connecting counts.
    pub timeout: Duration,
}

/// A store in a container of Cosmos DB.
pub struct CosmosStore {
    container: Container,
    timeout: Duration,
    clock: Clock,
}

/// An entry that stands, as it was read.
struct Standing {
    document: Document,
    etag: Etag,
}

/// What is under a key.
enum Read {
    Absent,
    /// Something past its end.
    Over(Etag),
    Standing(Standing),
}

impl CosmosStore {
    /// A store in the container of `options`. Nothing is asked of the account
    /// before the first operation.
    ///
    /// # Errors
    ///
    /// When the endpoint is no URL.
    pub fn try_new(options: CosmosOptions, clock: Clock) -> Result<Self, StoreError> {
        let timeout = options.timeout;
        Ok(Self {
            container: Container::try_new(options)?,
            timeout,
            clock,
        })
    }

    /// Bounds an operation.
    async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let limit = self.timeout;
        let late = |_| Err(StoreError::timed_out(limit));
        timeout(limit, work).await.unwrap_or_else(late)
    }

    async fn read(&self, container: &ContainerClient, id: &str) -> Result<Read, StoreError> {
        let response = match container.read_item(id.to_owned(), id, None).await {
            Ok(response) => response,
            Err(error) if error.status().is_not_found() => return Ok(Read::Absent),
            Err(error) => return Err(told(&error)),
        };
        let etag = etag(&response)?;
        let document: Document = response.into_model().map_err(|_| no_entry())?;
        Ok(if document.has_expired(self.clock.now()) {
            Read::Over(etag)
        } else {
            Read::Standing(Standing { document, etag })
        })
    }

    /// Reads and, if the entry slides, extends its window. When others come
    /// between again and again, they have extended it.
    async fn touch(&self, key: &str) -> Result<Option<Standing>, StoreError> {
        let id = document_id(key);
        let container = self.container.client().await?;
        for tried in 0.. {
            let Read::Standing(mut found) = self.read(container, &id).await? else {
                return Ok(None);
            };
            if !found.document.slide(self.clock.now()) || tried == TRIES {
                return Ok(Some(found));
            }
            let options = on_condition(found.etag.clone());
            let replaced = container.replace_item(id.clone(), &id, &found.document, Some(options));
            match replaced.await {
                Ok(response) => {
                    found.etag = etag(&response)?;
                    return Ok(Some(found));
                }
                Err(error) if is_conflict(&error) => {}
                Err(error) => return Err(told(&error)),
            }
        }
        Ok(None)
    }

    /// Writes on condition of what was read, or that nothing is there.
    async fn write_if(
        &self,
        expected: Option<Etag>,
        id: &str,
        document: &Document,
    ) -> Result<Swap, StoreError> {
        let container = self.container.client().await?;
        let written = match expected {
            Some(etag) => {
                let options = Some(on_condition(etag));
                container
                    .replace_item(id.to_owned(), id, document, options)
                    .await
            }
            None => {
                container
                    .create_item(id.to_owned(), id, document, None)
                    .await
            }
        };
        match written {
            Ok(_) => Ok(Swap::Done),
            Err(error) if is_conflict(&error) => Ok(Swap::Conflict),
            Err(error) => Err(told(&error)),
        }
    }

    async fn delete(&self, id: &str, condition: Option<Etag>) -> Result<Swap, StoreError> {
        let container = self.container.client().await?;
        let deleted = container.delete_item(id.to_owned(), id, condition.map(on_condition));
        match deleted.await {
            Ok(_) => Ok(Swap::Done),
            Err(error) if error.status().is_not_found() => Ok(Swap::Done),
            Err(error) if is_conflict(&error) => Ok(Swap::Conflict),
            Err(error) => Err(told(&error)),
        }
    }

    fn is_over(&self, expiration: Expiration) -> bool {
        expiration.lifetime(self.clock.now()) == Lifetime::Over
    }
}

fn on_condition(etag: Etag) -> ItemWriteOptions {
    ItemWriteOptions::default().with_precondition(Precondition::if_match(etag))
}

fn etag(response: &ItemResponse) -> Result<Etag, StoreError> {
    let etag = response.headers().etag().cloned();
    etag.ok_or_else(|| StoreError::new("the account sent no ETag"))
}

/// Somebody came between: made it, changed it or removed it.
fn is_conflict(error: &CosmosError) -> bool {
    let status = error.status();
    status.is_conflict() || status.is_precondition_failed() || status.is_not_found()
}

fn no_entry() -> StoreError {
    StoreError::new("the document is no cache entry")
}

/// The status alone: messages can quote a document's id.
fn told(error: &CosmosError) -> StoreError {
    StoreError::new(format!("Cosmos DB: {}", error.status()))
}

fn version(etag: &Etag) -> Version {
    Version::new(etag.to_string().into_bytes())
}

fn expected_etag(version: &Version) -> Etag {
    Etag::from(String::from_utf8_lossy(version.as_bytes()).into_owned())
}

impl CompareAndSet for CosmosStore {
    fn get_versioned<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Versioned>> {
        Box::pin(self.within(async move {
            let found = self.touch(key).await?;
            found
                .map(|Standing { document, etag }| {
                    Ok(Versioned {
                        blob: document.blob().ok_or_else(no_entry)?,
                        version: version(&etag),
                    })
                })
                .transpose()
        }))
    }

    fn set_if<'a>(
        &'a self,
        key: &'a str,
        expected: Option<&'a Version>,
        blob: Bytes,
        expiration: Expiration,
    ) -> StoreFuture<'a, Swap> {
        Box::pin(self.within(async move {
            let id = document_id(key);
            let container = self.container.client().await?;
            let condition = match (expected, self.read(container, &id).await?) {
                (None, Read::Absent) => None,
                // What is over counts as absent; it is replaced.
                (None, Read::Over(etag)) => Some(etag),
                (Some(version), Read::Standing(found)) if found.etag == expected_etag(version) => {
                    Some(found.etag)
                }
                _ => return Ok(Swap::Conflict),
            };
            if self.is_over(expiration) {
                return match condition {
                    Some(etag) => self.delete(&id, Some(etag)).await,
                    None => Ok(Swap::Done),
                };
            }
            let document = Document::new(&id, &blob, expiration, self.clock.now());
            self.write_if(condition, &id, &document).await
        }))
    }

    fn remove_if<'a>(&'a self, key: &'a str, expected: &'a Version) -> StoreFuture<'a, Swap> {
        Box::pin(self.within(async move {
            let id = document_id(key);
            self.delete(&id, Some(expected_etag(expected))).await
        }))
    }
}

impl Store for CosmosStore {
    fn compare_and_set(&self) -> Option<&dyn CompareAndSet> {
        Some(self)
    }

    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Bytes>> {
        Box::pin(async move {
            let found = self.get_versioned(key).await?;
            Ok(found.map(|found| found.blob))
        })
    }

    fn set<'a>(&'a self, key: &'a str, blob: Bytes, expiration: Expiration) -> StoreFuture<'a, ()> {
        if self.is_over(expiration) {
            return self.remove(key);
        }
        Box::pin(self.within(async move {
            let id = document_id(key);
            let document = Document::new(&id, &blob, expiration, self.clock.now());
            let container = self.container.client().await?;
            let put = container
                .upsert_item(id.clone(), &id, &document, None)
                .await;
            put.map(|_| ()).map_err(|error| told(&error))
        }))
    }

    fn refresh<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(self.within(async move { self.touch(key).await.map(|_| ()) }))
    }

    fn remove<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(self.within(async move { self.delete(&document_id(key), None).await.map(|_| ()) }))
    }
}

impl fmt::Debug for CosmosStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CosmosStore")
            .field("container", &self.container)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
