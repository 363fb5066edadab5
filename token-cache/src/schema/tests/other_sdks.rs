//! Entries as other SDKs write them and MSAL.NET does not.

use super::*;
use crate::environment::Environment;
use crate::item::TokenType;
use crate::partition::{Lookup, Partition};
use crate::query::{Query, Subject};
use crate::scope::Scopes;

const NOW: crate::clock::Timestamp = crate::clock::Timestamp::from_unix_seconds(1_795_000_000);

fn find(partition: &Partition, tenant: &str, token_type: &str) -> Option<String> {
    let query = Query {
        subject: Subject::Application,
        tenant_id: Some(tenant),
        scopes: &Scopes::parse("A"),
        token_type: &TokenType::parse(token_type),
        key_id: None,
        environment: &Environment::of_host("login.windows.net"),
        client_id: "c",
        components: None,
        extended_lifetime: false,
    };
    match partition.find_access_token(&query, NOW).unwrap() {
        Lookup::Found(token) => Some(token.secret.expose().to_owned()),
        _ => None,
    }
}

/// An application's entry with these members beside the usual ones.
fn entry(secret: &str, members: &str) -> String {
    format!(
        r#"{{{members}"environment":"login.windows.net","client_id":"c","secret":"{secret}","target":"A","cached_at":"1794999000","expires_on":"1795003600"}}"#
    )
}

