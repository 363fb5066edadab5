//! What follows a threshold's subject: the limit, a tolerance, and the clauses
//! that narrow it down.

use std::time::Duration;

use super::cursor::Piece;
use super::parse::{Parts, Sign};
use super::{Context, Limit, Operator, ThresholdError, Tolerance};
use crate::gate::metric::{Metric, Unit};
use crate::gate::subject::{Start, Subject, Window};
use crate::gate::theory;
use crate::scenario::problem::quoted;
use crate::scenario::units::{Bytes, Rate, Share, parse_duration};

/// The operator and the limit, which the metric can both keep and break.
pub(super) fn condition(
    metric: &'static Metric,
    parts: &Parts,
    context: &Context,
) -> Result<(Operator, Limit), ThresholdError> {
    let limit = limit(metric, &parts.limit, context)?;
    let operator = match (parts.operator, &parts.tolerance) {
        (Sign::Comparison(operator), _) => operator,
        (Sign::Within, Some(tolerance)) => {
            Operator::Within(self::tolerance(metric, limit, tolerance)?)
        }
        (Sign::Within, None) => {
            return Err(parts.operator_piece.error(
                "`within` needs a tolerance",
                "write `+- 1%` behind the limit",
            ));
        }
    };
    if let Limit::Number(number) = limit {
        can_decide(metric.unit, parts, operator, number)?;
    }
    Ok((operator, limit))
}

fn limit(
    metric: &'static Metric,
    piece: &Piece,
    context: &Context,
) -> Result<Limit, ThresholdError> {
    let Some(rest) = piece.text.strip_prefix("theory") else {
        return quantity(metric.unit, piece).map(Limit::Number);
    };
    if !theory::predicts(metric) {
        return Err(piece.error(
            format!("no theory predicts `{}`", metric.name),
            format!("`theory` stands for {}", theory::predicted_metrics()),
        ));
    }
    if context.is_by_session == Some(true) {
        return Err(piece.error(
            "no theory predicts a run in which each session has a cache of its own",
            "write a number for a limit",
        ));
    }
    let factor = match rest.trim() {
        "" => 1.0,
        rest => rest
            .strip_prefix('*')
            .and_then(|number| plain_number(number.trim()))
            .filter(|factor| *factor > 0.0)
            .ok_or_else(|| {
                piece.error(
                    format!("{} is not a limit", quoted(&piece.text)),
                    "write `theory` or `theory * 1.01`",
                )
            })?,
    };
    Ok(Limit::Theory { factor })
}

fn tolerance(
    metric: &'static Metric,
    limit: Limit,
    piece: &Piece,
) -> Result<Tolerance, ThresholdError> {
    let Some(errors) = piece.text.strip_suffix("se") else {
        return quantity(metric.unit, piece).map(Tolerance::Absolute);
    };
    if matches!(limit, Limit::Number(_)) {
        return Err(piece.error(
            "only a prediction has standard errors",
            "write `within theory +- 4se`, or a tolerance in the metric's unit",
        ));
    }
    plain_number(errors.trim())
        .filter(|errors| *errors > 0.0)
        .map(Tolerance::StandardErrors)
        .ok_or_else(|| {
            piece.error(
                format!("{} is not a tolerance", quoted(&piece.text)),
                "write `4se`",
            )
        })
}

/// What the clauses say.
#[derive(Debug, Default)]
pub(super) struct Clauses {
    pub(super) window: Window,
    pub(super) min_samples: Option<u64>,
    pub(super) abort_on_fail: Option<Duration>,
}

pub(super) fn clauses(
    subject: &Subject,
    limit: Limit,
    parts: &Parts,
) -> Result<Clauses, ThresholdError> {
    let mut read = Clauses::default();
    for (name, value) in &parts.clauses {
        match name.text.as_str() {
            "min_samples" => {
                let least = value.text.parse().ok().filter(|least| *least > 0);
                read.min_samples = Some(least.ok_or_else(|| {
                    value.error(
                        format!("{} is not a number of samples", quoted(&value.text)),
                        "write a whole number, one or more",
                    )
                })?);
            }
            "after" if value.text == "warmup" => read.window.from = Start::Warmup,
            "after" => read.window.from = Start::At(duration(value)?),
            "abort_on_fail" => read.abort_on_fail = Some(duration(value)?),
            _ => read.window.until = Some(duration(value)?),
        }
    }
    let placed = |clause: &str| parts.clauses.iter().find(|(name, _)| name.text == clause);
    let windowed = placed("after").or_else(|| placed("until"));
    if let Some((clause, _)) = windowed
        && !subject.is_kept_over_time()
    {
        return Err(clause.error(
            format!("`{subject}` is not kept over time"),
            "a window takes `hit_ratio`, `errors`, `acquire` and their like, of all flows together",
        ));
    }
    if let (Start::At(from), Some(until)) = (read.window.from, read.window.until)
        && let Some((_, value)) = placed("until")
        && until <= from
    {
        return Err(value.error(
            "the window ends before it begins",
            "write a later time behind `until`",
        ));
    }
    if let Some((clause, _)) = placed("abort_on_fail") {
        is_known_as_the_run_goes(subject, limit, windowed.is_some(), clause)?;
    }
    Ok(read)
}

