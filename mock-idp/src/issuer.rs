//! Who this server says it is in tokens and documents.

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::endpoint::Version;
use crate::origin::Origin;

/// Whose name tokens are issued in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IssuerMode {
    /// The host and port the client asked: what it typed is what tokens say.
    #[default]
    #[value(name = "self")]
    #[serde(rename = "self")]
    Own,
    /// Entra's own: `https://login.microsoftonline.com/{tenant}/v2.0` and
    /// `https://sts.windows.net/{tenant}/`.
    Microsoft,
}

/// The issuer of a tenant's tokens of this version; `tenant` may be the template `{tenantid}`.
pub(crate) fn issuer(
    mode: IssuerMode,
    version: Version,
    origin: &Origin,
    tenant: impl std::fmt::Display,
) -> String {
    match (mode, version) {
        (IssuerMode::Own, Version::V1) => format!("{origin}/{tenant}/"),
        (IssuerMode::Own, Version::V2) => format!("{origin}/{tenant}/v2.0"),
        (IssuerMode::Microsoft, Version::V1) => format!("https://sts.windows.net/{tenant}/"),
        (IssuerMode::Microsoft, Version::V2) => {
            format!("https://login.microsoftonline.com/{tenant}/v2.0")
        }
    }
}
