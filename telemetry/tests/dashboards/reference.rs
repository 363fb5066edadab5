//! `docs/metrics.md`: the catalogue as a page.

use std::fmt::Write as _;

use telemetry::catalogue::{self, Kind, Metric, Values};

pub(crate) fn page() -> String {
    let mut text = String::from(
        "# Metrics\n\n\
         Every metric the project exports. Made from `telemetry/src/catalogue/` by\n\
         `telemetry/tests/dashboards`; do not edit.\n\n\
         Names carry the prefix of a role: `tokencache_` is what a service that uses the\n\
         cache exports, `loadgen_` and `mockidp_` are the lab's own. Known series are there,\n\
         at zero, from the first scrape. Acquisitions are those that callers waited for, each\n\
         once; refreshes behind served tokens are a metric of their own. The hit ratio is not\n\
         exported but recorded from counters (`dashboards/prometheus/recording.rules.yml`).\n\
         No label says a tenant, a user, a key or a token.\n",
    );
    let all = catalogue::all();
    for (prefix, title) in [
        ("tokencache_", "Token cache"),
        ("loadgen_", "Load generator"),
        ("mockidp_", "Mock identity provider"),
        ("process_", "Process"),
    ] {
        let of_role: Vec<_> = all
            .iter()
            .copied()
            .filter(|metric| metric.name.starts_with(prefix))
            .collect();
        section(&mut text, title, "", &of_role);
    }
    section(
        &mut text,
        "MSAL.NET's names",
        "What `loadgen run --metrics-compat msal-dotnet` shows at `/metrics/msal`: the meter\n\
         `MicrosoftIdentityClient_Common_Meter` as OpenTelemetry's Prometheus exporter for\n\
         .NET spells it, with that library's default buckets. Scrape it under a job of its\n\
         own; `dashboards/prometheus/msal-dotnet.rules.yml` turns it, and a real MSAL.NET,\n\
         into the recorded names that dashboards and alerts read.\n\n",
        &catalogue::msal_dotnet_families(),
    );
    text.push_str("\n## Bucket edges\n\n");
    for (name, unit, edges) in [
        ("durations", "s", catalogue::DURATION_BUCKETS),
        ("sizes", "B", catalogue::SIZE_BUCKETS),
        ("token sizes", "B", catalogue::TOKEN_SIZE_BUCKETS),
        ("herds", "requests", catalogue::HERD_BUCKETS),
        ("lifetimes", "s", catalogue::LIFETIME_BUCKETS),
        ("MSAL.NET", "ms", catalogue::OTEL_DEFAULT_BUCKETS),
    ] {
        let edges: Vec<String> = edges.iter().map(f64::to_string).collect();
        writeln!(text, "- {name}, {unit}: {}", edges.join(", ")).unwrap();
    }
    text
}

fn section(text: &mut String, title: &str, intro: &str, metrics: &[&Metric]) {
    write!(text, "\n## {title}\n\n{intro}").unwrap();
    for metric in metrics {
        let unit = metric
            .unit
            .as_str()
            .map_or(String::new(), |unit| format!(", {unit}"));
        let buckets = match metric.kind {
            Kind::Histogram(edges) if edges == catalogue::SIZE_BUCKETS => ", size buckets",
            Kind::Histogram(edges) if edges == catalogue::TOKEN_SIZE_BUCKETS => {
                ", token size buckets"
            }
            Kind::Histogram(edges) if edges == catalogue::HERD_BUCKETS => ", herd buckets",
            Kind::Histogram(edges) if edges == catalogue::LIFETIME_BUCKETS => ", lifetime buckets",
            Kind::Histogram(edges) if edges == catalogue::OTEL_DEFAULT_BUCKETS => {
                ", MSAL.NET's buckets"
            }
            Kind::Histogram(_) => ", duration buckets",
            Kind::Counter | Kind::Gauge => "",
        };
        writeln!(
            text,
            "### `{}`\n\n{} ({}{unit}{buckets})",
            metric.name,
            metric.help,
            metric.kind.as_str()
        )
        .unwrap();
        if let Some(only) = metric.only {
            writeln!(text, "There {only} only.").unwrap();
        }
        if let Some(instrument) = metric.msal {
            writeln!(text, "In MSAL.NET: `{instrument}`.").unwrap();
        }
        text.push('\n');
        for label in metric.labels {
            let values = match label.values {
                Values::Closed(values) => {
                    let values: Vec<String> =
                        values.iter().map(|value| format!("`{value}`")).collect();
                    values.join(", ")
                }
                Values::Declared { at_most } => {
                    format!("as the scenario calls it, at most {at_most}")
                }
                Values::Info => "one a process".to_owned(),
            };
            writeln!(text, "- `{}`: {values}", label.name).unwrap();
        }
        if !metric.labels.is_empty() {
            text.push('\n');
        }
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
}
