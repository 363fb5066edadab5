//! One session with the server, its statements prepared.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::types::{FromSql, ToSql};
use tokio_postgres::{Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::PostgresOptions;
use super::statement::{Statement, create, qualified};
use crate::error::StoreError;
use crate::store::StoreFuture;
use crate::store::pool::{Connect, Failure, Request};

/// How sessions are opened.
pub(super) struct Connector {
    config: Config,
    tls: MakeRustlsConnect,
    table: Arc<str>,
    /// What makes the table, and whether that has been done.
    create: Option<String>,
    created: AtomicBool,
}

impl Connector {
    pub(super) fn try_new(options: &PostgresOptions) -> Result<Self, StoreError> {
        // The parser's message can repeat a part of the URL.
        let unreadable = |_| StoreError::new("the Postgres URL cannot be read");
        let mut config: Config = options.url.expose().parse().map_err(unreadable)?;
        if config.get_application_name().is_none() {
            config.application_name("token-cache");
        }
        let PostgresOptions {
            schema,
            table,
            logged,
            ..
        } = options;
        let create = options.create_table.then(|| create(schema, table, *logged));
        Ok(Self {
            config,
            tls: MakeRustlsConnect::new(tls_config(options.ca_pem.as_deref())?),
            table: qualified(schema, table).into(),
            create,
            created: AtomicBool::new(false),
        })
    }
}

fn tls_config(ca_pem: Option<&str>) -> Result<ClientConfig, StoreError> {
    let mut roots = RootCertStore::empty();
    if let Some(pem) = ca_pem {
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let added = certificate
                .map_err(|error| error.to_string())
                .and_then(|it| roots.add(it).map_err(|error| error.to_string()));
            added.map_err(|error| StoreError::new(format!("a certificate authority: {error}")))?;
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StoreError::new(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

impl Connect for Connector {
    type Connection = Session;

    fn connect(&self) -> StoreFuture<'_, Session> {
        Box::pin(async move {
            let told = |error: Error| StoreError::new(told(&error));
            let (client, connection) = self.config.connect(self.tls.clone()).await.map_err(told)?;
            // Ends when the client goes.
            tokio::spawn(connection);
            if let Some(create) = &self.create
                && !self.created.load(Ordering::Relaxed)
            {
                client.batch_execute(create).await.map_err(told)?;
                self.created.store(true, Ordering::Relaxed);
            }
            Ok(Session {
                client,
                table: Arc::clone(&self.table),
                prepared: HashMap::new(),
            })
        })
    }
}

/// A session.
pub(super) struct Session {
    client: Client,
    table: Arc<str>,
    prepared: HashMap<Statement, tokio_postgres::Statement>,
}

impl Session {
    async fn prepared(
        &mut self,
        statement: Statement,
    ) -> Result<tokio_postgres::Statement, Failure> {
        if let Some(prepared) = self.prepared.get(&statement) {
            return Ok(prepared.clone());
        }
        let prepared = self.client.prepare(&statement.text(&self.table)).await;
        let prepared = prepared.map_err(|error| failure(&error))?;
        self.prepared.insert(statement, prepared.clone());
        Ok(prepared)
    }
}

/// The values of a statement's parameters.
pub(super) type Values<'v> = &'v [&'v (dyn ToSql + Sync)];

/// Asks for the one column of the one row, if there is one.
pub(super) struct Ask<'v, T> {
    statement: Statement,
    values: Values<'v>,
    answer: PhantomData<fn() -> T>,
}

impl<'v, T> Ask<'v, T> {
    pub(super) fn new(statement: Statement, values: Values<'v>) -> Self {
        Self {
            statement,
            values,
            answer: PhantomData,
        }
    }
}

impl<T: for<'r> FromSql<'r> + Send> Request<Session> for Ask<'_, T> {
    type Answer = Option<T>;

    async fn make(&self, on: &mut Session) -> Result<Option<T>, Failure> {
        let prepared = on.prepared(self.statement).await?;
        let row = on.client.query_opt(&prepared, self.values).await;
        let row = row.map_err(|error| failure(&error))?;
        row.map(|row| row.try_get(0).map_err(|error| failure(&error)))
            .transpose()
    }
}

/// Asks how many rows changed.
pub(super) struct Change<'v> {
    pub(super) statement: Statement,
    pub(super) values: Values<'v>,
}

impl Request<Session> for Change<'_> {
    type Answer = u64;

    async fn make(&self, on: &mut Session) -> Result<u64, Failure> {
        let prepared = on.prepared(self.statement).await?;
        let changed = on.client.execute(&prepared, self.values).await;
        changed.map_err(|error| failure(&error))
    }
}

/// The server's words; its details are left out, as they can quote a row.
fn told(error: &Error) -> String {
    match error.as_db_error() {
        Some(error) => format!("{} ({})", error.message(), error.code().code()),
        None => std::iter::successors(Some(error as &dyn std::error::Error), |it| it.source())
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(": "),
    }
}

fn failure(error: &Error) -> Failure {
    // Classes 08 and 57P: the connection failed, the server goes down. 26000 and
    // 0A000: a prepared statement is gone or its table is another by now.
    let broken = error.code().is_none_or(|code| {
        let code = code.code();
        ["08", "57P", "26000", "0A000"]
            .iter()
            .any(|it| code.starts_with(it))
    });
    if broken {
        Failure::Broken(told(error))
    } else {
        Failure::Refused(told(error))
    }
}
