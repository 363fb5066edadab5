//! The container, opened when it is first asked for.

use std::fmt;
use std::sync::Arc;

use azure_data_cosmos::models::{
    ContainerProperties, IndexingMode, IndexingPolicy, PartitionKeyDefinition, TimeToLive,
};
use azure_data_cosmos::options::BinaryEncodingOptions;
use azure_data_cosmos::{
    AccountEndpoint, AccountReference, ContainerClient, CosmosClient, CosmosError, RoutingStrategy,
};
use tokio::sync::OnceCell;

use super::{CosmosOptions, told};
use crate::error::StoreError;

pub(super) struct Container(Arc<Inner>);

struct Inner {
    endpoint: AccountEndpoint,
    options: CosmosOptions,
    client: OnceCell<ContainerClient>,
}

impl Container {
    pub(super) fn try_new(options: CosmosOptions) -> Result<Self, StoreError> {
        let endpoint = options.endpoint.parse();
        Ok(Self(Arc::new(Inner {
            endpoint: endpoint.map_err(|_| StoreError::new("the Cosmos endpoint is no URL"))?,
            options,
            client: OnceCell::new(),
        })))
    }

    /// The container. Opening it takes many round trips and goes on when whoever
    /// asked has given up waiting; if it fails, the next who asks tries again.
    pub(super) async fn client(&self) -> Result<&ContainerClient, StoreError> {
        if self.0.client.get().is_none() {
            let inner = Arc::clone(&self.0);
            let opening = tokio::spawn(async move {
                let opened = inner.client.get_or_try_init(|| Box::pin(inner.open()));
                opened.await.map(|_| ()).map_err(|error| told(&error))
            });
            let opened = opening.await;
            opened.map_err(|error| StoreError::new(error.to_string()))??;
        }
        let gone = || StoreError::new("the container is not open");
        self.0.client.get().ok_or_else(gone)
    }
}

impl Inner {
    async fn open(&self) -> Result<ContainerClient, CosmosError> {
        let CosmosOptions {
            key,
            region,
            database,
            container,
            ..
        } = &self.options;
        let account = AccountReference::with_authentication_key(
            self.endpoint.clone(),
            key.expose().to_owned(),
        );
        // Text JSON is what every gateway and emulator takes.
        let binary = BinaryEncodingOptions::new().with_enabled(false);
        let client = CosmosClient::builder()
            .with_binary_encoding_options(binary)
            .build(account, RoutingStrategy::ProximityTo(region.clone().into()))
            .await?;
        if self.options.create {
            there(client.create_database(database, None).await.map(|_| ()))?;
        }
        let database = client.database_client(database.clone());
        if self.options.create {
            let properties = properties(container.clone());
            there(
                database
                    .create_container(properties, None)
                    .await
                    .map(|_| ()),
            )?;
        }
        database.container_client(container.clone(), None).await
    }
}

/// What is there already need not be made.
fn there(made: Result<(), CosmosError>) -> Result<(), CosmosError> {
    match made {
        Err(error) if error.status().is_conflict() => Ok(()),
        made => made,
    }
}

/// Entries with a `ttl` of their own, and nothing indexed: they are only ever read
/// by id.
fn properties(name: String) -> ContainerProperties {
    let by_id = PartitionKeyDefinition::new(vec!["/id".into()]);
    let mut indexing = IndexingPolicy::default()
        .with_indexing_mode(IndexingMode::Consistent)
        .with_excluded_path("/*");
    indexing.automatic = true;
    ContainerProperties::new(name, by_id)
        .with_default_ttl(TimeToLive::NoDefault)
        .with_indexing_policy(indexing)
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Container")
            .field("endpoint", &self.0.options.endpoint)
            .field("database", &self.0.options.database)
            .field("container", &self.0.options.container)
            .field("open", &self.0.client.initialized())
            .finish()
    }
}
