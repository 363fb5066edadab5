//! Tokens that go back through the browser, from the authorize endpoint: `id_token` for sign-ins
//! without a token request, `code id_token` for web applications that go on with the code, and
//! `token` of the implicit flow.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::TokenRequest;
use super::issue::Mint;
use crate::directory::application::{Application, Authentication};
use crate::directory::user::User;
use crate::error::{Aadsts, Refusal};
use crate::ledger::{GrantType, TokenIdentity};
use crate::metrics::TokenKind;
use crate::scope::Scopes;

/// What an application wants to hear through the browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ResponseType {
    pub(crate) code: bool,
    id_token: bool,
    token: bool,
}

impl ResponseType {
    /// Reads a `response_type`, of those that Entra's documents name.
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        let refused = || Refusal::new(Aadsts::UnsupportedResponseType, &[text]);
        let mut wanted = Self::default();
        for word in text.split_whitespace() {
            match word {
                "code" => wanted.code = true,
                "id_token" => wanted.id_token = true,
                "token" => wanted.token = true,
                _ => return Err(refused()),
            }
        }
        let Self {
            code,
            id_token,
            token,
        } = wanted;
        if (code && token) || !(code || id_token || token) {
            return Err(refused());
        }
        Ok(wanted)
    }

    /// Whether tokens go through the browser, so that they must not be in a query, which servers
    /// write into logs.
    pub(crate) fn brings_tokens(self) -> bool {
        self.id_token || self.token
    }
}

/// A user who signed in to an application.
pub(crate) struct SignedIn<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) user: &'a User,
    pub(crate) scopes: &'a Scopes,
}

/// The parameters that bring the tokens of `wanted`, beside a `code` if there is one.
pub(crate) async fn tokens(
    request: &TokenRequest<'_>,
    wanted: ResponseType,
    signed_in: SignedIn<'_>,
    code: Option<&str>,
) -> Result<Vec<(&'static str, String)>, Refusal> {
    let SignedIn {
        client_id,
        user,
        scopes,
    } = signed_in;
    let application = Application {
        client_id: client_id.to_owned(),
        authentication: Authentication::Public,
    };
    let tenant_id = request.tenant.or_home(user.home_tenant_id);
    let mint = Mint::new(request, &application, scopes);
    let mut answer = Vec::new();
    let mut proofs = Vec::new();
    if let Some(code) = code {
        proofs.push(("c_hash", half_hash(code)));
    }
    if wanted.token {
        let token = mint.access_token(user, tenant_id).await?;
        let metrics = &request.idp.metrics;
        metrics.issued(TokenKind::UserAccess, token.len());
        let identity = TokenIdentity {
            client_id,
            tenant_id,
            subject: Some(user.object_id_in(tenant_id)),
            assertion: None,
            scopes: &scopes.identity(),
        };
        let ledger = &request.idp.ledger;
        // Whoever signs in again gets a token again: no cache could have spared it.
        ledger.issued(GrantType::Other, &identity, request.now, mint.ends(), true);
        proofs.push(("at_hash", half_hash(&token)));
        answer.push(("access_token", token));
        answer.push(("token_type", "Bearer".to_owned()));
        answer.push(("expires_in", mint.expires_in().to_string()));
        answer.push(("scope", scopes.granted()));
    }
    if wanted.id_token {
        // Without one, a token that was sent before could be sent again.
        let nonce = request.form.require("nonce")?;
        let token = mint
            .id_token(user, tenant_id, Some(nonce.to_owned()), proofs)
            .await?;
        let metrics = &request.idp.metrics;
        metrics.issued(TokenKind::Id, token.len());
        answer.push(("id_token", token));
    }
    Ok(answer)
}

/// What an ID token says of what came with it: the first half of its hash.
fn half_hash(text: &str) -> String {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_types_are_those_of_the_documents() {
        for (text, brings_tokens) in [
            ("code", Some(false)),
            ("id_token", Some(true)),
            ("code id_token", Some(true)),
            ("id_token code", Some(true)),
            ("id_token token", Some(true)),
            ("token", Some(true)),
            ("code token", None),
            ("code id_token token", None),
            ("none", None),
            ("", None),
        ] {
            let read = ResponseType::parse(text).ok();
            assert_eq!(
                read.map(ResponseType::brings_tokens),
                brings_tokens,
                "{text}"
            );
        }
    }

    #[test]
    fn half_of_a_hash_is_128_bits() {
        // SHA-256 of `abc` begins with ba7816bf 8f01cfea 414140de 5dae2223.
        assert_eq!(half_hash("abc"), "ungWv48Bz-pBQUDeXa4iIw");
    }
}
