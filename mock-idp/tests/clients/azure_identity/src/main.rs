//! Drives unmodified `azure_identity` for Rust, and counts at the server what it does.
//!
//! usage: azure-identity-client, under `mock-idp run --hosts --imds`: the authority is the default
//! one. Prints one line a case and `all passed`.

use std::error::Error;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use azure_core::credentials::{Secret, TokenCredential};
use azure_core::http::{ClientOptions, ExponentialRetryOptions, RetryOptions};
use azure_identity::{
    ClientSecretCredential, ClientSecretCredentialOptions, ManagedIdentityCredential,
    ManagedIdentityCredentialOptions, UserAssignedId, WorkloadIdentityCredential,
    WorkloadIdentityCredentialOptions,
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const TENANT: &str = "11111111-1111-1111-1111-111111111111";
const APP: &str = "22222222-2222-2222-2222-222222222222";
const SCOPES: &[&str] = &["https://graph.microsoft.com/.default"];

type Outcome = Result<(), Box<dyn Error>>;

/// Asks the server's admin API.
async fn admin(method: &str, path: &str, body: &Value) -> Result<Value, Box<dyn Error>> {
    let path = format!("/admin/{path}");
    ask(method, &path, "application/json", &body.to_string()).await
}

async fn ask(method: &str, path: &str, kind: &str, body: &str) -> Result<Value, Box<dyn Error>> {
    let url = std::env::var("MOCK_IDP_URL")?;
    let host = url.strip_prefix("http://").ok_or("MOCK_IDP_URL")?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
         content-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(host).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(format!("{method} {path}: {answer}").into());
    }
    Ok(serde_json::from_str(body)?)
}

async fn ledger() -> Result<Value, Box<dyn Error>> {
    admin("GET", "ledger", &Value::Null).await
}

/// So many token requests since the case began, all of this grant.
async fn expect(count: u64, grant: &str) -> Outcome {
    let made = ledger().await?;
    assert_eq!(made["token_requests"], count, "{made}");
    assert_eq!(made["by_grant"][grant], count, "{made}");
    Ok(())
}

async fn strike(fault: Value, trigger: Value) -> Outcome {
    let rule = json!([{ "name": "case", "fault": fault, "trigger": trigger }]);
    admin("PUT", "faults", &rule).await.map(drop)
}

fn secret() -> Result<Arc<ClientSecretCredential>, Box<dyn Error>> {
    secret_with(None)
}

fn secret_with(
    options: Option<ClientSecretCredentialOptions>,
) -> Result<Arc<ClientSecretCredential>, Box<dyn Error>> {
    let secret = Secret::new("secret");
    Ok(ClientSecretCredential::new(
        TENANT,
        APP.to_owned(),
        secret,
        options,
    )?)
}

async fn a_secret_gets_a_token_once() -> Outcome {
    let credential = secret()?;
    let first = credential.get_token(SCOPES, None).await?;
    let second = credential.get_token(SCOPES, None).await?;
    assert_eq!(first.token.secret(), second.token.secret());
    assert_eq!(
        ledger().await?["by_sku"],
        json!({ "azure_identity_rust": 1 })
    );
    expect(1, "client_credentials").await
}

async fn a_herd_of_twenty_is_one_request() -> Outcome {
    strike(
        json!({ "kind": "latency", "add": "fixed:500ms" }),
        json!({}),
    )
    .await?;
    let credential = secret()?;
    let tokens = join_all((0..20).map(|_| credential.get_token(SCOPES, None))).await;
    for token in tokens {
        token?;
    }
    assert_eq!(ledger().await?["largest_herd"], 1);
    expect(1, "client_credentials").await
}

async fn a_workload_presents_its_federated_token() -> Outcome {
    // The server takes a workload's token from elsewhere at its word in the open directory, so one
    // of its own for the exchange will do.
    let assertion = secret()?
        .get_token(&["api://AzureADTokenExchange/.default"], None)
        .await?;
    let file = std::env::temp_dir().join(format!("workload-{}", std::process::id()));
    fs::write(&file, assertion.token.secret())?;
    admin("DELETE", "ledger", &Value::Null).await?;
    let credential = WorkloadIdentityCredential::new(Some(WorkloadIdentityCredentialOptions {
        tenant_id: Some(TENANT.to_owned()),
        client_id: Some(APP.to_owned()),
        token_file_path: Some(file.clone()),
        ..WorkloadIdentityCredentialOptions::default()
    }))?;
    let token = credential.get_token(SCOPES, None).await;
    fs::remove_file(file)?;
    token?;
    expect(1, "client_credentials").await
}

