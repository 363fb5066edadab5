//! `cache.policy`: single choices of behaviour, in place of the preset's.

use token_cache::Policy;
use token_cache::policy::{Flight, Jitter, L2Touch, Refresh, StaleL1};

use crate::scenario::reader::{Bad, Choice, Table};

/// The choices written; `None` leaves the preset's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choices {
    flight: Option<Flight>,
    refresh: Option<bool>,
    refresh_jitter: Option<Jitter>,
    refresh_flight: Option<Flight>,
    l2_touch: Option<L2Touch>,
    stale_l1: Option<StaleL1>,
}

/// Who fetches when several callers need the same.
const FLIGHT: Choice<Flight> = Choice(&[("per_key", Flight::PerKey), ("none", Flight::None)]);

pub(super) fn policy(table: &mut Table<'_>) -> Option<Choices> {
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
            flight: flight?,
            refresh: refresh?,
            refresh_jitter: refresh_jitter?,
            refresh_flight: refresh_flight?,
            l2_touch: l2_touch?,
            stale_l1: stale_l1?,
        })
    };
    read().ok()
}

impl Choices {
    /// What is written here, and `preset` for the rest.
    pub(super) fn over(self, preset: Policy) -> Policy {
        Policy {
            flight: self.flight.unwrap_or(preset.flight),
            refresh: self.refresh(preset.refresh),
            l2_touch: self.l2_touch.unwrap_or(preset.l2_touch),
            stale_l1: self.stale_l1.unwrap_or(preset.stale_l1),
            ..preset
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
