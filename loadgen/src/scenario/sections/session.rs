//! `cache.session`: the limits of a cache that belongs to a user's session.

use std::time::Duration;

use token_cache::policy::L2Write;

use crate::scenario::plan::{CachePlan, ProviderPlan, SessionPlan};
use crate::scenario::reader::{DurationIn, Integer, Table};
use crate::scenario::span::Span;

/// Browsers keep about this many cookies of a site.
const MAX_COOKIES: u64 = 50;

/// The limits, and where those are written that are.
#[derive(Debug, Clone, Copy)]
pub(super) struct SessionDraft {
    pub(super) plan: SessionPlan,
    idle_timeout: Option<Span>,
    cookies: Option<Span>,
}

pub(super) fn session(table: &mut Table<'_>) -> Option<SessionDraft> {
    let idle_timeout: Option<Duration> = table.or(
        "idle_timeout",
        "For `session`: the cache goes when the session was left alone for this long",
        "20m",
        &DurationIn::above_zero(),
    );
    let cookies = table.or(
        "cookies",
        "For `session_cookie`: most cookies, of 4 096 bytes as browsers keep them, that the cache may be cut into",
        "3",
        &Integer {
            min: 1,
            max: MAX_COOKIES,
        },
    );
    let written = |key| table.has(key).then(|| table.key_span(key));
    Some(SessionDraft {
        plan: SessionPlan {
            idle_timeout: idle_timeout?,
            cookies: usize::try_from(cookies?).ok()?,
        },
        idle_timeout: written("idle_timeout"),
        cookies: written("cookies"),
    })
}

/// What of `cache`, whose table this is, does not go with where its sessions are.
pub(super) fn check(cache: &CachePlan, draft: SessionDraft, table: &mut Table<'_>) {
    let mut say = |span, message: &str, hint: &str| {
        table.problems().add_with_hint(span, message, hint);
    };
    if let Some(span) = draft.idle_timeout
        && cache.provider != ProviderPlan::Session
    {
        say(
            span,
            "only sessions that the server keeps have an idle timeout",
            "write `provider: session`, or leave `idle_timeout` out",
        );
    }
    if let Some(span) = draft.cookies
        && cache.provider != ProviderPlan::SessionCookie
    {
        say(
            span,
            "only sessions that the browser keeps are in cookies",
            "write `provider: session_cookie`, or leave `cookies` out",
        );
    }
    if !cache.is_by_session() {
        return;
    }
    if table.has("l1") && cache.l1.is_some() {
        let span = table.key_span("l1");
        table.problems().add_with_hint(
            span,
            "each request reads its session's cache anew: there is no L1",
            "leave `l1` out",
        );
    }
    if cache.provider == ProviderPlan::SessionCookie {
        in_cookies(cache, table);
    } else if cache
        .l2
        .as_ref()
        .is_some_and(|l2| l2.sliding_expiration.is_some())
    {
        let span = table.value_span("l2");
        table.problems().add_with_hint(
            span,
            "a session's entries go by its idle timeout",
            "write `session: { idle_timeout: 20m }` in place of `sliding_expiration`",
        );
    }
}

fn in_cookies(cache: &CachePlan, table: &mut Table<'_>) {
    let refused = [
        (
            "l2",
            cache.l2.is_some(),
            "the browser keeps the cache: there is no L2",
            "leave `l2` out, or write `provider: session`",
        ),
        (
            "encryption",
            cache.encryption,
            "cookies are encrypted as they are",
            "leave `encryption` out",
        ),
        (
            "policy",
            cache.policy.l2_write == L2Write::Detached,
            "a response sets its cookies when it is sent: what is written after it is lost",
            "leave `l2_write` out, or write `provider: session`",
        ),
    ];
    for (key, is_so, message, hint) in refused {
        if is_so {
            let span = table.value_span(key);
            table.problems().add_with_hint(span, message, hint);
        }
    }
}
