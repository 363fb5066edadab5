//! One line on why a gate is red: the refresh reason that rose most, or else the
//! number that got worst.

use std::fmt::Write as _;

use super::discordance;
use super::exact::{Beside, Change, Check, relative};
use super::metric::{Metric, Unit};
use crate::report::number::amount;

const REASON: &str = "cache_refresh_reason{reason=";

/// Why `beside` is red; `None` when it is not.
pub fn why(beside: &Beside) -> Option<String> {
    let worst = beside.checks.iter().find(|check| check.change.is_red())?;
    let mut line = match reason(beside) {
        Some(reason) if concerns_hits(worst) => reason,
        _ => number(worst),
    };
    if let Some(found) = &beside.discordance
        && let Some((arrival, became)) = found.first_lost.first()
    {
        let _ = write!(
            line,
            "; first at arrival {arrival} ({})",
            discordance::word(*became)
        );
    }
    Some(line)
}

/// Whether a number moves when tokens come from elsewhere.
fn concerns_hits(check: &Check) -> bool {
    let metric = check.name.split('{').next().unwrap_or_default();
    check.change == Change::Regressed
        && [
            "hit_ratio",
            "token_source",
            "cache_level",
            "cache_refresh_reason",
            "token_requests",
            "idp_calls_per_1k",
        ]
        .contains(&metric)
}

/// The refresh reason, of all flows together, that rose most.
fn reason(beside: &Beside) -> Option<String> {
    let total = |name: &str| {
        let check = beside.checks.iter().find(|check| check.name == name)?;
        check.base.zip(check.head)
    };
    let (before, now) = total("acquisitions")?;
    let (name, base, head) = beside
        .checks
        .iter()
        .filter(|check| check.change == Change::Regressed)
        .filter_map(|check| {
            let value = check.name.strip_prefix(REASON)?.strip_suffix('}')?;
            Some((value, check.base?, check.head?))
        })
        .filter(|(value, ..)| !value.contains(','))
        .max_by(|one, other| (one.2 - one.1).total_cmp(&(other.2 - other.1)))?;
    (before > 0.0 && now > 0.0).then(|| {
        format!(
            "cache_refresh_reason={name} rose {:.2} → {:.2} per 1000 acquisitions",
            base * 1e3 / before,
            head * 1e3 / now
        )
    })
}

fn number(check: &Check) -> String {
    let name = &check.name;
    let shown = |value: f64| {
        let metric = name.split('{').next().and_then(Metric::named);
        amount(metric.map_or(Unit::Count, |metric| metric.unit), value)
    };
    match (check.base, check.head) {
        (Some(base), Some(head)) => {
            let way = if head > base { "rose" } else { "fell" };
            let share = relative(check);
            let share = if share.is_finite() {
                format!(" ({:+.3} %)", share * 100.0).replace(".000 %", " %")
            } else {
                String::new()
            };
            format!("{name} {way} {} → {}{share}", shown(base), shown(head))
        }
        (Some(base), None) => format!("{name} is gone, it was {}", shown(base)),
        (None, Some(head)) => format!(
            "{name} is new, {}: the baseline does not have it",
            shown(head)
        ),
        (None, None) => format!("{name} is gone"),
    }
}
