//! A web API: it acts for the user who called it, with the token it was called
//! with. Paste such a token; `web_app` shows how a front end comes by one.
//!
//! ```text
//! cargo run -p mock-idp -- serve
//! cargo run -p token-client --example web_api -- https://localhost:8443 CA.pem
//! ```

mod shared;

use shared::{Outcome, TENANT, client, show};
use token_cache::{Scopes, Secret};
use token_client::{AcquireRequest, Flow, InitiateLongRunning, SearchInCache, UserAssertion};

#[tokio::main]
async fn main() -> Outcome<()> {
    let (_, client) = client("0b5c2b6e-0003-4000-8000-000000000a91")?;
    let mut assertion = String::new();
    std::io::stdin().read_line(&mut assertion)?;
    let assertion = Secret::new(assertion.trim());
    let ask = |flow| AcquireRequest::new(flow, TENANT.into(), Scopes::parse("User.Read"));

    let call = ask(Flow::OnBehalfOf(UserAssertion::new(assertion.clone())));
    show("first call", &client.acquire(&call).await?);
    show("second call", &client.acquire(&call).await?);

    // Work that goes on when the caller's own token has ended.
    let begin = InitiateLongRunning::new(assertion, "", SearchInCache::No);
    let session = begin.session().clone();
    let answer = client
        .acquire(&ask(Flow::InitiateLongRunning(begin)))
        .await?;
    show("session begun", &answer);
    let later = ask(Flow::InLongRunning(session.clone()));
    show("in the session", &client.acquire(&later).await?);
    client.stop_long_running(&session).await?;
    Ok(())
}
