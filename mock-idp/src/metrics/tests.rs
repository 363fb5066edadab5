//! What a scrape shows of what was counted.

use std::time::Duration;

use super::*;

fn render(metrics: &Metrics) -> String {
    telemetry::render(metrics.families(&LedgerSnapshot::default()))
}

fn exchange(status: u16, took: Duration) -> Exchange {
    Exchange {
        status,
        took,
        received: 100,
        sent: 1_000,
    }
}

#[track_caller]
fn assert_lines(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(
            text.lines().any(|known| known == *line),
            "no {line}: {text}"
        );
    }
}

#[test]
fn a_second_is_an_edge_of_every_endpoint_s_durations() {
    let metrics = Metrics::default();
    for millis in [1, 1_000, 1_001] {
        metrics.begun();
        let exchange = exchange(200, Duration::from_millis(millis));
        metrics.ended(Endpoint::Token, Some(GrantType::Password), exchange);
    }
    assert_lines(
        &render(&metrics),
        &[
            r#"mockidp_request_duration_seconds_bucket{endpoint="token",le="1"} 2"#,
            r#"mockidp_request_duration_seconds_count{endpoint="token"} 3"#,
            r#"mockidp_request_duration_seconds_count{endpoint="jwks"} 0"#,
            r#"mockidp_request_body_bytes_total{endpoint="token"} 300"#,
            r#"mockidp_response_body_bytes_total{endpoint="token"} 3000"#,
        ],
    );
}

#[test]
fn requests_are_counted_by_endpoint_grant_and_status() {
    let metrics = Metrics::default();
    for (endpoint, grant, status) in [
        (Endpoint::Token, Some(GrantType::ClientCredentials), 200),
        (Endpoint::Token, Some(GrantType::ClientCredentials), 429),
        (Endpoint::Token, Some(GrantType::Other), 405),
        (
            Endpoint::ManagedIdentity,
            Some(GrantType::ManagedIdentity),
            200,
        ),
        (Endpoint::DeviceCode, None, 200),
        (Endpoint::Jwks, None, 499),
    ] {
        metrics.ended(endpoint, grant, exchange(status, Duration::ZERO));
    }
    let text = render(&metrics);
    let requests = |endpoint: &str, grant: &str, code: &str, count: u64| {
        format!(
            "mockidp_requests_total{{endpoint=\"{endpoint}\",grant_type=\"{grant}\",\
             code=\"{code}\"}} {count}"
        )
    };
    for line in [
        requests("token", "client_credentials", "200", 1),
        requests("token", "client_credentials", "429", 1),
        requests("token", "other", "other", 1),
        requests("token", "refresh_token", "200", 0),
        requests("managed_identity", "managed_identity", "200", 1),
        requests("device_code", "none", "200", 1),
        requests("jwks", "none", "499", 1),
    ] {
        assert_lines(&text, &[&line]);
    }
}

#[test]
fn every_family_of_the_catalogue_is_there_and_the_series_are_bounded() {
    let families = Metrics::default().families(&LedgerSnapshot::default());
    for metric in telemetry::catalogue::all() {
        if !metric.name.starts_with("mockidp_") {
            continue;
        }
        let family = families.iter().find(|family| family.metric() == metric);
        let series = family.map_or(0, Family::series);
        if *metric == MOCKIDP_REQUESTS {
            // Eight grants at the token endpoint, one at the other seven.
            assert_eq!(series, 15 * CODES.len());
        } else {
            assert_eq!(series, metric.most_series(), "{}", metric.name);
        }
    }
    let series: usize = families.iter().map(Family::series).sum();
    assert!(series < 600, "{series} series");
}

#[test]
fn a_request_that_ended_is_no_longer_in_flight() {
    let metrics = Metrics::default();
    metrics.begun();
    metrics.begun();
    metrics.ended(Endpoint::Jwks, None, exchange(499, Duration::ZERO));
    assert_lines(&render(&metrics), &["mockidp_in_flight_requests 1"]);
}

#[test]
fn runs_share_the_servers_connections_and_count_nothing_else_of_it() {
    let metrics = Metrics::default();
    let (first, _second) = (metrics.connected(), metrics.connected());
    drop(first);
    metrics.issued(TokenKind::Id, 1_100);
    let of_run = render(&metrics.of_run());
    assert_lines(
        &of_run,
        &[
            "mockidp_open_connections 1",
            r#"mockidp_tokens_issued_total{kind="id_token"} 0"#,
        ],
    );
    assert_lines(
        &render(&metrics),
        &[
            "mockidp_open_connections 1",
            r#"mockidp_tokens_issued_total{kind="id_token"} 1"#,
            r#"mockidp_issued_token_size_bytes_bucket{kind="id_token",le="1024"} 0"#,
            r#"mockidp_issued_token_size_bytes_bucket{kind="id_token",le="1536"} 1"#,
            r#"mockidp_issued_token_size_bytes_sum{kind="id_token"} 1100"#,
        ],
    );
}

#[test]
fn herds_are_between_the_edges_that_their_power_of_two_is_between() {
    let ledger = LedgerSnapshot {
        herds: [(1, 5), (2, 3), (16, 1), (2_048, 1)].into(),
        herd_sizes: 5 + 7 + 20 + 3_000,
        ..LedgerSnapshot::default()
    };
    let text = telemetry::render(of_ledger(&ledger));
    assert_lines(
        &text,
        &[
            r#"mockidp_herd_size_bucket{le="1"} 5"#,
            r#"mockidp_herd_size_bucket{le="3"} 8"#,
            r#"mockidp_herd_size_bucket{le="15"} 8"#,
            r#"mockidp_herd_size_bucket{le="31"} 9"#,
            r#"mockidp_herd_size_bucket{le="1023"} 9"#,
            r#"mockidp_herd_size_bucket{le="+Inf"} 10"#,
            "mockidp_herd_size_sum 3032",
        ],
    );
}

#[test]
fn who_does_not_say_why_is_counted_as_well() {
    let ledger = LedgerSnapshot {
        token_requests: 10,
        by_sku: [(ClientSku::MsalPython, 4), (ClientSku::None, 6)].into(),
        by_cache_refresh_reason: [(CacheRefreshReason::Expired, 4)].into(),
        ..LedgerSnapshot::default()
    };
    let text = telemetry::render(of_ledger(&ledger));
    assert_lines(
        &text,
        &[
            r#"mockidp_client_token_requests_total{client_sku="msal_python"} 4"#,
            r#"mockidp_client_token_requests_total{client_sku="none"} 6"#,
            r#"mockidp_client_token_requests_total{client_sku="msal_go"} 0"#,
            r#"mockidp_cache_misses_total{cache_refresh_reason="expired"} 4"#,
            r#"mockidp_cache_misses_total{cache_refresh_reason="not_said"} 6"#,
        ],
    );
}
