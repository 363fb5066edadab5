//! Classes of acquisition errors: few enough for labels.

/// The class of an error code (`AcquireError::code`, or a load run's own), in
/// the catalogue's words; a code that is not known is `other`.
pub fn class(code: &str) -> &'static str {
    match code {
        "throttled" => "throttled",
        "server_error" | "temporarily_unavailable" => "server_error",
        "http_timeout" => "timeout",
        "unreachable" | "fetch_lost" => "connection",
        "invalid_grant" => "invalid_grant",
        "invalid_client" | "unauthorized_client" => "invalid_client",
        "interaction_required"
        | "login_required"
        | "consent_required"
        | "no_tokens_found"
        | "user_null" => "interaction_required",
        "multiple_matching_tokens_detected"
        | "json_parse_failed"
        | "cache_undecryptable"
        | "distributed_cache_forbidden" => "cache",
        "cancelled" => "cancelled",
        "protocol" => "protocol",
        _ => "other",
    }
}

/// Every class, so that each series is there, at zero, before its first event.
pub const CLASSES: [&str; 11] = [
    "throttled",
    "server_error",
    "timeout",
    "connection",
    "invalid_grant",
    "invalid_client",
    "interaction_required",
    "cache",
    "cancelled",
    "protocol",
    "other",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_fall_into_classes_and_unknown_ones_into_other() {
        for (code, expected) in [
            ("throttled", "throttled"),
            ("http_timeout", "timeout"),
            ("cancelled", "cancelled"),
            ("consent_required", "interaction_required"),
            ("sign_in_failed", "other"),
            ("made up by a provider", "other"),
        ] {
            assert_eq!(class(code), expected);
            assert!(CLASSES.contains(&class(code)));
        }
    }
}
