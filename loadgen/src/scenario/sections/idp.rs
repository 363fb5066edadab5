//! `idp`: the identity provider, embedded or running elsewhere.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use super::latency::latency;
use super::throttle::throttle;
use crate::scenario::feature::Feature;
use crate::scenario::plan::{
    ApplicationLifetime, EmbeddedIdpPlan, IdpLatencies, IdpPlan, SigningPlan, UserTokens,
};
use crate::scenario::problem::quoted;
use crate::scenario::reader::{Bad, Choice, DurationIn, Integer, ListOf, Table, TableOf, Text};

/// A token this close to its expiry is not served any more: MSAL's buffer.
const EXPIRY_BUFFER: Duration = Duration::from_secs(300);

/// The keys that describe an embedded provider.
const EMBEDDED_KEYS: [&str; 11] = [
    "signing",
    "token_pool",
    "expires_in",
    "jitter",
    "refresh_in",
    "refresh_tokens",
    "managed_identity",
    "applications",
    "user_tokens",
    "latency",
    "throttles",
];

/// Most throttles, and most lifetimes of their own.
const MAX_ENTRIES: usize = 100;

pub(super) fn idp(table: &mut Table<'_>) -> Option<IdpPlan> {
    let signing = table.or(
        "signing",
        "How tokens are signed: as Entra does, or ten times as fast",
        "rs256",
        &Choice(&[("rs256", SigningPlan::Rs256), ("es256", SigningPlan::Es256)]),
    );
    let token_pool = table.optional(
        "token_pool",
        "In real time, repeat an application's tokens after this many different ones, to be faster than signing is; 16 will do",
        &Integer { min: 1, max: 1024 },
    );
    let expires_in = table.or(
        "expires_in",
        "Lifetime of access tokens; the cache stops serving one 300 s before it ends",
        "3600s",
        &DurationIn::above_zero(),
    );
    let jitter = table.or(
        "jitter",
        "Up to so much longer, drawn for each token; Entra's live 60 to 90 minutes",
        "0s",
        &DurationIn::any(),
    );
    let refresh_in = table.optional(
        "refresh_in",
        "When clients are advised to replace a token behind their callers' backs; less than `expires_in`",
        &DurationIn::above_zero(),
    );
    let refresh_tokens = table.section("refresh_tokens", "Refresh tokens", refresh_tokens);
    let managed_identity_lifetime = table.section(
        "managed_identity",
        "Tokens of managed identities",
        managed_identity,
    );
    let application_lifetimes = table.optional(
        "applications",
        "Lifetimes that differ by application",
        &ListOf {
            item: TableOf(application_lifetime),
            min: 0,
            max: MAX_ENTRIES,
        },
    );
    let user_tokens = user_tokens(table);
    let endpoint_latency = table.section("latency", "How long each endpoint takes", latencies);
    let throttles = table.optional(
        "throttles",
        "How much the token endpoint may be asked for",
        &ListOf {
            item: TableOf(throttle),
            min: 0,
            max: MAX_ENTRIES,
        },
    );
    let url = table.optional(
        "url",
        "A `mock-idp` running elsewhere, `https://host:port`",
        &Text,
    );
    let ca = table.optional(
        "ca",
        "PEM file with the CA of that provider's certificate",
        &Text,
    );
    if table.has("url") || table.has("ca") {
        table.needs(Feature::ExternalProvider, "url");
        return external(table, url, ca);
    }
    needs(table, signing);
    whole_seconds(table, "jitter", jitter?);
    let expires_in = usable_lifetime(table, expires_in?);
    let refresh_in = refresh_in.ok()?;
    if let Some(advice) = refresh_in {
        check_advice(table, advice, expires_in);
    }
    let (refresh_token_lifetime, refresh_tokens_once) = refresh_tokens?;
    Some(IdpPlan::Embedded(Box::new(EmbeddedIdpPlan {
        signing: signing?,
        token_pool: token_pool
            .ok()?
            .and_then(|tokens| usize::try_from(tokens).ok())
            .and_then(NonZeroUsize::new),
        expires_in: expires_in?,
        lifetime_jitter: jitter?,
        refresh_in,
        refresh_token_lifetime,
        refresh_tokens_once,
        managed_identity_lifetime: managed_identity_lifetime?,
        application_lifetimes: application_lifetimes.ok()?.unwrap_or_default(),
        user_tokens: user_tokens?,
        latency: endpoint_latency?,
        throttles: throttles.ok()?.unwrap_or_default(),
    })))
}

