//! The latest token requests, one record each, and questions about them.

use std::collections::VecDeque;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::UnixTime;
use crate::directory::Directory;
use crate::ledger::{Exchange, GrantType};
use crate::request::{ApiId, CacheRefreshReason, ClientSku, RequestContext};

/// One token request that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedRequest {
    /// Counted from one since the ledger was reset.
    pub number: u64,
    /// When it was over, on the server's clock: `2026-08-13 03:04:05Z`.
    pub at: String,
    /// The tenant's id, or the name in the path.
    pub tenant: String,
    /// The client id; empty when the request named none.
    pub client: String,
    /// What it asked for.
    pub grant: GrantType,
    /// Equal for equal sets of scopes.
    pub scopes_hash: String,
    /// The client library.
    pub sku: ClientSku,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_version: Option<String>,
    /// The call the application made, when its library says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<ApiId>,
    /// Why the cache did not answer, when the library says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_refresh_reason: Option<CacheRefreshReason>,
    /// The client's id for what it did, or the one it was given.
    pub correlation_id: Uuid,
    /// The HTTP status, 499 when the client went away before its answer.
    pub status: u16,
    /// From arrival to answer, in microseconds.
    pub latency_us: u64,
    /// Bytes of the request's body.
    #[serde(default)]
    pub request_bytes: u64,
    /// Bytes of the answer's body.
    #[serde(default)]
    pub response_bytes: u64,
}

/// Which requests are meant; all of those given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RequestFilter {
    /// Of this grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantType>,
    /// To this tenant, by id, domain or reserved name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// From this application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// By this library.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sku: Option<ClientSku>,
    /// For this reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<CacheRefreshReason>,
    /// Answered with this status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// With this correlation id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<Uuid>,
    /// With a number above this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// At most this many, the latest; all that are remembered when left out. Does not change how
    /// many are counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

impl RecordedRequest {
    /// One line in the log, for those who want every request there.
    fn log(&self) {
        tracing::debug!(
            grant = self.grant.as_str(),
            status = self.status,
            tenant = self.tenant,
            client = self.client,
            scopes_hash = self.scopes_hash,
            sku = self.sku.as_str(),
            client_version = self.client_version,
            api = self.api.map(tracing::field::debug),
            cache_refresh_reason = self.cache_refresh_reason.map(CacheRefreshReason::as_str),
            correlation_id = %self.correlation_id,
            latency_us = self.latency_us,
            request_bytes = self.request_bytes,
            response_bytes = self.response_bytes,
            "token request"
        );
    }
}

impl RequestFilter {
    fn fits(&self, request: &RecordedRequest) -> bool {
        fn fits<T: PartialEq>(wanted: Option<&T>, found: &T) -> bool {
            wanted.is_none_or(|wanted| wanted == found)
        }
        let same = |wanted: &Option<String>, found: &str| {
            let wanted = wanted.as_ref();
            wanted.is_none_or(|wanted| wanted.eq_ignore_ascii_case(found))
        };
        fits(self.grant.as_ref(), &request.grant)
            && fits(self.sku.as_ref(), &request.sku)
            && fits(self.status.as_ref(), &request.status)
            && fits(self.correlation_id.as_ref(), &request.correlation_id)
            && same(&self.client, &request.client)
            && same(&self.tenant, &request.tenant)
            && (self.reason.is_none() || self.reason == request.cache_refresh_reason)
            && self.since.is_none_or(|since| request.number > since)
    }
}

/// Requests that fit a filter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedRequests {
    /// How many of those remembered fit.
    pub count: u64,
    /// Requests above the filter's `since` that were forgotten to bound memory. Above zero,
    /// `count` is a lower bound.
    pub forgotten: u64,
    /// Those that fit, oldest first; the latest of them when there is a limit.
    pub requests: Vec<RecordedRequest>,
}

/// The latest requests, as many as fit.
pub(crate) struct RecentRequests {
    kept: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    requests: VecDeque<RecordedRequest>,
    /// Recorded since the reset.
    recorded: u64,
}

impl RecentRequests {
    /// Remembers at most `kept` requests, about 300 bytes each.
    pub(crate) fn keeping(kept: usize) -> Self {
        Self {
            kept,
            state: Mutex::default(),
        }
    }

    pub(crate) fn record(&self, context: &RequestContext, exchange: Exchange, at: UnixTime) {
        let request = RecordedRequest {
            number: 0,
            at: at.to_text(),
            tenant: context.tenant.clone(),
            client: context.client_id.clone(),
            grant: context.grant,
            scopes_hash: context.scopes_hash(),
            sku: context.sku,
            client_version: context.client_version.clone(),
            api: context.telemetry.map(|telemetry| telemetry.api),
            cache_refresh_reason: context.telemetry.map(|telemetry| telemetry.reason),
            correlation_id: context.correlation_id,
            status: exchange.status,
            latency_us: u64::try_from(exchange.took.as_micros()).unwrap_or(u64::MAX),
            request_bytes: exchange.received,
            response_bytes: exchange.sent,
        };
        request.log();
        let mut state = self.state.lock();
        state.recorded += 1;
        if self.kept == 0 {
            return;
        }
        if state.requests.len() >= self.kept {
            state.requests.pop_front();
        }
        let number = state.recorded;
        state
            .requests
            .push_back(RecordedRequest { number, ..request });
    }

