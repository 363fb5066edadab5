//! Which format a scraper gets, by the `Accept` header of its request.

/// A format that metrics can be read in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus' protobuf, delimited: the format of native histograms.
    #[cfg(feature = "native-histograms")]
    Protobuf,
}

impl Format {
    /// The content type; Prometheus 3 refuses a scrape without one.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            #[cfg(feature = "native-histograms")]
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }

    /// OpenMetrics, or protobuf where that is built in, for those who like it
    /// better than the others, text for everyone else: without the header, with one that makes no sense, and for those
    /// who want something there is not, since numbers in another format are
    /// more use than a refusal.
    pub fn accepted(header: Option<&str>) -> Self {
        let header = header.unwrap_or_default();
        let mut openmetrics: f32 = 0.0;
        let mut text: f32 = 0.0;
        let mut protobuf: f32 = 0.0;
        for range in header.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let (mut quality, mut version, mut of_prometheus) = (1.0, None, false);
            for parameter in parts {
                match parameter.split_once('=') {
                    // What is no number from 0 to 1 counts for nothing.
                    Some(("q", value)) => {
                        quality = value
                            .parse()
                            .ok()
                            .filter(|quality| (0.0..=1.0).contains(quality))
                            .unwrap_or(0.0);
                    }
                    Some(("version", value)) => version = Some(value),
                    Some(("proto", "io.prometheus.client.MetricFamily")) => of_prometheus = true,
                    _ => {}
                }
            }
            match media.as_str() {
                "application/openmetrics-text" if matches!(version, None | Some("1.0.0")) => {
                    openmetrics = openmetrics.max(quality);
                }
                "application/vnd.google.protobuf" if of_prometheus => {
                    protobuf = protobuf.max(quality);
                }
                "text/plain" | "text/*" | "*/*" => text = text.max(quality),
                _ => {}
            }
        }
        #[cfg(feature = "native-histograms")]
        if protobuf > openmetrics.max(text) {
            return Self::Protobuf;
        }
        // Without the feature, protobuf is something there is not.
        let _ = protobuf;
        if openmetrics > text {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scraper_gets_openmetrics_only_if_it_likes_it_better() {
        let prometheus_2_42 = "application/openmetrics-text;version=1.0.0,\
            application/openmetrics-text;version=0.0.1;q=0.75,\
            text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
            application/openmetrics-text;version=0.0.1;q=0.4,\
            text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
            text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        for header in [
            prometheus_2_42,
            prometheus_3,
            "application/openmetrics-text",
            "Application/OpenMetrics-Text; version=1.0.0, text/plain;q=0.9",
        ] {
            assert_eq!(
                Format::accepted(Some(header)),
                Format::OpenMetrics,
                "{header}"
            );
        }
        for header in [
            "*/*",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "text/plain, application/openmetrics-text;q=0.1",
            "application/openmetrics-text;version=0.0.1",
            "application/openmetrics-text;q=0",
        ] {
            assert_eq!(Format::accepted(Some(header)), Format::Text, "{header}");
        }
    }

    #[test]
    fn a_header_that_makes_no_sense_gets_text() {
        let long = "a".repeat(100_000);
        for header in [
            "",
            ";;;,,,===",
            "application/openmetrics-text;q=NaN",
            "application/openmetrics-text;q=inf",
            "application/openmetrics-text;q=-1",
            "image/png",
            "application/vnd.google.protobuf;proto=another.Message",
            long.as_str(),
        ] {
            assert_eq!(Format::accepted(Some(header)), Format::Text, "{header}");
        }
        assert_eq!(Format::accepted(None), Format::Text);
    }

    /// What Prometheus sends with native histograms switched on.
    #[test]
    fn protobuf_is_for_those_who_like_it_best_where_it_is_built_in() {
        let native = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
            encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,\
            application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        #[cfg(feature = "native-histograms")]
        assert_eq!(Format::accepted(Some(native)), Format::Protobuf);
        #[cfg(not(feature = "native-histograms"))]
        assert_eq!(Format::accepted(Some(native)), Format::OpenMetrics);
    }
}
