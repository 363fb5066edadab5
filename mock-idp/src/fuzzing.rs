//! The parsers of what comes from outside, for fuzzers: each takes any bytes and must neither
//! panic nor contradict itself. `scripts/fuzz` runs them under libFuzzer, and the tests here on
//! random input at every run.

use std::path::Path;

use crate::config::Config;
use crate::directory::assertion::Assertion;
use crate::directory::closed::ClosedDirectory;
use crate::form::Form;

/// The type that client assertions come with.
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A form body or a query. What was read is read again when it is written down.
///
/// # Panics
///
/// When it is not.
pub fn form(bytes: &[u8]) {
    if let Ok(form) = Form::parse(bytes) {
        let text = form.to_text();
        let again = Form::parse(text.as_bytes()).map(|form| form.to_text());
        assert_eq!(again.ok().as_ref(), Some(&text), "{text}");
    }
}

/// A client assertion. Printing it shows nothing of it.
///
/// # Panics
///
/// When it does.
pub fn assertion(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(assertion) = Assertion::read(&text, ASSERTION) {
        let shown = format!("{assertion:?}");
        let signature = text.rsplit('.').next().unwrap_or_default();
        assert!(signature.len() < 8 || !shown.contains(signature), "{shown}");
    }
}

/// A configuration file. What was read makes sense.
///
/// # Panics
///
/// When it does not.
pub fn config(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    // Certificates that it names by path are looked for where there is nothing.
    let nowhere = Path::new("/nonexistent");
    match Config::default().with_text(&text, nowhere) {
        Ok(config) => assert!(config.check().is_ok(), "{text}"),
        Err(error) => drop(error.to_string()),
    }
}

/// A directory file.
pub fn directory(bytes: &[u8]) {
    if let Ok(directory) = ClosedDirectory::parse(&String::from_utf8_lossy(bytes)) {
        drop(directory.to_string());
    }
}

/// A request for a tunnel. Whoever is let in named one of Entra's hosts.
///
/// # Panics
///
/// When somebody is let in who did not.
pub fn tunnel(bytes: &[u8]) {
    if crate::proxy::leads_to_entra(bytes) {
        let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
        let target = text.split(' ').nth(1).unwrap_or_default();
        let host = target.strip_suffix(":443").unwrap_or_default();
        assert!(crate::hosts::is_microsofts(host), "{text}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes made of pieces that mean something to the parser and of others.
    fn pieces(known: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => prop::sample::select(known).prop_map(|text| text.as_bytes().to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..12),
            1 => "[ -~]{0,12}".prop_map(String::into_bytes),
        ];
        prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    type Target = fn(&[u8]);

    /// What is committed for each target, `mock-idp/fuzz/seeds`, is what its parser takes.
    #[test]
    fn the_seeds_of_every_target_pass() {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
        let targets: [(&str, Target); 5] = [
            ("form", form),
            ("assertion", assertion),
            ("config", config),
            ("directory", directory),
            ("tunnel", tunnel),
        ];
        for (name, target) in targets {
            let files: Vec<_> = std::fs::read_dir(seeds.join(name)).unwrap().collect();
            assert!(!files.is_empty(), "{name} has none");
            for file in files {
                target(&std::fs::read(file.unwrap().path()).unwrap());
            }
        }
        let config = std::fs::read_to_string(seeds.join("config/everything.yaml")).unwrap();
        let read = Config::default().with_text(&config, Path::new("/nonexistent"));
        read.unwrap_or_else(|error| panic!("{error}"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn no_bytes_break_the_form_parser(
            bytes in pieces(&["a=b", "&", "=", "%41", "%", "%0", "%00", "+", "scope=", "%ff", "%c3%a9"])
        ) {
            form(&bytes);
        }

        #[test]
        fn no_bytes_break_the_assertion_parser(
            bytes in pieces(&[
                "eyJhbGciOiJSUzI1NiJ9", "eyJhbGciOiJQUzI1NiIsIng1YyI6InggIn0", ".", "==", "e30",
                "eyJleHAiOjEuNX0", "eyJleHAiOiI5OTk5OTk5OTk5OTk5OTk5OTk5In0", "W10", "bnVsbA",
            ])
        ) {
            assertion(&bytes);
        }

        #[test]
        fn no_bytes_break_the_directory_parser(
            bytes in pieces(&[
                "{", "}", "[", "]", ":", ",", "\"tenants\"", "\"applications\"", "\"users\"", "\"id\"",
                "\"client_id\"", "\"name\"", "\"domains\"", "\"secrets\"", "\"certificates\"",
                "\"11111111-1111-1111-1111-111111111111\"", "\"contoso.com\"", "null", "1e999",
                "\"-----BEGIN CERTIFICATE-----\"",
            ])
        ) {
            directory(&bytes);
        }

        #[test]
        fn no_bytes_break_the_configuration_parser(
            bytes in pieces(&[
                "rules:", "keys:", "tokens:", "throttles:", "lifetimes:", "latency:", "tenants:",
                "\n", "  ", "- ", "{", "}", "[", "]", ": ", ", ", "name: a", "fault: ",
                "{ kind: status, status: 503 }", "{ algorithm: es256 }", "expires_in: 1h", "1h", "-1s",
                "token: lognormal:", "&a", "*a", "|", "\"", "'", "---", "0x7fffffffffffffff", ".inf",
            ])
        ) {
            config(&bytes);
        }

        #[test]
        fn no_target_opens_the_proxy(
            target in pieces(&[
                "login.microsoftonline.com", ":443", ":80", "@", "example.com", ".ciamlogin.com", ".",
                ":", "/", "#", "?", "%2e", "\0",
            ])
        ) {
            tunnel(&[b"CONNECT ", &target[..], b" HTTP/1.1\r\nHost: x"].concat());
        }
    }
}
