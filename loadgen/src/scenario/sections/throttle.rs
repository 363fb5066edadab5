//! Throttles: how much the identity provider may be asked for.

use std::time::Duration;

use crate::scenario::plan::{ThrottleLimitPlan, ThrottlePer, ThrottlePlan};
use crate::scenario::reader::{Bad, Choice, DurationIn, Integer, Quantity, Table};

/// Most requests at once.
const MAX_REQUESTS: u64 = 1_000_000;

pub(super) fn throttle(table: &mut Table<'_>) -> Option<ThrottlePlan> {
    let rate = table.optional("rate", "Requests served in the long run", &Quantity::rate());
    let burst = table.or(
        "burst",
        "Requests served at once after a pause; with `rate`",
        "1",
        &requests(),
    );
    let concurrency = table.optional("concurrency", "Requests served at a time", &requests());
    let per = table.or(
        "per",
        "Whose requests are counted together",
        "everyone",
        &Choice(&[
            ("everyone", ThrottlePer::Everyone),
            ("tenant", ThrottlePer::Tenant),
            ("application", ThrottlePer::Application),
            ("tenant_and_application", ThrottlePer::TenantAndApplication),
        ]),
    );
    let retry_after = retry_after(table);
    let (rate, concurrency) = (rate.ok()?, concurrency.ok()?);
    let count = |requests: u64| u32::try_from(requests).ok();
    let limit = match (rate, concurrency) {
        (Some(rate), None) => ThrottleLimitPlan::Rate {
            rate,
            burst: count(burst?)?,
        },
        (None, Some(requests)) => ThrottleLimitPlan::Concurrency(count(requests)?),
        (Some(_), Some(_)) | (None, None) => {
            let span = table.key_span("concurrency");
            table.problems().add_with_hint(
                span,
                "a throttle has one limit",
                "write `rate: 20/s` or `concurrency: 5`, not both",
            );
            return None;
        }
    };
    Some(ThrottlePlan {
        limit,
        per: per?,
        retry_after: retry_after.ok()?,
    })
}

/// When those refused are told to come again.
pub(super) fn retry_after(table: &mut Table<'_>) -> Result<Option<Duration>, Bad> {
    let retry_after = table.optional(
        "retry_after",
        "When those refused are told to come again, in whole seconds",
        &DurationIn::above_zero(),
    );
    let retry_after = retry_after?;
    if retry_after.is_some_and(|wait| wait.subsec_nanos() != 0) {
        let span = table.value_span("retry_after");
        table
            .problems()
            .add_with_hint(span, "`Retry-After` is in whole seconds", "write `60s`");
    }
    Ok(retry_after)
}

fn requests() -> Integer {
    Integer {
        min: 1,
        max: MAX_REQUESTS,
    }
}
