//! The same request in other words: what callers may write differently without
//! meaning anything else by it.

use std::sync::Arc;

use token_cache::Scopes;

use crate::scenario::plan::Flow;

/// Scopes that ask for an ID token and a refresh token, which user flows ask
/// for anyway.
const OPEN_ID: [&str; 3] = ["openid", "profile", "offline_access"];

/// Tenant and scopes as the caller with this random number writes them: in
/// other case, repeated, in another order, with OpenID Connect's scopes.
pub(super) fn varied(
    draw: u32,
    flow: Flow,
    tenant_id: &Arc<str>,
    scopes: &Scopes,
) -> (Arc<str>, Scopes) {
    let tenant_id = if draw & 1 == 0 || flow.has_user() {
        Arc::clone(tenant_id)
    } else {
        tenant_id.to_ascii_uppercase().into()
    };
    let mut words: Vec<String> = scopes.target().split(' ').map(str::to_owned).collect();
    if draw & 2 != 0 {
        for word in &mut words {
            *word = word.to_ascii_uppercase();
        }
    }
    if draw & 4 != 0 {
        words.extend(words.clone());
    }
    if flow.has_user() {
        let reserved = OPEN_ID.iter().zip(3_u32..);
        let added = reserved.filter(|(_, bit)| draw & (1 << bit) != 0);
        words.extend(added.map(|(word, _)| (*word).to_owned()));
    }
    if draw & 64 != 0 {
        words.reverse();
    }
    (tenant_id, Scopes::parse(&words.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wording_asks_for_the_same() {
        let tenant: Arc<str> = "5f2a".into();
        let scopes = Scopes::parse("api://x/read");
        for draw in 0..128 {
            let (named, asked) = varied(draw, Flow::OnBehalfOf, &tenant, &scopes);
            assert!(named.eq_ignore_ascii_case(&tenant));
            assert!(asked.cover(&scopes), "{draw}: {asked:?}");
            let (_, own) = varied(draw, Flow::ClientCredentials, &tenant, &scopes);
            assert!(own.cover(&scopes) && scopes.cover(&own), "{draw}: {own:?}");
        }
    }
}