async fn a_machine_uses_its_own_identity() -> Outcome {
    let credential = ManagedIdentityCredential::new(None)?;
    let first = credential.get_token(SCOPES, None).await?;
    let second = credential.get_token(SCOPES, None).await?;
    assert_eq!(first.token.secret(), second.token.secret());
    expect(1, "managed_identity").await
}

async fn an_identity_that_the_user_assigned_is_named() -> Outcome {
    let user_assigned_id = Some(UserAssignedId::ClientId(APP.to_owned()));
    let credential = ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
        user_assigned_id,
        ..ManagedIdentityCredentialOptions::default()
    }))?;
    credential.get_token(SCOPES, None).await?;
    let requests = admin("GET", "requests", &Value::Null).await?;
    assert_eq!(requests["requests"][0]["client"], APP, "{requests}");
    expect(1, "managed_identity").await
}

async fn trouble_that_passes_is_overcome() -> Outcome {
    for fault in [
        json!({ "kind": "status", "status": 503 }),
        json!({ "kind": "status", "status": 429, "retry_after": { "seconds": 1 } }),
    ] {
        admin("DELETE", "ledger", &Value::Null).await?;
        let waits = fault["retry_after"]["seconds"].as_u64().unwrap_or_default();
        strike(fault, json!({ "at_most": 1 })).await?;
        let started = Instant::now();
        secret()?.get_token(SCOPES, None).await?;
        assert!(started.elapsed() >= Duration::from_secs(waits));
        expect(2, "client_credentials").await?;
    }
    Ok(())
}

async fn an_outage_that_lasts_costs_nine_requests() -> Outcome {
    // How often it tries is its own affair. It waits for the longer of what the server says and
    // what it would wait anyhow, which doubles and adds up to more than a minute: too long here.
    let retry = RetryOptions::exponential(ExponentialRetryOptions {
        initial_delay: azure_core::time::Duration::milliseconds(1),
        ..ExponentialRetryOptions::default()
    });
    let credential = secret_with(Some(ClientSecretCredentialOptions {
        client_options: ClientOptions {
            retry,
            ..ClientOptions::default()
        },
    }))?;
    let fault = json!({ "kind": "status", "status": 503, "retry_after": { "seconds": 1 } });
    strike(fault, json!({})).await?;
    let started = Instant::now();
    assert!(credential.get_token(SCOPES, None).await.is_err());
    assert!(started.elapsed() >= Duration::from_secs(8));
    expect(9, "client_credentials").await
}

async fn refresh_in_is_not_looked_at() -> Outcome {
    let lifetimes = json!({ "lifetimes": { "refresh_in": "1s" } });
    admin("POST", "config", &lifetimes).await?;
    let form = format!(
        "grant_type=client_credentials&client_id={APP}&client_secret=secret&scope={}",
        SCOPES[0]
    );
    let path = format!("/{TENANT}/oauth2/v2.0/token");
    let answer = ask("POST", &path, "application/x-www-form-urlencoded", &form).await?;
    assert_eq!(answer["refresh_in"], 1, "what everybody is told");
    admin("DELETE", "ledger", &Value::Null).await?;
    let credential = secret()?;
    let first = credential.get_token(SCOPES, None).await?;
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let second = credential.get_token(SCOPES, None).await?;
    assert_eq!(first.token.secret(), second.token.secret());
    expect(1, "client_credentials").await?;
    admin("POST", "reset", &json!({})).await.map(drop)
}

async fn a_refusal_is_final_and_its_code_is_told() -> Outcome {
    strike(json!({ "kind": "aadsts", "code": 7_000_215 }), json!({})).await?;
    let refused = secret()?.get_token(SCOPES, None).await;
    let told = format!("{:?}", refused.map(drop).unwrap_err());
    assert!(told.contains("AADSTS7000215"), "{told}");
    expect(1, "client_credentials").await
}

#[tokio::main]
async fn main() -> Outcome {
    macro_rules! cases {
        ($($case:ident),+ $(,)?) => {$(
            println!("{}", stringify!($case));
            admin("PUT", "faults", &json!([])).await?;
            admin("DELETE", "ledger", &Value::Null).await?;
            $case().await?;
        )+};
    }
    cases![
        a_secret_gets_a_token_once,
        a_herd_of_twenty_is_one_request,
        a_workload_presents_its_federated_token,
        a_machine_uses_its_own_identity,
        an_identity_that_the_user_assigned_is_named,
        trouble_that_passes_is_overcome,
        an_outage_that_lasts_costs_nine_requests,
        refresh_in_is_not_looked_at,
        a_refusal_is_final_and_its_code_is_told,
    ];
    println!("all passed");
    Ok(())
}
