//! Arrivals evenly apart.

use std::time::Duration;

use super::curve::Curve;

/// The instants at which the area under a rate passes 0, 1, 2, ..., below a
/// duration: evenly apart where the rate is level.
///
/// Each is computed from its number, not from the one before it: adding up a
/// rounded gap would be a second late after a day at a high rate.
#[derive(Debug, Clone)]
pub struct Constant {
    curve: Curve,
    duration: Duration,
    next: u64,
}

impl Constant {
    /// Arrivals under `curve` for `duration`; none at a rate of zero.
    pub fn new(curve: Curve, duration: Duration) -> Self {
        Self {
            curve,
            duration,
            next: 0,
        }
    }
}

impl Iterator for Constant {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let seconds = self.curve.after(self.next as f64)?;
        let offset = Duration::try_from_secs_f64(seconds).ok()?;
        if offset >= self.duration {
            return None;
        }
        self.next += 1;
        Some(offset)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scenario::plan::{Arrivals, RatePlan, Stage};
    use crate::scenario::units::Rate;

    fn constant(rate: &str, duration: Duration) -> Constant {
        let plan = RatePlan::steady(Arrivals::Constant, rate.parse().unwrap());
        Constant::new(Curve::new(&plan), duration)
    }

    #[test]
    fn offsets_are_the_number_over_the_rate() {
        let cases: [(&str, u64, &[u64]); 4] = [
            ("2/s", 2_000, &[0, 500, 1_000, 1_500]),
            ("30/min", 6_000, &[0, 2_000, 4_000]),
            ("2/h", 7_200_000, &[0, 1_800_000, 3_600_000, 5_400_000]),
            ("0/s", 10_000, &[]),
        ];
        for (rate, duration_ms, expected_ms) in cases {
            let offsets: Vec<Duration> =
                constant(rate, Duration::from_millis(duration_ms)).collect();
            let expected: Vec<Duration> = expected_ms
                .iter()
                .map(|ms| Duration::from_millis(*ms))
                .collect();
            assert_eq!(offsets, expected, "{rate}");
        }
    }

    #[test]
    fn a_day_does_not_drift() {
        let day = Duration::from_secs(86_400);
        let mut arrivals = constant("7/s", day);
        arrivals.next = 86_399 * 7;
        assert_eq!(arrivals.next(), Some(Duration::from_secs(86_399)));
        assert_eq!(arrivals.count(), 6);
    }

    proptest! {
        #[test]
        fn the_count_is_exact_and_time_never_goes_back(rate in 1_u32..5_000, duration_ms in 1_u64..5_000) {
            let duration = Duration::from_millis(duration_ms);
            let offsets: Vec<Duration> = constant(&format!("{rate}/s"), duration).collect();
            let expected = (u64::from(rate) * duration_ms).div_ceil(1_000);
            prop_assert_eq!(offsets.len() as u64, expected);
            prop_assert!(offsets.is_sorted());
            prop_assert!(offsets.iter().all(|offset| *offset < duration));
        }

        #[test]
        fn under_any_stages_the_count_is_the_area_and_time_never_goes_back(
            rate in 0_u32..200,
            stages in prop::collection::vec((0_u32..200, 0_u64..20_000), 0..6),
            duration_ms in 1_u64..60_000,
        ) {
            let per_second = |rate: u32| Rate::try_per_second(f64::from(rate)).unwrap();
            let plan = RatePlan {
                arrivals: Arrivals::Constant,
                rate: per_second(rate),
                stages: stages
                    .iter()
                    .map(|(to, over)| Stage { to: per_second(*to), over: Duration::from_millis(*over) })
                    .collect(),
            };
            let duration = Duration::from_millis(duration_ms);
            let offsets: Vec<Duration> = Constant::new(Curve::new(&plan), duration).collect();
            let area = plan.area(duration);
            prop_assert!((offsets.len() as f64 - area.ceil()).abs() <= 1.0, "{} for {area}", offsets.len());
            prop_assert!(offsets.is_sorted());
            prop_assert!(offsets.iter().all(|offset| *offset < duration));
        }
    }
}
