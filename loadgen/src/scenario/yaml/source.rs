//! From the parser's places, in characters, to ours.

use saphyr_parser::{Marker, ScalarStyle, Span as ParserSpan};

use super::tree::{Node, Scalar, Value};
use crate::scenario::span::{Origin, Span, to_u32};

/// The text and a cursor into it: spans come in reading order, nearly, and
/// count characters, not bytes.
pub(super) struct Source<'text> {
    pub(super) text: &'text str,
    pub(super) origin: Origin,
    /// Characters before the text on its first line.
    pub(super) shift: usize,
    lines: usize,
    /// A character index and the byte it begins at.
    index: usize,
    byte: usize,
}

impl<'text> Source<'text> {
    pub(super) fn new(text: &'text str, origin: Origin, shift: usize) -> Self {
        Self {
            text,
            origin,
            shift,
            lines: text.lines().count().max(1),
            index: 0,
            byte: 0,
        }
    }

    /// A parser's place. One past the last line, where it notices that
    /// something is never closed, is the end of the last line.
    pub(super) fn point(&self, marker: Marker) -> Span {
        let (line, column) = match marker.line().max(1) {
            line if line > self.lines => (
                self.lines,
                self.text
                    .lines()
                    .last()
                    .map_or(0, |line| line.chars().count()),
            ),
            line => (line, marker.col()),
        };
        let shift = if line == 1 { self.shift } else { 0 };
        Span {
            origin: self.origin,
            line: to_u32(line),
            column: to_u32(column + shift + 1),
            length: 1,
        }
    }

    /// A scalar and where its own text stands: the parser's span begins at an
    /// anchor or a tag before it.
    pub(super) fn scalar(&mut self, text: String, style: ScalarStyle, span: ParserSpan) -> Node {
        let quotes = match style {
            ScalarStyle::Plain => Some(0),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Some(1),
            ScalarStyle::Literal | ScalarStyle::Folded => None,
        };
        let place = self.point(span.start);
        let on_one_line = span.start.line() == span.end.line();
        let found = quotes.filter(|_| on_one_line).and_then(|quotes| {
            let written = self.slice(span);
            let inner = written.get(..written.len().checked_sub(quotes)?)?;
            let before = &inner[..inner.rfind(&text)?];
            Some((before.chars().count().checked_sub(quotes)?, quotes))
        });
        let (place, verbatim_at) = match found {
            Some((before, quotes)) => (
                place.part(before, text.chars().count() + 2 * quotes),
                Some(quotes),
            ),
            None if on_one_line => (place.part(0, span.len()), None),
            None => (place, None),
        };
        let scalar = Scalar {
            text,
            quoted: style != ScalarStyle::Plain,
            verbatim_at,
        };
        Node {
            value: Value::Scalar(scalar),
            span: place,
        }
    }

    fn slice(&mut self, span: ParserSpan) -> &str {
        let start = self.byte_of(span.start.index());
        let end = self.byte_of(span.end.index());
        &self.text[start..end]
    }

    /// The byte at which a character begins.
    fn byte_of(&mut self, index: usize) -> usize {
        if index < self.index {
            (self.index, self.byte) = (0, 0);
        }
        let rest = &self.text[self.byte..];
        self.byte += rest
            .char_indices()
            .nth(index - self.index)
            .map_or(rest.len(), |(byte, _)| byte);
        self.index = index;
        self.byte
    }
}
