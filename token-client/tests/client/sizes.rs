//! What entries weigh, by kind, beside the article's approximations; makes
//! `docs/sizes.md`. `UPDATE_DOCS=1 cargo test -p token-client --test client sizes`
//! writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use mock_idp::{AppShape, MockIdp, TokenPolicy, UserShape};
use serde_json::Value;
use token_cache::{CacheLevel, Scopes};
use token_client::{AcquireRequest, Flow, SearchInCache, UserAssertion};

use crate::in_process::InProcess;
use crate::lab::{Lab, begin};
use crate::watched::Watched;

const API: &str = "0b5c2b6e-0003-4000-8000-000000000a91";
const SCOPE: &str = "api://0b5c2b6e-0003-4000-8000-000000000a91/access_as_user";
const RESOURCE: &str = "https://graph.microsoft.com/.default";
const TENANT: &str = "contoso.com";

/// The bytes of a blob and of its sections, keys included.
struct Sizes {
    name: &'static str,
    blob: usize,
    sections: [usize; 5],
}

const SECTIONS: [&str; 5] = [
    "AccessToken",
    "RefreshToken",
    "IdToken",
    "Account",
    "AppMetadata",
];

async fn sizes(name: &'static str, store: &Watched, key: &str) -> Sizes {
    let blob = token_cache::store::Store::get(store, key).await.unwrap();
    let blob = blob.unwrap_or_else(|| panic!("{name}: nothing under {key}"));
    let root: Value = serde_json::from_slice(&blob).unwrap();
    Sizes {
        name,
        blob: blob.len(),
        sections: SECTIONS.map(|section| match &root[section] {
            Value::Object(entries) if entries.is_empty() => 0,
            entries => entries.to_string().len(),
        }),
    }
}

/// One entry of each flow, with tokens of these shapes.
async fn entries(app: AppShape, user: UserShape) -> Vec<Sizes> {
    let idp = MockIdp::builder().seed(1).configure(|config| {
        config.tokens = vec![TokenPolicy {
            app: Some(app),
            user: Some(user),
            ..TokenPolicy::default()
        }];
    });
    let (router, _idp) = idp.in_process().unwrap();
    let mock = InProcess::new(router);
    let lab = Lab::over(token_cache::Policy::MSAL_NET, CacheLevel::L2);
    let client_id = "d3adb33f-c0de-ed0c-c0de-deadb33fc0d3";
    let client = lab.client_of(client_id, mock.provider());
    let ask =
        |flow: Flow, scope: &str| AcquireRequest::new(flow, TENANT.into(), Scopes::parse(scope));
    let mut found = Vec::new();

    client
        .acquire(&ask(Flow::ClientCredentials, RESOURCE))
        .await
        .unwrap();
    let key = format!("{client_id}_{TENANT}_AppTokenCache");
    found.push(sizes("application, one resource", &lab.store, &key).await);

    let code = mock.sign_in(TENANT, client_id, "User.Read", "ann").await;
    let result = client
        .acquire(&ask(Flow::AuthorizationCode(code), "User.Read"))
        .await
        .unwrap();
    let account = result.account.unwrap().home_account_id.clone();
    found.push(sizes("signed-in user, one resource", &lab.store, account.as_str()).await);

    // What a front end was given for the application as an API.
    let code = mock.sign_in(TENANT, "front-end", SCOPE, "ann").await;
    let front_end = lab.client_of("front-end", mock.provider());
    let caller = front_end
        .acquire(&ask(Flow::AuthorizationCode(code), SCOPE))
        .await
        .unwrap();
    let assertion = caller.token.secret.clone();
    let api = lab.client_of(API, mock.provider());
    let on_behalf_of = UserAssertion::new(assertion.clone());
    let hash = on_behalf_of.hash().as_str().to_owned();
    api.acquire(&ask(Flow::OnBehalfOf(on_behalf_of), "User.Read"))
        .await
        .unwrap();
    found.push(sizes("on behalf of, one session", &lab.store, &hash).await);

    let session = begin(assertion.expose(), "session", SearchInCache::No);
    api.acquire(&ask(Flow::InitiateLongRunning(session), "User.Read"))
        .await
        .unwrap();
    found.push(sizes("long-running session", &lab.store, "session").await);
    found
}

fn row(page: &mut String, sizes: &Sizes) {
    let [access, refresh, id, account, metadata] = sizes.sections;
    writeln!(
        page,
        "| {} | {access} | {refresh} | {id} | {account} | {metadata} | **{}** |",
        sizes.name, sizes.blob
    )
    .expect("a string takes all");
}

#[tokio::test]
async fn sizes_of_entries_are_in_the_docs_beside_the_articles() {
    let mut page = String::from(
        "# What an entry weighs\n\n\
         Bytes of one entry in L2 as MSAL.NET's schema has it, by kind of item, item keys\n\
         included; measured with tokens of `mock-idp`, whose sizes are those of Entra's.\n\
         The article's approximations: an application's entry 2 to 3 KB for a client, tenant\n\
         and resource; a user's 7 KB and more: access token 4 KB, refresh token 2 KB, ID\n\
         token 2 KB; on behalf of, one such entry a session.\n\n\
         Made by a test (`token-client/tests/client/sizes.rs`), which fails when it is out\n\
         of date.\n",
    );
    for (title, app, user) in [
        ("v2 tokens", AppShape::V2App, UserShape::V2User),
        (
            "v1 tokens of Microsoft Graph",
            AppShape::V1App,
            UserShape::V1User,
        ),
        (
            "v1 tokens, users in 50 groups",
            AppShape::V1App,
            UserShape::Groups50,
        ),
    ] {
        write!(
            page,
            "\n## {title}\n\n\
             | entry | access token | refresh token | ID token | account | metadata | blob |\n\
             |---|---|---|---|---|---|---|\n"
        )
        .expect("a string takes all");
        for sizes in entries(app, user).await {
            row(&mut page, &sizes);
            let app_only = sizes.name.starts_with("application");
            let expected = if app_only {
                1_500..3_072
            } else {
                3_500..13_000
            };
            assert!(
                expected.contains(&sizes.blob),
                "{}: {}",
                sizes.name,
                sizes.blob
            );
        }
    }
    page += "\nSealing adds 33 bytes and the name of the key. L1 counts the bytes of the blob, \
             and in\n`recommended` 200 more for the way to it.\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/sizes.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/sizes.md is out of date\nhint: UPDATE_DOCS=1 cargo test -p token-client --test client sizes\n{page}"
    );
}
