//! Which requests a rule is about.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::endpoint::Endpoint;
use crate::ledger::GrantType;
use crate::request::{CacheRefreshReason, ClientSku, RequestContext};

/// Which requests are meant: all conditions given must hold, and without any, every token request
/// is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Matcher {
    /// To this endpoint, by its name in metrics; `token` when left out, which means those of
    /// machines too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// To this tenant, by id, domain or reserved name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// From this application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Of this grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantType>,
    /// With this among its scopes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// By this library.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sku: Option<ClientSku>,
    /// For this reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<CacheRefreshReason>,
}

impl Matcher {
    /// Whether `request` is meant.
    pub(crate) fn fits(&self, request: &RequestContext) -> bool {
        let same = |wanted: Option<&str>, found: &str| {
            wanted.is_none_or(|wanted| wanted.eq_ignore_ascii_case(found))
        };
        let scope = self.scope.as_deref();
        let reason = request.telemetry.map(|telemetry| telemetry.reason);
        self.is_at(request.endpoint)
            && same(self.client.as_deref(), &request.client_id)
            && self
                .tenant
                .as_deref()
                .is_none_or(|tenant| request.is_to(tenant))
            && self.grant.is_none_or(|grant| grant == request.grant)
            && self.sku.is_none_or(|sku| sku == request.sku)
            && (self.reason.is_none() || self.reason == reason)
            && (scope.is_none() || request.scopes.iter().any(|found| same(scope, found)))
    }

    fn is_at(&self, endpoint: Endpoint) -> bool {
        let token = Endpoint::Token.as_str();
        let wanted = self.endpoint.as_deref().unwrap_or(token);
        wanted == endpoint.as_str() || (wanted == token && endpoint.gives_tokens())
    }

    /// Whether it makes no condition, so that it can also be about connections, of which nothing
    /// else is known.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is wrong with it, if anything is.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let Some(name) = &self.endpoint else {
            return Ok(());
        };
        let named = |endpoint: &Endpoint| endpoint.as_str() == name;
        let Some(endpoint) = Endpoint::ALL.into_iter().find(named) else {
            return Err(format!(
                "`{name}` is no endpoint; there are {}",
                Endpoint::ALL.map(Endpoint::as_str).join(", ")
            ));
        };
        if endpoint == Endpoint::Other {
            return Err(format!(
                "no rule is asked about requests to `{name}`, such as userinfo and logout"
            ));
        }
        let beyond_path = Self {
            endpoint: None,
            tenant: None,
            ..self.clone()
        };
        if !endpoint.gives_tokens() && !beyond_path.is_empty() {
            return Err(format!("of requests to `{name}` only the tenant is known"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::form::Form;

    fn request() -> RequestContext {
        let request = http::Request::builder()
            .header("x-client-sku", "MSAL.Go")
            .header("x-client-current-telemetry", "5|1004,3,,,|");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let body = b"grant_type=client_credentials&client_id=App&scope=api://x/.default+openid";
        let form = Form::parse(body).unwrap();
        let directory = &crate::Directory::Open;
        RequestContext::of_token_request(directory, "contoso.com", &parts, Some(&form), Uuid::nil())
    }

    #[test]
    fn every_condition_must_hold() {
        for (matcher, fits) in [
            ("{}", true),
            (r#"{"endpoint":"token"}"#, true),
            (r#"{"endpoint":"jwks"}"#, false),
            (r#"{"tenant":"contoso.com"}"#, true),
            (r#"{"tenant":"fabrikam.com"}"#, false),
            (r#"{"client":"app"}"#, true),
            (r#"{"client":"other"}"#, false),
            (r#"{"grant":"client_credentials"}"#, true),
            (r#"{"grant":"refresh_token"}"#, false),
            (r#"{"scope":"openid"}"#, true),
            (r#"{"scope":"API://x/.default"}"#, true),
            (r#"{"scope":"api://y/.default"}"#, false),
            (r#"{"sku":"msal_go"}"#, true),
            (r#"{"sku":"msal_node"}"#, false),
            (r#"{"reason":"expired"}"#, true),
            (r#"{"reason":"no_cached_access_token"}"#, false),
            (r#"{"client":"app","sku":"msal_node"}"#, false),
        ] {
            let matcher: Matcher = serde_json::from_str(matcher).unwrap();
            assert!(matcher.validate().is_ok());
            assert_eq!(matcher.fits(&request()), fits, "{matcher:?}");
        }
    }

    #[test]
    fn machines_are_meant_where_tokens_are_and_may_be_meant_alone() {
        let machine = RequestContext {
            endpoint: Endpoint::ManagedIdentity,
            ..request()
        };
        for (matcher, machines, applications) in [
            ("{}", true, true),
            (r#"{"endpoint":"token"}"#, true, true),
            (r#"{"endpoint":"managed_identity"}"#, true, false),
            (
                r#"{"endpoint":"managed_identity","client":"app"}"#,
                true,
                false,
            ),
            (r#"{"endpoint":"device_code"}"#, false, false),
        ] {
            let matcher: Matcher = serde_json::from_str(matcher).unwrap();
            assert_eq!(matcher.validate(), Ok(()));
            assert_eq!(matcher.fits(&machine), machines, "{matcher:?}");
            assert_eq!(matcher.fits(&request()), applications, "{matcher:?}");
        }
    }

    #[test]
    fn what_can_match_nothing_is_refused() {
        for matcher in [
            r#"{"endpoint":"tokens"}"#,
            r#"{"endpoint":"other"}"#,
            r#"{"endpoint":"jwks","client":"app"}"#,
        ] {
            let matcher: Matcher = serde_json::from_str(matcher).unwrap();
            assert!(matcher.validate().is_err(), "{matcher:?}");
        }
        assert!(serde_json::from_str::<Matcher>(r#"{"tenat":"x"}"#).is_err());
    }
}
