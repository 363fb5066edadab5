//! Clients that prove who they are by an assertion, in the dialect of each library.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};

use crate::support::{APP, Answer, Door as _, SERVICE, TENANT, TestServer, claims};

pub(crate) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client's certificate and key.
pub(crate) struct Identity {
    key: RsaKeyPair,
    pub(crate) der: Vec<u8>,
    pub(crate) pem: String,
}

impl Identity {
    pub(crate) fn new() -> Self {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let certificate = CertificateParams::default().self_signed(&pair).unwrap();
        Self {
            key: RsaKeyPair::from_pkcs8(&pair.serialize_der()).unwrap(),
            der: certificate.der().to_vec(),
            pem: certificate.pem(),
        }
    }

    pub(crate) fn plain(bytes: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(crate) fn standard(bytes: &[u8]) -> String {
        STANDARD.encode(bytes)
    }

    pub(crate) fn sha1(&self) -> Vec<u8> {
        digest(&SHA1_FOR_LEGACY_USE_ONLY, &self.der)
            .as_ref()
            .to_vec()
    }

    pub(crate) fn sha256(&self) -> Vec<u8> {
        digest(&SHA256, &self.der).as_ref().to_vec()
    }

    /// A JWT with this header and these claims, its segments written by `encode`.
    pub(crate) fn sign(
        &self,
        header: &Value,
        claims: &Value,
        encode: impl Fn(&[u8]) -> String,
    ) -> String {
        let padding: &'static dyn RsaEncoding = match header["alg"].as_str() {
            Some("PS256") => &RSA_PSS_SHA256,
            _ => &RSA_PKCS1_SHA256,
        };
        let segment = |value: &Value| encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", segment(header), segment(claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(
                padding,
                &SystemRandom::new(),
                signed.as_bytes(),
                &mut signature,
            )
            .unwrap();
        format!("{signed}.{}", encode(&signature))
    }
}

pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// The claims that every library agrees on.
pub(crate) fn usual(idp: &TestServer) -> Value {
    json!({
        "aud": format!("{}/{TENANT}/oauth2/v2.0/token", idp.origin()),
        "iss": APP,
        "sub": APP,
        "exp": now() + 600,
    })
}

pub(crate) fn with(mut object: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        object[name] = value.clone();
    }
    object
}

async fn ask(idp: &TestServer, assertion: &str) -> Answer {
    idp.token(&[
        ("grant_type", "client_credentials"),
        ("client_id", APP),
        ("client_assertion_type", TYPE),
        ("client_assertion", assertion),
        ("scope", "api://service/.default"),
    ])
    .await
}

#[tokio::test]
async fn every_dialect_is_understood() {
    let idp = TestServer::start().await;
    let me = Identity::new();
    let x5c = STANDARD.encode(&me.der);
    let plain = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let padded = |bytes: &[u8]| URL_SAFE.encode(bytes);
    let usual = usual(&idp);
    #[expect(clippy::cast_precision_loss, reason = "that is the dialect")]
    let fraction = now() as f64 + 0.5;
    for (library, header, claims, padded_segments) in [
        (
            "MSAL Python with a chain",
            json!({"alg": "PS256", "typ": "JWT", "x5t#S256": padded(&me.sha256()), "x5c": [x5c]}),
            json!({"exp": fraction + 600.0, "iat": fraction, "jti": "1"}),
            false,
        ),
        (
            "MSAL Python with a thumbprint",
            json!({"alg": "RS256", "x5t": padded(&me.sha1())}),
            json!({"exp": fraction + 600.0}),
            false,
        ),
        (
            "msal-node",
            json!({"alg": "PS256", "x5t#S256": plain(&me.sha256()), "x5c": [x5c]}),
            json!({"nbf": now()}),
            false,
        ),
        (
            "MSAL Go",
            json!({"alg": "PS256", "x5t#S256": STANDARD.encode(me.sha256()), "x5c": [x5c]}),
            json!({"nbf": now()}),
            false,
        ),
        (
            "MSAL.NET",
            json!({"alg": "PS256", "x5t#S256": plain(&me.sha256()), "x5c": x5c}),
            json!({"nbf": now().to_string(), "exp": (now() + 600).to_string()}),
            false,
        ),
        (
            "MSAL4J",
            json!({"alg": "RS256", "x5t#S256": plain(&me.sha256())}),
            json!({}),
            false,
        ),
        (
            "azure_identity for Rust",
            json!({"alg": "RS256", "x5t": STANDARD.encode(me.sha1()), "x5c": [STANDARD.encode(&me.pem)]}),
            json!({}),
            true,
        ),
    ] {
        let claims_sent = with(usual.clone(), &claims);
        let assertion = if padded_segments {
            me.sign(&header, &claims_sent, padded)
        } else {
            me.sign(&header, &claims_sent, plain)
        };
        let answer = ask(&idp, &assertion).await;
        assert_eq!(answer.status, 200, "{library}: {}", answer.text());
        let issued = self::claims(&answer.member("access_token"));
        assert_eq!(
            (&issued["azp"], &issued["azpacr"]),
            (&json!(APP), &json!("2"))
        );
    }
}

