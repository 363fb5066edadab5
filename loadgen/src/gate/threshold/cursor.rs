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

impl Piece {
    /// Cuts this part at the first `at`, and returns what stands behind it.
    pub(super) fn split_off(&mut self, at: &str) -> Option<Self> {
        let (before, after) = self.text.split_once(at)?;
        let spaces = after.len() - after.trim_start().len();
        let begin = self.range.start + before.chars().count() + at.chars().count() + spaces;
        let rest = Self {
            text: after.trim_start().to_owned(),
            range: begin..self.range.end,
        };
        let kept = before.len();
        self.text.truncate(kept);
        self.trim_end();
        Some(rest)
    }

    fn trim_end(&mut self) {
        let trimmed = self.text.trim_end().len();
        self.text.truncate(trimmed);
        self.range.end = self.range.start + self.text.chars().count();
    }
}

fn is_of_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
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
        self.take_while(is_of_word)
    }

    /// Everything from here to the first of these words, or to the end, without
    /// spaces around it.
    pub(super) fn until_word(&mut self, words: &[&str]) -> Piece {
        self.skip_spaces();
        let start = self.at;
        while self.at < self.characters.len() {
            let before = self.at.checked_sub(1).map(|index| self.characters[index]);
            let begins_word = before.is_none_or(|character| !is_of_word(character));
            let length = self.characters[self.at..]
                .iter()
                .take_while(|character| is_of_word(**character))
                .count();
            let next = &self.characters[self.at..self.at + length];
            if begins_word
                && words
                    .iter()
                    .any(|word| word.chars().eq(next.iter().copied()))
            {
                break;
            }
            self.at += 1;
        }
        let mut piece = Piece {
            text: self.characters[start..self.at].iter().collect(),
            range: start..self.at,
        };
        piece.trim_end();
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
