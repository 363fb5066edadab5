//! One way to start a server and talk to it, for all tests.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, LOCATION};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use mock_idp::{Config, Idp, Server, Signing, router};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::temp_dir::TempDir;

/// A tenant, by its id.
pub(crate) const TENANT: &str = "11111111-1111-1111-1111-111111111111";
/// An application, by its client id.
pub(crate) const APP: &str = "22222222-2222-2222-2222-222222222222";
/// Another one, a service that the first one calls.
pub(crate) const SERVICE: &str = "33333333-3333-3333-3333-333333333333";
/// Where codes are sent.
pub(crate) const REDIRECT: &str = "http://localhost:5000/callback";

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) version: http::Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// A member of the body that is text.
    pub(crate) fn member(&self, name: &str) -> String {
        let json = self.json();
        let value = json[name].as_str();
        value
            .unwrap_or_else(|| panic!("no `{name}` in {json}"))
            .to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Status, OAuth error and AADSTS code of a refusal.
    pub(crate) fn refusal(&self) -> (u16, String, u64) {
        let json = self.json();
        let code = json["error_codes"][0].as_u64().unwrap();
        let prefix = format!("AADSTS{code}: ");
        assert!(
            self.member("error_description").starts_with(&prefix),
            "{json}"
        );
        (self.status.as_u16(), self.member("error"), code)
    }

    /// The parameters that a redirect carries after `separator`.
    pub(crate) fn redirect(&self, separator: char) -> HashMap<String, String> {
        assert_eq!(self.status, StatusCode::FOUND, "{}", self.text());
        let location = self.header(LOCATION.as_str()).unwrap();
        let (address, parameters) = location.split_once(separator).unwrap();
        assert_eq!(address, REDIRECT);
        form_urlencoded::parse(parameters.as_bytes())
            .into_owned()
            .collect()
    }
}

/// Form text of these parameters.
pub(crate) fn form(parameters: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish()
}

/// The header of a token.
pub(crate) fn header_of(token: &str) -> Value {
    let header = token.split('.').next().unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
}

/// The claims of a token, unverified.
pub(crate) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// A form that asks for an application's token.
pub(crate) fn client_credentials(scope: &str) -> Vec<(&str, &str)> {
    vec![
        ("grant_type", "client_credentials"),
        ("client_id", APP),
        ("client_secret", "secret"),
        ("scope", scope),
    ]
}

/// Anything that answers requests: a server, or a router in-process.
pub(crate) trait Door {
    async fn send(&self, request: Request<Full<Bytes>>) -> Answer;

    fn request(&self, method: Method, path: &str) -> http::request::Builder {
        Request::builder().method(method).uri(path)
    }

    async fn get(&self, path: &str) -> Answer {
        let request = self
            .request(Method::GET, path)
            .body(Full::default())
            .unwrap();
        self.send(request).await
    }

    async fn post(&self, path: &str, parameters: &[(&str, &str)]) -> Answer {
        let request = self
            .request(Method::POST, path)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(form(parameters)))
            .unwrap();
        self.send(request).await
    }

    /// Asks the token endpoint of [`TENANT`].
    async fn token(&self, parameters: &[(&str, &str)]) -> Answer {
        self.post(&format!("/{TENANT}/oauth2/v2.0/token"), parameters)
            .await
    }

    /// Signs a user in at [`TENANT`]; the answer is the redirect.
    async fn authorize(&self, parameters: &[(&str, &str)]) -> Answer {
        let mut all = vec![
            ("client_id", APP),
            ("response_type", "code"),
            ("redirect_uri", REDIRECT),
        ];
        all.extend_from_slice(parameters);
        self.get(&format!("/{TENANT}/oauth2/v2.0/authorize?{}", form(&all)))
            .await
    }

    /// Signs a user in and redeems the code.
    async fn sign_in(&self, user: &str, scope: &str) -> Answer {
        let scope = format!("{scope} openid profile offline_access");
        let redirect = self
            .authorize(&[("scope", &scope), ("login_hint", user)])
            .await;
        let code = redirect.redirect('?')["code"].clone();
        self.token(&[
            ("grant_type", "authorization_code"),
            ("client_id", APP),
            ("client_secret", "secret"),
            ("code", &code),
            ("redirect_uri", REDIRECT),
            ("client_info", "1"),
        ])
        .await
    }

    /// Asks on behalf of a user, as [`SERVICE`].
    async fn on_behalf_of(&self, assertion: &str, scope: &str) -> Answer {
        self.token(&[
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("client_id", SERVICE),
            ("client_secret", "secret"),
            ("requested_token_use", "on_behalf_of"),
            ("assertion", assertion),
            ("scope", scope),
        ])
        .await
    }
}

async fn read<B>(response: http::Response<B>) -> Answer
where
    B: hyper::body::Body,
    B::Error: std::fmt::Debug,
{
    let (parts, body) = response.into_parts();
    Answer {
        status: parts.status,
        version: parts.version,
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}

/// A server on free ports of this machine, and a client that trusts it.
pub(crate) struct TestServer {
    pub(crate) server: Server,
    pub(crate) client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    _data: TempDir,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let data = TempDir::new();
        let server = Server::start(Config {
            https: Some(([127, 0, 0, 1], 0).into()),
            http: Some(([127, 0, 0, 1], 0).into()),
            data_dir: Some(data.path().to_owned()),
            ..config
        })
        .await
        .unwrap();
        let client = client_trusting(server.ca_certificate().unwrap());
        Self {
            server,
            client,
            _data: data,
        }
    }

    pub(crate) fn origin(&self) -> String {
        format!(
            "https://localhost:{}",
            self.server.https_addr().unwrap().port()
        )
    }
}

impl Door for TestServer {
    fn request(&self, method: Method, path: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.origin()))
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        read(self.client.request(request).await.unwrap()).await
    }
}

/// A client that speaks both versions of HTTP and trusts this certificate alone.
pub(crate) fn client_trusting(ca: &Path) -> Client<HttpsConnector<HttpConnector>, Full<Bytes>> {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(ca).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_all_versions()
        .build();
    Client::builder(TokioExecutor::new()).build(connector)
}

/// An identity provider without sockets, whose time a paused runtime drives.
pub(crate) struct InProcess {
    pub(crate) idp: Arc<Idp>,
    pub(crate) router: Router,
}

impl InProcess {
    pub(crate) fn new(config: Config) -> Self {
        let config = Config {
            signing: Signing::Inline,
            ..config
        };
        let idp = Arc::new(Idp::new(&config).unwrap());
        Self {
            router: router(Arc::clone(&idp)),
            idp,
        }
    }

    pub(crate) async fn call(&self, mut request: Request<Body>) -> Response {
        let host = http::HeaderValue::from_static("login.microsoftonline.com");
        request.headers_mut().entry(HOST).or_insert(host);
        self.router.clone().oneshot(request).await.unwrap()
    }
}

impl Door for InProcess {
    async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        read(self.call(request.map(Body::new)).await).await
    }
}
