//! The parameters of a form body or a query string, read strictly.

use std::fmt;

use crate::error::{Aadsts, Refusal};

/// More parameters than any client sends.
const MOST_PARAMETERS: usize = 128;

/// The parameters of one request, each at most once. Values may be secrets, so `Debug` shows the
/// names only.
#[derive(Clone, Default)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads `application/x-www-form-urlencoded` text.
    ///
    /// # Errors
    ///
    /// Broken percent escapes, text that is not UTF-8, control characters, a parameter given
    /// twice, and more parameters than any client sends.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Refusal> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for pair in text
            .split(|&byte| byte == b'&')
            .filter(|pair| !pair.is_empty())
        {
            let mut halves = pair.splitn(2, |&byte| byte == b'=');
            let name = decode(halves.next().unwrap_or_default())?;
            let value = decode(halves.next().unwrap_or_default())?;
            if parameters.iter().any(|(known, _)| *known == name) {
                return Err(Refusal::new(Aadsts::DuplicateParameter, &[&name]));
            }
            if parameters.len() == MOST_PARAMETERS {
                return Err(Refusal::new(Aadsts::Malformed, &["too many parameters"]));
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// The value of a parameter; an empty one counts as absent, as it does at Entra.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.get_even_empty(name).filter(|value| !value.is_empty())
    }

    /// The value of a parameter, empty or not.
    pub(crate) fn get_even_empty(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The parameters as form-encoded text again.
    pub(crate) fn to_text(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.0)
            .finish()
    }

    /// The value of a parameter that must be there.
    ///
    /// # Errors
    ///
    /// AADSTS900144 when it is absent or empty.
    pub(crate) fn require(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name)
            .ok_or_else(|| Refusal::new(Aadsts::MissingParameter, &[name]))
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

/// Undoes the form encoding of one name or value.
fn decode(text: &[u8]) -> Result<String, Refusal> {
    let malformed = |what: &str| Refusal::new(Aadsts::Malformed, &[what]);
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (hex(rest.next()), hex(rest.next()));
                let escaped = high.zip(low).map(|(high, low)| high << 4 | low);
                escaped.ok_or_else(|| malformed("a percent escape is broken"))?
            }
            other => other,
        });
    }
    let decoded =
        String::from_utf8(decoded).map_err(|_| malformed("a parameter is not UTF-8 text"))?;
    if decoded
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    {
        return Err(malformed("a parameter holds control characters"));
    }
    Ok(decoded)
}

fn hex(digit: Option<&u8>) -> Option<u8> {
    char::from(*digit?)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read() {
        let form = Form::parse(b"a=1&b=x+y%2Fz&&c&d=e==&%66=%C3%A9").unwrap();
        for (name, value) in [
            ("a", "1"),
            ("b", "x y/z"),
            ("c", ""),
            ("d", "e=="),
            ("f", "\u{e9}"),
        ] {
            assert_eq!(form.get_even_empty(name), Some(value), "{name}");
        }
        assert_eq!(form.get("c"), None);
        assert_eq!(form.get("absent"), None);
        assert_eq!(Form::parse(b"").unwrap().get("a"), None);
    }

    #[test]
    fn broken_forms_are_refused() {
        let many = (0..200)
            .map(|n| format!("p{n}=1"))
            .collect::<Vec<_>>()
            .join("&");
        for (text, code) in [
            (&b"a=%zz"[..], 9_002_313),
            (b"a=%4", 9_002_313),
            (b"a=%ff", 9_002_313),
            (b"a=\xff\xfe", 9_002_313),
            (b"a=%00", 9_002_313),
            (b"a=1&a=2", 9_000_411),
            (many.as_bytes(), 9_002_313),
        ] {
            let refusal = Form::parse(text).unwrap_err();
            assert_eq!(refusal.number(), code, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn debug_shows_no_values() {
        let form = Form::parse(b"client_secret=hunter2").unwrap();
        assert_eq!(format!("{form:?}"), r#"["client_secret"]"#);
    }
}