/// What of it not every engine has.
fn needs(table: &mut Table<'_>, signing: Option<SigningPlan>) {
    if signing == Some(SigningPlan::Es256) {
        table.needs(Feature::Es256, "signing");
    }
    if table.has("throttles") {
        table.needs(Feature::Throttles, "throttles");
    }
}

/// How long Entra's refresh tokens are good.
const USUAL_REFRESH_TOKEN: Duration = Duration::from_hours(90 * 24);

fn refresh_tokens(table: &mut Table<'_>) -> Option<(Duration, bool)> {
    let lifetime = table.or(
        "lifetime",
        "How long one is good",
        "90d",
        &DurationIn::above_zero(),
    );
    let once = table.or(
        "use",
        "Whether one may be used again after it was replaced; a second use where it may not ends the session",
        "many_times",
        &Choice(&[("many_times", false), ("once", true)]),
    );
    if once == Some(true) {
        table.needs(Feature::RefreshTokenEnd, "use");
    }
    let lifetime = lifetime?;
    if lifetime < USUAL_REFRESH_TOKEN {
        table.needs(Feature::RefreshTokenEnd, "lifetime");
    }
    whole_seconds(table, "lifetime", lifetime);
    Some((lifetime, once?))
}

fn user_tokens(table: &mut Table<'_>) -> Option<UserTokens> {
    let size = table.or(
        "user_tokens",
        "How large users' access tokens are: as usual, with 50 groups (5.4 kB) or 200 (13.2 kB), or with more than fit, so that the token says where to ask for them (3.2 kB)",
        "small",
        &Choice(&[
            ("small", UserTokens::Small),
            ("groups_50", UserTokens::Groups50),
            ("groups_200", UserTokens::Groups200),
            ("overage", UserTokens::Overage),
        ]),
    );
    if size.is_some_and(|size| size != UserTokens::Small) {
        table.needs(Feature::TokenSize, "user_tokens");
    }
    size
}

fn managed_identity(table: &mut Table<'_>) -> Option<Duration> {
    let expires_in = table.or(
        "expires_in",
        "Lifetime of their access tokens",
        "24h",
        &DurationIn::above_zero(),
    );
    usable_lifetime(table, expires_in?)
}

fn application_lifetime(table: &mut Table<'_>) -> Option<ApplicationLifetime> {
    let application = table.required(
        "application",
        "Which application, from 0",
        &Integer {
            min: 0,
            max: u64::from(u32::MAX),
        },
    );
    let expires_in = table.required(
        "expires_in",
        "Lifetime of its access tokens",
        &DurationIn::above_zero(),
    );
    let refresh_in = table.optional(
        "refresh_in",
        "When its clients are advised to replace them; less than `expires_in`",
        &DurationIn::above_zero(),
    );
    let expires_in = usable_lifetime(table, expires_in?);
    let refresh_in = refresh_in.ok()?;
    if let Some(advice) = refresh_in {
        check_advice(table, advice, expires_in);
    }
    Some(ApplicationLifetime {
        application: u32::try_from(application?).ok()?,
        expires_in: expires_in?,
        refresh_in,
    })
}

fn latencies(table: &mut Table<'_>) -> Option<IdpLatencies> {
    let token = table.or("token", "Latency of the token endpoint", "none", &latency());
    let authorize = table.or(
        "authorize",
        "Latency of the authorize endpoint",
        "none",
        &latency(),
    );
    let discovery = table.or(
        "discovery",
        "Latency of the OpenID configuration documents",
        "none",
        &latency(),
    );
    let keys = table.or("keys", "Latency of the signing keys", "none", &latency());
    let instance_discovery = table.or(
        "instance_discovery",
        "Latency of `/common/discovery/instance`",
        "none",
        &latency(),
    );
    Some(IdpLatencies {
        token: token?,
        authorize: authorize?,
        discovery: discovery?,
        keys: keys?,
        instance_discovery: instance_discovery?,
    })
}

