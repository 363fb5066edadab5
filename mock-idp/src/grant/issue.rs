//! The tokens of what a grant approved.

use std::time::Duration;

use uuid::Uuid;

use http::header::ORIGIN;

use super::refresh_token::SINGLE_PAGE_SIGN_IN;
use super::{Approval, Subject, TokenRequest, TokenResponse, evaluates_continuously, grant_type};
use crate::behavior::forgery::Forgery;
use crate::clock::UnixTime;
use crate::config::Lifetimes;
use crate::directory::application::{Application, Authentication};
use crate::directory::user::User;
use crate::endpoint::Version;
use crate::error::{Aadsts, Refusal};
use crate::issuer::issuer;
use crate::ledger::TokenIdentity;
use crate::scope::Scopes;
use crate::sealed::{Lineage, Refresh};
use crate::signing::SigningError;
use crate::token::policy::TokenPolicy;
use crate::token::presigned::{Drawn, Likeness, SignedToken};
use crate::token::shape::{AppShape, UserShape};
use crate::token::{Claims, Draft, Issue, Opaque, Validity, client_info, reordered, stranger};

pub(super) async fn issue(
    request: &TokenRequest<'_>,
    application: &Application,
    approval: Approval,
) -> Result<TokenResponse, Refusal> {
    let Approval {
        subject,
        scopes,
        nonce,
        assertion,
        lineage,
        excused,
    } = approval;
    let mint = Mint::new(request, application, &scopes);
    // The end that the token itself says: a cache that goes by it is not redundant.
    let (response, tenant_id, subject_id, ends) = match subject {
        Subject::Application { tenant_id } => {
            let (response, ends) = mint.for_application(tenant_id).await?;
            (response, tenant_id, None, ends)
        }
        Subject::User { user, tenant_id } => {
            let mut response = mint.for_user(&user, tenant_id, nonce).await?;
            let subject_id = user.object_id_in(tenant_id);
            if scopes.want_refresh_token() {
                let (token, ends_in) = refresh_token(request, application, &scopes, user, lineage)?;
                response.refresh_token = Some(token);
                response.refresh_token_expires_in = ends_in.map(|time| time.as_secs());
            }
            (response, tenant_id, Some(subject_id), mint.ends())
        }
    };
    response.count(&request.idp.metrics, subject_id.is_some());
    let identity = TokenIdentity {
        client_id: &application.client_id,
        tenant_id,
        subject: subject_id,
        assertion: assertion.as_deref(),
        scopes: &scopes.identity(),
    };
    // A forged token is one that no cache should have kept.
    let is_worth_keeping = request.forgery.is_none_or(Forgery::is_worth_keeping);
    let ends = if is_worth_keeping { ends } else { request.now };
    let ledger = &request.idp.ledger;
    let grant = grant_type(request.form);
    ledger.issued(grant, &identity, request.now, ends, excused);
    Ok(response)
}

/// Makes the tokens of one answer.
pub(super) struct Mint<'a> {
    request: &'a TokenRequest<'a>,
    application: &'a Application,
    scopes: &'a Scopes,
    policy: Option<&'a TokenPolicy>,
    lifetimes: Lifetimes,
    expires_in: Duration,
    validity: Validity,
    is_continuous: bool,
}

impl<'a> Mint<'a> {
    pub(super) fn new(
        request: &'a TokenRequest<'a>,
        application: &'a Application,
        scopes: &'a Scopes,
    ) -> Self {
        let settings = request.settings;
        let policy = settings.policy(&application.client_id, scopes);
        let lifetimes = policy.map_or(settings.lifetimes, |policy| {
            policy.lifetimes(&settings.lifetimes)
        });
        let is_continuous = lifetimes.cae.is_some() && evaluates_continuously(request.form);
        let lifetimes = if is_continuous {
            lifetimes.of_continuous_access()
        } else {
            lifetimes
        };
        let expires_in = lifetimes.expires_in + request.idp.jitter.up_to(lifetimes.jitter);
        Self {
            request,
            application,
            scopes,
            policy,
            lifetimes,
            expires_in,
            validity: Validity::new(request.now, expires_in),
            is_continuous,
        }
    }

    /// When the tokens made now end.
    pub(super) fn ends(&self) -> UnixTime {
        self.request.now.plus(self.expires_in).whole_seconds()
    }

    /// How long they live, in seconds.
    pub(super) fn expires_in(&self) -> u64 {
        self.expires_in.as_secs()
    }

