//! A daemon: it acts for itself, with the application's own token.
//!
//! ```text
//! cargo run -p mock-idp -- serve
//! cargo run -p token-client --example daemon -- https://localhost:8443 CA.pem
//! ```

mod shared;

use shared::{Outcome, TENANT, client, show};
use token_cache::Scopes;
use token_client::{AcquireRequest, Flow};

#[tokio::main]
async fn main() -> Outcome<()> {
    let (_, client) = client("0b5c2b6e-0001-4000-8000-00000000da3e")?;
    let scopes = Scopes::parse("https://graph.microsoft.com/.default");
    let request = AcquireRequest::new(Flow::ClientCredentials, TENANT.into(), scopes);
    show("first", &client.acquire(&request).await?);
    show("second", &client.acquire(&request).await?);
    let forced = AcquireRequest {
        force_refresh: true,
        ..request
    };
    show("forced", &client.acquire(&forced).await?);
    Ok(())
}
