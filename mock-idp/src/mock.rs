//! A server for a test, in one line.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;

use crate::behavior::rule::Rule;
use crate::behavior::throttle::ThrottlePolicy;
use crate::config::Config;
use crate::directory::Directory;
use crate::endpoint::router;
use crate::idp::{Idp, IdpError};
use crate::ledger::LedgerSnapshot;
use crate::recent::{RecordedRequests, RequestFilter};
use crate::server::{Server, StartError};
use crate::signing::Signing;

/// A stand-in for Entra ID on free ports of this machine, until it is stopped or dropped.
///
/// ```
/// # #[tokio::main(flavor = "multi_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let entra = mock_idp::MockIdp::builder().start().await?;
///
/// // What the code under test needs: an authority, and a certificate to trust.
/// let authority = entra.authority("contoso.com");
/// assert!(authority.starts_with("https://localhost:"));
/// assert!(entra.ca_certificate().exists());
///
/// // What it did.
/// assert_eq!(entra.ledger().token_requests, 0);
/// entra.stop().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct MockIdp {
    server: Server,
    // After the server, so that it is dropped when nothing is served any more.
    _directory: Option<TempDirectory>,
}

impl MockIdp {
    /// A server with everything as it is by default.
    ///
    /// # Errors
    ///
    /// Those of [`Server::start`].
    pub async fn start() -> Result<Self, StartError> {
        Self::builder().start().await
    }

    /// To choose something first.
    pub fn builder() -> MockIdpBuilder {
        MockIdpBuilder::default()
    }

    /// The authority URL of a tenant, such as `https://localhost:40123/contoso.com`.
    pub fn authority(&self, tenant: &str) -> String {
        format!("{}/{tenant}", self.url())
    }

    /// Where HTTPS is served, under the name that the certificate has: `https://localhost:40123`.
    pub fn url(&self) -> String {
        let port = self
            .server
            .https_addr()
            .map_or(443, |address| address.port());
        format!("https://localhost:{port}")
    }

    /// Where managed identities are served, `http://127.0.0.1:40124`: the value of
    /// `AZURE_POD_IDENTITY_AUTHORITY_HOST`.
    pub fn managed_identity_url(&self) -> String {
        let address = self.server.imds_addr().map(|address| address.to_string());
        format!("http://{}", address.unwrap_or_default())
    }

    /// The certificate that clients must trust, in PEM form.
    pub fn ca_certificate(&self) -> &Path {
        self.server.ca_certificate().unwrap_or(Path::new(""))
    }

    /// What was asked of the token endpoints so far, and what was issued.
    pub fn ledger(&self) -> LedgerSnapshot {
        self.server.ledger()
    }

    /// The latest token requests that fit, oldest first.
    pub fn requests(&self, filter: &RequestFilter) -> RecordedRequests {
        self.server.idp().requests(filter)
    }

    /// The server, to steer it while it runs.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Lets requests in flight finish, and closes everything.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

/// What can be chosen about a [`MockIdp`].
///
/// ```
/// # use std::time::Duration;
/// # use mock_idp::MockIdp;
/// # #[tokio::main(flavor = "multi_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let entra = MockIdp::builder()
///     .expires_in(Duration::from_secs(600))
///     .refresh_in(Duration::from_secs(1))
///     .seed(42)
///     .start()
///     .await?;
/// # entra.stop().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct MockIdpBuilder {
    config: Config,
}

impl MockIdpBuilder {
    /// Who exists: everyone by default.
    #[must_use]
    pub fn directory(mut self, directory: Directory) -> Self {
        self.config.directory = directory;
        self
    }

    /// One more thing that goes wrong.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.config.rules.push(rule);
        self
    }

    /// One more limit on what clients may ask for.
    #[must_use]
    pub fn throttle(mut self, policy: ThrottlePolicy) -> Self {
        self.config.throttles.push(policy);
        self
    }

    /// How long access tokens are valid, whole seconds.
    #[must_use]
    pub fn expires_in(mut self, expires_in: Duration) -> Self {
        self.config.lifetimes.expires_in = expires_in;
        self
    }

    /// When clients should renew access tokens, whole seconds; they are not told by default.
    #[must_use]
    pub fn refresh_in(mut self, refresh_in: Duration) -> Self {
        self.config.lifetimes.refresh_in = Some(refresh_in);
        self
    }

    /// How many different access tokens an application gets for the same scopes before they are
    /// repeated, for a server that has to be faster than it can sign; never repeated by default.
    #[must_use]
    pub fn token_pool(mut self, tokens: NonZeroUsize) -> Self {
        self.config.token_pool = Some(tokens);
        self
    }

    /// What decides ids and everything else that is drawn.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// Everything else there is to choose.
    #[must_use]
    pub fn configure(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Starts the server. Addresses that were not chosen are free ports of this machine, and
    /// unless a data directory was chosen the authority is made for this server alone.
    ///
    /// # Errors
    ///
    /// Those of [`Server::start`].
    pub async fn start(self) -> Result<MockIdp, StartError> {
        let mut config = self.config;
        let anywhere = Some(([127, 0, 0, 1], 0).into());
        config.https = config.https.or(anywhere);
        config.http = config.http.or(anywhere);
        config.imds = config.imds.or(anywhere);
        let directory = config.data_dir.is_none().then(TempDirectory::new);
        if let Some(directory) = &directory {
            config.data_dir = Some(directory.0.clone());
        }
        Ok(MockIdp {
            server: Server::start(config).await?,
            _directory: directory,
        })
    }

    /// The same without sockets: a service to call in-process, and the state behind it. Tokens are
    /// signed by whoever calls, so that a paused runtime's clock stands still meanwhile.
    ///
    /// ```
    /// # use axum::body::Body;
    /// # use http::Request;
    /// # use mock_idp::MockIdp;
    /// # use tower::ServiceExt as _;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (router, idp) = MockIdp::builder().in_process()?;
    /// let request = Request::post("https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token")
    ///     .header("content-type", "application/x-www-form-urlencoded")
    ///     .body(Body::from(
    ///         "grant_type=client_credentials&client_id=app&client_secret=secret\
    ///          &scope=api://service/.default",
    ///     ))?;
    /// assert_eq!(router.oneshot(request).await?.status(), 200);
    /// assert_eq!(idp.ledger().token_requests, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Idp::new`].
    pub fn in_process(self) -> Result<(Router, Arc<Idp>), IdpError> {
        let config = Config {
            signing: Signing::Inline,
            ..self.config
        };
        let idp = Arc::new(Idp::new(&config)?);
        Ok((router(Arc::clone(&idp)), idp))
    }
}

/// A directory that is removed with its owner. The authority makes it, for itself alone.
#[derive(Debug)]
struct TempDirectory(PathBuf);

impl TempDirectory {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("mock-idp-{}", uuid::Uuid::new_v4())))
    }
}

impl Drop for TempDirectory {
    fn drop(&mut self) {
        // It may never have been made.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
