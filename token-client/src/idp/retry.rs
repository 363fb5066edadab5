//! When a failed token request is sent again, as MSAL.NET has it. Each rule says
//! after how long, given how often the request was sent; it is asked after each
//! failure.

use std::time::Duration;

use super::RequestError;

const SECOND: Duration = Duration::from_secs(1);

/// A token endpoint is asked once more, after a second, when it answered with a
/// server error and did not say when to come back, or not in time.
pub fn of_token_endpoint(error: &RequestError, sent: u32) -> Option<Duration> {
    let again = match error.status() {
        Some(status) => (500..600).contains(&status) && error.retry_after().is_none(),
        None => matches!(error, RequestError::Timeout(_)),
    };
    (again && sent <= 1).then_some(SECOND)
}

/// A managed identity's endpoint is asked up to three times more, a second
/// apart.
pub fn of_managed_identity(error: &RequestError, sent: u32) -> Option<Duration> {
    let again = match error.status() {
        Some(status) => matches!(status, 404 | 408 | 429 | 500..=599),
        None => matches!(error, RequestError::Timeout(_)),
    };
    (again && sent <= 3).then_some(SECOND)
}

/// A virtual machine's metadata service is asked up to three times more, after
/// one, two and four seconds; while it is being updated (410), up to seven
/// times, ten seconds apart.
pub fn of_metadata_service(error: &RequestError, sent: u32) -> Option<Duration> {
    if error.status() == Some(410) {
        return (sent <= 7).then_some(10 * SECOND);
    }
    of_managed_identity(error, sent).map(|_| SECOND * 2_u32.pow(sent.saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, retry_after_s: Option<u64>) -> RequestError {
        RequestError::Protocol {
            status,
            reason: String::new(),
            retry_after: retry_after_s.map(Duration::from_secs),
        }
    }

    /// The pauses between requests that all fail like this.
    fn pauses(rule: fn(&RequestError, u32) -> Option<Duration>, error: &RequestError) -> Vec<u64> {
        let mut sent = 0;
        std::iter::from_fn(|| {
            sent += 1;
            rule(error, sent).map(|pause| pause.as_secs())
        })
        .collect()
    }

    #[test]
    fn a_token_endpoint_is_asked_once_more_after_a_server_error_or_silence() {
        let silence = RequestError::Timeout(SECOND);
        let broken = RequestError::Unreachable("refused".into());
        for (error, expected) in [
            (&answered(500, None), &[1][..]),
            (&answered(503, None), &[1]),
            (&silence, &[1]),
            (&answered(503, Some(5)), &[]),
            (&answered(429, None), &[]),
            (&answered(400, None), &[]),
            (&answered(404, None), &[]),
            (&broken, &[]),
        ] {
            assert_eq!(pauses(of_token_endpoint, error), expected, "{error:?}");
        }
    }

    #[test]
    fn a_managed_identitys_endpoint_is_asked_three_times_more() {
        for (status, expected) in [
            (404, &[1, 1, 1][..]),
            (408, &[1, 1, 1]),
            (429, &[1, 1, 1]),
            (500, &[1, 1, 1]),
            (400, &[]),
            (410, &[]),
        ] {
            let error = answered(status, None);
            assert_eq!(pauses(of_managed_identity, &error), expected, "{status}");
        }
    }

    #[test]
    fn a_metadata_service_is_given_more_time_and_more_still_during_its_update() {
        for (status, expected) in [
            (404, &[1, 2, 4][..]),
            (503, &[1, 2, 4]),
            (410, &[10; 7]),
            (400, &[]),
        ] {
            let error = answered(status, None);
            assert_eq!(pauses(of_metadata_service, &error), expected, "{status}");
        }
    }
}
