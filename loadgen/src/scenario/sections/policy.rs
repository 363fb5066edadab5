//! `cache.policy`: single choices of behaviour, in place of the preset's.

use std::time::Duration;

use token_cache::Policy;
use token_cache::policy::{
    Accessor, Caching, ExtendedLifetime, Flight, HttpRetry, Jitter, L1Eviction, L2Conflict,
    L2Failure, L2Guard, L2Touch, L2Write, Plaintext, Refresh, StaleL1, Throttle, Unreadable,
};

use crate::scenario::reader::{Bad, Choice, DurationIn, Integer, ScalarOr, Table, TableOf};

/// The choices written; `None` leaves the preset's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choices {
    caching: Option<Caching>,
    flight: Option<Flight>,
    refresh: Option<bool>,
    refresh_jitter: Option<Jitter>,
    refresh_flight: Option<Flight>,
    extended_lifetime: Option<ExtendedLifetime>,
    l2_touch: Option<L2Touch>,
    stale_l1: Option<StaleL1>,
    l1_eviction: Option<L1Eviction>,
    l2_write: Option<L2Write>,
    l2_conflict: Option<L2Conflict>,
    l2_failure: Option<L2Failure>,
    l2_guard: Option<L2Guard>,
    unreadable: Option<Unreadable>,
    plaintext: Option<Plaintext>,
    accessor: Option<Accessor>,
    throttle: Option<Throttle>,
    http_retry: Option<HttpRetry>,
}

/// Who fetches when several callers need the same.
const FLIGHT: Choice<Flight> = Choice(&[("per_key", Flight::PerKey), ("none", Flight::None)]);

#[expect(
    clippy::too_many_lines,
    reason = "a table of contents: each line is a choice"
)]
pub(super) fn policy(table: &mut Table<'_>) -> Option<Choices> {
    let caching = table.optional(
        "caching",
        "Whether tokens are cached at all",
        &Choice(&[("on", Caching::On), ("disabled", Caching::Disabled)]),
    );
    let flight = table.optional(
        "flight",
        "Whether one of several callers fetches for all, or each for itself",
        &FLIGHT,
    );
    let refresh = table.optional(
        "refresh",
        "Whether a token past `refresh_in` is replaced behind its callers' backs",
        &Choice(&[("background", true), ("off", false)]),
    );
    let refresh_jitter = table.optional(
        "refresh_jitter",
        "Whether the moment of a refresh is drawn once for a token or at each call",
        &Choice(&[
            ("per_token", Jitter::PerToken),
            ("per_call", Jitter::PerCall),
        ]),
    );
    let refresh_flight = table.optional(
        "refresh_flight",
        "Whether one of several callers refreshes for all, or each for itself",
        &FLIGHT,
    );
    let extended_lifetime = table.optional(
        "extended_lifetime",
        "Whether a token may serve up to its extended expiry while the provider is down",
        &Choice(&[
            ("ignored", ExtendedLifetime::Ignored),
            ("honoured", ExtendedLifetime::Honoured),
        ]),
    );
    let l2_touch = table.optional(
        "l2_touch",
        "When a hit in L1 extends the sliding expiration in L2",
        &Choice(&[
            ("always", L2Touch::Always),
            ("only_if_sliding", L2Touch::OnlyIfSliding),
            ("never", L2Touch::Never),
        ]),
    );
    let stale_l1 = table.optional(
        "stale_l1",
        "Whom to ask when L1 knows the partition but has no usable token",
        &Choice(&[
            ("ask_l2", StaleL1::AskL2),
            ("ask_identity_provider", StaleL1::AskIdentityProvider),
        ]),
    );
    let l1_eviction = table.optional(
        "l1_eviction",
        "What a full L1 lets go: what is least useful, or the newcomer as .NET does",
        &Choice(&[
            ("least_useful", L1Eviction::LeastUseful),
            ("reject_new", L1Eviction::RejectNew),
        ]),
    );
    let l2_write = table.optional(
        "l2_write",
        "Whether a caller waits for its token to reach L2",
        &Choice(&[
            ("awaited", L2Write::Awaited),
            ("detached", L2Write::Detached),
        ]),
    );
    let l2_conflict = table.optional(
        "l2_conflict",
        "What happens when two instances change a partition at once",
        &Choice(&[
            ("merge", L2Conflict::Merge),
            ("last_writer_wins", L2Conflict::LastWriterWins),
        ]),
    );
    let l2_failure = table.optional(
        "l2_failure",
        "Whether a failed L2 operation is tried once more",
        &Choice(&[
            ("give_up", L2Failure::GiveUp),
            ("retry_once", L2Failure::RetryOnce),
        ]),
    );
    let l2_guard = table.optional(
        "l2_guard",
        "What keeps a sick L2 from slowing requests down: a time limit with a circuit breaker, or nothing",
        &ScalarOr {
            short: Choice(&[("off", L2Guard::Off)]),
            long: TableOf(guard),
        },
    );
    let unreadable = table.optional(
        "unreadable",
        "What an entry that cannot be decrypted or parsed counts as",
        &Choice(&[("miss", Unreadable::Miss), ("error", Unreadable::Error)]),
    );
    let plaintext = table.optional(
        "plaintext",
        "Whether an entry that is not sealed counts, where entries are",
        &Choice(&[
            ("refused", Plaintext::Refused),
            ("accepted", Plaintext::Accepted),
        ]),
    );
    let accessor = table.optional(
        "accessor",
        "Whether a request keeps what it read to itself, or where all do, as MSAL.NET",
        &Choice(&[
            ("snapshot", Accessor::Snapshot),
            ("shared", Accessor::Shared),
        ]),
    );
    let throttle = table.optional(
        "throttle",
        "Whether `Retry-After` keeps later requests away from the provider",
        &Choice(&[
            ("remembered", Throttle::Remembered),
            ("ignored", Throttle::Ignored),
        ]),
    );
    let http_retry = table.optional(
        "http_retry",
        "Whether a token request that failed on its way is sent again",
        &Choice(&[("as_msal", HttpRetry::AsMsal), ("off", HttpRetry::Off)]),
    );
    if matches!(refresh, Ok(Some(false))) {
        for key in ["refresh_jitter", "refresh_flight"] {
            if table.has(key) {
                let span = table.key_span(key);
                table.problems().add_with_hint(
                    span,
                    format!("`{key}` has no effect where `refresh` is `off`"),
                    "leave one of the two out",
                );
            }
        }
    }
    let read = || -> Result<Choices, Bad> {
        Ok(Choices {
            caching: caching?,
            flight: flight?,
            refresh: refresh?,
            refresh_jitter: refresh_jitter?,
            refresh_flight: refresh_flight?,
            extended_lifetime: extended_lifetime?,
            l2_touch: l2_touch?,
            stale_l1: stale_l1?,
            l1_eviction: l1_eviction?,
            l2_write: l2_write?,
            l2_conflict: l2_conflict?,
            l2_failure: l2_failure?,
            l2_guard: l2_guard?,
            unreadable: unreadable?,
            plaintext: plaintext?,
            accessor: accessor?,
            throttle: throttle?,
            http_retry: http_retry?,
        })
    };
    read().ok()
}

