//! What MSAL tells the provider of an acquisition: the header
//! `x-client-current-telemetry`.

use crate::flow::Flow;
use crate::result::CacheRefreshReason;

/// `5|{api},{reason},{region},{source},{outcome}|{serialized},{legacy},{token
/// type},{caller},{version},{certificate}`. Regions, legacy caches and callers'
/// names are left empty or zero: there are none here.
pub(crate) fn current(flow: &Flow, reason: CacheRefreshReason, serialized: bool) -> String {
    format!(
        "5|{},{},,,|{},0,1,,,",
        flow.api_id() as u16,
        reason.number(),
        u8::from(serialized)
    )
}
