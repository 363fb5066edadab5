//! A user's cache, shared with other SDKs: the real msal and @azure/msal-node
//! find in it what we wrote, and we what they wrote, without a network.

#[path = "support/sdks.rs"]
mod sdks;

use std::sync::Arc;
use std::time::Duration;

use token_cache::item::TokenType;
use token_cache::{
    AccessToken, Account, AppMetadata, Clock, Environment, HomeAccountId, IdToken, Lookup,
    Partition, Query, RefreshToken, Scopes, Secret, Subject, TokenSet, schema,
};

use sdks::{node, python, run};

const CLIENT: &str = "d3adb33f-c0de-ed0c-c0de-deadb33fc0d3";
const TENANT: &str = "f645ad92-e38d-4d1a-b510-d1b09a74a8ca";
const UID: &str = "9f4880d8-80ba-4c40-97bc-f7a23c703084";
const WHO: [&str; 3] = [CLIENT, TENANT, UID];

fn clock() -> Clock {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let _inside = runtime.enter();
    Clock::system()
}

/// A user's partition as a sign-in through this crate leaves it.
fn ours() -> Partition {
    let public = Environment::of_host("login.microsoftonline.com");
    let host = || Arc::clone(public.preferred_cache());
    let owner = format!("{UID}.{TENANT}");
    let now = clock().now();
    let token = AccessToken {
        home_account_id: Some(owner.as_str().into()),
        ..AccessToken::bearer(
            host(),
            CLIENT.into(),
            TENANT.into(),
            Scopes::parse("User.Read"),
            Secret::new("written by us"),
            now,
            now.plus(Duration::from_secs(3_600)),
        )
    };
    let refresh = Secret::new("refresh");
    // Node reads the username here: `{"sub", "oid", "tid", "preferred_username": "ann"}`.
    let id = Secret::new(concat!(
        "eyJhbGciOiJub25lIn0.",
        "eyJzdWIiOiJzdWJqZWN0Iiwib2lkIjoiOWY0ODgwZDgtODBiYS00YzQwLTk3YmMtZjdhMjNjNzAzMDg0IiwidGlkIjoiZjY0NWFkOTItZTM4ZC00ZDFhLWI1MTAtZDFiMDlhNzRhOGNhIiwicHJlZmVycmVkX3VzZXJuYW1lIjoiYW5uIn0",
        ".x"
    ));
    let set = TokenSet {
        access_token: Arc::new(token),
        refresh_token: Some(Arc::new(RefreshToken::new(
            owner.as_str().into(),
            host(),
            CLIENT.into(),
            None,
            refresh,
        ))),
        id_token: Some(Arc::new(IdToken::new(
            owner.as_str().into(),
            host(),
            CLIENT.into(),
            TENANT.into(),
            None,
            id,
        ))),
        account: Some(Arc::new(Account::new(
            HomeAccountId::new(owner),
            host(),
            TENANT.into(),
            Some("ann".into()),
            None,
            Some(UID.into()),
            None,
        ))),
        app_metadata: Arc::new(AppMetadata::new(host(), CLIENT.into())),
    };
    Partition::default().save(set, &public)
}

/// The token that a silent call of ours finds.
fn found(blob: &str) -> Option<String> {
    let partition = schema::read(blob.as_bytes()).expect("a cache blob");
    let query = Query {
        subject: Subject::Account(&HomeAccountId::new(format!("{UID}.{TENANT}"))),
        tenant_id: Some(TENANT),
        scopes: &Scopes::parse("User.Read"),
        token_type: &TokenType::Bearer,
        key_id: None,
        environment: &Environment::of_host("login.microsoftonline.com"),
        client_id: CLIENT,
        components: None,
        extended_lifetime: false,
    };
    match partition.find_access_token(&query, clock().now()) {
        Ok(Lookup::Found(token)) => Some(token.secret.expose().to_owned()),
        _ => None,
    }
}

#[test]
fn msal_for_python_finds_what_we_wrote_and_we_what_it_wrote() {
    let read = run(python(), "read", WHO, &schema::write(&ours()));
    assert_eq!(read.trim(), "ann written by us");
    let blob = run(python(), "write", WHO, b"");
    assert_eq!(found(&blob).as_deref(), Some("written by python"));
}

#[test]
fn msal_for_node_finds_what_we_wrote_and_we_what_it_wrote() {
    let read = run(node(), "read", WHO, &schema::write(&ours()));
    assert_eq!(read.trim(), "ann written by us");
    let blob = run(node(), "write", WHO, b"");
    assert_eq!(found(&blob).as_deref(), Some("written by node"));
}
