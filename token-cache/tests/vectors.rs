//! Blobs that real SDKs wrote: read, searched as MSAL.NET would, and written
//! back with nothing lost. Checklist J1, J4, J7, J8.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use token_cache::item::TokenType;
use token_cache::{
    AssertionHash, Environment, HomeAccountId, Lookup, Partition, Query, RefreshTokenQuery, Scopes,
    Subject, Timestamp, schema,
};

const VECTORS: [(&str, &[u8]); 7] = [
    ("py-app", include_bytes!("vectors/py-app.json")),
    ("py-user", include_bytes!("vectors/py-user.json")),
    ("py-obo", include_bytes!("vectors/py-obo.json")),
    ("node-app", include_bytes!("vectors/node-app.json")),
    ("node-user", include_bytes!("vectors/node-user.json")),
    ("node-obo", include_bytes!("vectors/node-obo.json")),
    ("dual-app", include_bytes!("vectors/dual-app.json")),
];

const CLIENT: &str = "d3adb33f-c0de-ed0c-c0de-deadb33fc0d3";
const TENANT: &str = "f645ad92-e38d-4d1a-b510-d1b09a74a8ca";
const USER: &str = "9f4880d8-80ba-4c40-97bc-f7a23c703084.f645ad92-e38d-4d1a-b510-d1b09a74a8ca";

/// Shortly after the blobs were written.
const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_341_000);

fn blob(name: &str) -> &'static [u8] {
    let found = VECTORS.iter().find(|(known, _)| *known == name);
    found.expect("a vector of this name").1
}

fn find(name: &str, subject: Subject<'_>, scopes: &str) -> &'static str {
    let partition = schema::read(blob(name)).expect("in the schema");
    find_in(&partition, subject, scopes)
}

fn find_in(partition: &Partition, subject: Subject<'_>, scopes: &str) -> &'static str {
    let query = Query {
        subject,
        tenant_id: Some(TENANT),
        scopes: &Scopes::parse(scopes),
        token_type: &TokenType::Bearer,
        environment: &Environment::of_host("login.microsoftonline.com"),
        client_id: CLIENT,
        key_id: None,
        components: None,
        extended_lifetime: false,
    };
    match partition.find_access_token(&query, NOW) {
        Ok(Lookup::Found(_)) => "hit",
        Ok(Lookup::Extended(_)) => "extended",
        Ok(Lookup::Expired) => "expired",
        Ok(Lookup::Missing) => "miss",
        Err(_) => "several",
    }
}

#[test]
fn j7_app_and_user_blobs_of_python_and_node_hit_and_obo_blobs_miss() {
    let graph = "https://graph.microsoft.com/.default";
    let user = HomeAccountId::new(USER);
    let assertion = AssertionHash::of("header.payload.signature");
    for sdk in ["py", "node"] {
        assert_eq!(
            find(&format!("{sdk}-app"), Subject::Application, graph),
            "hit",
            "{sdk}"
        );
        let name = format!("{sdk}-user");
        assert_eq!(
            find(&name, Subject::Account(&user), "user.read"),
            "hit",
            "{sdk}"
        );
        // Python writes no hash, Node writes it under another name.
        let name = format!("{sdk}-obo");
        assert_eq!(
            find(&name, Subject::Assertion(&assertion), "User.Read"),
            "miss",
            "{sdk}"
        );
    }
    let understanding = schema::ReadOptions {
        understand_aliases: true,
        ..schema::ReadOptions::default()
    };
    let node = schema::read_with(blob("node-obo"), understanding).unwrap();
    let found = find_in(&node, Subject::Assertion(&assertion), "User.Read");
    assert_eq!(found, "hit", "Node's name for the hash, where understood");
}

#[test]
fn j8_the_dual_item_app_blob_is_one_hit() {
    let graph = "https://graph.microsoft.com/.default";
    assert_eq!(find("dual-app", Subject::Application, graph), "hit");
}

#[test]
fn j8_an_app_token_is_exported_in_the_two_entries_that_every_sdk_reads() {
    for name in ["py-app", "node-app"] {
        let partition = schema::read(blob(name)).unwrap();
        let public = Environment::of_host("login.windows.net");
        // As we would have stored it ourselves.
        let ours = partition.in_environment(&public);
        let exported = schema::write_for_every_sdk(&ours, "login.microsoftonline.com");
        let entries: Value = serde_json::from_slice(&exported).unwrap();
        let wanted: Value = serde_json::from_slice(blob("dual-app")).unwrap();
        let shape = |blob: &Value| -> BTreeSet<String> {
            let entries = blob["AccessToken"].as_object().unwrap();
            let shape = |(key, entry): (&String, &Value)| {
                let home = &entry["home_account_id"];
                let (host, kind) = (&entry["environment"], &entry["token_type"]);
                format!("{key} {home} {host} {kind}")
            };
            entries.iter().map(shape).collect()
        };
        assert_eq!(shape(&entries), shape(&wanted), "{name}");
        let back = schema::read(&exported).unwrap();
        let graph = "https://graph.microsoft.com/.default";
        assert_eq!(find_in(&back, Subject::Application, graph), "hit");
    }
}

#[test]
fn a_refresh_token_of_another_sdk_is_found_for_its_account() {
    let public = Environment::of_host("login.microsoftonline.com");
    for name in ["py-user", "node-user"] {
        let partition = schema::read(blob(name)).unwrap();
        let user = HomeAccountId::new(USER);
        let query = RefreshTokenQuery {
            subject: Subject::Account(&user),
            environment: &public,
            client_id: CLIENT,
            family_id: None,
            components: None,
        };
        assert!(partition.find_refresh_token(&query).is_some(), "{name}");
        assert!(partition.find_account(USER).is_some(), "{name}");
    }
}

/// The entries of a section, as MSAL.NET would write them: keys do not count,
/// nor do members that say nothing.
fn canonical(blob: &[u8], section: &str) -> BTreeSet<String> {
    let root: Value = serde_json::from_slice(blob).expect("JSON");
    let entries = root
        .get(section)
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    entries
        .into_iter()
        .map(|(_, entry)| {
            let mut members: Map<String, Value> = entry.as_object().expect("an object").clone();
            members.retain(|_, value| !value.is_null() && value.as_str() != Some(""));
            if members.get("token_type").and_then(Value::as_str) == Some("Bearer") {
                members.remove("token_type");
            }
            // MSAL.NET writes the extended expiry under both names.
            if let Some(extended) = members.get("extended_expires_on").cloned() {
                members.insert("ext_expires_on".to_owned(), extended);
            }
            Value::Object(members).to_string()
        })
        .collect()
}

#[test]
fn j1_every_blob_is_written_back_canonically_equal() {
    for (name, original) in VECTORS {
        let written = schema::write(&schema::read(original).unwrap());
        let mut entries = 0;
        for section in [
            "AccessToken",
            "RefreshToken",
            "IdToken",
            "Account",
            "AppMetadata",
        ] {
            let expected = canonical(original, section);
            entries += expected.len();
            assert_eq!(
                canonical(&written, section),
                expected,
                "{section} of {name}"
            );
        }
        assert!(entries > 0, "{name} is not empty");
        let again = schema::write(&schema::read(&written).unwrap());
        assert_eq!(written, again, "{name} settles after one round");
    }
}
