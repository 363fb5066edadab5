//! Blobs read and written.

mod other_sdks;

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

#[test]
fn j2_all_five_roots_are_written_in_order_and_unknown_ones_survive_behind_them() {
    let blob = br#"{"Future":[1],"account":{},"ACCESSTOKEN":{"k":{"zz":1,"aa":{"b":2},"environment":"e","client_id":"c","secret":"s","realm":"t","target":"A","cached_at":"1","expires_on":"2"}}}"#;
    let text = String::from_utf8(write(&read(blob).unwrap())).unwrap();
    let roots = [
        "AccessToken",
        "RefreshToken",
        "IdToken",
        "Account",
        "AppMetadata",
        "Future",
    ];
    let places: Vec<_> = roots
        .iter()
        .map(|root| {
            text.find(&format!("\"{root}\":"))
                .unwrap_or_else(|| panic!("{root}: {text}"))
        })
        .collect();
    assert!(places.is_sorted(), "{text}");
    assert!(
        text.contains(r#"{"aa":{"b":2},"zz":1,"environment":"e""#),
        "unknown members come first: {text}"
    );
}

#[test]
fn j3_timestamps_are_strings_and_numbers_are_read_leniently_alone() {
    let blob = br#"{"AccessToken":{"k":{"environment":"e","client_id":"c","secret":"s","realm":"t","target":"A","cached_at":"1","expires_on":2}}}"#;
    let text = String::from_utf8(write(&read(blob).unwrap())).unwrap();
    assert!(text.contains(r#""expires_on":"2""#), "{text}");
    let strict = ReadOptions {
        timestamps: Timestamps::Strict,
        ..ReadOptions::default()
    };
    let error = read_with(blob, strict).unwrap_err();
    assert!(error.to_string().starts_with("json_parse_failed"));
    assert_eq!(
        read_with(text.as_bytes(), strict)
            .unwrap()
            .access_token_count(),
        1
    );
}

#[test]
fn j3_strict_reading_refuses_each_timestamp_in_a_section_of_any_spelling() {
    let strict = ReadOptions {
        timestamps: Timestamps::Strict,
        ..ReadOptions::default()
    };
    let dated = [
        "cached_at",
        "expires_on",
        "extended_expires_on",
        "ext_expires_on",
        "refresh_on",
    ];
    for section in ["AccessToken", "accessTOKEN"] {
        for number in dated {
            let mut entry = serde_json::json!({
                "environment": "e", "client_id": "c", "secret": "s", "realm": "t", "target": "A",
            });
            for field in dated {
                entry[field] = "2".into();
            }
            let blob = |entry: &serde_json::Value| {
                serde_json::json!({ section: { "k": entry, "none": null } }).to_string()
            };
            let text = blob(&entry);
            assert!(read_with(text.as_bytes(), strict).is_ok(), "{text}");
            entry[number] = 2.into();
            let text = blob(&entry);
            assert!(read_with(text.as_bytes(), strict).is_err(), "{text}");
            assert!(read(text.as_bytes()).is_ok(), "{text}");
        }
    }
}

#[test]
fn j4_the_keys_of_entries_do_not_matter() {
    let entry = r#"{"environment":"e","client_id":"c","secret":"s","realm":"t","target":"A","cached_at":"1","expires_on":"2"}"#;
    for key in ["junk", "", "-e-accesstoken-c-t-other"] {
        let blob = format!(r#"{{"AccessToken":{{"{key}":{entry}}}}}"#);
        let text = String::from_utf8(write(&read(blob.as_bytes()).unwrap())).unwrap();
        assert!(text.contains(r#""-e-accesstoken-c-t-a":{"#), "{text}");
    }
    // Of two entries that are the same one, the later stays.
    let later = entry.replace(r#""s""#, r#""later""#);
    let blob = format!(r#"{{"AccessToken":{{"one":{entry},"two":{later}}}}}"#);
    let text = String::from_utf8(write(&read(blob.as_bytes()).unwrap())).unwrap();
    assert!(
        text.contains("later") && !text.contains(r#""secret":"s""#),
        "{text}"
    );
}

#[test]
fn j5_bad_blobs_have_a_defined_outcome_each() {
    for good in [
        "",
        "{}",
        r#"{"AccessToken":null}"#,
        r#"{"AccessToken":{"k":null}}"#,
        r#"{"AccessToken":{},}"#,
        "{\"AccessToken\":{ } , \n}",
        r#"{"Note":"a comma, and a bracket ,}",}"#,
    ] {
        let partition = read(good.as_bytes()).unwrap_or_else(|error| panic!("{good}: {error}"));
        assert_eq!(partition.access_token_count(), 0, "{good}");
    }
    let deep = format!("{{\"Future\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
    let truncated = &OBSERVED[..OBSERVED.len() / 2];
    for bad in [
        "\u{feff}{}",
        "[]",
        "null",
        "17",
        "\u{0}\u{1}",
        "{",
        "{,}",
        "{}x",
        truncated,
        &deep,
        r#"{"AccessToken":[]}"#,
        r#"{"AccessToken":{"k":17}}"#,
        r#"{"AccessToken":{"k":{}}}"#,
    ] {
        let error = read(bad.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("json_parse_failed"), "{bad}: {error}");
    }
    assert!(read(&[0xff, 0xfe, 0x00]).is_err(), "no UTF-8");
}

#[test]
fn a_blob_that_is_too_large_is_refused_before_it_is_parsed() {
    let largest = MAX_BLOB_BYTES;
    let error = read(&vec![b' '; largest + 1]).unwrap_err().to_string();
    let expected = format!("{} bytes are more than {largest}", largest + 1);
    assert!(error.contains(&expected), "{error}");
}

#[test]
fn j6_both_escapings_are_read_and_each_is_written_as_its_build_does() {
    let secret = "AT+1/é<>&'`\"\\ \n\u{7f}😀";
    let entry = serde_json::json!({"AccessToken": {"k": {
        "environment": "e", "client_id": "c", "secret": secret, "realm": "t",
        "target": "A", "cached_at": "1", "expires_on": "2",
    }}});
    let partition = read(entry.to_string().as_bytes()).unwrap();
    let cautious = String::from_utf8(write_with(&partition, Escaping::SystemTextJson)).unwrap();
    let expected = r"AT\u002B1/\u00E9\u003C\u003E\u0026\u0027\u0060\u0022\\ \n\u007F\uD83D\uDE00";
    assert!(cautious.contains(expected), "{cautious}");
    let plain = String::from_utf8(write_with(&partition, Escaping::Newtonsoft)).unwrap();
    assert!(plain.contains("AT+1/é<>&'`\\\"\\\\ \\n\u{7f}😀"), "{plain}");
    for text in [cautious, plain] {
        let again = read(text.as_bytes()).unwrap();
        assert_eq!(write(&again), write(&partition));
    }
}

#[test]
fn l8_a_token_whose_assertion_hash_is_empty_is_its_accounts() {
    let blob = br#"{"AccessToken":{"k":{"home_account_id":"u.t","environment":"login.windows.net","client_id":"c","secret":"s","realm":"t","target":"A","user_assertion_hash":"","cached_at":"1","expires_on":"2"}},"RefreshToken":{"k":{"home_account_id":"u.t","environment":"login.windows.net","client_id":"c","secret":"s","user_assertion_hash":""}}}"#;
    let partition = read(blob).unwrap();
    let access = partition.access_tokens().next().unwrap();
    assert_eq!(access.user_assertion_hash, None);
    let refresh = partition.refresh_tokens().next().unwrap();
    assert_eq!(refresh.user_assertion_hash, None);
}
