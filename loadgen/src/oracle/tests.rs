//! Tokens signed here, right ones and each kind of wrong one.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

use super::*;

const NOW: i64 = 1_800_000_000;

const APPLICATION: Expectation<'_> = Expectation {
    tenant_id: Some("tenant"),
    client_id: "client",
    username: None,
    audience: "resource",
    scopes: "",
};

const USER: Expectation<'_> = Expectation {
    username: Some("user@tenant"),
    scopes: "access_as_user",
    ..APPLICATION
};

/// A signing key, with the public half as a JWKS entry.
struct Key {
    id: &'static str,
    private: EncodingKey,
    jwk: Value,
}

impl Key {
    fn new(id: &'static str) -> Self {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref()).unwrap();
        // An uncompressed point: 4, then both coordinates.
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        Self {
            id,
            private: EncodingKey::from_ec_der(pkcs8.as_ref()),
            jwk: json!({
                "kty": "EC", "use": "sig", "crv": "P-256", "kid": id,
                "x": BASE64_URL_SAFE_NO_PAD.encode(x),
                "y": BASE64_URL_SAFE_NO_PAD.encode(y),
            }),
        }
    }

    fn sign(&self, claims: &Value) -> Secret {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.id.to_owned());
        Secret::new(jsonwebtoken::encode(&header, claims, &self.private).unwrap())
    }
}

/// A provider's oracle and its key.
fn provider() -> (Oracle, Key) {
    let key = Key::new("one");
    (oracle(&[&key]), key)
}

