//! Caches of which each belongs to one session of a user: in the server's store,
//! in an instance's memory, or in the browser's cookies.

use std::fs;

use loadgen::command::explain::explain;
use loadgen::command::run::Options;
use loadgen::report::model::Report;
use loadgen::report::text;
use loadgen::scenario::Overrides;
use loadgen::scenario::plan::Mode;

use crate::lab::{plan, quiet, report, written};

/// One user, who calls once a minute for an hour with tokens that outlast it.
const ONE: &str = "
version: 1
duration: 1h
idp: { expires_in: 24h, latency: { token: 100ms } }
cache: { provider: session, l2: { store: memory } }
traffic:
  - { flow: authorization_code, arrivals: constant, rate: 60/h }
";

/// Tokens from the provider and from caches, and token requests.
fn counts(report: &Report) -> (u64, u64, u64) {
    let source = report.totals.token_source;
    assert_eq!(
        report.totals.errors, 0,
        "{:?}",
        report.totals.errors_by_kind
    );
    assert!(report.ledger.balanced, "{:?}", report.ledger);
    assert_eq!(report.oracle.wrong_token, 0);
    (
        source.identity_provider,
        source.cache,
        report.idp.token_requests,
    )
}

fn run(scenario: &str, set: &[&str]) -> Report {
    report(&plan(scenario, 1, set), Mode::Virtual)
}

#[test]
fn a_session_keeps_its_tokens_and_a_user_with_two_has_two_caches() {
    let alone = run(ONE, &[]);
    assert_eq!(counts(&alone), (1, 59, 1));
    assert_eq!(alone.totals.hit_ratio, Some(59.0 / 60.0));
    let level = alone.totals.cache_level;
    assert_eq!((level.l1, level.l2, level.unknown), (0, 0, 59));
    assert_eq!(alone.cache.l2.entries, 1);
    assert_eq!(alone.theory, [], "no model knows of sessions");

    // Sixty draws of one of two: both come.
    let two = run(ONE, &["population.sessions=2"]);
    assert_eq!(counts(&two), (2, 58, 2));
    assert_eq!(two.cache.l2.entries, 2);

    // Where the cache is the user's, the second finds what the first has left.
    let distributed = ["population.sessions=2", "cache.provider=distributed"];
    assert_eq!(counts(&run(ONE, &distributed)), (1, 59, 1));
}

#[test]
fn instances_that_keep_their_sessions_themselves_have_every_user_sign_in_at_each() {
    let three = ["fleet={ instances: 3 }"];
    let alone = ["fleet={ instances: 3 }", "cache={ provider: session }"];
    let sticky = [
        "fleet={ instances: 3, affinity: user }",
        "cache={ provider: session }",
    ];
    let shared = run(ONE, &three);
    assert_eq!(counts(&shared), (1, 59, 1));
    let apart = run(ONE, &alone);
    assert_eq!(counts(&apart), (3, 57, 3));
    // The user is signed in at the second and third instance, and has no token there.
    assert_eq!(apart.sessions.interaction_required, 2);
    assert_eq!(apart.cache.l2.entries, 3);
    assert_eq!(counts(&run(ONE, &sticky)), (1, 59, 1));
}

#[test]
fn an_instance_takes_the_sessions_that_it_keeps_itself_along() {
    let restart = "faults=[{ at: 50m, instances: { restart: 0 } }]";
    let kept = run(ONE, &[restart]);
    assert_eq!(counts(&kept), (1, 59, 1));
    let lost = run(ONE, &[restart, "cache={ provider: session }"]);
    assert_eq!(counts(&lost), (2, 58, 2));
    assert_eq!(lost.sessions.interaction_required, 1);
    assert_eq!(
        lost.cache.l2.entries, 1,
        "that of the instance before is gone"
    );
}

#[test]
fn an_idle_session_loses_its_tokens_and_its_user_has_to_sign_in_again() {
    let short = "cache.session.idle_timeout=59s";
    let idle = run(ONE, &[short]);
    assert_eq!(counts(&idle), (60, 0, 60));
    assert_eq!(idle.sessions.interaction_required, 59);
    let busy = run(ONE, &["cache.session.idle_timeout=61s"]);
    assert_eq!(counts(&busy), (1, 59, 1));
    assert_eq!(busy.sessions.interaction_required, 0);
}

