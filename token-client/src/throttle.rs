//! Remembers `Retry-After`: while the provider wants to be left alone, the same
//! request fails at once with the provider's own words. After MSAL's
//! `RetryAfterProvider`, which confidential clients use too.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use token_cache::{PartitionKey, Scopes};
use tokio::time::Instant;

use crate::client::AcquireRequest;
use crate::error::ErrorKind;

/// No wish is heeded for longer.
pub const LONGEST: Duration = Duration::from_secs(3_600);

/// Beyond this many, those whose time has passed are let go.
const SWEPT_ABOVE: usize = 1_000;

/// Requests that fail alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ThrottleKey {
    tenant_id: Arc<str>,
    scopes: Scopes,
    partition: Option<PartitionKey>,
    flow: &'static str,
}

impl ThrottleKey {
    pub(crate) fn of(request: &AcquireRequest, partition: Option<PartitionKey>) -> Self {
        Self {
            tenant_id: Arc::clone(&request.tenant_id),
            scopes: request.scopes.clone(),
            partition,
            flow: request.flow.as_str(),
        }
    }
}

#[derive(Default)]
pub(crate) struct Throttles(Mutex<HashMap<ThrottleKey, Throttled>>);

struct Throttled {
    until: Instant,
    cause: Arc<ErrorKind>,
}

impl Throttles {
    /// Why a request must not be sent now, if it must not.
    pub(crate) fn check(&self, key: &ThrottleKey) -> Option<Arc<ErrorKind>> {
        let mut throttled = self.0.lock();
        let found = throttled.get(key)?;
        let left = found.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            throttled.remove(key);
            return None;
        }
        Some(Arc::new(ErrorKind::Throttled {
            retry_after: left,
            cause: Arc::clone(&found.cause),
        }))
    }

    /// Notes an answer that says when to come back.
    pub(crate) fn note(&self, key: ThrottleKey, cause: &Arc<ErrorKind>) {
        let ErrorKind::Provider(error) = &**cause else {
            return;
        };
        let counts = |status| status == 429 || status >= 500;
        let wait = error
            .retry_after()
            .filter(|_| error.status().is_some_and(counts));
        let Some(wait) = wait else { return };
        if defect!(RetryAfterIgnored) {
            return;
        }
        let wait = if defect!(RetryAfterForAnHour) {
            LONGEST
        } else {
            wait
        };
        let mut throttled = self.0.lock();
        let now = Instant::now();
        if throttled.len() > SWEPT_ABOVE {
            throttled.retain(|_, throttled| throttled.until > now);
        }
        throttled.insert(
            key,
            Throttled {
                until: now + wait.min(LONGEST),
                cause: Arc::clone(cause),
            },
        );
    }
}
