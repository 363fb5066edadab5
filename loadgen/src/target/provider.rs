//! The identity provider of a run: embedded or elsewhere, spoken to over the
//! wire or, in virtual time, without sockets, and judged alike.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use mock_idp::{Idp, LedgerSnapshot, Server, Signing};
use rand::Rng as _;
use serde::Deserialize;
use token_cache::{Secret, Timestamp};
use token_client::idp::managed_identity::{HttpManagedIdentity, ManagedIdentitySource};
use token_client::{HttpIdentityProvider, IdentityProvider};

use super::embedded::config;
use super::in_process::InProcess;
use crate::exit::{Failure, with_causes};
use crate::http::{Http, trusting};
use crate::population::Stream;
use crate::scenario::plan::{EmbeddedIdpPlan, IdpPlan};

/// Where codes are sent. Nobody listens there: the driver reads the redirect.
pub const REDIRECT_URI: &str = "https://localhost/signed-in";

/// The secret of every application here: the provider's directory is open.
pub const CLIENT_SECRET: &str = "loadgen";

/// A provider to acquire tokens from.
#[derive(Debug)]
pub struct Provider {
    base: String,
    imds: Option<String>,
    way: Way,
    http: Http,
    /// PKCE verifiers of sign-ins, and how many there were.
    verifiers: (Stream, AtomicU64),
    /// Token requests of the driver's own, which are no acquisition's: begun,
    /// and answered.
    own_requests: [AtomicU64; 2],
    /// Keeps an embedded provider up.
    server: Option<Server>,
}

/// How instances reach the provider: each over connections of its own.
#[derive(Debug, Clone)]
pub struct Endpoints {
    base: String,
    way: Way,
    /// Where machines ask for their own identity's tokens, if anywhere.
    imds: Option<String>,
    timeout: Duration,
}

impl Endpoints {
    /// The token endpoint, as one instance reaches it.
    pub fn connect(&self) -> Arc<dyn IdentityProvider> {
        Arc::new(match &self.way {
            Way::Network(tls) => HttpIdentityProvider::new(&self.base, tls, self.timeout),
            Way::InProcess(provider) => {
                let transport = Arc::new(provider.clone());
                HttpIdentityProvider::over(transport, &self.base, self.timeout)
            }
        })
    }

    /// The metadata service of the machine that one instance runs on; `None`
    /// where the provider has none.
    pub fn machine(&self) -> Option<Arc<dyn IdentityProvider>> {
        let (imds, source) = (self.imds.as_ref()?, ManagedIdentitySource::Imds);
        Some(Arc::new(match &self.way {
            Way::Network(_) => HttpManagedIdentity::new(imds, source, self.timeout),
            Way::InProcess(provider) => {
                let transport = Arc::new(provider.machine());
                HttpManagedIdentity::over(transport, imds, source, self.timeout)
            }
        }))
    }
}

/// How the provider is reached.
#[derive(Debug, Clone)]
enum Way {
    /// Over sockets, trusted so.
    Network(Box<rustls::ClientConfig>),
    /// It is in this process.
    InProcess(InProcess),
}

/// A directory that is removed when dropped.
#[derive(Debug)]
struct ScratchDir(PathBuf);

