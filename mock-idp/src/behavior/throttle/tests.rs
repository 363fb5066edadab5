//! Throttles on a clock of their own.

use uuid::Uuid;

use super::*;
use crate::form::Form;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn request(tenant: &str, client: &str, scope: &str) -> RequestContext {
    let (parts, ()) = http::Request::new(()).into_parts();
    let body = format!("grant_type=client_credentials&client_id={client}&scope={scope}");
    let form = Form::parse(body.as_bytes()).unwrap();
    RequestContext::of_token_request(
        &crate::Directory::Open,
        tenant,
        &parts,
        Some(&form),
        Uuid::nil(),
    )
}

fn throttles(text: &str) -> Throttles {
    Throttles::new(vec![serde_json::from_str(text).unwrap()]).unwrap()
}

/// The seconds after which a request may come again, or none when it is served.
fn ask(throttles: &Throttles, request: &RequestContext, at: Duration) -> Option<u32> {
    match throttles.admit(request, at) {
        Ok(_) => None,
        Err(Throttled {
            retry_after: RetryAfter::Seconds(seconds),
            ..
        }) => Some(seconds),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_bucket_serves_its_burst_and_then_its_rate() {
    let throttles =
        throttles(r#"{"name":"a","per":"everyone","limit":{"rate":{"per_second":0.5,"burst":3}}}"#);
    let request = request("common", "a", "s");
    let ask = |at| ask(&throttles, &request, at);
    assert_eq!([ask(MS(0)), ask(MS(0)), ask(MS(0))], [None; 3]);
    assert_eq!(ask(MS(0)), Some(2));
    assert_eq!(ask(MS(500)), Some(2), "a second and a half, rounded up");
    assert_eq!(ask(MS(1500)), Some(1));
    assert_eq!(ask(MS(2000)), None);
    assert_eq!(ask(MS(2000)), Some(2));
    let later = Duration::from_hours(1);
    assert_eq!([ask(later), ask(later), ask(later)], [None; 3]);
    assert_eq!(
        ask(later),
        Some(2),
        "a pause fills the bucket no higher than its burst"
    );
}

#[test]
fn a_long_run_is_served_at_the_rate() {
    let [rate, _] = ThrottlePolicy::imds(&Matcher::default());
    let throttles = Throttles::new(vec![rate]).unwrap();
    let request = request("common", "a", "s");
    let served = (0..60_000).filter(|&at| ask(&throttles, &request, MS(at)).is_none());
    assert_eq!(served.count(), 20 + 20 * 60 - 1);
}

#[test]
fn the_imds_profile_serves_five_at_a_time() {
    let [_, concurrency] = ThrottlePolicy::imds(&Matcher::default());
    let throttles = Throttles::new(vec![concurrency]).unwrap();
    let request = request("common", "a", "s");
    let admit = || throttles.admit(&request, MS(0));
    let mut held: Vec<_> = (0..5).map(|_| admit().unwrap()).collect();
    let refused = admit().unwrap_err();
    assert_eq!(refused.kind, ThrottleKind::Concurrency);
    assert_eq!(refused.retry_after, RetryAfter::Seconds(1));
    held.pop();
    assert!(admit().is_ok());
}

#[test]
fn a_loop_is_more_than_so_many_within_any_stretch() {
    let policy = ThrottlePolicy::loop_detection(3, Duration::from_secs(10));
    let throttles = Throttles::new(vec![policy]).unwrap();
    let request = request("common", "a", "s");
    let served = |second| {
        let admitted = throttles.admit(&request, Duration::from_secs(second));
        admitted.map(|_| ()).map_err(|throttled| throttled.kind)
    };
    for (second, expected) in [
        (0, Ok(())),
        (4, Ok(())),
        (8, Ok(())),
        (9, Err(ThrottleKind::Loop)),
        (10, Ok(())),
        (11, Err(ThrottleKind::Loop)),
        (14, Ok(())),
    ] {
        assert_eq!(served(second), expected, "at {second} s");
    }
}

#[test]
fn each_key_has_a_count_of_its_own() {
    let base = request("contoso.com", "a", "s");
    let others = [
        ("everyone", [true, true, true]),
        ("tenant", [false, true, true]),
        ("client", [true, false, true]),
        ("tenant_and_client", [false, false, true]),
        ("scopes", [true, true, false]),
        ("tenant_client_and_scopes", [false, false, false]),
        ("ip", [true, true, true]),
    ];
    for (per, shared) in others {
        for (other, shared) in [
            request("fabrikam.com", "a", "s"),
            request("contoso.com", "b", "s"),
            request("contoso.com", "a", "t"),
        ]
        .iter()
        .zip(shared)
        {
            let throttles = throttles(&format!(
                r#"{{"name":"a","per":"{per}","limit":{{"rate":{{"per_second":1,"burst":1}}}}}}"#
            ));
            assert_eq!(ask(&throttles, &base, MS(0)), None);
            assert_eq!(ask(&throttles, other, MS(0)).is_some(), shared, "{per}");
        }
    }
}

#[test]
fn addresses_are_told_apart_whatever_else_is_the_same() {
    let throttles =
        throttles(r#"{"name":"a","per":"ip","limit":{"rate":{"per_second":1,"burst":1}}}"#);
    let from = |peer: &str| RequestContext {
        peer: Some(peer.parse().unwrap()),
        ..request("common", "a", "s")
    };
    assert_eq!(ask(&throttles, &from("192.0.2.1"), MS(0)), None);
    assert_eq!(ask(&throttles, &from("192.0.2.1"), MS(0)), Some(1));
    assert_eq!(ask(&throttles, &from("192.0.2.2"), MS(0)), None);
    assert_eq!(ask(&throttles, &from("2001:db8::1"), MS(0)), None);
    assert_eq!(ask(&throttles, &from("192.0.2.2"), MS(0)), Some(1));
}

#[test]
fn keys_that_have_nothing_used_are_forgotten() {
    let throttles =
        throttles(r#"{"name":"a","per":"client","limit":{"rate":{"per_second":1,"burst":1}}}"#);
    for number in 0..20_000 {
        ask(
            &throttles,
            &request("common", &number.to_string(), "s"),
            MS(number * 10),
        );
    }
    let kept = throttles.0.lock()[0].keys.len();
    assert!(kept < 3_000, "{kept}");
}

#[test]
fn impossible_policies_are_refused() {
    for text in [
        r#"{"name":"A","per":"ip","limit":{"concurrency":{"requests":1}}}"#,
        r#"{"name":"a","per":"ip","limit":{"concurrency":{"requests":0}}}"#,
        r#"{"name":"a","per":"ip","limit":{"rate":{"per_second":0,"burst":1}}}"#,
        r#"{"name":"a","per":"ip","limit":{"rate":{"per_second":1,"burst":0}}}"#,
        r#"{"name":"a","per":"ip","limit":{"loop":{"requests":1,"within":"0s"}}}"#,
        r#"{"name":"a","per":"ip","limit":{"loop":{"requests":99999,"within":"1s"}}}"#,
        r#"{"name":"a","match":{"endpoint":"x"},"per":"ip","limit":{"concurrency":{"requests":1}}}"#,
    ] {
        let policy: ThrottlePolicy = serde_json::from_str(text).unwrap();
        assert!(policy.validate().is_err(), "{text}");
    }
    let text = r#"{"name":"a","limit":{"concurrency":{"requests":1}}}"#;
    assert!(
        serde_json::from_str::<ThrottlePolicy>(text).is_err(),
        "without `per`"
    );
}
