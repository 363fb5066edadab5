//! From a token response to what goes into the cache.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use token_cache::item::CredentialType;
use token_cache::{
    AccessToken, Account, AppMetadata, AssertionHash, Environment, HomeAccountId, IdToken,
    RefreshToken, Subject, Timestamp, TokenSet,
};

use crate::client::AcquireRequest;
use crate::flow::{Flow, is_one_tenant, managed_identity};
use crate::idp::{ProviderKind, TokenResponse};

/// What a response means for the cache.
pub(crate) struct Received {
    pub(crate) tokens: TokenSet,
    /// Whose tokens they are; `None` in app-only flows.
    pub(crate) home_account_id: Option<HomeAccountId>,
    /// Whether they are another user's than a silent request asked for, as far as
    /// the provider tells.
    pub(crate) is_anothers: bool,
}

/// Who a user is, as the provider tells MSAL libraries.
#[derive(Deserialize)]
struct ClientInfo {
    uid: String,
    utid: String,
}

/// What is read of an ID token. Its signature is not checked: it came over TLS
/// from the provider itself (OpenID Connect Core §3.1.3.7).
#[derive(Deserialize, Default)]
struct IdTokenClaims {
    sub: Option<Arc<str>>,
    oid: Option<Arc<str>>,
    tid: Option<Arc<str>>,
    preferred_username: Option<Arc<str>>,
    name: Option<Arc<str>>,
}

/// For whom and where a response is received.
pub(crate) struct Recipient<'a> {
    pub(crate) client_id: &'a Arc<str>,
    pub(crate) environment: &'a Environment,
    /// What is stored of the application where it is of no family.
    pub(crate) app_metadata: &'a Arc<AppMetadata>,
    pub(crate) kind: ProviderKind,
}

/// Makes of `response`, got at `now` for `request`, what MSAL stores.
pub(crate) fn receive(
    response: TokenResponse,
    request: &AcquireRequest,
    recipient: &Recipient<'_>,
    now: Timestamp,
) -> Received {
    let host = recipient.environment.preferred_cache();
    let client_id = &match &request.flow {
        Flow::ManagedIdentity(identity) => identity.client_id().into(),
        _ => Arc::clone(recipient.client_id),
    };
    let claims: Option<IdTokenClaims> = response
        .id_token
        .as_ref()
        .map(|token| payload(token.expose()).unwrap_or_default());
    let home_account_id = home_account_id(&response, claims.as_ref(), &request.flow);
    let told_by = claims.as_ref().filter(|_| response.client_info.is_none());
    let is_anothers = is_anothers(&request.flow, home_account_id.as_ref(), told_by);
    let realm = realm(request, claims.as_ref());
    // Whole seconds, as blobs have them: who reads the token from L2 must judge
    // it as who got it does.
    let after = |lifetime| now.plus(lifetime).whole_seconds();
    let (end, refresh_in) = life(&response, request, recipient.kind, now);
    let extended_expires_on = response.ext_expires_in.map(after);
    let session = session(&request.flow);
    let access_token = Arc::new(AccessToken {
        home_account_id: home_account_id.as_ref().map(|id| id.as_str().into()),
        credential_type: match request.components {
            Some(_) => CredentialType::ExtendedAccessToken,
            None => CredentialType::AccessToken,
        },
        user_assertion_hash: session.clone(),
        extended_expires_on,
        ext_expires_on: extended_expires_on,
        kid: request.scheme.key_id.clone(),
        token_type: response.token_type,
        refresh_on: refresh_in.map(after),
        ext: request.components.clone(),
        ..AccessToken::bearer(
            Arc::clone(host),
            Arc::clone(client_id),
            Arc::clone(&realm),
            // The request's own spelling where it says the same: one string in
            // memory for all tokens of a resource.
            response
                .scope
                .filter(|granted| granted.target() != request.scopes.target())
                .unwrap_or_else(|| request.scopes.clone()),
            response.access_token,
            now.whole_seconds(),
            end.whole_seconds(),
        )
    });
    let mut tokens = TokenSet {
        access_token,
        refresh_token: None,
        id_token: None,
        account: None,
        app_metadata: app_metadata(response.family_id.as_ref(), client_id, recipient),
    };
    if let Some(id) = &home_account_id {
        let owner: Arc<str> = id.as_str().into();
        tokens.refresh_token = response
            .refresh_token
            .filter(|_| request.flow.keeps_refresh_token())
            .map(|secret| {
                let components = request.components.as_ref();
                Arc::new(RefreshToken {
                    family_id: response.family_id,
                    user_assertion_hash: session,
                    ext: components
                        .filter(|parts| parts.binds_refresh_tokens())
                        .cloned(),
                    ..RefreshToken::new(
                        Arc::clone(&owner),
                        Arc::clone(host),
                        Arc::clone(client_id),
                        response.client_info.clone(),
                        secret,
                    )
                })
            });
        if let (Some(secret), Some(claims)) = (response.id_token, claims) {
            tokens.id_token = Some(Arc::new(IdToken::new(
                owner,
                Arc::clone(host),
                Arc::clone(client_id),
                Arc::clone(&realm),
                response.client_info.clone(),
                secret,
            )));
            tokens.account = Some(Arc::new(Account::new(
                id.clone(),
                Arc::clone(host),
                realm,
                claims.preferred_username,
                claims.name,
                claims.oid,
                response.client_info,
            )));
        }
    }
    Received {
        tokens,
        home_account_id,
        is_anothers,
    }
}

