//! The kinds of single value a field can take.

use std::str::FromStr;
use std::time::Duration;

use super::shape::Shape;
use crate::scenario::problem::{Problems, alternatives, did_you_mean, quoted};
use crate::scenario::span::Span;
use crate::scenario::units::{Bytes, Rate, Share, UnitError, parse_duration, show_duration};
use crate::scenario::yaml::{Node, Scalar, Value};

/// A way to read a value.
pub trait Kind {
    /// What is read.
    type Value;

    /// Reads `node`; `None` when it is bad, with the reason among `problems`.
    fn read(&self, node: &Node, problems: &mut Problems) -> Option<Self::Value>;

    /// What the value may look like.
    fn shape(&self) -> Shape;
}

/// A duration within bounds.
#[derive(Debug, Clone, Copy)]
pub struct DurationIn {
    /// Shortest accepted.
    pub min: Duration,
    /// Longest accepted.
    pub max: Duration,
}

impl DurationIn {
    /// The longest duration a scenario may speak of: a year.
    pub const YEAR: Duration = Duration::from_secs(366 * 86_400);

    /// Any duration up to a year.
    pub fn any() -> Self {
        Self {
            min: Duration::ZERO,
            max: Self::YEAR,
        }
    }

    /// Any duration up to a year but none at all.
    pub fn above_zero() -> Self {
        Self {
            min: Duration::from_nanos(1),
            max: Self::YEAR,
        }
    }
}

impl Kind for DurationIn {
    type Value = Duration;

    fn read(&self, node: &Node, problems: &mut Problems) -> Option<Duration> {
        let text = &scalar(node, &self.shape(), problems)?.text;
        let duration = with_unit_error(parse_duration(text), node.span, problems)?;
        if duration.is_zero() && !self.min.is_zero() {
            problems.add_with_hint(
                node.span,
                format!("{} is no time at all", quoted(text)),
                "write more than zero",
            );
            return None;
        }
        if duration < self.min || duration > self.max {
            problems.add_with_hint(
                node.span,
                format!("{} is out of range", quoted(text)),
                format!(
                    "write `{}` to `{}`",
                    show_duration(self.min),
                    show_duration(self.max)
                ),
            );
            return None;
        }
        Some(duration)
    }

    fn shape(&self) -> Shape {
        Shape::Notation {
            name: "a duration such as `30s`",
            pattern: r"^ *([0-9]+(\.[0-9]+)? *(d|h|m|min|s|ms|us|µs|ns) *)+$",
        }
    }
}

/// A quantity with a unit that must be above zero: [`Rate`] or [`Bytes`].
#[derive(Debug, Clone, Copy)]
pub struct Quantity<T>(std::marker::PhantomData<T>);

/// What the quantities have in common.
trait Measured: FromStr<Err = UnitError> {
    const SHAPE: Shape;
    const ZERO_HINT: &'static str;
    fn is_zero(&self) -> bool;
}

impl Measured for Rate {
    const SHAPE: Shape = Shape::Notation {
        name: "a rate such as `200/s`",
        pattern: r"^ *[0-9]+(\.[0-9]+)? */ *(s|m|min|h) *$",
    };
    const ZERO_HINT: &'static str = "leave the entry out instead";
    fn is_zero(&self) -> bool {
        self.per_second() <= 0.0
    }
}

impl Measured for Bytes {
    const SHAPE: Shape = Shape::Notation {
        name: "a size such as `500MB`",
        pattern: r"^ *[0-9]+(\.[0-9]+)? *([kKMGT]?B|[KMGT]iB) *$",
    };
    const ZERO_HINT: &'static str = "write `none` for the layer instead";
    fn is_zero(&self) -> bool {
        self.get() == 0
    }
}