fn oracle(keys: &[&Key]) -> Oracle {
    let keys: Vec<&Value> = keys.iter().map(|key| &key.jwk).collect();
    Oracle::new(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

/// The claims of an application's token, version 2.
fn of_application() -> Value {
    json!({
        "aud": "resource", "tid": "tenant", "azp": "client", "exp": NOW + 1,
        "roles": ["all"], "sub": "client",
    })
}

/// The claims of a user's token, version 2.
fn of_user() -> Value {
    let mut claims = of_application();
    claims["preferred_username"] = "user@tenant".into();
    claims["scp"] = "openid access_as_user".into();
    claims
}

fn with(mut claims: Value, name: &str, value: impl Into<Value>) -> Value {
    claims[name] = value.into();
    claims
}

fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn now() -> Timestamp {
    Timestamp::from_unix_seconds(NOW)
}

#[test]
fn the_right_token_is_right() {
    let (oracle, key) = provider();
    let version_1 = |claims, name| {
        let claims = with(without(claims, "azp"), "appid", "client");
        with(without(claims, "preferred_username"), name, "user@tenant")
    };
    for (claims, expected) in [
        (of_application(), APPLICATION),
        (of_user(), USER),
        (version_1(of_user(), "upn"), USER),
        (with(of_application(), "aud", "api://resource"), APPLICATION),
    ] {
        let found = oracle.check(
            &key.sign(&claims),
            &expected,
            TokenSource::IdentityProvider,
            now(),
        );
        assert_eq!(found, Finding::Right, "{claims}");
    }
}

#[test]
fn another_s_token_is_wrong() {
    let (oracle, key) = provider();
    for (claims, expected) in [
        (with(of_application(), "tid", "other"), APPLICATION),
        (with(of_application(), "azp", "other"), APPLICATION),
        (without(of_application(), "azp"), APPLICATION),
        (with(of_application(), "aud", "other"), APPLICATION),
        (with(of_user(), "tid", "other"), USER),
        (with(of_user(), "preferred_username", "other@tenant"), USER),
        // A user's where the application's was asked for, and the reverse.
        (of_user(), APPLICATION),
        (with(of_application(), "scp", "access_as_user"), USER),
        // Worse than late and narrow: another's.
        (with(with(of_user(), "tid", "other"), "exp", NOW - 1), USER),
    ] {
        let found = oracle.check(
            &key.sign(&claims),
            &expected,
            TokenSource::IdentityProvider,
            now(),
        );
        assert_eq!(found, Finding::WrongToken, "{claims}");
    }
}

#[test]
fn a_token_that_ends_now_has_expired() {
    let (oracle, key) = provider();
    for (exp, expected) in [
        (NOW + 1, Finding::Right),
        (NOW, Finding::Expired),
        (NOW - 1, Finding::Expired),
    ] {
        let token = key.sign(&with(of_application(), "exp", exp));
        assert_eq!(
            oracle.check(&token, &APPLICATION, TokenSource::IdentityProvider, now()),
            expected,
            "{exp}"
        );
    }
}

#[test]
fn a_token_without_a_scope_asked_for_is_under_scoped() {
    let (oracle, key) = provider();
    for claims in [
        with(of_user(), "scp", "openid"),
        with(of_user(), "scp", ""),
        without(of_user(), "scp"),
    ] {
        let found = oracle.check(
            &key.sign(&claims),
            &USER,
            TokenSource::IdentityProvider,
            now(),
        );
        assert_eq!(found, Finding::UnderScoped, "{claims}");
    }
}

#[test]
fn what_the_provider_did_not_sign_is_not_issued() {
    let (oracle, key) = provider();
    let good = key.sign(&of_application());
    let parts: Vec<&str> = good.expose().split('.').collect();
    let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    let tampered = encode(&with(of_application(), "exp", NOW + 9));
    let none = encode(&json!({ "alg": "none", "typ": "JWT", "kid": "one" }));
    // The public key taken for a shared secret.
    let mut symmetric = Header::new(Algorithm::HS256);
    symmetric.kid = Some("one".to_owned());
    let shared = EncodingKey::from_secret(key.jwk["x"].as_str().unwrap().as_bytes());
    let symmetric = jsonwebtoken::encode(&symmetric, &of_application(), &shared).unwrap();
    let cases = [
        (
            "another key of that name",
            Key::new("one").sign(&of_application()),
        ),
        ("an unknown key", Key::new("two").sign(&of_application())),
        (
            "another payload",
            Secret::new(format!("{header}.{tampered}.{signature}")),
        ),
        ("no signature", Secret::new(format!("{header}.{payload}."))),
        ("alg none", Secret::new(format!("{none}.{payload}."))),
        (
            "alg none, signed",
            Secret::new(format!("{none}.{payload}.{signature}")),
        ),
        ("a shared secret", Secret::new(symmetric)),
        ("no token", Secret::new("opaque")),
        ("nothing", Secret::new("")),
    ];
    for (what, token) in cases {
        assert_eq!(
            oracle.check(&token, &APPLICATION, TokenSource::IdentityProvider, now()),
            Finding::NotIssued,
            "{what}"
        );
    }
    assert_eq!(
        oracle.check(&good, &APPLICATION, TokenSource::IdentityProvider, now()),
        Finding::Right
    );
}

#[test]
fn a_token_seen_before_is_judged_from_memory_and_no_differently() {
    let (mut oracle, key) = provider();
    let good = key.sign(&of_user());
    let forged = Key::new("one").sign(&of_user());
    let other = Expectation {
        tenant_id: Some("other"),
        ..USER
    };
    let later = Timestamp::from_unix_seconds(NOW + 1);
    let judge = |oracle: &Oracle| {
        [
            oracle.check(&good, &USER, TokenSource::IdentityProvider, now()),
            oracle.check(&good, &other, TokenSource::IdentityProvider, now()),
            oracle.check(&good, &USER, TokenSource::IdentityProvider, later),
            oracle.check(&forged, &USER, TokenSource::IdentityProvider, now()),
        ]
    };
    let expected = [
        Finding::Right,
        Finding::WrongToken,
        Finding::Expired,
        Finding::NotIssued,
    ];
    assert_eq!(judge(&oracle), expected);
    assert_eq!(oracle.seen.lock().len(), 2);
    // Without keys nothing can be verified any more, only remembered.
    oracle.keys.get_mut().clear();
    assert_eq!(judge(&oracle), expected);
}

#[test]
fn any_key_of_the_set_will_do() {
    let keys = [Key::new("one"), Key::new("two")];
    let oracle = oracle(&[&keys[0], &keys[1]]);
    for key in &keys {
        let found = oracle.check(
            &key.sign(&of_application()),
            &APPLICATION,
            TokenSource::IdentityProvider,
            now(),
        );
        assert_eq!(found, Finding::Right, "{}", key.id);
    }
}

#[test]
fn a_document_without_usable_keys_is_refused() {
    let mut nameless = Key::new("one").jwk;
    nameless.as_object_mut().unwrap().remove("kid");
    let symmetric = json!({ "kty": "oct", "kid": "one", "k": "c2VjcmV0" });
    for document in [
        String::new(),
        "[]".to_owned(),
        json!({ "keys": [] }).to_string(),
        json!({ "keys": [nameless] }).to_string(),
        json!({ "keys": [symmetric] }).to_string(),
    ] {
        assert!(Oracle::new(document.as_bytes()).is_err(), "{document}");
    }
}

#[test]
fn each_finding_is_counted_as_itself() {
    let mut counts = model::Oracle::default();
    for (finding, times) in [
        (Finding::Right, 1),
        (Finding::WrongToken, 2),
        (Finding::Expired, 3),
        (Finding::UnderScoped, 4),
        (Finding::NotIssued, 5),
    ] {
        (0..times).for_each(|_| finding.count_in(&mut counts));
    }
    let expected = model::Oracle {
        checked: 15,
        wrong_token: 2,
        expired_served: 3,
        under_scoped: 4,
        not_issued: 5,
        ..model::Oracle::default()
    };
    assert_eq!(counts, expected);
    assert_eq!(counts.bounded().wrong_rate_below, None, "some are wrong");
}

#[test]
fn no_wrong_token_among_many_bounds_how_many_there_can_be() {
    let clean = |checked| model::Oracle {
        checked,
        ..model::Oracle::default()
    };
    assert_eq!(clean(0).bounded().wrong_rate_below, None);
    assert_eq!(clean(2).bounded().wrong_rate_below, Some(1.0));
    let bound = clean(30_000).bounded().wrong_rate_below.unwrap();
    assert!((bound - 1e-4).abs() < 1e-12);
    // Were one in ten thousand wrong, thirty thousand would hide it so often:
    let missed = (1.0 - bound).powi(30_000);
    assert!((0.049..0.05).contains(&missed), "{missed}");
}

#[test]
fn what_is_wrong_with_a_token_is_said_in_words_and_without_it() {
    let (oracle, key) = provider();
    let explain = |claims: &Value, expected: &Expectation<'_>| {
        let token = key.sign(claims);
        let why = oracle.why(&token, expected, TokenSource::IdentityProvider, now());
        assert!(!why.contains(token.expose()));
        why
    };
    let mut claims = of_user();
    claims["preferred_username"] = json!("other@tenant");
    assert_eq!(
        explain(&claims, &USER),
        "asked for user user@tenant, got other@tenant"
    );
    let mut claims = of_application();
    claims["tid"] = json!("elsewhere");
    claims["exp"] = json!(NOW - 90);
    assert_eq!(
        explain(&claims, &APPLICATION),
        "asked for tenant tenant, got elsewhere; it has -90 s left"
    );
    let mut claims = of_user();
    claims["scp"] = json!("other");
    assert_eq!(
        explain(&claims, &USER),
        "asked for scopes `access_as_user`, got `other`"
    );
    let (_, stranger) = provider();
    let token = stranger.sign(&of_application());
    assert_eq!(
        oracle.why(&token, &APPLICATION, TokenSource::Cache, now()),
        "its signature is by none of the provider's published keys"
    );
}

#[test]
fn no_token_shows_in_debug_output() {
    let (oracle, key) = provider();
    let token = key.sign(&of_application());
    oracle.check(&token, &APPLICATION, TokenSource::IdentityProvider, now());
    assert!(!format!("{oracle:?}").contains(token.expose()));
}

#[test]
fn a_cache_may_not_serve_a_token_that_is_inside_the_expiry_buffer() {
    let (oracle, key) = provider();
    let served = |left: i64, source| {
        let mut claims = of_application();
        claims["exp"] = json!(NOW + left);
        oracle.check(&key.sign(&claims), &APPLICATION, source, now())
    };
    for (left, expected) in [
        (301, Finding::Right),
        // Two seconds of grace for what both sides round.
        (299, Finding::Right),
        (298, Finding::Expired),
        (1, Finding::Expired),
    ] {
        assert_eq!(served(left, TokenSource::Cache), expected, "{left} s left");
        assert_eq!(served(left, TokenSource::IdentityProvider), Finding::Right);
    }
    // A client counts from the answer, and the slowest took three seconds.
    oracle.note_answer(Duration::from_secs(3));
    assert_eq!(served(296, TokenSource::Cache), Finding::Right);
    assert_eq!(served(295, TokenSource::Cache), Finding::Expired);
}
