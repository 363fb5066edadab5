//! What a request asks for: `OpenID` scopes, and scopes of one resource.

use std::collections::BTreeSet;

use crate::directory::tenant::parse_guid;
use crate::error::{Aadsts, Refusal};

/// The resource that scopes without one belong to.
pub(crate) const GRAPH: &str = "https://graph.microsoft.com";

/// The scope that asks for an ID token.
const OPENID: &str = "openid";

/// The scope that asks for a refresh token.
const OFFLINE_ACCESS: &str = "offline_access";

/// Scopes that are about the user and belong to no resource.
const OPENID_SCOPES: [&str; 4] = [OPENID, "profile", "email", OFFLINE_ACCESS];

/// The scope that stands for everything an application was granted.
pub(crate) const DEFAULT: &str = ".default";

/// What `.default` grants a user here.
const GRANTED_BY_DEFAULT: &str = "access_as_user";

/// The scopes of one request: those about the user, and those of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scopes {
    /// Of [`OPENID_SCOPES`], in that order.
    about_user: Vec<&'static str>,
    resource: String,
    /// Of the resource, each without the resource's identifier.
    names: Vec<String>,
    /// Of the resource, as they were written.
    asked: Vec<String>,
}

impl Scopes {
    /// Reads a `scope` parameter.
    ///
    /// # Errors
    ///
    /// Scopes of several resources, or one that can be no scope.
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        let mut scopes = Self {
            about_user: Vec::new(),
            resource: String::new(),
            names: Vec::new(),
            asked: Vec::new(),
        };
        let mut about_user = [false; OPENID_SCOPES.len()];
        for scope in text.split_whitespace() {
            match OPENID_SCOPES
                .iter()
                .position(|known| known.eq_ignore_ascii_case(scope))
            {
                Some(known) => about_user[known] = true,
                None => scopes.add(scope)?,
            }
        }
        scopes.about_user = std::iter::zip(OPENID_SCOPES, about_user)
            .filter_map(|(scope, asked)| asked.then_some(scope))
            .collect();
        if scopes.names.is_empty() {
            GRAPH.clone_into(&mut scopes.resource);
        }
        Ok(scopes)
    }

    /// The scopes that a v1 request's `resource` stands for.
    pub(crate) fn of_resource(resource: &str, scope: &str) -> Result<Self, Refusal> {
        let mut scopes = Self::parse(scope)?;
        scopes.names.clear();
        scopes.asked.clear();
        scopes.add(&format!("{resource}/{DEFAULT}"))?;
        Ok(scopes)
    }

    fn add(&mut self, scope: &str) -> Result<(), Refusal> {
        let invalid = || Refusal::new(Aadsts::InvalidScope, &[scope]);
        if !scope
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte))
        {
            return Err(invalid());
        }
        let (resource, name) = split(scope).ok_or_else(invalid)?;
        if self.names.is_empty() {
            resource.clone_into(&mut self.resource);
        } else if !resource.eq_ignore_ascii_case(&self.resource) {
            return Err(Aadsts::SeveralResources.into());
        }
        self.names.push(name.to_owned());
        self.asked.push(scope.to_owned());
        Ok(())
    }

    /// Whether an ID token is wanted.
    pub(crate) fn want_id_token(&self) -> bool {
        self.about_user.contains(&OPENID)
    }

    /// Whether a refresh token is wanted.
    pub(crate) fn want_refresh_token(&self) -> bool {
        self.about_user.contains(&OFFLINE_ACCESS)
    }

    /// These and the one that asks for a refresh token.
    pub(crate) fn with_refresh_token(mut self) -> Self {
        if !self.want_refresh_token() {
            self.about_user.push(OFFLINE_ACCESS);
        }
        self
    }

    /// The scopes of the resource, as they were written.
    pub(crate) fn asked(&self) -> &[String] {
        &self.asked
    }

    /// Whether scopes of a resource were asked for, rather than only those about the user.
    pub(crate) fn name_a_resource(&self) -> bool {
        !self.names.is_empty()
    }

    /// These scopes if they can be an application's: one resource's `.default`. `OpenID` scopes
    /// beside it are tolerated, because MSAL Go sends them.
    ///
    /// # Errors
    ///
    /// AADSTS1002012 for anything else.
    pub(crate) fn for_application(self) -> Result<Self, Refusal> {
        match self.names.as_slice() {
            [name] if name.eq_ignore_ascii_case(DEFAULT) => Ok(self),
            _ => {
                let asked = self.asked.first().map_or("openid", String::as_str);
                Err(Refusal::new(Aadsts::ScopeNotDefault, &[asked]))
            }
        }
    }

    /// The resource as it was asked for.
    pub(crate) fn resource(&self) -> &str {
        &self.resource
    }

    /// The `aud` of a token for the resource, if nothing more is known of it: its application id when its identifier holds one,
    /// else the identifier.
    pub(crate) fn audience(&self) -> &str {
        let resource = self.resource.strip_suffix('/').unwrap_or(&self.resource);
        let id = resource.strip_prefix("api://").unwrap_or(resource);
        if parse_guid(id).is_some() {
            id
        } else {
            resource
        }
    }

    /// The `scp` of a user's token.
    pub(crate) fn granted(&self) -> String {
        let mut granted: Vec<&str> = Vec::new();
        for name in &self.names {
            let name = match name.as_str() {
                DEFAULT => GRANTED_BY_DEFAULT,
                name => name,
            };
            if !granted.contains(&name) {
                granted.push(name);
            }
        }
        granted.extend(self.openid_scopes_granted());
        granted.join(" ")
    }

    /// The `scope` of a user's token response: what was asked of the resource, as it was asked.
    /// Only Graph's answers name the `OpenID` scopes; named by any other, they would make MSAL
    /// throw away tokens for other resources.
    pub(crate) fn echoed(&self) -> String {
        let asked = self.asked.iter().map(String::as_str);
        asked
            .chain(self.openid_scopes_granted())
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// All of them as one `scope` parameter.
    pub(crate) fn to_text(&self) -> String {
        let asked = self.asked.iter().map(String::as_str);
        asked
            .chain(self.about_user.iter().copied())
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// What tells one set of scopes from another: order, case and repetition do not.
    pub(crate) fn identity(&self) -> String {
        let names: BTreeSet<_> = self
            .names
            .iter()
            .map(|name| name.to_ascii_lowercase())
            .collect();
        let names: Vec<_> = names.into_iter().collect();
        format!("{} {}", self.resource.to_ascii_lowercase(), names.join(" "))
    }

    /// The `OpenID` scopes that an answer names.
    fn openid_scopes_granted(&self) -> Vec<&'static str> {
        let mut scopes = self.about_user.clone();
        scopes.retain(|scope| self.resource == GRAPH && *scope != OFFLINE_ACCESS);
        scopes
    }
}

