//! The real msal and @azure/msal-node find, without a network, what a sign-in
//! through the whole client left in the shared cache.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

#[path = "client/in_process.rs"]
mod in_process;
#[path = "../../token-cache/tests/support/sdks.rs"]
mod sdks;

use std::sync::Arc;

use mock_idp::MockIdp;
use token_cache::provider::distributed;
use token_cache::store::{MemoryStore, Store};
use token_cache::{Clock, Environment, Scopes, Secret, TokenCacheOptions};
use token_client::{AcquireRequest, Application, Authority, Client, Flow};

use in_process::InProcess;
use sdks::{node, python, run};

const CLIENT: &str = "d3adb33f-c0de-ed0c-c0de-deadb33fc0d3";
const TENANT: &str = "f645ad92-e38d-4d1a-b510-d1b09a74a8ca";

/// Signs ann in: the user's id, her access token, and the blob that the client put
/// into its store.
async fn sign_in() -> (String, String, Vec<u8>) {
    let (router, _idp) = MockIdp::builder().in_process().unwrap();
    let mock = InProcess::new(router);
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(10_000_000, Clock::system()));
    let application = Application {
        client_id: CLIENT.into(),
        client_secret: Some(Secret::new("hush")),
    };
    let authority = Authority {
        environment: Environment::of_host("login.microsoftonline.com"),
        provider: mock.provider(),
    };
    let cache = distributed(Arc::clone(&store), TokenCacheOptions::default());
    let client = Client::new(application, authority, Arc::new(cache));
    let code = mock.sign_in(TENANT, CLIENT, "User.Read", "ann").await;
    let flow = Flow::AuthorizationCode(code);
    let request = AcquireRequest::new(flow, TENANT.into(), Scopes::parse("User.Read"));
    let result = client.acquire(&request).await.unwrap();
    let account = result.account.unwrap().home_account_id.clone();
    let blob = store.get(account.as_str()).await.unwrap().unwrap();
    let token = result.token.secret.expose().to_owned();
    (account.as_str().to_owned(), token, blob.to_vec())
}

#[tokio::test]
async fn msal_for_python_and_node_find_what_a_sign_in_through_the_client_wrote() {
    let (user, token, blob) = sign_in().await;
    for sdk in [python(), node()] {
        let name = format!("{sdk:?}");
        let read = run(sdk, "read", [CLIENT, TENANT, &user], &blob);
        assert_eq!(read.trim(), format!("ann@contoso.com {token}"), "{name}");
    }
}