    /// An answer without its tokens, about one of this life.
    fn response(&self, expires_in: Duration, validity: Validity) -> TokenResponse {
        TokenResponse::new(
            self.request.version,
            &self.lifetimes,
            expires_in,
            validity,
            self.scopes,
        )
    }

    /// What a token of this version says about who issued it, to whom, for what.
    fn terms(&self, version: Version, tenant_id: Uuid) -> Issue<'a> {
        let settings = self.request.settings;
        Issue {
            issuer: issuer(settings.issuer, version, self.request.origin, tenant_id),
            tenant_id,
            application: self.application,
            scopes: self.scopes,
            audience: settings.directory.audience(version, self.scopes),
            validity: self.validity,
            roles: Vec::new(),
            groups: &[],
        }
    }

    async fn sign_access(&self, draft: Draft, tenant_id: Uuid) -> Result<String, Refusal> {
        let draft = if self.is_continuous {
            draft.of_continuous_access()
        } else {
            draft
        };
        sign(self.request, draft, tenant_id).await
    }

    /// Nothing but the required members: with `client_info`, MSAL would file the token under an
    /// account and never find it again.
    async fn for_application(&self, tenant_id: Uuid) -> Result<(TokenResponse, UnixTime), Refusal> {
        let TokenRequest {
            idp, settings, now, ..
        } = *self.request;
        let shape = self.policy.and_then(|policy| policy.app);
        let version = shape.map_or(self.request.version, AppShape::version);
        let pool = settings.token_pool;
        let Some(size) = pool.filter(|_| self.request.forgery.is_none()) else {
            let token = self.fresh_for_application(version, tenant_id).await?;
            return Ok(self.of_application(token));
        };
        let key = idp.keys.current_key(now).await.map_err(not_signed)?;
        let likeness = self.likeness(version, tenant_id);
        let token = match idp.presigned.draw(likeness, size, key.id(), now) {
            Drawn::Presigned(token) => {
                idp.ledger.repeated();
                token
            }
            Drawn::Vacancy(vacancy) => {
                let token = self.fresh_for_application(version, tenant_id).await?;
                vacancy.fill(token.clone(), size, key.id().to_owned(), now);
                token
            }
            Drawn::Nothing => self.fresh_for_application(version, tenant_id).await?,
        };
        Ok(self.of_application(token))
    }

    fn of_application(&self, token: SignedToken) -> (TokenResponse, UnixTime) {
        let left = Duration::from_secs(token.ends.since(self.request.now).as_secs());
        // A fresh token lives as long as it was made to, whatever part of a second it was made at.
        let expires_in = if token.validity == self.validity {
            self.expires_in
        } else {
            left
        };
        let mut response = self.response(expires_in, token.validity);
        response.access_token = token.text;
        (response, token.ends)
    }

    /// What tokens that may be handed out in this one's place have in common with it.
    fn likeness(&self, version: Version, tenant_id: Uuid) -> Likeness {
        let settings = self.request.settings;
        Likeness {
            settings: settings.number,
            version,
            tenant_id,
            issuer: issuer(settings.issuer, version, self.request.origin, tenant_id),
            client_id: self.application.client_id.clone(),
            authentication: self.application.authentication,
            scopes: self.scopes.to_text(),
            is_continuous: self.is_continuous,
        }
    }

    async fn fresh_for_application(
        &self,
        version: Version,
        tenant_id: Uuid,
    ) -> Result<SignedToken, Refusal> {
        let draft = self.draft_for_application(version, tenant_id);
        Ok(SignedToken {
            text: self.sign_access(draft, tenant_id).await?,
            validity: self.validity,
            ends: self.ends(),
        })
    }

    fn draft_for_application(&self, version: Version, tenant_id: Uuid) -> Draft {
        let TokenRequest { idp, settings, .. } = self.request;
        let terms = Issue {
            roles: settings
                .directory
                .roles(&self.application.client_id, self.scopes, tenant_id),
            ..self.terms(version, tenant_id)
        };
        Draft::for_application(version, &terms, self.policy, &idp.ids)
    }

    /// What a token about a user says, as [`Mint::terms`].
    fn terms_for(&self, user: &User, version: Version, tenant_id: Uuid) -> Issue<'a> {
        Issue {
            groups: self.request.settings.directory.groups(user),
            ..self.terms(version, tenant_id)
        }
    }

    /// A user's access token.
    pub(super) async fn access_token(
        &self,
        user: &User,
        tenant_id: Uuid,
    ) -> Result<String, Refusal> {
        let draft = self.draft_for_user(user, tenant_id);
        self.sign_access(draft, tenant_id).await
    }

    fn draft_for_user(&self, user: &User, tenant_id: Uuid) -> Draft {
        let shape = self.policy.and_then(|policy| policy.user);
        let version = shape.and_then(UserShape::version);
        let version = version.unwrap_or(self.request.version);
        let terms = self.terms_for(user, version, tenant_id);
        Draft::for_user(version, &terms, user, self.policy, &self.request.idp.ids)
    }

    /// An ID token, with these claims beside those that each has.
    pub(super) async fn id_token(
        &self,
        user: &User,
        tenant_id: Uuid,
        nonce: Option<String>,
        beside: Vec<(&'static str, String)>,
    ) -> Result<String, Refusal> {
        let draft = self.draft_of_id_token(user, tenant_id, nonce).with(beside);
        sign(self.request, draft, tenant_id).await
    }

    fn draft_of_id_token(&self, user: &User, tenant_id: Uuid, nonce: Option<String>) -> Draft {
        let version = self.request.version;
        let terms = self.terms_for(user, version, tenant_id);
        let opaque = Opaque::draw(&self.request.idp.ids);
        Draft::of(Claims::about(version, &terms, user, nonce, opaque))
    }

    async fn for_user(
        &self,
        user: &User,
        tenant_id: Uuid,
        nonce: Option<String>,
    ) -> Result<TokenResponse, Refusal> {
        let version = self.request.version;
        let access_token = self.access_token(user, tenant_id);
        let wants_id_token = self.scopes.want_id_token();
        let id_token = wants_id_token.then(|| self.id_token(user, tenant_id, nonce, Vec::new()));
        let (access_token, id_token) = match id_token {
            Some(id_token) => {
                let (access_token, id_token) = tokio::try_join!(access_token, id_token)?;
                (access_token, Some(id_token))
            }
            None => (access_token.await?, None),
        };
        let granted = match version {
            Version::V1 => self.scopes.granted(),
            Version::V2 => self.scopes.echoed(),
        };
        let wants_info = self.request.form.get("client_info") == Some("1");
        let mut response = self.response(self.expires_in, self.validity);
        response.access_token = access_token;
        response.id_token = id_token;
        response.scope = Some(match self.request.forgery {
            Some(Forgery::ReorderedScopes) => reordered(&granted),
            _ => granted,
        });
        response.client_info = wants_info.then(|| match self.request.forgery {
            Some(Forgery::WrongSubject) => client_info(&User {
                home_object_id: stranger(),
                ..user.clone()
            }),
            _ => client_info(user),
        });
        Ok(response)
    }
}