#[test]
fn nodes_pop_and_ssh_tokens_stay_beside_the_bearer_token() {
    let node = r#""home_account_id":"","credential_type":"AccessToken_With_AuthScheme","realm":"t","key_id":"k","#;
    let blob = format!(
        r#"{{"AccessToken":{{"1":{},"2":{},"3":{}}}}}"#,
        entry(
            "bearer",
            r#""credential_type":"AccessToken","realm":"t","token_type":"Bearer","#
        ),
        entry("pop", &format!(r#"{node}"token_type":"pop","#)),
        entry("ssh", &format!(r#"{node}"token_type":"ssh-cert","#)),
    );
    let partition = read(blob.as_bytes()).unwrap();
    assert_eq!(partition.access_token_count(), 3);
    for kind in ["bearer", "pop"] {
        assert_eq!(find(&partition, "t", kind).as_deref(), Some(kind));
    }
    assert_eq!(find(&partition, "t", "ssh-cert").as_deref(), Some("ssh"));
    let text = String::from_utf8(write(&partition)).unwrap();
    let name = r#""credential_type":"AccessToken_With_AuthScheme""#;
    assert_eq!(text.matches(name).count(), 2, "{text}");
    assert_eq!(text.matches("credential_type").count(), 3, "{text}");
    assert!(
        text.contains(r#""-login.windows.net-accesstoken_with_authscheme-c-t-a-pop":{"#),
        "{text}"
    );
    assert_eq!(write(&read(text.as_bytes()).unwrap()), text.as_bytes());
}

#[test]
fn a_token_of_an_unknown_type_is_kept_and_never_served_as_a_bearer_token() {
    for said in ["", r#""token_type":"Bearer","#] {
        let members = format!(r#""credential_type":"Bound","realm":"t",{said}"#);
        let blob = format!(r#"{{"AccessToken":{{"1":{}}}}}"#, entry("bound", &members));
        let partition = read(blob.as_bytes()).unwrap();
        assert_eq!(find(&partition, "t", "Bearer"), None, "{said}");
        let plain = entry("plain", r#""realm":"t","#);
        let blob = format!(
            r#"{{"AccessToken":{{"1":{},"2":{plain}}}}}"#,
            entry("bound", &members)
        );
        let both = read(blob.as_bytes()).unwrap();
        assert_eq!(find(&both, "t", "Bearer").as_deref(), Some("plain"));
        let text = String::from_utf8(write(&both)).unwrap();
        assert!(text.contains(r#""credential_type":"Bound""#), "{text}");
    }
    let elsewhere = br#"{"RefreshToken":{"k":{"home_account_id":"h","environment":"e","client_id":"c","secret":"s","credential_type":"Else"}},"IdToken":{"k":{"home_account_id":"h","environment":"e","client_id":"c","secret":"s","credential_type":"Else"}}}"#;
    let text = String::from_utf8(write(&read(elsewhere).unwrap())).unwrap();
    assert_eq!(
        text.matches(r#""credential_type":"Else""#).count(),
        2,
        "{text}"
    );
}

#[test]
fn a_token_of_an_unknown_type_outlives_the_save_of_a_bearer_token() {
    let members = r#""credential_type":"Bound","realm":"t","#;
    let blob = format!(r#"{{"AccessToken":{{"1":{}}}}}"#, entry("bound", members));
    let partition = read(blob.as_bytes()).unwrap();
    let plain = format!(
        r#"{{"AccessToken":{{"1":{}}}}}"#,
        entry("plain", r#""realm":"t","#)
    );
    let new = read(plain.as_bytes()).unwrap();
    let saved = partition.save(
        crate::partition::TokenSet {
            access_token: new.access_tokens().next().unwrap().clone(),
            refresh_token: None,
            id_token: None,
            account: None,
            app_metadata: std::sync::Arc::new(crate::item::AppMetadata::new(
                "login.windows.net".into(),
                "c".into(),
            )),
        },
        &Environment::of_host("login.windows.net"),
    );
    assert_eq!(saved.access_token_count(), 2);
}

/// ADFS has no tenants, and MSAL leaves out what is empty.
#[test]
fn members_that_are_missing_or_null_are_empty_and_empty_ones_are_left_out() {
    for realm in ["", r#""realm":null,"#, r#""realm":"","#] {
        let users = format!(
            r#"{{"home_account_id":"sub",{realm}"environment":"adfs.example","client_id":"c","secret":"s"}}"#
        );
        let blob = format!(
            r#"{{"AccessToken":{{"1":{}}},"IdToken":{{"1":{users}}},"Account":{{"1":{users}}}}}"#,
            entry("adfs", realm)
        );
        let partition = read(blob.as_bytes()).unwrap_or_else(|error| panic!("{realm}: {error}"));
        assert_eq!(find(&partition, "", "Bearer").as_deref(), Some("adfs"));
        let text = String::from_utf8(write(&partition)).unwrap();
        assert!(!text.contains("realm"), "{text}");
        for key in [
            "-login.windows.net-accesstoken-c--a",
            "sub-adfs.example-idtoken-c--",
            "sub-adfs.example-",
        ] {
            assert!(text.contains(&format!(r#""{key}":{{"#)), "{key}: {text}");
        }
        assert_eq!(write(&read(text.as_bytes()).unwrap()), text.as_bytes());
    }
    for target in ["", r#","target":null"#, r#","target":"""#] {
        let blob = format!(
            r#"{{"AccessToken":{{"1":{{"environment":"e","client_id":"c","secret":"s","credential_type":null,"realm":"t","cached_at":null,"expires_on":"2"{target}}}}}}}"#
        );
        let partition = read(blob.as_bytes()).unwrap_or_else(|error| panic!("{target}: {error}"));
        let text = String::from_utf8(write(&partition)).unwrap();
        assert!(!text.contains("target"), "{text}");
        assert!(text.contains(r#""-e-accesstoken-c-t-":{"#), "{text}");
        assert!(
            text.contains(r#""credential_type":"AccessToken""#),
            "{text}"
        );
    }
}

#[test]
fn what_is_unknown_shows_its_names_in_debug_output_and_no_values() {
    let members = r#""realm":"t","new_secret":"hush","persisted_cache_parameters":{"p":"hush"},"#;
    let blob = format!(
        r#"{{"AccessToken":{{"1":{}}},"Account":{{"1":{{"home_account_id":"h","environment":"e","new_secret":"hush","wam_account_ids":{{"c":"hush"}}}}}},"NewRoot":"hush"}}"#,
        entry("hush", members)
    );
    let partition = read(blob.as_bytes()).unwrap();
    let shown = format!("{partition:?}");
    assert!(!shown.contains("hush"), "{shown}");
    assert_eq!(shown.matches("new_secret").count(), 2, "{shown}");
    assert!(shown.contains("NewRoot"), "{shown}");
}