impl Quantity<Rate> {
    /// A rate above zero.
    pub fn rate() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl Quantity<Bytes> {
    /// A size above zero.
    pub fn bytes() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<T: Measured> Kind for Quantity<T> {
    type Value = T;

    fn read(&self, node: &Node, problems: &mut Problems) -> Option<T> {
        let text = &scalar(node, &T::SHAPE, problems)?.text;
        let value = with_unit_error(text.parse::<T>(), node.span, problems)?;
        if value.is_zero() {
            problems.add_with_hint(
                node.span,
                format!("{} is nothing", quoted(text)),
                T::ZERO_HINT,
            );
            return None;
        }
        Some(value)
    }

    fn shape(&self) -> Shape {
        T::SHAPE
    }
}

/// A rate, zero included.
#[derive(Debug, Clone, Copy)]
pub struct AnyRate;

impl Kind for AnyRate {
    type Value = Rate;

    fn read(&self, node: &Node, problems: &mut Problems) -> Option<Rate> {
        let text = &scalar(node, &self.shape(), problems)?.text;
        with_unit_error(text.parse(), node.span, problems)
    }

    fn shape(&self) -> Shape {
        <Rate as Measured>::SHAPE
    }
}

/// A part of a whole.
#[derive(Debug, Clone, Copy)]
pub struct AnyShare;

impl Kind for AnyShare {
    type Value = Share;

    fn read(&self, node: &Node, problems: &mut Problems) -> Option<Share> {
        let text = &scalar(node, &self.shape(), problems)?.text;
        with_unit_error(text.parse(), node.span, problems)
    }

    fn shape(&self) -> Shape {
        Shape::OneOf(vec![
            Shape::Notation {
                name: "a share such as `5%`",
                pattern: r"^ *[0-9]+(\.[0-9]+)? *%? *$",
            },
            Shape::Fraction,
        ])
    }
}

/// `true` or `false`.
#[derive(Debug, Clone, Copy)]
pub struct Flag;

impl Kind for Flag {
    type Value = bool;

    fn read(&self, node: &Node, problems: &mut Problems) -> Option<bool> {
        let found = scalar(node, &self.shape(), problems)?;
        match found.text.as_str() {
            "true" if !found.quoted => Some(true),
            "false" if !found.quoted => Some(false),
            other => {
                problems.add_with_hint(
                    node.span,
                    format!(
                        "expected `true` or `false`, found {}{}",
                        in_quotes(found),
                        quoted(other)
                    ),
                    "write one of the two, without quotes",
                );
                None
            }
        }
    }

    fn shape(&self) -> Shape {
        Shape::Flag
    }
}

/// A whole number within bounds.
#[derive(Debug, Clone, Copy)]
pub struct Integer {
    /// Smallest accepted.
    pub min: u64,
    /// Largest accepted.
    pub max: u64,
}

impl Kind for Integer {
    type Value = u64;

    fn read(&self, node: &Node, problems: &mut Problems) -> Option<u64> {
        let found = scalar(node, &self.shape(), problems)?;
        let digits = !found.text.is_empty() && found.text.bytes().all(|byte| byte.is_ascii_digit());
        if found.quoted || !digits {
            problems.add_with_hint(
                node.span,
                format!(
                    "expected {}, found {}{}",
                    self.shape().expected(),
                    in_quotes(found),
                    quoted(&found.text)
                ),
                "write digits only",
            );
            return None;
        }
        match found.text.parse::<u64>() {
            Ok(number) if (self.min..=self.max).contains(&number) => Some(number),
            _ => {
                problems.add_with_hint(
                    node.span,
                    format!("{} is out of range", quoted(&found.text)),
                    if self.min == self.max {
                        format!("write {}", self.min)
                    } else {
                        format!("write {} to {}", self.min, self.max)
                    },
                );
                None
            }
        }
    }

    fn shape(&self) -> Shape {
        Shape::Integer {
            min: self.min,
            max: self.max,
        }
    }
}

/// A number above zero.
#[derive(Debug, Clone, Copy)]
pub struct Number {
    /// Largest accepted.
    pub max: f64,
}

impl Kind for Number {
    type Value = f64;

    fn read(&self, node: &Node, problems: &mut Problems) -> Option<f64> {
        let found = scalar(node, &self.shape(), problems)?;
        let decimal = found
            .text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
        match found.text.parse::<f64>() {
            Ok(number) if decimal && !found.quoted && number > 0.0 && number <= self.max => {
                Some(number)
            }
            _ => {
                problems.add(
                    node.span,
                    format!(
                        "expected {}, found {}{}",
                        self.shape().expected(),
                        in_quotes(found),
                        quoted(&found.text)
                    ),
                );
                None
            }
        }
    }

    fn shape(&self) -> Shape {
        Shape::Number { max: self.max }
    }
}

/// Any text but the empty one.
#[derive(Debug, Clone, Copy)]
pub struct Text;

impl Kind for Text {
    type Value = String;

    fn read(&self, node: &Node, problems: &mut Problems) -> Option<String> {
        let found = scalar(node, &Shape::Text, problems)?;
        if found.text.trim().is_empty() {
            problems.add(node.span, "expected a text, found an empty one");
            return None;
        }
        Some(found.text.clone())
    }

    fn shape(&self) -> Shape {
        Shape::Text
    }
}

/// One of a few words, each with what it stands for.
#[derive(Debug, Clone, Copy)]
pub struct Choice<T: 'static>(pub &'static [(&'static str, T)]);

impl<T: Clone> Kind for Choice<T> {
    type Value = T;

    fn read(&self, node: &Node, problems: &mut Problems) -> Option<T> {
        let found = &scalar(node, &self.shape(), problems)?.text;
        if let Some((_, value)) = self.0.iter().find(|(word, _)| word == found) {
            return Some(value.clone());
        }
        let words = || self.0.iter().map(|(word, _)| *word);
        let expected = format!("expected {}", alternatives(words()));
        let hint = match did_you_mean(found, words()) {
            Some(near) => format!("did you mean `{near}`? {expected}"),
            None => expected,
        };
        problems.add_with_hint(
            node.span,
            format!("{} is not accepted here", quoted(found)),
            hint,
        );
        None
    }

    fn shape(&self) -> Shape {
        Shape::Choice(self.0.iter().map(|(word, _)| *word).collect())
    }
}

fn scalar<'a>(node: &'a Node, shape: &Shape, problems: &mut Problems) -> Option<&'a Scalar> {
    if let Value::Scalar(scalar) = &node.value {
        return Some(scalar);
    }
    problems.add(
        node.span,
        format!("expected {}, found {}", shape.expected(), node.describe()),
    );
    None
}

fn with_unit_error<T>(
    read: Result<T, UnitError>,
    span: Span,
    problems: &mut Problems,
) -> Option<T> {
    match read {
        Ok(value) => Some(value),
        Err(error) => {
            problems.add_with_hint(span, error.message, error.hint);
            None
        }
    }
}

fn in_quotes(scalar: &Scalar) -> &'static str {
    if scalar.quoted { "the text " } else { "" }
}