async fn sign(
    request: &TokenRequest<'_>,
    draft: Draft,
    tenant_id: Uuid,
) -> Result<String, Refusal> {
    let draft = draft.forged(request.forgery);
    let signed = request.idp.keys.sign(&draft, tenant_id, request.now).await;
    signed.map_err(not_signed)
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn not_signed(error: SigningError) -> Refusal {
    tracing::warn!(%error, "token not signed");
    Aadsts::Transient.into()
}

/// A refresh token, and how long it lives where an answer says so: of single-page applications.
fn refresh_token(
    request: &TokenRequest<'_>,
    application: &Application,
    scopes: &Scopes,
    user: User,
    lineage: Option<Lineage>,
) -> Result<(String, Option<Duration>), Refusal> {
    let lifetime = request.settings.lifetimes.refresh_token;
    let is_single_page = application.authentication == Authentication::Public
        && request.headers.contains_key(ORIGIN);
    let lineage = lineage.unwrap_or_else(|| Lineage {
        family: request.idp.ids.uuid(),
        number: 0,
        ends: is_single_page.then(|| request.now.plus(SINGLE_PAGE_SIGN_IN)),
    });
    let expires = request.now.plus(lifetime);
    let refresh = Refresh {
        lineage,
        client_id: application.client_id.clone(),
        user,
        scope: scopes.to_text(),
        issued: request.now,
        expires: lineage.ends.map_or(expires, |ends| ends.min(expires)),
    };
    let ends_in = lineage.ends.map(|_| refresh.expires.since(request.now));
    let sealed = request.idp.sealer.seal(&refresh).ok_or(Aadsts::Transient)?;
    Ok((sealed, ends_in))
}
