//! A place in a threshold's text, in characters.

use std::ops::Range;

use super::ThresholdError;

/// The characters of a text and how far they have been read.
pub(super) struct Cursor {
    characters: Vec<char>,
    at: usize,
}

/// A part of the text and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) range: Range<usize>,
}

impl Piece {
    /// An error about this part.
    pub(super) fn error(
        &self,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> ThresholdError {
        ThresholdError {
            offset: self.range.start,
            length: self.range.len().max(1),
            message: message.into(),
            hint: hint.into(),
        }
    }
}

impl Cursor {
    pub(super) fn new(text: &str) -> Self {
        Self {
            characters: text.chars().collect(),
            at: 0,
        }
    }

    /// The word at this place, spaces before it skipped; empty if there is none.
    pub(super) fn word(&mut self) -> Piece {
        self.take_while(|character| character.is_alphanumeric() || character == '_')
    }

    /// Everything from here on, without spaces around it.
    pub(super) fn rest(&mut self) -> Piece {
        let mut piece = self.take_while(|_| true);
        let trimmed = piece.text.trim_end();
        piece.range.end = piece.range.start + trimmed.chars().count();
        piece.text.truncate(trimmed.len());
        piece
    }

    /// Steps over `expected` if it comes next, spaces before it skipped.
    pub(super) fn eat(&mut self, expected: &str) -> bool {
        self.skip_spaces();
        let next = self.characters[self.at..]
            .iter()
            .copied()
            .take(expected.chars().count());
        let comes = next.eq(expected.chars());
        if comes {
            self.at += expected.chars().count();
        }
        comes
    }

    /// The next character that is not a space, or an empty piece at the end.
    pub(super) fn peek(&mut self) -> Piece {
        self.skip_spaces();
        let text: String = self.characters.get(self.at).into_iter().collect();
        let length = text.chars().count();
        Piece {
            text,
            range: self.at..self.at + length,
        }
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> Piece {
        self.skip_spaces();
        let start = self.at;
        let text: String = self.characters[start..]
            .iter()
            .copied()
            .take_while(|character| wanted(*character))
            .collect();
        self.at = start + text.chars().count();
        Piece {
            text,
            range: start..self.at,
        }
    }

    fn skip_spaces(&mut self) {
        while self
            .characters
            .get(self.at)
            .is_some_and(|character| character.is_whitespace())
        {
            self.at += 1;
        }
    }
}
