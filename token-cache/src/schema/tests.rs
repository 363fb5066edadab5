//! Blobs read and written.

use super::*;
use crate::partition::Partition;

const OBSERVED: &str = r#"{"AccessToken":{"-login.windows.net-accesstoken-client-tenant-https://graph.microsoft.com/.default":{"environment":"login.windows.net","client_id":"client","secret":"s","credential_type":"AccessToken","realm":"tenant","target":"https://graph.microsoft.com/.default","cached_at":"1795339987","expires_on":"1795343587","extended_expires_on":"1795347187","ext_expires_on":"1795347187"}},"RefreshToken":{},"IdToken":{},"Account":{},"AppMetadata":{"appmetadata-login.windows.net-client":{"environment":"login.windows.net","client_id":"client"}}}"#;

#[test]
fn a_blob_as_msal_net_writes_it_round_trips_to_the_letter() {
    let partition = read(OBSERVED.as_bytes()).unwrap();
    assert_eq!(partition.access_token_count(), 1);
    assert_eq!(String::from_utf8(write(&partition)).unwrap(), OBSERVED);
}

#[test]
fn an_empty_cache_still_has_all_five_sections() {
    assert_eq!(
        String::from_utf8(write(&Partition::default())).unwrap(),
        r#"{"AccessToken":{},"RefreshToken":{},"IdToken":{},"Account":{},"AppMetadata":{}}"#
    );
    assert_eq!(read(b"").unwrap().access_token_count(), 0);
    assert_eq!(read(b"{}").unwrap().access_token_count(), 0);
    assert_eq!(
        read(br#"{"AccessToken":null}"#)
            .unwrap()
            .access_token_count(),
        0
    );
}

#[test]
fn unknown_members_survive_and_entry_keys_do_not_matter() {
    let blob = br#"{"AccessToken":{"junk":{"zz":{"deep":[1]},"home_account_id":null,"environment":"e","client_id":"c","secret":"s","realm":"t","target":"A","cached_at":"1","expires_on":"2","token_type":"Bearer"},"none":null},"Future":{"a":1}}"#;
    let text = String::from_utf8(write(&read(blob).unwrap())).unwrap();
    assert!(
        text.contains(r#""-e-accesstoken-c-t-a":{"zz":{"deep":[1]},"environment":"e""#),
        "{text}"
    );
    assert!(text.contains(r#""Future":{"a":1}"#), "{text}");
    assert!(
        !text.contains("token_type"),
        "left out for bearer tokens: {text}"
    );
}

#[test]
fn k5_a_token_with_extra_key_components_is_read_and_written_with_them() {
    let blob = br#"{"AccessToken":{"junk":{"environment":"e","client_id":"c","secret":"s","credential_type":"ATExt","realm":"t","target":"A","cached_at":"1","expires_on":"2","ext":{"fmi_path":"SomeFmiPath/Path"}}}}"#;
    let options = ReadOptions {
        components: crate::ComponentHash::DotNet487,
        ..ReadOptions::default()
    };
    let text = String::from_utf8(write(&read_with(blob, options).unwrap())).unwrap();
    assert!(
        text.contains(
            r#""-e-atext-c-t-a-7cx57q63os7benq6er0sxgjptnqsv7tgb5zexcidfoi":{"environment":"e","#
        ),
        "{text}"
    );
    assert!(text.contains(r#""credential_type":"ATExt""#), "{text}");
    assert!(
        text.contains(r#""expires_on":"2","ext":{"fmi_path":"SomeFmiPath/Path"}"#),
        "{text}"
    );
}

#[test]
fn what_is_no_cache_is_malformed_and_the_message_keeps_secrets() {
    for blob in [
        "[]",
        "\u{feff}{}",
        "garbage",
        r#"{"AccessToken":{"k":{"secret":17}}}"#,
        "{",
    ] {
        let error = read(blob.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("json_parse_failed"), "{error}");
    }
    let error = read(br#"{"AccessToken":{"k":{"secret":"eyJhidden","expires_on":"eyJhidden"}}}"#);
    assert!(!error.unwrap_err().to_string().contains("eyJhidden"));
}