/// A threshold that could end a run is judged while it goes on, by what is known
/// then.
fn is_known_as_the_run_goes(
    subject: &Subject,
    limit: Limit,
    is_windowed: bool,
    clause: &Piece,
) -> Result<(), ThresholdError> {
    let (what, hint) = if !subject.metric.is_known_as_the_run_goes() {
        (
            format!("`{}` is known at the end of a run", subject.metric.name),
            "a run can be ended by `errors`, `hit_ratio`, `acquire`, `response`, `wrong_token` and their like",
        )
    } else if matches!(limit, Limit::Theory { .. }) {
        (
            "theory speaks of whole runs".to_owned(),
            "write a number for a limit",
        )
    } else if is_windowed {
        (
            "a window is judged when it is over".to_owned(),
            "leave `after` and `until` out: `abort_on_fail 30s` is looked at from then on",
        )
    } else {
        return Ok(());
    };
    Err(clause.error(what, hint))
}

fn duration(value: &Piece) -> Result<Duration, ThresholdError> {
    parse_duration(&value.text).map_err(|error| value.error(error.message, error.hint))
}

/// Digits and a point: no sign, no exponent, no `NaN`.
fn plain_number(text: &str) -> Option<f64> {
    let plain = !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse::<f64>()
        .ok()
        .filter(|number| plain && number.is_finite())
}

/// A quantity in the metric's unit.
fn quantity(unit: Unit, limit: &Piece) -> Result<f64, ThresholdError> {
    let text = limit.text.as_str();
    let from_unit =
        |error: crate::scenario::units::UnitError| limit.error(error.message, error.hint);
    match unit {
        Unit::Share => text.parse::<Share>().map(Share::get).map_err(from_unit),
        Unit::Bytes => text
            .parse::<Bytes>()
            .map(|bytes| bytes.get() as f64)
            .map_err(from_unit),
        Unit::Microseconds => parse_duration(text).map(microseconds).map_err(from_unit),
        Unit::Count => plain_number(text).ok_or_else(|| {
            limit.error(format!("{} is not a count", quoted(text)), count_hint(text))
        }),
    }
}

fn count_hint(text: &str) -> &'static str {
    if text.ends_with('%') {
        "write a plain number: a count has no whole to be a share of"
    } else if parse_duration(text).is_ok()
        || text.parse::<Bytes>().is_ok()
        || text.parse::<Rate>().is_ok()
    {
        "write a plain number: a count has no unit"
    } else {
        "write a plain number, zero or more"
    }
}

/// Every metric is zero or more, and a share at most one: a threshold that
/// holds for all of these, or for none, is a slip.
fn can_decide(
    unit: Unit,
    parts: &Parts,
    operator: Operator,
    limit: f64,
) -> Result<(), ThresholdError> {
    let highest = if unit == Unit::Share {
        1.0
    } else {
        f64::INFINITY
    };
    let holds = |measured: f64| operator.holds(measured, limit) == Some(true);
    let decided = match operator {
        Operator::Less | Operator::GreaterOrEqual | Operator::Greater | Operator::LessOrEqual => {
            holds(0.0) == holds(highest)
        }
        Operator::Within(_) => holds(0.0) && holds(highest),
        Operator::Equal | Operator::NotEqual => false,
    };
    if !decided {
        return Ok(());
    }
    let (message, way) = if holds(0.0) {
        ("this always holds", "pass")
    } else {
        ("this can never hold", "fail")
    };
    Err(parts.operator_piece.error(
        message,
        format!(
            "whatever is measured, `{operator} {}` would {way}: choose another limit",
            parts.limit.text
        ),
    ))
}

fn microseconds(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e3
}
