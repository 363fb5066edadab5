//! The grammar: text to parts, each with its place. What the parts mean is
//! checked elsewhere.

use super::cursor::{Cursor, Piece};
use super::{Operator, Statistic, ThresholdError};
use crate::scenario::problem::quoted;

const EXAMPLE: &str =
    "write it like `hit_ratio{flow=client_credentials} >= 0.95` or `p99(acquire) < 50ms`";

/// A threshold by its form alone.
#[derive(Debug, PartialEq)]
pub(super) struct Parts {
    pub(super) statistic: Option<(Statistic, Piece)>,
    pub(super) metric: Piece,
    pub(super) labels: Vec<(Piece, Piece)>,
    pub(super) operator: Sign,
    pub(super) operator_piece: Piece,
    pub(super) limit: Piece,
    pub(super) tolerance: Option<Piece>,
    pub(super) clauses: Vec<(Piece, Piece)>,
}

/// An operator by its sign alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Sign {
    Comparison(Operator),
    Within,
}

/// What may follow a limit.
const CLAUSES: [&str; 4] = ["after", "until", "min_samples", "abort_on_fail"];

pub(super) fn parts(text: &str) -> Result<Parts, ThresholdError> {
    let mut cursor = Cursor::new(text);
    let first = word(&mut cursor, "a metric")?;
    let (statistic, metric, labels) = if cursor.eat("(") {
        let statistic = Statistic::ALL
            .into_iter()
            .find(|statistic| statistic.as_str() == first.text)
            .ok_or_else(|| {
                first.error(
                    format!("{} is not a statistic", quoted(&first.text)),
                    "expected `p50`, `p90`, `p99`, `p999`, `max` or `mean`",
                )
            })?;
        let metric = word(&mut cursor, "a metric")?;
        let labels = labels(&mut cursor)?;
        expect(&mut cursor, ")")?;
        (Some((statistic, first)), metric, labels)
    } else {
        let labels = labels(&mut cursor)?;
        (None, first, labels)
    };
    let (operator, operator_piece) = operator(&mut cursor)?;
    let mut limit = cursor.until_word(&CLAUSES);
    if limit.text.is_empty() {
        return Err(limit.error("a limit is missing here", EXAMPLE));
    }
    let tolerance = match operator {
        Sign::Comparison(_) => None,
        Sign::Within => Some(limit.split_off("+-").ok_or_else(|| {
            limit.error(
                "`within` needs a tolerance",
                "write it like `within theory +- 4se` or `within 95% +- 1%`",
            )
        })?),
    };
    Ok(Parts {
        statistic,
        metric,
        labels,
        operator,
        operator_piece,
        limit,
        tolerance,
        clauses: clauses(&mut cursor)?,
    })
}

/// Each clause with its value.
fn clauses(cursor: &mut Cursor) -> Result<Vec<(Piece, Piece)>, ThresholdError> {
    let mut clauses: Vec<(Piece, Piece)> = Vec::new();
    loop {
        let name = cursor.word();
        if name.text.is_empty() {
            return Ok(clauses);
        }
        if clauses.iter().any(|(earlier, _)| earlier.text == name.text) {
            return Err(name.error(
                format!("{} is written twice", quoted(&name.text)),
                "keep one of the two",
            ));
        }
        let value = cursor.until_word(&CLAUSES);
        if value.text.is_empty() {
            return Err(name.error(
                format!("{} needs a value", quoted(&name.text)),
                "write it like `after 30s`, `until 5m`, `min_samples 500` or `abort_on_fail 10s`",
            ));
        }
        clauses.push((name, value));
    }
}

fn labels(cursor: &mut Cursor) -> Result<Vec<(Piece, Piece)>, ThresholdError> {
    let mut labels = Vec::new();
    if !cursor.eat("{") {
        return Ok(labels);
    }
    if cursor.eat("}") {
        return Ok(labels);
    }
    loop {
        let label = word(cursor, "a label")?;
        expect(cursor, "=")?;
        let value = word(cursor, "a label's value")?;
        labels.push((label, value));
        if cursor.eat("}") {
            return Ok(labels);
        }
        if !cursor.eat(",") {
            let found = cursor.peek();
            return Err(found.error(
                format!("expected `,` or `}}`, {}", found_text(&found)),
                EXAMPLE,
            ));
        }
    }
}

fn operator(cursor: &mut Cursor) -> Result<(Sign, Piece), ThresholdError> {
    let place = cursor.peek();
    if place.text == "w" {
        let word = cursor.word();
        return if word.text == "within" {
            Ok((Sign::Within, word))
        } else {
            Err(word.error(
                format!("expected a comparison, found {}", quoted(&word.text)),
                "expected `<`, `<=`, `>`, `>=`, `==`, `!=` or `within`",
            ))
        };
    }
    for operator in Operator::ALL {
        if cursor.eat(operator.as_str()) {
            let range = place.range.start..place.range.start + operator.as_str().len();
            return Ok((
                Sign::Comparison(operator),
                Piece {
                    text: operator.as_str().to_owned(),
                    range,
                },
            ));
        }
    }
    let hint = if place.text == "=" {
        "write `==`"
    } else {
        "expected `<`, `<=`, `>`, `>=`, `==`, `!=` or `within`"
    };
    Err(place.error(
        format!("expected a comparison, {}", found_text(&place)),
        hint,
    ))
}

fn word(cursor: &mut Cursor, wanted: &str) -> Result<Piece, ThresholdError> {
    let word = cursor.word();
    if word.text.is_empty() {
        let found = cursor.peek();
        return Err(found.error(
            format!("expected {wanted}, {}", found_text(&found)),
            EXAMPLE,
        ));
    }
    Ok(word)
}

fn expect(cursor: &mut Cursor, wanted: &str) -> Result<(), ThresholdError> {
    if cursor.eat(wanted) {
        return Ok(());
    }
    let found = cursor.peek();
    Err(found.error(
        format!("expected `{wanted}`, {}", found_text(&found)),
        EXAMPLE,
    ))
}

fn found_text(piece: &Piece) -> String {
    if piece.text.is_empty() {
        "found the end".to_owned()
    } else {
        format!("found {}", quoted(&piece.text))
    }
}
