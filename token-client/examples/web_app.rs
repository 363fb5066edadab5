//! A web app: a user signs in, and from then on it acts for them silently.
//! Open the address it prints in a browser (mock-idp's certificate authority is
//! not trusted there: go on all the same), and paste the address you are sent to.
//!
//! ```text
//! cargo run -p mock-idp -- serve
//! cargo run -p token-client --example web_app -- https://localhost:8443 CA.pem
//! ```
#![expect(clippy::print_stdout, reason = "an example shows what happens")]
#![expect(clippy::print_stderr, reason = "and says what it waits for")]

mod shared;

use anyhow::{Context as _, bail};
use shared::{Outcome, TENANT, client, show};
use token_cache::{Scopes, Secret};
use token_client::{AcquireRequest, AuthorizationCode, Flow};

const CLIENT: &str = "0b5c2b6e-0002-4000-8000-00000000abba";
const REDIRECT: &str = "https://localhost/signed-in";

#[tokio::main]
async fn main() -> Outcome<()> {
    let (base, client) = client(CLIENT)?;
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", CLIENT)
        .append_pair("response_type", "code")
        .append_pair("redirect_uri", REDIRECT)
        .append_pair("scope", "openid profile offline_access User.Read")
        .append_pair("login_hint", "ann@contoso.com")
        .finish();
    println!("open {base}/{TENANT}/oauth2/v2.0/authorize?{query}");
    eprintln!("then paste the address that the browser is sent to, {REDIRECT}?code=...");
    let mut landed = String::new();
    std::io::stdin().read_line(&mut landed)?;
    let (_, answer) = landed.trim().split_once('?').unwrap_or_default();
    let code = form_urlencoded::parse(answer.as_bytes())
        .find(|(name, _)| name == "code")
        .map(|(_, code)| code.into_owned())
        .context("that address has no `code` in it")?;

    let ask = |flow| AcquireRequest::new(flow, TENANT.into(), Scopes::parse("User.Read"));
    let code = AuthorizationCode {
        code: Secret::new(code),
        redirect_uri: REDIRECT.into(),
        code_verifier: None,
    };
    let signed_in = client.acquire(&ask(Flow::AuthorizationCode(code))).await?;
    show("signed in", &signed_in);
    let account = signed_in.account.context("the answer names no account")?;
    let silent = ask(Flow::Silent(account.home_account_id.clone()));
    show("silently", &client.acquire(&silent).await?);
    client.remove_account(&account.home_account_id).await?;
    match client.acquire(&silent).await {
        Err(error) if error.needs_user() => println!("signed out: {}", error.code()),
        other => bail!("signed out, and yet {other:?}"),
    }
    Ok(())
}