/// The same user comes twelve times, each time for a call.
const VISITS: &str = "traffic=[{ flow: authorization_code, \
                      visits: { arrivals: constant, rate: 12/h, calls: 1 } }]";

#[test]
fn a_session_that_ended_leaves_the_next_nothing() {
    for cache in [
        "cache={ provider: session, l2: { store: memory } }",
        "cache={ provider: session }",
        "cache={ provider: session_cookie }",
    ] {
        let run = run(ONE, &[cache, VISITS]);
        assert_eq!(counts(&run), (12, 0, 12), "{cache}");
        assert_eq!(
            run.sessions.interaction_required, 0,
            "they know that they must sign in"
        );
    }
    let distributed = run(ONE, &["cache.provider=distributed", VISITS]);
    assert_eq!(counts(&distributed), (1, 11, 1));
}

#[test]
fn who_signs_out_of_a_session_leaves_nothing_in_the_store() {
    let left = run(ONE, &[VISITS]);
    assert!(left.cache.l2.entries > 1, "{:?}", left.cache.l2);
    let set = [VISITS, "traffic[0].visits.sign_out=100%"];
    let signed_out = run(ONE, &set);
    assert_eq!(counts(&signed_out), (12, 0, 12));
    assert_eq!(signed_out.cache.l2.entries, 0);
    assert_eq!(signed_out.sessions.served_after_sign_out, 0);

    // Of two sessions one signs out, and the other goes on.
    let two = "traffic=[{ flow: authorization_code, arrivals: constant, rate: 60/h }, \
               { name: leaving, flow: authorization_code, \
                 visits: { arrivals: constant, rate: 12/h, calls: 1, sign_out: 100% } }]";
    let two = run(ONE, &[two]);
    assert_eq!(counts(&two), (13, 59, 13));
    assert_eq!(two.sessions.served_after_sign_out, 0);
}

#[test]
fn users_who_were_signed_in_before_the_run_are_so_in_their_sessions() {
    let silent = "traffic=[{ flow: silent, arrivals: constant, rate: 60/h }]";
    for cache in [
        "cache={ provider: session, l2: { store: memory } }",
        "cache={ provider: session_cookie }",
    ] {
        assert_eq!(counts(&run(ONE, &[cache, silent])), (0, 60, 0), "{cache}");
    }
    let idle = run(ONE, &[silent, "cache.session.idle_timeout=59s"]);
    assert!(idle.totals.errors >= 59, "{:?}", idle.totals);
}

#[test]
fn sessions_in_the_servers_store_are_encrypted_where_the_scenario_says_so() {
    let sealed = run(ONE, &["cache.encryption=true"]);
    assert_eq!(counts(&sealed), (1, 59, 1));
    let contents = sealed.cache.l2.contents;
    assert_eq!((contents.plaintext, contents.unreadable), (0, 0));
    assert_eq!(contents.access_tokens, 1);
}

const COOKIE: &str = "cache={ provider: session_cookie }";

#[test]
fn the_browser_brings_the_cache_in_cookies_whose_size_is_told() {
    let blob = run(ONE, &[]).cache.l2.contents.largest_entry;
    let kept = run(ONE, &[COOKIE, "cache.session.cookies=4"]);
    assert_eq!(counts(&kept), (1, 59, 1));
    let cookies = kept.cache.cookies;
    assert_eq!((cookies.set, cookies.refused), (1, 0));
    assert_eq!(cookies.limit_bytes, 4 * 4_096);
    // The blob in base64, that sealed and in base64 again; with its key, the nonce,
    // the ring's id and the names of three cookies beside it.
    let twice = blob * 16 / 9;
    let largest = cookies.largest_bytes;
    assert!(
        (twice..twice + 250).contains(&largest),
        "{largest} of {twice}"
    );
}

