//! `idp`: the identity provider, embedded or running elsewhere.

use std::path::PathBuf;
use std::time::Duration;

use super::latency::latency;
use crate::scenario::plan::{EmbeddedIdpPlan, IdpPlan, LatencyPlan};
use crate::scenario::problem::quoted;
use crate::scenario::reader::{Bad, DurationIn, Table, Text};

/// A token this close to its expiry is not served any more: MSAL's buffer.
const EXPIRY_BUFFER: Duration = Duration::from_secs(300);

/// The keys that describe an embedded provider.
const EMBEDDED_KEYS: [&str; 3] = ["expires_in", "refresh_in", "latency"];

pub(super) fn idp(table: &mut Table<'_>) -> Option<IdpPlan> {
    let expires_in = table.or(
        "expires_in",
        "Lifetime of access tokens; the cache stops serving one 300 s before it ends",
        "3600s",
        &DurationIn::above_zero(),
    );
    let refresh_in = table.optional(
        "refresh_in",
        "When clients are advised to replace a token behind their callers' backs; less than `expires_in`",
        &DurationIn::above_zero(),
    );
    let token_latency = table.section("latency", "How long each endpoint takes", endpoint_latency);
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
        return external(table, url, ca);
    }
    let expires_in = usable_lifetime(table, expires_in?);
    let refresh_in = refresh_in.ok()?;
    if let Some(advice) = refresh_in {
        check_advice(table, advice, expires_in);
    }
    Some(IdpPlan::Embedded(EmbeddedIdpPlan {
        expires_in: expires_in?,
        refresh_in,
        token_latency: token_latency?,
    }))
}

fn endpoint_latency(table: &mut Table<'_>) -> Option<LatencyPlan> {
    table.or("token", "Latency of the token endpoint", "none", &latency())
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
