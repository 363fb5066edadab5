//! Writing a blob.

use serde::Serialize;

use super::Escaping;
use crate::item::{AccessToken, Account, AppMetadata, IdToken, RefreshToken, UnknownMembers};
use crate::partition::Partition;
use crate::section::Section;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Blob<'a> {
    access_token: &'a Section<AccessToken>,
    refresh_token: &'a Section<RefreshToken>,
    id_token: &'a Section<IdToken>,
    account: &'a Section<Account>,
    app_metadata: &'a Section<AppMetadata>,
    #[serde(flatten)]
    unknown: &'a UnknownMembers,
}

/// Writes a partition as a blob: UTF-8, compact, all five sections, escaped as
/// MSAL.NET's .NET 8 build does.
pub fn write(partition: &Partition) -> Vec<u8> {
    write_with(partition, Escaping::SystemTextJson)
}

/// [`write()`], with this escaping.
pub fn write_with(partition: &Partition, escaping: Escaping) -> Vec<u8> {
    let blob = Blob {
        access_token: &partition.access_tokens,
        refresh_token: &partition.refresh_tokens,
        id_token: &partition.id_tokens,
        account: &partition.accounts,
        app_metadata: &partition.app_metadata,
        unknown: &partition.unknown,
    };
    // Payload and some room for member names.
    let capacity = partition.size_bytes() * 5 / 4 + 256;
    escaping.to_json(&blob, capacity)
}