#[tokio::test]
async fn an_assertion_is_for_this_tenant_client_and_time_and_bears_itself_out() {
    let idp = TestServer::start().await;
    let (me, other) = (Identity::new(), Identity::new());
    let plain = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let header = json!({
        "alg": "PS256", "x5t#S256": plain(&me.sha256()), "x5c": [STANDARD.encode(&me.der)],
    });
    let usual = usual(&idp);
    let elsewhere = format!("{}/fabrikam.com/oauth2/v2.0/token", idp.origin());
    let none = json!({});
    for (what, header_change, claims_change, code) in [
        ("no change", &none, json!({}), None),
        (
            "late by less than the skew",
            &none,
            json!({"exp": now() - 200}),
            None,
        ),
        ("expired", &none, json!({"exp": now() - 400}), Some(700_024)),
        (
            "not valid yet",
            &none,
            json!({"nbf": now() + 400}),
            Some(700_024),
        ),
        (
            "of another tenant",
            &none,
            json!({"aud": elsewhere}),
            Some(700_023),
        ),
        (
            "without an audience",
            &none,
            json!({"aud": []}),
            Some(700_023),
        ),
        (
            "of another client",
            &none,
            json!({"sub": SERVICE}),
            Some(700_021),
        ),
        (
            "issued by another client",
            &none,
            json!({"iss": SERVICE}),
            Some(700_021),
        ),
        ("without an end", &none, json!({"exp": null}), Some(50_027)),
        (
            "of another algorithm",
            &json!({"alg": "RS256"}),
            json!({}),
            None,
        ),
        (
            "unsigned",
            &json!({"alg": "none"}),
            json!({}),
            Some(700_027),
        ),
        (
            "of a key it does not name",
            &json!({"x5t#S256": null}),
            json!({}),
            Some(700_027),
        ),
        (
            "of another certificate than it names",
            &json!({"x5t#S256": plain(&other.sha256())}),
            json!({}),
            Some(700_027),
        ),
        (
            "with another's certificate",
            &json!({"x5t#S256": plain(&other.sha256()), "x5c": [STANDARD.encode(&other.der)]}),
            json!({}),
            Some(700_027),
        ),
        (
            "with no certificate",
            &json!({"x5c": ["AAAA"], "x5t#S256": plain(digest(&SHA256, &[0; 3]).as_ref())}),
            json!({}),
            Some(700_027),
        ),
    ] {
        let header = with(header.clone(), header_change);
        let claims = with(usual.clone(), &claims_change);
        let answer = ask(&idp, &me.sign(&header, &claims, plain)).await;
        match code {
            None => assert_eq!(answer.status, 200, "{what}: {}", answer.text()),
            Some(code) => {
                let (status, error) = match code {
                    50_027 => (400, "invalid_request"),
                    _ => (401, "invalid_client"),
                };
                assert_eq!(answer.refusal(), (status, error.to_owned(), code), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn a_forged_or_broken_assertion_is_refused() {
    let idp = TestServer::start().await;
    let me = Identity::new();
    let header = json!({
        "alg": "PS256",
        "x5t#S256": URL_SAFE_NO_PAD.encode(me.sha256()),
        "x5c": [STANDARD.encode(&me.der)],
    });
    let good = me.sign(&header, &usual(&idp), |bytes| URL_SAFE_NO_PAD.encode(bytes));
    assert_eq!(ask(&idp, &good).await.status, 200);
    let mut forged = good.clone();
    forged.replace_range(good.len() - 8..good.len() - 4, "AAAA");
    assert_eq!(ask(&idp, &forged).await.refusal().2, 700_027);
    assert_eq!(ask(&idp, "a.b.c").await.refusal().2, 50_027);
}

#[tokio::test]
async fn a_workloads_token_from_elsewhere_is_taken_at_its_word() {
    let idp = TestServer::start().await;
    let issuer = Identity::new();
    let token = |audience: &str| {
        let claims = json!({
            "iss": "https://token.actions.githubusercontent.com",
            "sub": "repo:org/app:ref:refs/heads/main",
            "aud": audience,
            "exp": now() + 300,
        });
        issuer.sign(&json!({"alg": "RS256", "kid": "1"}), &claims, |bytes| {
            URL_SAFE_NO_PAD.encode(bytes)
        })
    };
    let answer = ask(&idp, &token("api://AzureADTokenExchange")).await;
    assert_eq!(claims(&answer.member("access_token"))["azpacr"], "2");
    let refused = ask(&idp, &token("api://other")).await;
    assert_eq!(
        refused.refusal(),
        (401, "invalid_client".to_owned(), 700_212)
    );
}

#[tokio::test]
async fn an_assertion_may_name_the_client_alone_but_not_its_type() {
    let idp = TestServer::start().await;
    let me = Identity::new();
    let header = json!({"alg": "RS256", "x5t": URL_SAFE_NO_PAD.encode(me.sha1())});
    let assertion = me.sign(&header, &usual(&idp), |bytes| URL_SAFE_NO_PAD.encode(bytes));
    let form = |of_type| {
        [
            ("grant_type", "client_credentials"),
            ("client_assertion", assertion.as_str()),
            ("client_assertion_type", of_type),
            ("scope", "api://service/.default"),
        ]
    };
    let answer = idp.token(&form(TYPE)).await;
    assert_eq!(claims(&answer.member("access_token"))["azp"], APP);
    assert_eq!(idp.token(&form("")).await.refusal().2, 900_144);
    assert_eq!(idp.token(&form("saml")).await.refusal().2, 9_002_313);
}