/// What is stored of the application itself; shared where that is always the same.
fn app_metadata(
    family_id: Option<&Arc<str>>,
    client_id: &Arc<str>,
    recipient: &Recipient<'_>,
) -> Arc<AppMetadata> {
    let usual = recipient.app_metadata;
    if family_id == usual.family_id.as_ref() && client_id == usual.client_id() {
        return Arc::clone(usual);
    }
    let environment = Arc::clone(usual.environment());
    let mut other = AppMetadata::new(environment, Arc::clone(client_id));
    other.family_id = family_id.cloned();
    Arc::new(other)
}

/// When the token ends, and after how long it is better replaced.
fn life(
    response: &TokenResponse,
    request: &AcquireRequest,
    provider: ProviderKind,
    now: Timestamp,
) -> (Timestamp, Option<Duration>) {
    let lifetime = match response.expires_on {
        Some(end) => end.since(now),
        None => response.expires_in,
    };
    let end = response.expires_on.unwrap_or(now.plus(lifetime));
    let end = if defect!(LifetimeMisread) {
        now.plus(end.since(now) / 60)
    } else {
        end
    };
    let refresh_in = response.refresh_in.or_else(|| match provider {
        ProviderKind::OwnCode => managed_identity::advice_for_own_provider(lifetime),
        ProviderKind::TokenEndpoint => matches!(request.flow, Flow::ManagedIdentity(_))
            .then(|| managed_identity::advice(lifetime))?,
    });
    (end, refresh_in)
}

/// `client_info` says who; else the ID token's subject; else whoever was asked
/// for. A provider that leaves `client_info` out thus gets another key, which
/// is what MSAL does too.
fn home_account_id(
    response: &TokenResponse,
    claims: Option<&IdTokenClaims>,
    flow: &Flow,
) -> Option<HomeAccountId> {
    if flow.is_app_only() {
        return None;
    }
    let told = response
        .client_info
        .as_deref()
        .and_then(decode::<ClientInfo>)
        .map(|info| match info {
            ClientInfo { utid, .. } if defect!(AccountWithoutUser) => {
                HomeAccountId::new(format!("user.{utid}"))
            }
            ClientInfo { uid, utid } => HomeAccountId::new(format!("{uid}.{utid}")),
        });
    let subject = || {
        claims
            .and_then(|claims| claims.sub.clone())
            .map(HomeAccountId::new)
    };
    let asked_for = || match flow.subject() {
        Subject::Account(id) => Some(id.clone()),
        Subject::Application | Subject::Assertion(_) => None,
    };
    told.or_else(subject).or_else(asked_for)
}

/// Whether the answer to a silent request is another's than the account asked for.
/// `claims` are what tells, where `client_info` does not. Without `client_info`
/// the claims of the ID token tell what they can: the object id in the home tenant
/// is the account's `uid`; in another tenant it is another one, which says nothing.
/// A subject is comparable where the account is known by one.
fn is_anothers(flow: &Flow, told: Option<&HomeAccountId>, claims: Option<&IdTokenClaims>) -> bool {
    let (Flow::Silent(asked), Some(told)) = (flow, told) else {
        return false;
    };
    let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
    if same(asked.as_str(), told.as_str()) {
        return false;
    }
    let Some(claims) = claims else { return true };
    let Some((user, home)) = asked.as_str().rsplit_once('.') else {
        return claims.sub.is_some();
    };
    match (&claims.oid, &claims.tid) {
        (Some(oid), Some(tid)) => same(tid, home) && !same(oid, user),
        _ => false,
    }
}

/// The tenant a token is of: the one that was asked, or, where that left it
/// open, the user's.
fn realm(request: &AcquireRequest, claims: Option<&IdTokenClaims>) -> Arc<str> {
    if matches!(request.flow, Flow::ManagedIdentity(_)) {
        return managed_identity::TENANT.into();
    }
    if is_one_tenant(&request.tenant_id) {
        return Arc::clone(&request.tenant_id);
    }
    claims
        .and_then(|claims| claims.tid.clone())
        .unwrap_or_else(|| Arc::clone(&request.tenant_id))
}

/// The assertion or session that tokens belong to.
fn session(flow: &Flow) -> Option<AssertionHash> {
    match flow.subject() {
        Subject::Assertion(hash) => Some(hash.clone()),
        Subject::Application | Subject::Account(_) => None,
    }
}

/// The claims of a JWT, unverified.
fn payload<T: DeserializeOwned>(token: &str) -> Option<T> {
    decode(token.split('.').nth(1)?)
}

fn decode<T: DeserializeOwned>(base64url: &str) -> Option<T> {
    let json = BASE64_URL_SAFE_NO_PAD
        .decode(base64url.trim_end_matches('='))
        .ok()?;
    serde_json::from_slice(&json).ok()
}
