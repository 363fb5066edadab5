//! What files may say, and how what they may not is told.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const EVERYTHING: &str = include_str!("../../fuzz/seeds/config/everything.yaml");

fn read(text: &str) -> Result<Config, String> {
    let config = Config::default().with_text(text, Path::new("."));
    config.map_err(|error| error.to_string())
}

#[test]
fn a_file_can_say_everything() {
    let config = read(EVERYTHING).unwrap();
    assert!(matches!(config.directory, Directory::Closed(_)));
    assert_eq!(config.lifetimes.expires_in, Duration::from_hours(1));
    assert_eq!(config.lifetimes.cae, None);
    assert_eq!(config.latency.jwks.to_string(), "fixed:5ms");
    assert_eq!((config.rules.len(), config.throttles.len()), (2, 1));
    assert_eq!(config.tokens[0].expires_in, Some(Duration::from_hours(2)));
    assert_eq!((config.seed, config.limits.recorded_requests), (42, 5));
    assert_eq!(config.runs, ["one", "two"]);
    assert_eq!(config.token_pool, NonZeroUsize::new(16));
    let again = config
        .clone()
        .with_text("lifetimes: { code: 5m }", Path::new("."));
    let again = again.unwrap();
    assert_eq!(
        again.lifetimes.expires_in,
        Duration::from_hours(1),
        "left out is as before"
    );
    assert_eq!(again.lifetimes.code, Duration::from_mins(5));
}

#[test]
fn what_makes_no_sense_is_told_with_its_place() {
    let mut wrong = Vec::new();
    for (text, expected) in [
        (
            "isuer: self",
            "line 1, column 1: isuer: unknown field `isuer`",
        ),
        (
            "issuer: mine",
            "line 1, column 1: issuer: unknown variant `mine`",
        ),
        (
            "issuer: self\nrules:\n  - name: a\n    fault: { kind: status, status: 200 }",
            "line 3, column 5: rules[0]: rule `a`: 200 is no status of an error",
        ),
        (
            "rules:\n  - name: a\n    fault: { kind: magic }",
            "line 3, column 14: rules[0].fault.kind: unknown variant `magic`",
        ),
        (
            "rules: [{name: a, fault: {kind: tls_failure}}, {name: a, fault: {kind: tls_failure}}]",
            "line 1, column 48: rules[1]: there are two of this name",
        ),
        (
            "lifetimes:\n  code: 90",
            "lifetimes.code: invalid type: integer `90`",
        ),
        (
            "lifetimes:\n  code: 0s",
            "line 2, column 3: lifetimes.code: it must be a whole",
        ),
        (
            "latency: { token: fast }",
            "latency.token: `fast` is not a latency",
        ),
        ("keys: { flapping: 2 }", "keys: `flapping` must be"),
        (
            "tokens: [{ claims: { exp: 1 } }]",
            "tokens[0]: `exp` cannot be a claim",
        ),
        (
            "users: [{ name: a@b.c }]",
            "without `tenants` everybody exists",
        ),
        ("tenants: []", "tenants: there must be at least one"),
        ("runs: [A]", "runs[0]: `A` is no name"),
        (
            "server: { admin_token: \"\" }",
            "server.admin_token: a token is made of",
        ),
    ] {
        let message = read(text).unwrap_err();
        if !message.contains(expected) {
            wrong.push(format!("{text}: {message}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let both = read("keys: { flapping: 2 }\ntenants: []\nlifetimes: { code: 0s }").unwrap_err();
    assert_eq!(
        both.lines().count(),
        4,
        "all that is wrong, at once: {both}"
    );
}

/// Every section of the example that is replaced by nonsense is refused by both.
#[test]
fn the_schema_agrees_with_what_is_read() {
    let schema = Config::schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let whole = Document::read(EVERYTHING).unwrap().value;
    let problems: Vec<_> = validator
        .iter_errors(&whole)
        .map(|e| e.to_string())
        .collect();
    assert!(problems.is_empty(), "{problems:?}");
    for (section, _) in whole.as_object().unwrap() {
        let mut broken = whole.clone();
        broken[section] = json!({ "nonsense": [1] });
        assert!(!validator.is_valid(&broken), "{section}");
        assert!(read(&broken.to_string()).is_err(), "{section}");
    }
    let mut unknown = whole;
    unknown["more"] = json!(1);
    assert!(!validator.is_valid(&unknown));
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "(?s).{0,300}") {
        let _ = read(&text);
    }

    /// A line of the example is cut, doubled or changed: it is read or refused, with its reasons.
    #[test]
    fn no_change_of_a_good_file_makes_the_parser_panic(
        at in 0..EVERYTHING.len(),
        length in 0_usize..40,
        by in "\\PC{0,20}",
    ) {
        prop_assume!(EVERYTHING.is_char_boundary(at));
        let end = (at + length).min(EVERYTHING.len());
        let text = format!("{}{by}{}", &EVERYTHING[..at], &EVERYTHING[end..]);
        if let Err(message) = read(&text) {
            prop_assert!(message.starts_with("the configuration makes no sense:\n  "));
        }
    }
}
