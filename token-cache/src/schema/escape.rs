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
        while let Some(at) = rest.find(|c: char| !c.is_ascii() || "&'+<>`\u{7f}".contains(c)) {
            let (plain, special) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut chars = special.chars();
            for unit in chars.next().unwrap_or_default().encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04X}")?;
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
            CharEscape::AsciiControl(byte) => write!(writer, "\\u{byte:04X}"),
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
