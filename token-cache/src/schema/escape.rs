//! The two ways in which MSAL.NET's builds escape strings. Readers accept both;
//! a size limit in bytes feels the difference.

use std::io;

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter};

/// How strings are escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Escaping {
    /// As System.Text.Json, in MSAL.NET's .NET 8 build: quotes, `& ' + < >`,
    /// the backtick and all that is not ASCII as `\uXXXX`.
    #[default]
    SystemTextJson,
    /// As Newtonsoft.Json, in its .NET Standard build: only what JSON demands.
    Newtonsoft,
}

impl Escaping {
    /// `value` as compact JSON.
    pub(super) fn to_json<T: Serialize>(self, value: &T, capacity: usize) -> Vec<u8> {
        let mut json = Vec::with_capacity(capacity);
        // Strings under string keys always have a JSON form, and a vector
        // takes all that is written.
        let written = match self {
            Self::SystemTextJson => value.serialize(&mut serde_json::Serializer::with_formatter(
                &mut json, Cautious,
            )),
            Self::Newtonsoft => value.serialize(&mut serde_json::Serializer::new(&mut json)),
        };
        if written.is_err() {
            json.clear();
        }
        json
    }
}

/// System.Text.Json's default encoder.
struct Cautious;

impl Formatter for Cautious {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = first_special(rest.as_bytes()) {
            let (plain, special) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut chars = special.chars();
            for unit in chars.next().unwrap_or_default().encode_utf16(&mut [0; 2]) {
                writer.write_all(&escaped(*unit))?;
            }
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        match escape {
            CharEscape::Quote => writer.write_all(b"\\u0022"),
            CharEscape::AsciiControl(byte) => writer.write_all(&escaped(u16::from(byte))),
            CharEscape::ReverseSolidus => writer.write_all(b"\\\\"),
            CharEscape::Solidus => writer.write_all(b"/"),
            CharEscape::Backspace => writer.write_all(b"\\b"),
            CharEscape::FormFeed => writer.write_all(b"\\f"),
            CharEscape::LineFeed => writer.write_all(b"\\n"),
            CharEscape::CarriageReturn => writer.write_all(b"\\r"),
            CharEscape::Tab => writer.write_all(b"\\t"),
        }
    }
}

/// What System.Text.Json escapes of ASCII, and JSON need not.
const SPECIAL: [u8; 7] = *b"&'+<>`\x7f";

/// So many bytes are looked at in one step: the compiler makes a few vector
/// instructions of it, as long as nothing in it is a branch.
const STEP: usize = 32;

/// Where the first byte is that System.Text.Json escapes and JSON need not. The
/// head of a character that is not ASCII is one, so this never splits any.
fn first_special(bytes: &[u8]) -> Option<usize> {
    let (steps, _) = bytes.as_chunks::<STEP>();
    // Tokens are long and seldom have any: whole steps are passed over at once.
    let clean = steps
        .iter()
        .take_while(|step| step.iter().fold(0, |any, &byte| any | special(byte)) == 0);
    let passed = STEP * clean.count();
    let at = bytes[passed..]
        .iter()
        .position(|&byte| special(byte) == 1)?;
    Some(passed + at)
}

/// 1 for a byte that is special, else 0.
fn special(byte: u8) -> u8 {
    let is_not_ascii = byte >> 7;
    SPECIAL.iter().fold(is_not_ascii, |any, &special| {
        any | u8::from(byte == special)
    })
}

/// `\uXXXX`, in upper case.
fn escaped(unit: u16) -> [u8; 6] {
    let digit = |shift: u16| b"0123456789ABCDEF"[usize::from((unit >> shift) & 15)];
    [b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_special_byte_is_found_wherever_it_stands() {
        for length in 0..100 {
            let clean = "x".repeat(length);
            assert_eq!(first_special(clean.as_bytes()), None);
            for at in 0..length {
                for special in [b'&', b'\'', b'+', b'<', b'>', b'`', 0x7f, 0x80, 0xff] {
                    let mut bytes = clean.clone().into_bytes();
                    bytes[at] = special;
                    assert_eq!(first_special(&bytes), Some(at), "{special} in {length}");
                }
            }
        }
        assert_eq!(first_special(b"azAZ09-_.~/=\"\\ \n"), None);
    }
}
