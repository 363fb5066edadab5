//! The HTTP providers against a real `mock-idp`: when a request is sent again,
//! and managed identities as their endpoints answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::Full;
use mock_idp::{Fault, Latency, Matcher, MockIdp, MockIdpBuilder, RetryAfter, Rule, Trigger, When};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use token_cache::policy::HttpRetry;
use token_cache::{Environment, Policy, Secret, TokenCache, TokenCacheOptions};
use token_client::result::TokenRequests;
use token_client::{
    AcquireError, Application, AuthenticationResult, Authority, Client, HttpIdentityProvider,
    HttpManagedIdentity, IdentityProvider, ManagedIdentityId, ManagedIdentitySource, RequestError,
    Transport, TransportFuture,
};
use tokio::time::Instant;

use crate::lab::{for_client, how};
use crate::managed_identity::machine;

/// Strikes so many of the first requests.
fn first(requests: u64, fault: Fault) -> Rule {
    Rule {
        name: "trouble".to_owned(),
        matcher: Matcher::default(),
        trigger: Trigger {
            when: When::First(requests),
            ..Trigger::default()
        },
        fault,
    }
}

fn status(status: u16, retry_after_s: Option<u32>) -> Fault {
    Fault::Status {
        status,
        retry_after: retry_after_s.map(RetryAfter::Seconds),
    }
}

fn client(provider: Arc<dyn IdentityProvider>, policy: Policy) -> Client {
    let options = TokenCacheOptions {
        policy,
        ..TokenCacheOptions::default()
    };
    let application = Application {
        client_id: "client".into(),
        client_secret: Some(Secret::new("hush")),
    };
    let authority = Authority {
        environment: Environment::of_host("localhost"),
        provider,
    };
    Client::new(application, authority, Arc::new(TokenCache::new(options)))
}

fn over_tls(idp: &MockIdp, timeout: Duration) -> Arc<dyn IdentityProvider> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(idp.ca_certificate()).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(HttpIdentityProvider::new(idp.url(), &tls, timeout))
}

fn requests_of(result: &Result<AuthenticationResult, AcquireError>) -> TokenRequests {
    match result {
        Ok(result) => result.metadata.token_requests,
        Err(error) => error.metadata().token_requests,
    }
}