/// The resource of a scope and its name there; `None` for what can be no scope.
pub(crate) fn split(scope: &str) -> Option<(&str, &str)> {
    let (resource, name) = scope.rsplit_once('/').unwrap_or((GRAPH, scope));
    // `api://app` alone: the slash before the name is one of the scheme's own.
    let has_no_host = resource.ends_with(":/") || resource.ends_with("://");
    let is_one = !name.is_empty() && !resource.is_empty() && !has_no_host;
    is_one.then_some((resource, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "00000000-0000-0000-0000-000000000042";

    #[test]
    fn scopes_name_a_resource_and_its_audience() {
        for (text, audience, granted, echoed) in [
            (
                "api://app/read openid",
                "api://app",
                "read",
                "api://app/read",
            ),
            (
                "api://app/a/b api://app/a/c",
                "api://app/a",
                "b c",
                "api://app/a/b api://app/a/c",
            ),
            (
                "api://app/.default",
                "api://app",
                "access_as_user",
                "api://app/.default",
            ),
            (
                "api://00000000-0000-0000-0000-000000000042/x",
                GUID,
                "x",
                "api://00000000-0000-0000-0000-000000000042/x",
            ),
            (
                "00000000-0000-0000-0000-000000000042/x",
                GUID,
                "x",
                "00000000-0000-0000-0000-000000000042/x",
            ),
            (
                "https://vault.azure.net//.default",
                "https://vault.azure.net",
                "access_as_user",
                "https://vault.azure.net//.default",
            ),
            (
                "User.Read openid offline_access",
                GRAPH,
                "User.Read openid",
                "User.Read openid",
            ),
            (
                "openid profile offline_access",
                GRAPH,
                "openid profile",
                "openid profile",
            ),
        ] {
            let scopes = Scopes::parse(text).unwrap();
            assert_eq!(scopes.audience(), audience, "{text}");
            assert_eq!(scopes.granted(), granted, "{text}");
            assert_eq!(scopes.echoed(), echoed, "{text}");
        }
    }

    #[test]
    fn scopes_that_make_no_sense_are_refused() {
        for (text, code) in [
            ("api://a/x api://b/x", 700_022),
            ("api://a/x User.Read", 700_022),
            ("api://a/", 70_011),
            ("api://x", 70_011),
            ("a\"b", 70_011),
            ("\u{e9}", 70_011),
        ] {
            assert_eq!(Scopes::parse(text).unwrap_err().number(), code, "{text}");
        }
    }

    #[test]
    fn an_application_asks_for_the_default_scope_of_one_resource() {
        let for_application = |text| Scopes::parse(text).and_then(Scopes::for_application);
        assert!(for_application("api://a/.default").is_ok());
        assert!(for_application("api://a/.default openid offline_access profile").is_ok());
        for text in [
            "api://a/read",
            "openid",
            "",
            "api://a/.default api://a/read",
        ] {
            assert_eq!(
                for_application(text).unwrap_err().number(),
                1_002_012,
                "{text}"
            );
        }
    }

    #[test]
    fn order_case_and_openid_scopes_do_not_make_another_set() {
        let identity = |text| Scopes::parse(text).unwrap().identity();
        assert_eq!(
            identity("api://a/x api://a/y"),
            identity("openid API://A/Y api://a/x")
        );
        assert_ne!(identity("api://a/x"), identity("api://a/y"));
        assert_ne!(identity("api://a/x"), identity("api://b/x"));
    }
}