    /// Those that fit, where tenants are named as in this directory.
    pub(crate) fn find(&self, filter: &RequestFilter, directory: &Directory) -> RecordedRequests {
        let tenant = filter.tenant.as_deref();
        let filter = RequestFilter {
            tenant: tenant.map(|name| directory.counted_tenant(name)),
            ..filter.clone()
        };
        let state = self.state.lock();
        let oldest = state.recorded - state.requests.len() as u64;
        let fitting = || state.requests.iter().filter(|request| filter.fits(request));
        let count = fitting().count();
        let skipped = count.saturating_sub(filter.limit.unwrap_or(count));
        RecordedRequests {
            count: count as u64,
            forgotten: oldest.saturating_sub(filter.since.unwrap_or_default()),
            requests: fitting().skip(skipped).cloned().collect(),
        }
    }

    pub(crate) fn reset(&self) {
        *self.state.lock() = State::default();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Request;

    use super::*;
    use crate::clock::Clock;
    use crate::form::Form;

    fn context(tenant: &str, client: &str, telemetry: &str) -> RequestContext {
        let request = Request::builder()
            .header("x-client-sku", "MSAL.Python")
            .header("x-client-current-telemetry", telemetry);
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let body = format!("grant_type=client_credentials&client_id={client}");
        let form = Form::parse(body.as_bytes()).unwrap();
        RequestContext::of_token_request(&Directory::Open, tenant, &parts, Some(&form), Uuid::nil())
    }

    fn three(kept: usize) -> RecentRequests {
        let recent = RecentRequests::keeping(kept);
        let at = Clock::system().now();
        for (tenant, client, telemetry, status) in [
            ("contoso.com", "a", "4|730,2|", 200),
            ("contoso.com", "b", "4|730,3|", 429),
            ("common", "a", "", 200),
        ] {
            let context = context(tenant, client, telemetry);
            let exchange = Exchange {
                status,
                took: Duration::from_millis(2),
                received: 100,
                sent: 1_500,
            };
            recent.record(&context, exchange, at);
        }
        recent
    }

    #[test]
    fn requests_are_found_by_what_they_said() {
        let recent = three(10);
        for (filter, numbers) in [
            ("{}", &[1, 2, 3][..]),
            (r#"{"grant":"client_credentials"}"#, &[1, 2, 3]),
            (r#"{"grant":"refresh_token"}"#, &[]),
            (r#"{"tenant":"Contoso.com"}"#, &[1, 2]),
            (r#"{"tenant":"common"}"#, &[3]),
            (r#"{"client":"A"}"#, &[1, 3]),
            (r#"{"client":"a","tenant":"contoso.com"}"#, &[1]),
            (r#"{"sku":"msal_python"}"#, &[1, 2, 3]),
            (r#"{"sku":"msal_go"}"#, &[]),
            (r#"{"reason":"expired"}"#, &[2]),
            (r#"{"status":429}"#, &[2]),
            (r#"{"since":1}"#, &[2, 3]),
            (
                r#"{"correlation_id":"ffffffff-ffff-ffff-ffff-ffffffffffff"}"#,
                &[],
            ),
        ] {
            let found = recent.find(&serde_json::from_str(filter).unwrap(), &Directory::Open);
            let found_numbers: Vec<_> = found.requests.iter().map(|found| found.number).collect();
            assert_eq!(found_numbers, numbers, "{filter}");
            assert_eq!(found.count, numbers.len() as u64, "{filter}");
            assert_eq!(found.forgotten, 0);
        }
        let latest = recent.find(
            &serde_json::from_str(r#"{"limit":1}"#).unwrap(),
            &Directory::Open,
        );
        assert_eq!((latest.count, latest.requests[0].number), (3, 3));
        assert_eq!(latest.requests[0].latency_us, 2000);
        let sizes = |request: &RecordedRequest| (request.request_bytes, request.response_bytes);
        assert_eq!(sizes(&latest.requests[0]), (100, 1_500));
    }

    #[test]
    fn what_was_forgotten_is_said() {
        let recent = three(2);
        let found = recent.find(&RequestFilter::default(), &Directory::Open);
        assert_eq!((found.count, found.forgotten), (2, 1));
        assert_eq!(found.requests[0].number, 2);
        let since = RequestFilter {
            since: Some(1),
            ..RequestFilter::default()
        };
        assert_eq!(recent.find(&since, &Directory::Open).forgotten, 0);
        assert_eq!(
            three(0)
                .find(&RequestFilter::default(), &Directory::Open)
                .forgotten,
            3
        );
        recent.reset();
        assert_eq!(
            recent
                .find(&RequestFilter::default(), &Directory::Open)
                .forgotten,
            0
        );
    }

    #[test]
    fn a_misspelt_question_is_refused() {
        assert!(serde_json::from_str::<RequestFilter>(r#"{"tenat":"x"}"#).is_err());
        assert!(serde_json::from_str::<RequestFilter>(r#"{"grant":"cc"}"#).is_err());
    }
}
