//! Faults of the identity provider.

use super::latency::latency;
use super::throttle::{retry_after, throttle};
use crate::scenario::plan::{EndpointPlan, IdpFault, IdpTrouble};
use crate::scenario::reader::{AnyShare, Choice, Flag, Integer, Table, TableOf};

/// What it can do, in the order of hints.
const TROUBLES: [&str; 6] = [
    "status",
    "aadsts",
    "latency",
    "throttle",
    "truncated_body",
    "reset",
];

pub(super) fn idp_fault(table: &mut Table<'_>) -> Option<IdpFault> {
    let status = table.optional(
        "status",
        "Answer with this HTTP status: an outage is 503",
        &Integer { min: 400, max: 599 },
    );
    let aadsts = table.optional(
        "aadsts",
        "Answer with Entra's error of this number, such as 50196",
        &Integer {
            min: 10_000,
            max: 9_999_999,
        },
    );
    let latency = table.optional("latency", "Answer so much later", &latency());
    let throttled = table.optional("throttle", "Serve no more than this", &TableOf(throttle));
    let truncated = table.optional("truncated_body", "Send half an answer", &Flag);
    let reset = table.optional("reset", "Read the request and hang up", &Flag);
    let retry_after = retry_after(table);
    let share = table.or(
        "share",
        "Part of the requests it happens to",
        "100%",
        &AnyShare,
    );
    let endpoint = table.or(
        "endpoint",
        "Where it happens",
        "token",
        &Choice(&[
            ("token", EndpointPlan::Token),
            ("authorize", EndpointPlan::Authorize),
            ("discovery", EndpointPlan::Discovery),
            ("keys", EndpointPlan::Keys),
        ]),
    );
    let written: Vec<&str> = TROUBLES
        .into_iter()
        .filter(|trouble| table.has(trouble))
        .collect();
    let [trouble] = written.as_slice() else {
        let span = table.key_span(written.get(1).copied().unwrap_or_default());
        table.problems().add_with_hint(
            span,
            format!("the provider does one thing, found {}", written.len()),
            "write one of `status`, `aadsts`, `latency`, `throttle`, `truncated_body` and `reset`",
        );
        return None;
    };
    if table.has("retry_after") && !matches!(*trouble, "status" | "aadsts") {
        let span = table.key_span("retry_after");
        table.problems().add_with_hint(
            span,
            format!("`{trouble}` does not say when to come again"),
            "leave `retry_after` out; a throttle has its own",
        );
    }
    if *trouble == "throttle" && table.has("share") {
        let span = table.key_span("share");
        table.problems().add_with_hint(
            span,
            "a throttle counts every request",
            "leave `share` out",
        );
    }
    for (key, flag) in [("truncated_body", truncated), ("reset", reset)] {
        if flag == Ok(Some(false)) {
            let span = table.value_span(key);
            table.problems().add_with_hint(
                span,
                format!("`{key}: false` is no fault"),
                "write `true`, or leave the fault out",
            );
        }
    }
    let retry_after = retry_after.ok()?;
    let status = status.ok()?.and_then(|status| u16::try_from(status).ok());
    let aadsts = aadsts.ok()?.and_then(|code| u32::try_from(code).ok());
    let trouble = status
        .map(|status| IdpTrouble::Status {
            status,
            retry_after,
        })
        .or(aadsts.map(|code| IdpTrouble::Aadsts { code, retry_after }))
        .or(latency.ok()?.map(IdpTrouble::Latency))
        .or(throttled.ok()?.map(IdpTrouble::Throttle))
        .or(truncated.ok()?.map(|_| IdpTrouble::TruncatedBody))
        .or(reset.ok()?.map(|_| IdpTrouble::Reset))?;
    Some(IdpFault {
        trouble,
        share: share?,
        endpoint: endpoint?,
    })
}
