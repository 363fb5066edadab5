//! Numbers of caches that browsers keep.

use super::{Cookies, ThresholdVerdict, full, judged};

/// Or each baseline written before there were such runs would be red.
#[test]
fn a_run_whose_caches_are_not_in_cookies_has_no_number_of_them() {
    let mut report = full();
    report.cache.cookies = Cookies::default();
    for threshold in [
        "largest_session_cookies <= 1B",
        "session_cookies_refused <= 1",
    ] {
        let (measured, verdict) = judged(threshold, &report);
        assert_eq!(
            (measured, verdict),
            (None, ThresholdVerdict::NoData),
            "{threshold}"
        );
    }
}