fn guard(table: &mut Table<'_>) -> Option<L2Guard> {
    let timeout = table.or(
        "timeout",
        "How long an L2 operation may take",
        "500ms",
        &DurationIn::above_zero(),
    );
    let failures = table.or(
        "failures",
        "After this many failures in a row L2 is left alone",
        "5",
        &Integer {
            min: 1,
            max: 1_000_000,
        },
    );
    let rest = table.or(
        "rest",
        "For this long; then one operation tries whether it is back",
        "5s",
        &DurationIn::above_zero(),
    );
    let timeout: Duration = timeout?;
    Some(L2Guard::TimeoutAndBreaker {
        timeout,
        failures: u32::try_from(failures?).ok()?,
        rest: rest?,
    })
}

impl Choices {
    /// What is written here, and `preset` for the rest.
    pub(super) fn over(self, preset: Policy) -> Policy {
        Policy {
            caching: self.caching.unwrap_or(preset.caching),
            flight: self.flight.unwrap_or(preset.flight),
            refresh: self.refresh(preset.refresh),
            extended_lifetime: self.extended_lifetime.unwrap_or(preset.extended_lifetime),
            l2_touch: self.l2_touch.unwrap_or(preset.l2_touch),
            stale_l1: self.stale_l1.unwrap_or(preset.stale_l1),
            l1_eviction: self.l1_eviction.unwrap_or(preset.l1_eviction),
            l2_write: self.l2_write.unwrap_or(preset.l2_write),
            l2_conflict: self.l2_conflict.unwrap_or(preset.l2_conflict),
            l2_failure: self.l2_failure.unwrap_or(preset.l2_failure),
            l2_guard: self.l2_guard.unwrap_or(preset.l2_guard),
            unreadable: self.unreadable.unwrap_or(preset.unreadable),
            plaintext: self.plaintext.unwrap_or(preset.plaintext),
            accessor: self.accessor.unwrap_or(preset.accessor),
            throttle: self.throttle.unwrap_or(preset.throttle),
            http_retry: self.http_retry.unwrap_or(preset.http_retry),
        }
    }

    fn refresh(self, preset: Refresh) -> Refresh {
        let (jitter, flight) = match preset {
            Refresh::Background { jitter, flight } => (jitter, flight),
            Refresh::Off => (Jitter::PerToken, Flight::PerKey),
        };
        if self.refresh == Some(false) || (self.refresh.is_none() && preset == Refresh::Off) {
            return Refresh::Off;
        }
        Refresh::Background {
            jitter: self.refresh_jitter.unwrap_or(jitter),
            flight: self.refresh_flight.unwrap_or(flight),
        }
    }
}