#[test]
fn a_token_that_no_longer_fits_in_the_cookies_is_fetched_at_each_call() {
    let set = [COOKIE, "population.resources=2"];
    let over = run(ONE, &set);
    let cookies = over.cache.cookies;
    // The first resource's token fits into three cookies, and with the second's it
    // takes a fourth: the browser keeps the first, whose calls hit.
    assert_eq!(cookies.set, 1);
    assert!((15..45).contains(&cookies.refused), "{cookies:?}");
    let (fetched, cached, requests) = counts(&over);
    assert_eq!(
        (fetched, cached),
        (1 + cookies.refused, 59 - cookies.refused)
    );
    assert_eq!(requests, fetched);
    assert_eq!(
        over.sessions.interaction_required, 0,
        "the refresh token is there"
    );

    let wide = run(ONE, &[&set[..], &["cache.session.cookies=4"]].concat());
    assert_eq!(counts(&wide), (2, 58, 2));
    assert_eq!((wide.cache.cookies.set, wide.cache.cookies.refused), (2, 0));
}

#[test]
fn cookies_over_the_cap_are_not_set_and_counted_as_refused() {
    let over = run(ONE, &[COOKIE, "cache.session.cookies=1"]);
    assert_eq!(counts(&over), (60, 0, 60));
    let cookies = over.cache.cookies;
    assert_eq!((cookies.set, cookies.refused), (0, 60));
    assert!(cookies.largest_bytes > cookies.limit_bytes, "{cookies:?}");
    // Whoever is signed in, as far as the application knows, has no token.
    assert_eq!(over.sessions.interaction_required, 59);
}

#[test]
fn cookies_of_another_key_ring_do_not_open() {
    let swap = "faults=[{ at: 30m, key_ring: { swap: 100% } }]";
    let swapped = run(ONE, &[COOKIE, swap]);
    assert_eq!(counts(&swapped), (2, 58, 2));
    assert_eq!(swapped.sessions.interaction_required, 1);
}

#[test]
fn sessions_are_the_same_on_a_real_clock() {
    let traffic = "traffic=[{ flow: authorization_code, rate: 40/s }]";
    for cache in [
        "cache={ provider: session, l2: { store: memory } }",
        "cache={ provider: session }",
        "cache={ provider: session_cookie, session: { cookies: 4 } }",
    ] {
        let set = [
            cache,
            traffic,
            "duration=3s",
            "population.users=4",
            "idp.latency.token=5ms",
        ];
        let run = report(&plan(ONE, 1, &set), Mode::Real);
        let (fetched, cached, _) = counts(&run);
        // Who comes twice before the first answer signs in twice.
        assert!((4..12).contains(&fetched), "{cache}: {fetched}");
        assert!(cached > 70, "{cache}: {cached}");
    }
}

#[test]
fn what_of_sessions_is_told_in_the_report_and_before_the_run() {
    let over = run(ONE, &[COOKIE, "cache.session.cookies=1"]);
    let text = text::render(&over);
    let row =
        "session cookies       largest 10.6 kB of 4.1 kB that browsers keep, set 0, refused 60";
    assert!(text.contains(row), "{text}");
    let kept = run(ONE, &[]);
    assert!(!text::render(&kept).contains("session cookies"));
    let written = written(&plan(ONE, 1, &[]), Mode::Virtual);
    assert!(
        !written.contains("\"cookies\""),
        "there are none to speak of"
    );

    let file = std::env::temp_dir().join(format!("sessions-{}.yaml", uuid::Uuid::new_v4()));
    fs::write(&file, ONE).unwrap();
    let sentence = |set: &[&str]| {
        let overrides = Overrides {
            set: set.iter().map(|&change| change.to_owned()).collect(),
            ..Overrides::default()
        };
        explain(&file, &overrides).unwrap().text()
    };
    let server = sentence(&[]);
    let said =
        "Each session of a user has a cache of its own, in L2, which goes when left alone for 20m.";
    assert!(server.contains(said), "{server}");
    let browser = sentence(&[COOKIE]);
    let said = "in at most 3 encrypted cookies of 4 096 bytes; a response with more sets none.";
    assert!(browser.contains(said), "{browser}");
    fs::remove_file(file).unwrap();
}

#[test]
fn a_snapshot_of_sessions_is_refused() {
    let options = Options {
        snapshot_out: Some("/nowhere/sessions".into()),
        ..quiet(&plan(ONE, 1, &[]), Mode::Virtual)
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let failure = runtime
        .block_on(loadgen::command::run::run(options))
        .unwrap_err();
    let why = "what is in users' sessions is not in a snapshot";
    assert!(failure.message.ends_with(why), "{failure}");
}
