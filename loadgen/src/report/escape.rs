//! Names and messages made harmless for each format: what a scenario calls
//! itself is text there and never markup or a command.

use std::fmt::Write as _;

/// For HTML and XML, in text and in attributes. Characters that XML cannot hold
/// become replacement characters.
pub fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            control if control.is_control() => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

/// For running text and table cells of GitHub's Markdown: no markup, no links, no
/// mentions, no new lines.
pub fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' | '<' | '>' | '"' | '\'' | '*' | '_' | '`' | '[' | ']' | '\\' | '~' | '@' | '#'
            | ':' | '|' | '!' | '$' => {
                // Writing to a string does not fail.
                let _ = write!(out, "&#{};", u32::from(character));
            }
            space if space.is_whitespace() || space.is_control() => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

/// For an HTML comment, as a word: other names give other words.
pub fn comment_word(text: &str) -> String {
    let is_plain =
        |character: &char| character.is_ascii_alphanumeric() || "_.".contains(*character);
    let plain: String = text.chars().filter(is_plain).take(60).collect();
    if plain == text {
        return plain;
    }
    // FNV-1a: short, and the same in every version.
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{plain}_{hash:016x}")
}

/// For the message of a GitHub workflow command.
pub fn github_message(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// For a property of a GitHub workflow command.
pub fn github_property(text: &str) -> String {
    github_message(text).replace(':', "%3A").replace(',', "%2C")
}

/// For a field of a CSV file (RFC 4180). A spreadsheet must not take it for a
/// formula.
pub fn csv(text: &str) -> String {
    let formula =
        text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
    let text = if formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains(['"', ',', '\n', '\r']) || text.starts_with('\'') {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

/// For a label's value in `OpenMetrics` text.
pub fn label(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// For a relative reference to a file, as SARIF wants it (RFC 3986).
pub fn uri(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            b'\\' => out.push('/'),
            other => {
                // Writing to a string does not fail.
                let _ = write!(out, "%{other:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const NASTY: &str = "<b>x</b> & \"q\" | *a* _b_ `c` [l](http://e) @me #1\n::error::no%0A\u{1}";

    #[test]
    fn nothing_of_a_nasty_name_is_markup() {
        let escaped = xml(NASTY);
        assert!(
            !escaped.contains(['<', '>', '"', '\n', '\u{1}']),
            "{escaped}"
        );
        let escaped = markdown(NASTY);
        let marks = ['<', '>', '*', '_', '`', '[', '|', '@', ':', '\n', '\u{1}'];
        assert!(!escaped.contains(marks), "{escaped}");
        assert!(!github_message(NASTY).contains('\n'));
        assert!(!github_property(NASTY).contains([':', ',', '\n']));
        assert_eq!(github_message("100%\r\n"), "100%25%0D%0A");
    }

    #[test]
    fn a_comment_s_word_cannot_end_the_comment_and_tells_names_apart() {
        assert_eq!(comment_word("quickstart"), "quickstart");
        let words = ["a-->b", "a->b", "ab", "a b"].map(comment_word);
        for (index, word) in words.iter().enumerate() {
            assert!(!word.contains(['-', '>', ' ']), "{word}");
            assert!(!words[..index].contains(word), "{word}");
        }
    }

    #[test]
    fn fields_of_csv_are_quoted_where_they_must_be() {
        for (text, field) in [
            ("plain", "plain"),
            ("-1.5", "-1.5"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("=cmd()", "\"'=cmd()\""),
        ] {
            assert_eq!(csv(text), field);
        }
    }

    #[test]
    fn a_path_becomes_a_reference() {
        assert_eq!(uri("my scenarios/ä%.yaml"), "my%20scenarios/%C3%A4%25.yaml");
        assert_eq!(label("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }
}