fn whole_seconds(table: &mut Table<'_>, key: &str, duration: Duration) {
    if duration.subsec_nanos() != 0 {
        let span = table.value_span(key);
        table.problems().add_with_hint(
            span,
            format!("`{key}` is in whole seconds"),
            format!("write `{}s`", duration.as_secs() + 1),
        );
    }
}

fn usable_lifetime(table: &mut Table<'_>, expires_in: Duration) -> Option<Duration> {
    let span = table.value_span("expires_in");
    if expires_in.subsec_nanos() != 0 {
        table.problems().add_with_hint(
            span,
            "a token's lifetime is in whole seconds",
            format!("write `{}s`", expires_in.as_secs() + 1),
        );
        return None;
    }
    if expires_in <= EXPIRY_BUFFER {
        table.problems().add_with_hint(
            span,
            "no token of this lifetime is ever served from the cache",
            "write more than `300s`: the last five minutes of a token are its expiry buffer",
        );
        return None;
    }
    Some(expires_in)
}

/// Checks that the advice to refresh is one that can be given.
fn check_advice(table: &mut Table<'_>, advice: Duration, expires_in: Option<Duration>) {
    let span = table.value_span("refresh_in");
    if advice.subsec_nanos() != 0 {
        table.problems().add_with_hint(
            span,
            "the advice to refresh is in whole seconds",
            format!("write `{}s`", advice.as_secs() + 1),
        );
    } else if expires_in.is_some_and(|lifetime| advice >= lifetime) {
        table.problems().add_with_hint(
            span,
            "a token would expire before the advice to refresh it comes",
            "write less than `expires_in`, half of it as Entra does",
        );
    }
}

fn external(
    table: &mut Table<'_>,
    url: Result<Option<String>, Bad>,
    ca: Result<Option<String>, Bad>,
) -> Option<IdpPlan> {
    for key in EMBEDDED_KEYS {
        if table.has(key) {
            let span = table.key_span(key);
            table.problems().add_with_hint(
                span,
                format!("`{key}` is for the embedded provider, `url` and `ca` are for one that runs elsewhere"),
                format!("leave `{key}` out and configure that provider, or leave `url` and `ca` out"),
            );
        }
    }
    for (key, other, hint) in [
        ("url", "ca", "write `url: https://127.0.0.1:8443`"),
        (
            "ca",
            "url",
            "write `ca:` with the path that `mock-idp ca` prints",
        ),
    ] {
        if !table.has(key) {
            let span = table.key_span(other);
            table.problems().add_with_hint(
                span,
                format!("`{key}` is missing beside `{other}`"),
                hint,
            );
        }
    }
    let url = url.ok()?.and_then(|url| {
        let checked = base_url(&url);
        if checked.is_none() {
            let span = table.value_span("url");
            table.problems().add_with_hint(
                span,
                format!("{} is not the address of a provider", quoted(&url)),
                "write `https://host:port` and nothing after it",
            );
        }
        checked
    });
    Some(IdpPlan::External {
        url: url?,
        ca: PathBuf::from(ca.ok()??),
    })
}

/// `https://host:port` without a trailing slash.
fn base_url(url: &str) -> Option<String> {
    let uri: http::Uri = url.parse().ok()?;
    let authority = uri.authority()?;
    let bare = uri.path() == "/" && uri.query().is_none() && !url.contains(['#', '@']);
    let named = !authority.host().is_empty();
    (uri.scheme_str() == Some("https") && bare && named).then(|| format!("https://{authority}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_address_of_a_provider_is_taken() {
        let cases = [
            ("https://127.0.0.1:8443", Some("https://127.0.0.1:8443")),
            ("https://localhost/", Some("https://localhost")),
            ("https://[::1]:8443", Some("https://[::1]:8443")),
            ("http://127.0.0.1:8080", None),
            ("https://a/b", None),
            ("https://a/?b", None),
            ("https://a/#b", None),
            ("https://user:secret@a", None),
            ("127.0.0.1:8443", None),
            ("https://", None),
            ("", None),
        ];
        for (url, expected) in cases {
            assert_eq!(base_url(url).as_deref(), expected, "{url}");
        }
    }
}
