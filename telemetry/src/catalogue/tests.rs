//! The catalogue keeps Prometheus' naming practice and our own promises.

use std::collections::BTreeSet;

use super::*;

#[test]
fn names_are_unique_and_carry_the_prefix_of_a_role() {
    let mut seen = BTreeSet::new();
    for metric in all().into_iter().chain(msal_dotnet_families()) {
        assert!(seen.insert(metric.name), "`{}` stands twice", metric.name);
        assert!(
            ["tokencache_", "loadgen_", "mockidp_", "process_", "Msal"]
                .iter()
                .any(|prefix| metric.name.starts_with(prefix)),
            "`{}` has no role's prefix",
            metric.name
        );
    }
}

#[test]
fn only_counters_end_in_total() {
    for metric in all() {
        assert_eq!(
            metric.name.ends_with("_total"),
            metric.kind == Kind::Counter,
            "`{}`",
            metric.name
        );
    }
}

#[test]
fn names_end_in_their_unit_and_help_is_a_sentence() {
    for metric in all() {
        let name = metric.name.trim_end_matches("_total");
        match metric.unit.as_str() {
            Some(unit) => assert!(name.ends_with(unit), "`{name}` in {unit}"),
            None => assert!(
                !name.ends_with("seconds") && !name.ends_with("bytes"),
                "`{name}` has a unit"
            ),
        }
        assert!(metric.help.ends_with('.'), "`{name}`: {}", metric.help);
    }
}

#[test]
fn tenants_users_and_keys_are_never_labels() {
    for metric in all().into_iter().chain(msal_dotnet_families()) {
        for label in metric.labels {
            assert!(
                !["tenant", "tenant_id", "user", "key", "client_id", "token"].contains(&label.name),
                "`{}` has label `{}`",
                metric.name,
                label.name
            );
        }
    }
}

#[test]
fn bucket_edges_rise_and_one_second_is_one_of_them() {
    for metric in all().into_iter().chain(msal_dotnet_families()) {
        if let Kind::Histogram(edges) = metric.kind {
            assert!(
                edges.windows(2).all(|pair| pair[0] < pair[1]),
                "{}",
                metric.name
            );
            let second = match metric.unit {
                // MSAL.NET's lifetimes have the buckets of its times.
                Unit::Seconds if !metric.name.starts_with("Msal") => 1.0,
                Unit::Milliseconds => 1_000.0,
                _ => continue,
            };
            assert!(
                edges.contains(&second),
                "`{}` lacks the 1 s edge",
                metric.name
            );
        }
    }
}

#[test]
fn every_instrument_of_msal_dotnet_that_we_imitate_has_a_metric_of_ours() {
    // No token of ours is formatted by an extension.
    for imitated in msal_dotnet_families() {
        let instrument = imitated.msal.unwrap();
        if instrument.contains("Extension") {
            continue;
        }
        let ours = all()
            .into_iter()
            .find(|metric| metric.msal.is_some_and(|name| name.contains(instrument)));
        assert!(ours.is_some(), "nothing of ours is `{instrument}`");
    }
}

#[test]
fn a_metric_is_found_by_its_name_and_a_histogram_by_its_samples() {
    let found = |name| Metric::named(name).map(|metric| metric.name);
    let histogram = "tokencache_acquire_duration_seconds";
    assert_eq!(
        found("tokencache_acquire_duration_seconds_bucket"),
        Some(histogram)
    );
    assert_eq!(found(histogram), Some(histogram));
    assert_eq!(found("tokencache_entries_sum"), None);
    assert_eq!(found("tokencache_entrees"), None);
}

#[test]
fn a_process_can_export_only_so_many_series() {
    let most = |prefix: &str| -> usize {
        let of_role = all()
            .into_iter()
            .filter(|metric| metric.name.starts_with(prefix));
        of_role.map(Metric::most_series).sum()
    };
    // Combinations that cannot occur, such as a cached token of no level, are
    // counted here; tests of the programs count what they really export.
    assert!(most("tokencache_") < 2_000, "{}", most("tokencache_"));
    assert!(most("loadgen_") < 1_000, "{}", most("loadgen_"));
    assert!(most("mockidp_") < 1_200, "{}", most("mockidp_"));
}