/// One acquisition while the first requests meet `fault`: whether it succeeds,
/// how many requests reach the provider, and after how many whole seconds.
async fn under(idp: MockIdpBuilder, policy: Policy, timeout: Duration) -> (bool, u64, u64) {
    let idp = idp.start().await.unwrap();
    let client = client(over_tls(&idp, timeout), policy);
    let began = Instant::now();
    let result = client.acquire(&for_client("contoso.com")).await;
    let seconds = began.elapsed().as_secs();
    let sent = requests_of(&result);
    let seen = idp.ledger().token_requests;
    assert_eq!(
        u64::from(sent.answered + sent.unanswered),
        seen,
        "each request is on the caller's account"
    );
    idp.stop().await;
    (result.is_ok(), seen, seconds)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_request_that_failed_on_its_way_is_sent_once_more_after_a_second() {
    let patient = Duration::from_secs(10);
    let rows = [
        (status(500, None), 1, Policy::MSAL_NET, (true, 2, 1)),
        (status(500, None), 9, Policy::MSAL_NET, (false, 2, 1)),
        (status(503, None), 1, Policy::RECOMMENDED, (true, 2, 1)),
        (status(503, Some(7)), 1, Policy::MSAL_NET, (false, 1, 0)),
        (status(429, None), 1, Policy::MSAL_NET, (false, 1, 0)),
        (status(400, None), 1, Policy::MSAL_NET, (false, 1, 0)),
    ];
    join_all(rows.map(|(fault, failing, policy, expected)| async move {
        let idp = MockIdp::builder().rule(first(failing, fault.clone()));
        assert_eq!(under(idp, policy, patient).await, expected, "{fault:?}");
    }))
    .await;
    let page = Fault::HtmlPage {
        status: 502,
        retry_after: None,
    };
    let idp = MockIdp::builder().rule(first(1, page.clone()));
    assert_eq!(under(idp, Policy::MSAL_NET, patient).await, (true, 2, 1));
    let off = Policy {
        http_retry: HttpRetry::Off,
        ..Policy::MSAL_NET
    };
    let idp = MockIdp::builder().rule(first(1, page));
    assert_eq!(under(idp, off, patient).await, (false, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_endpoint_that_is_silent_is_asked_once_more() {
    let late = Fault::Latency {
        add: Latency::Fixed(Duration::from_secs(30)),
    };
    let idp = MockIdp::builder().rule(first(1, late));
    let (ok, seen, seconds) = under(idp, Policy::MSAL_NET, Duration::from_secs(2)).await;
    assert!(ok);
    assert_eq!(seen, 2);
    assert!((3..6).contains(&seconds), "{seconds} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn managed_identities_of_a_machine_and_of_app_service_are_got_over_http() {
    let idp = MockIdp::start().await.unwrap();
    let sources = [
        ManagedIdentitySource::Imds,
        ManagedIdentitySource::AppService {
            secret: Secret::new("the app's own"),
        },
    ];
    for (number, source) in sources.into_iter().enumerate() {
        let limit = Duration::from_secs(5);
        let provider = HttpManagedIdentity::new(idp.managed_identity_url(), source, limit);
        let client = client(Arc::new(provider), Policy::MSAL_NET);
        let user_assigned = "7a2e1d9c-4f0b-4c38-9d55-0a6c1f3be210";
        for id in [
            ManagedIdentityId::SystemAssigned,
            ManagedIdentityId::ClientId(user_assigned.into()),
            ManagedIdentityId::ObjectId(user_assigned.into()),
            ManagedIdentityId::ResourceId("/subscriptions/x/identity".into()),
        ] {
            let request = machine(id);
            let cold = client.acquire(&request).await;
            // Named by the same text, client id and object id share a partition.
            let cold = cold.unwrap();
            let left = cold.token.expires_on.since(client.cache().clock().now());
            assert!(left > Duration::from_secs(3_000), "{left:?}");
            let warm = client.acquire(&request).await.unwrap();
            assert_eq!(how(&warm), "l1 not_applicable");
        }
        assert_eq!(idp.ledger().token_requests, 3 * (number as u64 + 1));
    }
    idp.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machines_endpoint_that_does_not_know_the_identity_yet_is_asked_again() {
    let idp = MockIdp::builder()
        .rule(first(2, status(404, None)))
        .start()
        .await
        .unwrap();
    let limit = Duration::from_secs(5);
    let url = idp.managed_identity_url();
    let provider = HttpManagedIdentity::new(url, ManagedIdentitySource::Imds, limit);
    let client = client(Arc::new(provider), Policy::RECOMMENDED);
    let began = Instant::now();
    let result = client
        .acquire(&machine(ManagedIdentityId::SystemAssigned))
        .await
        .unwrap();
    assert_eq!(result.metadata.token_requests.answered, 3);
    let seconds = began.elapsed().as_secs();
    assert!((3..5).contains(&seconds), "one second, then two: {seconds}");
    assert_eq!(idp.ledger().token_requests, 3);
    idp.stop().await;
}

/// Gives one answer, whatever is asked.
#[derive(Debug)]
struct Answering(String);

impl Transport for Answering {
    fn send(&self, _: http::Request<Full<Bytes>>) -> TransportFuture<'_> {
        let body = Bytes::from(self.0.clone());
        Box::pin(async move { Ok(http::Response::new(body)) })
    }
}

#[tokio::test]
async fn app_service_says_when_a_token_ends_and_nothing_else_of_its_life() {
    let now = token_cache::Clock::system().now();
    let end = now.plus(Duration::from_secs(86_400)).unix_seconds();
    let answering = |body: String| {
        let source = ManagedIdentitySource::AppService {
            secret: Secret::new("s"),
        };
        let transport = Arc::new(Answering(body));
        let limit = Duration::from_secs(1);
        let provider = HttpManagedIdentity::over(transport, "http://localhost", source, limit);
        client(Arc::new(provider), Policy::RECOMMENDED)
    };
    let request = machine(ManagedIdentityId::SystemAssigned);
    let real = format!(
        r#"{{"access_token":"eyJ","expires_on":"{end}","resource":"https://vault.azure.net","token_type":"Bearer","client_id":"c"}}"#
    );
    let result = answering(real).acquire(&request).await.unwrap();
    assert_eq!(result.token.expires_on.unix_seconds(), end);
    // More than two hours without advice: half of its life.
    let refresh_in = result.metadata.refresh_on.unwrap().since(now);
    let half = Duration::from_secs(43_200);
    assert!(
        refresh_in.abs_diff(half) < Duration::from_secs(5),
        "{refresh_in:?}"
    );

    let without = r#"{"access_token":"hidden","token_type":"Bearer"}"#;
    let error = answering(without.to_owned()).acquire(&request).await;
    let error = error.unwrap_err();
    assert_eq!(error.code(), "protocol");
    let shown = format!("{error:?}");
    assert!(!shown.contains("hidden") && shown.contains("without a lifetime"));
    assert!(matches!(
        error.kind(),
        token_client::error::ErrorKind::Provider(RequestError::Protocol { .. })
    ));
}
