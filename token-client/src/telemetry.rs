//! What MSAL tells the provider of an acquisition: the header
//! `x-client-current-telemetry`.

use token_cache::item::TokenType;

use crate::client::AcquireRequest;
use crate::result::CacheRefreshReason;

/// MSAL's `TelemetryTokenType`, by number and name. `AtPop` 4 and `MtlsPop` 6 are
/// schemes that are not told apart here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Bearer = 1,
    Pop = 2,
    SshCert = 3,
    /// Whatever else an application brings itself.
    Extension = 5,
}

impl TokenKind {
    /// By how the request's token is presented.
    pub(crate) fn of(request: &AcquireRequest) -> Self {
        match &request.scheme.token_type {
            TokenType::Bearer => Self::Bearer,
            TokenType::Other(name) => match &**name {
                "pop" => Self::Pop,
                "ssh-cert" => Self::SshCert,
                _ => Self::Extension,
            },
        }
    }

    /// The name that MSAL's metrics have it under.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Pop => "Pop",
            Self::SshCert => "SshCert",
            Self::Extension => "Extension",
        }
    }
}

/// `5|{api},{reason},{region},{source},{outcome}|{serialized},{legacy},{token
/// type},{caller},{version},{certificate}`. Regions, legacy caches and callers'
/// names are left empty or zero: there are none here.
pub(crate) fn current(
    request: &AcquireRequest,
    reason: CacheRefreshReason,
    serialized: bool,
) -> String {
    format!(
        "5|{},{},,,|{},0,{},,,",
        request.flow.api_id() as u16,
        reason.number(),
        u8::from(serialized),
        TokenKind::of(request) as u8
    )
}