impl ScratchDir {
    fn new() -> Self {
        let name = format!("loadgen-{}", uuid::Uuid::new_v4());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for ScratchDir {
    fn drop(&mut self) {
        // What is left in the temporary directory harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A user who has just signed in, as the application's redirect page sees it.
#[derive(Debug)]
pub struct SignedIn {
    /// The code to redeem.
    pub code: Secret,
    /// What proves that the code is ours.
    pub code_verifier: Secret,
}

/// Tokens that the driver got for a user by itself.
#[derive(Debug, Deserialize)]
pub struct Tokens {
    access_token: Secret,
    expires_in: u64,
    /// Where `offline_access` was asked for.
    pub refresh_token: Option<Secret>,
}

/// Token requests of the driver's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OwnRequests {
    /// With an answer.
    pub answered: u64,
    /// Without one, or not yet: they may or may not have reached the provider.
    pub unanswered: u64,
}

/// Who signs in to what.
#[derive(Debug, Clone, Copy)]
pub struct SignIn<'a> {
    /// The tenant's id.
    pub tenant_id: &'a str,
    /// The application signed in to.
    pub client_id: &'a str,
    /// The user.
    pub username: &'a str,
    /// What the application asks for.
    pub scope: &'a str,
}

impl Provider {
    /// Starts or finds the provider that `plan` describes.
    ///
    /// # Errors
    ///
    /// A [`Failure`] with exit code 4 when it cannot be started or reached.
    pub async fn start(plan: &IdpPlan, seed: u64) -> Result<Self, Failure> {
        match plan {
            IdpPlan::Embedded(plan) => Self::embed(plan, seed).await,
            IdpPlan::External { url, ca } => Self::find(url, ca).await,
        }
    }

    async fn embed(plan: &EmbeddedIdpPlan, seed: u64) -> Result<Self, Failure> {
        let data = ScratchDir::new();
        let config = mock_idp::Config {
            data_dir: Some(data.0.clone()),
            https: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            imds: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            token_pool: plan.token_pool,
            ..config(plan, seed)
        };
        let server = Server::start(config).await.map_err(|error| Failure {
            exit: crate::exit::Exit::Environment,
            message: format!(
                "the embedded mock-idp did not start: {}",
                with_causes(&error)
            ),
            hint: error.hint(),
        })?;
        let (Some(address), Some(ca)) = (server.https_addr(), server.ca_certificate()) else {
            return Err(Failure::internal(
                "the embedded mock-idp has no HTTPS address",
            ));
        };
        let tls = trust_file(ca)?;
        // Both sides have read the certificate authority. It goes now: when the
        // run ends there may be no time left, and a signal may end it.
        drop(data);
        Ok(Self {
            base: format!("https://localhost:{}", address.port()),
            imds: server
                .imds_addr()
                .map(|address| format!("http://{address}")),
            http: Http::new(&tls),
            way: Way::Network(Box::new(tls)),
            verifiers: (
                Stream::named(rand::random(), "sign-in/verifier"),
                AtomicU64::new(0),
            ),
            own_requests: Default::default(),
            server: Some(server),
        })
    }

    /// Makes the provider of `plan` in this process, for a runtime whose clock
    /// is paused; it is `now`. Under the same seed its keys are the same.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when there can be none.
    pub fn in_process(plan: &EmbeddedIdpPlan, seed: u64, now: Timestamp) -> Result<Self, Failure> {
        let provider = InProcess::new(&mock_idp::Config {
            signing: Signing::Simulated,
            starts_at: Some(now.since(Timestamp::default())),
            ..config(plan, seed)
        })?;
        Ok(Self {
            base: "https://localhost".to_owned(),
            imds: Some("http://localhost".to_owned()),
            http: Http::InProcess(provider.clone()),
            way: Way::InProcess(provider),
            verifiers: (Stream::named(seed, "sign-in/verifier"), AtomicU64::new(0)),
            own_requests: Default::default(),
            server: None,
        })
    }

    async fn find(url: &str, ca: &Path) -> Result<Self, Failure> {
        let tls = trust_file(ca)?;
        let provider = Self {
            base: url.trim_end_matches('/').to_owned(),
            imds: None,
            http: Http::new(&tls),
            way: Way::Network(Box::new(tls)),
            verifiers: (
                Stream::named(rand::random(), "sign-in/verifier"),
                AtomicU64::new(0),
            ),
            own_requests: Default::default(),
            server: None,
        };
        provider.get("/healthz").await?;
        Ok(provider)
    }

    /// `https://host:port`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The host alone.
    pub fn host(&self) -> &str {
        let rest = self.base.trim_start_matches("https://");
        rest.rsplit_once(':').map_or(rest, |(host, _)| host)
    }

    /// How instances of the service reach it, with no more patience than
    /// `timeout`.
    pub fn endpoints(&self, timeout: Duration) -> Endpoints {
        Endpoints {
            base: self.base.clone(),
            way: self.way.clone(),
            imds: self.imds.clone(),
            timeout,
        }
    }

    /// The provider itself, where it runs in this process, to steer it.
    pub fn idp(&self) -> Option<&Arc<Idp>> {
        match &self.way {
            Way::InProcess(provider) => Some(provider.idp()),
            Way::Network(_) => self.server.as_ref().map(Server::idp),
        }
    }

    /// What the provider has counted so far.
    ///
    /// # Errors
    ///
    /// A [`Failure`] with exit code 4 when it cannot be asked.
    pub async fn ledger(&self) -> Result<LedgerSnapshot, Failure> {
        let body = self.get("/admin/ledger").await?;
        serde_json::from_slice(&body).map_err(|error| {
            Failure::environment(
                format!("{}/admin/ledger is no ledger: {error}", self.base),
                "the provider must be a mock-idp of this version",
            )
        })
    }

    /// Token requests that the driver itself sent, as a user's front end.
    pub fn own_requests(&self) -> OwnRequests {
        let [begun, answered] = &self.own_requests;
        let answered = answered.load(Ordering::SeqCst);
        OwnRequests {
            answered,
            unanswered: begun.load(Ordering::SeqCst).saturating_sub(answered),
        }
    }

    /// The key set that tokens are signed with, a JWKS document.
    ///
    /// # Errors
    ///
    /// A [`Failure`] with exit code 4 when it cannot be had.
    pub async fn keys(&self) -> Result<Vec<u8>, Failure> {
        self.get("/common/discovery/v2.0/keys").await
    }

    /// Signs a user in, as their browser would.
    ///
    /// # Errors
    ///
    /// Why there is no code, in words.
    pub async fn sign_in(&self, who: SignIn<'_>) -> Result<SignedIn, String> {
        let (verifiers, drawn) = &self.verifiers;
        let mut verifier = [0; 32];
        verifiers
            .at(drawn.fetch_add(1, Ordering::Relaxed))
            .fill_bytes(&mut verifier);
        let verifier = BASE64_URL_SAFE_NO_PAD.encode(verifier);
        let hash = digest::digest(&digest::SHA256, verifier.as_bytes());
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("client_id", who.client_id),
                ("response_type", "code"),
                ("response_mode", "query"),
                ("redirect_uri", REDIRECT_URI),
                (
                    "scope",
                    &format!("openid profile offline_access {}", who.scope),
                ),
                ("login_hint", who.username),
                ("code_challenge", &BASE64_URL_SAFE_NO_PAD.encode(hash)),
                ("code_challenge_method", "S256"),
            ])
            .finish();
        let url = format!(
            "{}/{}/oauth2/v2.0/authorize?{query}",
            self.base, who.tenant_id
        );
        let answer = self.http.get(&url).await?;
        let location = answer
            .location
            .ok_or_else(|| format!("the authorize endpoint answered {}", answer.status))?;
        let (_, query) = location.split_once('?').unwrap_or_default();
        let code = form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == "code")
            .map(|(_, code)| code.into_owned())
            .ok_or("the authorize endpoint gave no code")?;
        Ok(SignedIn {
            code: Secret::new(code),
            code_verifier: Secret::new(verifier),
        })
    }

    /// The access token that a user's front end, signed in to, would call the
    /// application `audience` with.
    ///
    /// # Errors
    ///
    /// Why there is none, in words.
    pub async fn call_token(&self, who: SignIn<'_>) -> Result<(Secret, Duration), String> {
        let tokens = self.tokens_of_another_library(who).await?;
        let lifetime = Duration::from_secs(tokens.expires_in);
        Ok((tokens.access_token, lifetime))
    }

    /// What an application gets that signs a user in by itself, past the client
    /// under test.
    ///
    /// # Errors
    ///
    /// Why there is nothing, in words.
    pub async fn tokens_of_another_library(&self, who: SignIn<'_>) -> Result<Tokens, String> {
        let signed_in = self.sign_in(who).await?;
        let url = format!("{}/{}/oauth2/v2.0/token", self.base, who.tenant_id);
        let form = [
            ("client_id", who.client_id),
            ("client_secret", CLIENT_SECRET),
            ("grant_type", "authorization_code"),
            ("code", signed_in.code.expose()),
            ("code_verifier", signed_in.code_verifier.expose()),
            ("redirect_uri", REDIRECT_URI),
            ("scope", who.scope),
        ];
        let [begun, answered] = &self.own_requests;
        begun.fetch_add(1, Ordering::SeqCst);
        let answer = self.http.post_form(&url, &form).await?;
        answered.fetch_add(1, Ordering::SeqCst);
        serde_json::from_slice(&answer.body).map_err(|_| {
            format!(
                "the token endpoint answered a front end with {}",
                answer.status
            )
        })
    }

    /// Stops an embedded provider.
    pub async fn stop(self) {
        if let Some(server) = self.server {
            server.stop().await;
        }
    }

    async fn get(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let url = format!("{}{path}", self.base);
        let hint =
            "is `mock-idp serve` running there, and is `ca` its certificate (`mock-idp ca`)?";
        let answer = self.http.get(&url).await.map_err(|reason| {
            Failure::environment(
                format!(
                    "the identity provider at {} is unreachable: {reason}",
                    self.base
                ),
                hint,
            )
        })?;
        if answer.status.is_success() {
            Ok(answer.body.into())
        } else {
            Err(Failure::environment(
                format!("{url} answered {}", answer.status),
                hint,
            ))
        }
    }
}

fn trust_file(path: &Path) -> Result<rustls::ClientConfig, Failure> {
    let unusable = |reason: String| {
        Failure::environment(
            format!(
                "the CA certificate `{}` cannot be used: {reason}",
                path.display()
            ),
            "`mock-idp ca` prints where it keeps its certificate",
        )
    };
    let pem = fs::read(PathBuf::from(path)).map_err(|error| unusable(error.to_string()))?;
    trusting(&pem).map_err(unusable)
}
