//! What tokens are like: their size, their claims, and how long they live.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::time::Duration;

use http::Method;
use mock_idp::{AppShape, Config, TokenPolicy, UserShape};
use serde_json::json;
use tokio::time::sleep;

use crate::admin::admin;
use crate::support::{APP, Answer, Door as _, InProcess, claims, client_credentials};

fn with(tokens: Vec<TokenPolicy>) -> InProcess {
    InProcess::new(Config {
        tokens,
        ..Config::default()
    })
}

/// The measured sizes of `entra-wire`'s section 4.1, within five in a hundred.
#[tokio::test]
async fn presets_are_as_large_as_the_tokens_they_are_made_after() {
    let is_about = |token: &str, expected: usize| {
        let share = token.len() as f64 / expected as f64;
        assert!(
            (0.95..=1.05).contains(&share),
            "{} for {expected}",
            token.len()
        );
    };
    let plain = with(Vec::new());
    let app = client_credentials("api://x/.default");
    is_about(&plain.token(&app).await.member("access_token"), 1_324);
    for (shape, expected, version) in [
        (AppShape::V2App, 1_324, "2.0"),
        (AppShape::V1App, 2_051, "1.0"),
    ] {
        let idp = with(vec![TokenPolicy {
            app: Some(shape),
            ..TokenPolicy::default()
        }]);
        let token = idp.token(&app).await.member("access_token");
        is_about(&token, expected);
        let claims = claims(&token);
        assert_eq!(claims["ver"], version);
        let is_v1_issuer = claims["iss"].as_str().unwrap().ends_with('/');
        assert_eq!(is_v1_issuer, version == "1.0");
        let again = idp.token(&app).await.member("access_token");
        assert_eq!(again.len(), token.len());
    }
    for (shape, expected, groups) in [
        (UserShape::V2User, 2_891, None),
        (UserShape::V1User, 2_891, None),
        (UserShape::Groups50, 5_434, Some(50)),
        (UserShape::Groups200, 13_234, Some(200)),
        (UserShape::Overage, 3_200, None),
    ] {
        let idp = with(vec![TokenPolicy {
            user: Some(shape),
            ..TokenPolicy::default()
        }]);
        let token = idp.sign_in("alice@contoso.com", "api://x/read").await;
        let token = token.member("access_token");
        is_about(&token, expected);
        let claims = claims(&token);
        assert_eq!(
            claims["groups"].as_array().map(Vec::len),
            groups,
            "{shape:?}"
        );
        let is_over = claims.get("_claim_sources").is_some();
        assert_eq!(is_over, shape == UserShape::Overage);
    }
}

#[tokio::test]
async fn the_first_policy_that_fits_decides() {
    let policy = |text: &str| serde_json::from_str::<TokenPolicy>(text).unwrap();
    let idp = with(vec![
        policy(
            r#"{"scope":"api://x","claims":{"department":"x","sub":"mine"},
            "expires_in":"2h","refresh_in":"1h","ext_expires_in":"4h"}"#,
        ),
        policy(&format!(
            r#"{{"client":"{APP}","claims":{{"department":"app"}}}}"#
        )),
        policy(r#"{"expires_in":"1s"}"#),
    ]);
    let ask = async |scope| idp.token(&client_credentials(scope)).await;
    let times = |answer: &Answer| {
        let body = answer.json();
        ["expires_in", "ext_expires_in", "refresh_in"].map(|name| body[name].as_u64())
    };
    let x = ask("api://x/.default").await;
    assert_eq!(times(&x), [Some(7200), Some(14_400), Some(3600)]);
    let in_token = claims(&x.member("access_token"));
    assert_eq!(in_token["department"], "x");
    assert_eq!(in_token["sub"], "mine", "in place of the server's own");
    let y = ask("api://y/.default").await;
    assert_eq!(times(&y), [Some(3599), Some(3599), None]);
    assert_eq!(claims(&y.member("access_token"))["department"], "app");
    for text in [
        r#"{"claims":{"exp":1}}"#,
        r#"{"expires_in":"0s"}"#,
        r#"{"refresh_in":"1500ms"}"#,
    ] {
        assert!(policy(text).validate().is_err(), "{text}");
        let config = Config {
            tokens: vec![policy(text)],
            ..Config::default()
        };
        assert!(mock_idp::Idp::new(&config).is_err());
    }
}

#[tokio::test]
async fn clients_that_cope_with_challenges_get_tokens_that_live_long() {
    let idp = InProcess::new(Config::default());
    let capable = json!({ "access_token": { "xms_cc": { "values": ["CP1"] } } }).to_string();
    let mut ask = client_credentials("api://x/.default");
    let plain = idp.token(&ask).await;
    assert_eq!(plain.json()["expires_in"], 3599);
    assert!(
        claims(&plain.member("access_token"))
            .get("xms_cc")
            .is_none()
    );
    ask.push(("claims", &capable));
    let mut lifetimes = BTreeSet::new();
    for _ in 0..20 {
        let answer = idp.token(&ask).await;
        let expires_in = answer.json()["expires_in"].as_u64().unwrap();
        assert!(
            (20 * 3600..=28 * 3600).contains(&expires_in),
            "{expires_in}"
        );
        lifetimes.insert(expires_in);
        let in_token = claims(&answer.member("access_token"));
        assert_eq!(in_token["xms_cc"], json!(["CP1"]));
        let nbf = in_token["nbf"].as_u64().unwrap();
        assert_eq!(in_token["exp"].as_u64().unwrap() - nbf, expires_in + 300);
    }
    assert!(lifetimes.len() > 10, "they differ");
    // What it is capable of, a client says every time; that excuses nothing.
    assert_eq!(idp.idp.ledger().redundant_token_requests, 20);
}

