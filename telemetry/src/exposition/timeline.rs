//! Scrapes that nobody made, kept with their times: what a run in virtual time,
//! or one too short to be scraped, leaves for `promtool tsdb create-blocks-from
//! openmetrics`.

use super::{Family, Sample, openmetrics};
use crate::catalogue::Metric;

/// Label values, and what they stood for at several moments.
type Series<'a> = (&'a [String], Vec<(f64, &'a Sample)>);

/// The families of a run at several moments.
#[derive(Debug, Default)]
pub struct Timeline {
    /// Unix seconds, and the families then.
    moments: Vec<(f64, Vec<Family>)>,
}

impl Timeline {
    /// Adds the families at `at` Unix seconds. Moments come in order; one that
    /// is not after the last, to the millisecond, takes its place.
    pub fn push(&mut self, at: f64, families: Vec<Family>) {
        let at = (at * 1_000.0).round() / 1_000.0;
        if let Some((last, of_last)) = self.moments.last_mut()
            && *last >= at
        {
            *of_last = families;
            return;
        }
        self.moments.push((at, families));
    }

    /// How many moments there are.
    pub fn len(&self) -> usize {
        self.moments.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.moments.is_empty()
    }

    /// OpenMetrics with time stamps: each family once, each series from its
    /// first moment to its last.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for metric in self.metrics() {
            openmetrics::header(&mut text, metric);
            let mut series: Vec<Series<'_>> = Vec::new();
            for (at, families) in &self.moments {
                let of_metric = families.iter().filter(|family| family.metric == metric);
                for sample in of_metric.flat_map(|family| &family.samples) {
                    match series.iter_mut().find(|(key, _)| *key == sample.labels) {
                        Some((_, samples)) => samples.push((*at, sample)),
                        None => series.push((&sample.labels, vec![(*at, sample)])),
                    }
                }
            }
            for (at, sample) in series.into_iter().flat_map(|(_, samples)| samples) {
                openmetrics::sample(&mut text, metric, sample, Some(at));
            }
        }
        text + openmetrics::EOF
    }

    /// Every metric with samples, in the order of its first appearance.
    fn metrics(&self) -> Vec<&'static Metric> {
        let mut metrics = Vec::new();
        for family in self.moments.iter().flat_map(|(_, families)| families) {
            if !family.samples.is_empty() && !metrics.contains(&family.metric) {
                metrics.push(family.metric);
            }
        }
        metrics
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{LOADGEN_ARRIVALS, LOADGEN_IN_FLIGHT};

    fn at(started: u64, in_flight: u64) -> Vec<Family> {
        vec![
            Family::of(&LOADGEN_ARRIVALS)
                .count(&["started"], started)
                .count(&["dropped"], 0),
            Family::of(&LOADGEN_IN_FLIGHT).count(&[], in_flight),
        ]
    }

    #[test]
    fn each_series_stands_together_and_in_the_order_of_time() {
        let mut timeline = Timeline::default();
        timeline.push(100.0, at(1, 1));
        timeline.push(101.5, at(4, 2));
        timeline.push(101.500_1, at(5, 0));
        assert_eq!(timeline.len(), 2);
        assert_eq!(
            timeline.render(),
            "# HELP loadgen_arrivals Arrivals that fell due, by what became of them.\n\
             # TYPE loadgen_arrivals counter\n\
             loadgen_arrivals_total{fate=\"started\"} 1 100.000\n\
             loadgen_arrivals_total{fate=\"started\"} 5 101.500\n\
             loadgen_arrivals_total{fate=\"dropped\"} 0 100.000\n\
             loadgen_arrivals_total{fate=\"dropped\"} 0 101.500\n\
             # HELP loadgen_in_flight_operations Operations begun and not ended.\n\
             # TYPE loadgen_in_flight_operations gauge\n\
             loadgen_in_flight_operations 1 100.000\n\
             loadgen_in_flight_operations 0 101.500\n\
             # EOF\n"
        );
    }

    #[test]
    fn nothing_seen_is_an_empty_exposition() {
        assert!(Timeline::default().is_empty());
        assert_eq!(Timeline::default().render(), "# EOF\n");
    }
}
