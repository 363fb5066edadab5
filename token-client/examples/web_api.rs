//! A web API: it acts for the user who called it, with the token it was called
//! with. It says how to come by such a token.
//!
//! ```text
//! cargo run -p mock-idp -- serve
//! cargo run -p token-client --example web_api -- https://localhost:8443 CA.pem
//! ```
#![expect(clippy::print_stderr, reason = "an example says what it waits for")]

mod shared;

use shared::{Outcome, TENANT, client, show};
use token_cache::{Scopes, Secret};
use token_client::{AcquireRequest, Flow, InitiateLongRunning, SearchInCache, UserAssertion};

const API: &str = "0b5c2b6e-0003-4000-8000-000000000a91";

#[tokio::main]
async fn main() -> Outcome<()> {
    let (base, client) = client(API)?;
    eprintln!(
        "paste a token that a front end would call this API with; this gets one:\n\
         curl -k {base}/{TENANT}/oauth2/v2.0/token -d grant_type=password -d client_id=front-end \
         -d username=ann@contoso.com -d password=any -d scope=api://{API}/access_as_user"
    );
    let mut assertion = String::new();
    std::io::stdin().read_line(&mut assertion)?;
    let assertion = Secret::new(assertion.trim().trim_matches('"'));
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