#[tokio::test]
async fn without_continuous_access_all_tokens_live_alike() {
    let idp = InProcess::new(Config {
        lifetimes: mock_idp::Lifetimes {
            cae: None,
            expires_in: Duration::from_secs(600),
            ..mock_idp::Lifetimes::default()
        },
        ..Config::default()
    });
    let capable = json!({ "access_token": { "xms_cc": { "values": ["CP1"] } } }).to_string();
    let mut ask = client_credentials("api://x/.default");
    ask.push(("claims", &capable));
    let answer = idp.token(&ask).await;
    assert_eq!(answer.json()["expires_in"], 600);
}

fn pooled(tokens: usize) -> InProcess {
    InProcess::new(Config {
        token_pool: NonZeroUsize::new(tokens),
        ..Config::default()
    })
}

#[tokio::test(start_paused = true)]
async fn a_token_pool_repeats_tokens_that_are_as_valid_as_fresh_ones() {
    let idp = pooled(3);
    let ask = client_credentials("api://x/.default");
    let mut tokens = BTreeSet::new();
    for asked in 0..40_u64 {
        let answer = idp.token(&ask).await;
        let token = answer.member("access_token");
        let in_token = claims(&token);
        // A minute and a half in all: every token is replaced at least once.
        let expires_in = answer.json()["expires_in"].as_u64().unwrap();
        let now = admin(&idp, Method::GET, "/admin/clock", None).await.json();
        let left = in_token["exp"].as_u64().unwrap() - now["now_s"].as_u64().unwrap();
        assert!(left.abs_diff(expires_in) <= 1, "{left} {expires_in}");
        assert!((3599 - 36..=3599).contains(&expires_in), "{expires_in}");
        assert_eq!(answer.json()["ext_expires_in"], expires_in);
        tokens.insert(token);
        if asked >= 6 {
            sleep(Duration::from_secs(2)).await;
        }
    }
    assert!((6..=15).contains(&tokens.len()), "{} tokens", tokens.len());
    let ledger = idp.idp.ledger();
    assert_eq!((ledger.token_requests, ledger.tokens_issued), (40, 40));
    assert_eq!(ledger.redundant_token_requests, 39);
    assert_eq!(ledger.tokens_repeated, 40 - tokens.len() as u64);
}

#[tokio::test]
async fn a_token_pool_confuses_nobody_with_another() {
    let idp = pooled(1);
    let token = async |path: &str, client: &str, scope: &str| {
        let ask = [
            ("grant_type", "client_credentials"),
            ("client_id", client),
            ("client_secret", "secret"),
            ("scope", scope),
        ];
        idp.post(path, &ask).await.member("access_token")
    };
    let mut tokens = BTreeSet::new();
    for path in [
        "/contoso.com/oauth2/v2.0/token",
        "/fabrikam.com/oauth2/v2.0/token",
    ] {
        for client in [APP, crate::support::SERVICE] {
            for scope in ["api://x/.default", "api://y/.default"] {
                let token_of = claims(&token(path, client, scope).await);
                assert_eq!(token_of["azp"], client);
                assert_eq!(token_of["aud"], scope.trim_end_matches("/.default"));
                tokens.insert(token(path, client, scope).await);
                tokens.insert(token(path, client, scope).await);
            }
        }
    }
    assert_eq!(tokens.len(), 8, "one for each");
    for _ in 0..2 {
        let user = idp.sign_in("alice@contoso.com", "api://x/read").await;
        assert!(
            tokens.insert(user.member("access_token")),
            "a user's is fresh"
        );
    }
    // Other settings make other tokens, at once.
    let change = json!({ "lifetimes": { "expires_in": "20m" } });
    let changed = admin(&idp, Method::POST, "/admin/config", Some(change)).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    let path = "/contoso.com/oauth2/v2.0/token";
    let fresh = claims(&token(path, APP, "api://x/.default").await);
    let (nbf, exp) = (&fresh["nbf"].as_u64(), &fresh["exp"].as_u64());
    assert_eq!(exp.unwrap() - nbf.unwrap(), 1200 + 300);
    // So does another key.
    admin(
        &idp,
        Method::POST,
        "/admin/keys/rollover",
        Some(json!({ "emergency": true })),
    )
    .await;
    let rolled = token(path, APP, "api://x/.default").await;
    assert!(tokens.insert(rolled));
}
