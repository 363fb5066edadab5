//! Where something was written, so that every problem can point at it.

/// The text a place lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// The scenario file.
    File,
    /// The file with this index among those the scenario extends.
    Base(usize),
    /// The override with this index on the command line.
    Override(usize),
}

/// A stretch of one line. The order is the order of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Which text.
    pub origin: Origin,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Characters covered, at least 1.
    pub length: u32,
}

impl Span {
    /// The very beginning of a text.
    pub fn start_of(origin: Origin) -> Self {
        Self {
            origin,
            line: 1,
            column: 1,
            length: 1,
        }
    }

    /// The part of this span that starts `offset` characters in.
    #[must_use]
    pub fn part(self, offset: usize, length: usize) -> Self {
        Self {
            column: self.column.saturating_add(to_u32(offset)),
            length: to_u32(length).max(1),
            ..self
        }
    }
}

/// `count` as `u32`; the largest one when it does not fit, which no bounded
/// scenario text reaches.
pub(crate) fn to_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
