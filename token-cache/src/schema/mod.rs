//! The unified JSON schema, version 3, in which MSAL libraries store a cache.
//!
//! Section order and member order follow MSAL.NET, timestamps are decimal
//! strings, unknown members survive a round trip. Entry keys are ignored when
//! reading and made anew when writing, as MSAL.NET does.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::CacheError;
use crate::item::{
    AccessToken, Account, AppMetadata, CredentialType, IdToken, RefreshToken, UnknownMembers,
};
use crate::key::ItemKey;
use crate::partition::Partition;

/// One section of a blob: an entry can be `null`, and so can the section.
type Section<T> = Option<BTreeMap<ItemKey, Option<Arc<T>>>>;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReadBlob {
    #[serde(default)]
    access_token: Section<AccessToken>,
    #[serde(default)]
    refresh_token: Section<RefreshToken>,
    #[serde(default)]
    id_token: Section<IdToken>,
    #[serde(default)]
    account: Section<Account>,
    #[serde(default)]
    app_metadata: Section<AppMetadata>,
    #[serde(flatten)]
    unknown: UnknownMembers,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WriteBlob<'a> {
    access_token: &'a BTreeMap<ItemKey, Arc<AccessToken>>,
    refresh_token: &'a BTreeMap<ItemKey, Arc<RefreshToken>>,
    id_token: &'a BTreeMap<ItemKey, Arc<IdToken>>,
    account: &'a BTreeMap<ItemKey, Arc<Account>>,
    app_metadata: &'a BTreeMap<ItemKey, Arc<AppMetadata>>,
    #[serde(flatten)]
    unknown: &'a UnknownMembers,
}

/// Reads a blob; an empty one is an empty partition.
///
/// # Errors
///
/// [`CacheError::Malformed`] when it is not JSON or not in the schema.
pub fn read(blob: &[u8]) -> Result<Partition, CacheError> {
    if blob.is_empty() {
        return Ok(Partition::default());
    }
    let blob: ReadBlob = serde_json::from_slice(blob).map_err(|error| CacheError::Malformed {
        reason: describe(&error),
    })?;
    let mut partition = Partition::default();
    partition.access_tokens = keyed(
        blob.access_token,
        // The key of one with extra components has their hash in it: kept.
        |token| (token.credential_type == CredentialType::AccessToken).then(|| token.key()),
        AccessToken::normalise,
    );
    partition.refresh_tokens = keyed(
        blob.refresh_token,
        |item| Some(RefreshToken::key(item)),
        |_| {},
    );
    partition.id_tokens = keyed(blob.id_token, |item| Some(IdToken::key(item)), |_| {});
    partition.accounts = keyed(blob.account, |item| Some(Account::key(item)), |_| {});
    partition.app_metadata = keyed(
        blob.app_metadata,
        |item| Some(AppMetadata::key(item)),
        |_| {},
    );
    partition.unknown = blob.unknown;
    partition.index();
    Ok(partition)
}

/// Writes a partition as a blob: UTF-8, compact, all five sections.
pub fn write(partition: &Partition) -> Vec<u8> {
    let blob = WriteBlob {
        access_token: &partition.access_tokens,
        refresh_token: &partition.refresh_tokens,
        id_token: &partition.id_tokens,
        account: &partition.accounts,
        app_metadata: &partition.app_metadata,
        unknown: &partition.unknown,
    };
    // Strings under string keys always have a JSON form.
    serde_json::to_vec(&blob).unwrap_or_default()
}

/// The kind of mistake and its place. `serde_json`'s own text can quote what
/// it found, which may be a secret.
fn describe(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        serde_json::error::Category::Data => "a member is missing or of the wrong type",
        serde_json::error::Category::Eof => "the JSON ends too early",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "no valid JSON",
    };
    format!("{kind} at line {} column {}", error.line(), error.column())
}

fn keyed<T>(
    section: Section<T>,
    key: impl Fn(&T) -> Option<ItemKey>,
    settle: impl Fn(&mut T),
) -> BTreeMap<ItemKey, Arc<T>>
where
    T: Clone,
{
    section
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(written, item)| item.map(|item| (written, item)))
        .map(|(written, mut item)| {
            settle(Arc::make_mut(&mut item));
            (key(&item).unwrap_or(written), item)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_token_with_extra_key_components_is_kept_under_its_key() {
        let blob = br#"{"AccessToken":{"-e-atext-c-t-a-7cx57q63":{"environment":"e","client_id":"c","secret":"s","credential_type":"ATExt","realm":"t","target":"A","cached_at":"1","expires_on":"2","ext":{"fmi_path":"x"}}}}"#;
        let text = String::from_utf8(write(&read(blob).unwrap())).unwrap();
        assert!(
            text.contains(r#""-e-atext-c-t-a-7cx57q63":{"ext":{"fmi_path":"x"},"#),
            "{text}"
        );
        assert!(text.contains(r#""credential_type":"ATExt""#), "{text}");
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
        let error =
            read(br#"{"AccessToken":{"k":{"secret":"eyJhidden","expires_on":"eyJhidden"}}}"#);
        assert!(!error.unwrap_err().to_string().contains("eyJhidden"));
    }
}
