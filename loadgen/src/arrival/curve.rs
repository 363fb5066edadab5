//! A rate over time, and the arrivals below it: straight lines, so that both
//! the area and its inverse are exact.

use std::time::Duration;

use crate::scenario::plan::RatePlan;

/// The area under a rate that goes in straight lines and then stays level.
#[derive(Debug, Clone)]
pub struct Curve {
    /// By time; the first begins at zero, the last has no end.
    pieces: Vec<Piece>,
}

/// A stretch over which the rate is a straight line.
#[derive(Debug, Clone, Copy)]
struct Piece {
    /// Seconds from the start of the run.
    begin: f64,
    /// Area before it.
    before: f64,
    /// Rate at its beginning, a second.
    rate: f64,
    /// Change of the rate in a second.
    slope: f64,
}

impl Piece {
    fn area_after(&self, seconds: f64) -> f64 {
        seconds * (self.rate + self.slope * seconds / 2.0)
    }
}

impl Curve {
    /// The curve of `plan`.
    pub fn new(plan: &RatePlan) -> Self {
        let (mut begin, mut before, mut rate) = (0.0, 0.0, plan.rate.per_second());
        let mut pieces = Vec::with_capacity(plan.stages.len() + 1);
        for stage in &plan.stages {
            let (length, to) = (stage.over.as_secs_f64(), stage.to.per_second());
            if length > 0.0 {
                let piece = Piece {
                    begin,
                    before,
                    rate,
                    slope: (to - rate) / length,
                };
                begin += length;
                before += length * f64::midpoint(rate, to);
                pieces.push(piece);
            }
            rate = to;
        }
        pieces.push(Piece {
            begin,
            before,
            rate,
            slope: 0.0,
        });
        Self { pieces }
    }

    /// The area from the start to `time`: arrivals on average.
    pub fn area(&self, time: Duration) -> f64 {
        let seconds = time.as_secs_f64();
        let index = self.pieces.partition_point(|piece| piece.begin <= seconds);
        match self.pieces.get(index.saturating_sub(1)) {
            Some(piece) => piece.before + piece.area_after(seconds - piece.begin),
            None => 0.0,
        }
    }

    /// Seconds after which the area begins to be more than `area`; `None` when
    /// it never is.
    pub fn after(&self, area: f64) -> Option<f64> {
        let index = self.pieces.partition_point(|piece| piece.before <= area);
        // Where the rate is nothing for a while several pieces begin at one
        // area; the last of them is the one that goes on.
        let piece = self.pieces.get(index.checked_sub(1)?)?;
        let left = area - piece.before;
        if piece.rate <= 0.0 && piece.slope <= 0.0 {
            return None;
        }
        // The root of `rate x + slope x^2 / 2 = left`, in the form that does
        // not subtract what is nearly alike; rounding may put the very end of a
        // falling line below zero.
        let root = (piece.rate * piece.rate + 2.0 * piece.slope * left)
            .max(0.0)
            .sqrt();
        let seconds = if piece.rate + root > 0.0 {
            2.0 * left / (piece.rate + root)
        } else {
            0.0
        };
        Some(piece.begin + seconds)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scenario::plan::{Arrivals, Stage};
    use crate::scenario::units::Rate;

    fn curve(rate: f64, stages: &[(f64, f64)]) -> Curve {
        let per_second = |rate| Rate::try_per_second(rate).unwrap();
        Curve::new(&RatePlan {
            arrivals: Arrivals::Constant,
            rate: per_second(rate),
            stages: stages
                .iter()
                .map(|(to, over)| Stage {
                    to: per_second(*to),
                    over: Duration::from_secs_f64(*over),
                })
                .collect(),
        })
    }

    #[test]
    fn the_area_is_that_of_the_trapezoids() {
        let ramp = curve(
            0.0,
            &[
                (10.0, 10.0),
                (10.0, 5.0),
                (0.0, 0.0),
                (0.0, 5.0),
                (4.0, 0.0),
            ],
        );
        for (seconds, expected) in [
            (0, 0.0),
            (5, 12.5),
            (10, 50.0),
            (15, 100.0),
            (20, 100.0),
            (21, 104.0),
        ] {
            let area = ramp.area(Duration::from_secs(seconds));
            assert!((area - expected).abs() < 1e-9, "{seconds}: {area}");
        }
        assert_eq!(ramp.after(0.0), Some(0.0));
        assert_eq!(ramp.after(12.5), Some(5.0));
        assert_eq!(ramp.after(75.0), Some(12.5));
        // Nothing comes from second 15 to second 20.
        assert_eq!(ramp.after(100.0), Some(20.0));
        assert_eq!(ramp.after(104.0), Some(21.0));
    }

    #[test]
    fn a_rate_that_ends_at_nothing_has_a_last_arrival() {
        let ending = curve(2.0, &[(0.0, 10.0)]);
        assert!(ending.after(9.999).is_some_and(|time| time < 10.0));
        assert_eq!(ending.after(10.0), None);
        assert_eq!(curve(0.0, &[]).after(0.0), None);
    }

    proptest! {
        #[test]
        fn the_inverse_is_the_inverse(
            rate in 0.0..100.0_f64,
            stages in prop::collection::vec((0.0..100.0_f64, 0.0..50.0_f64), 0..6),
            share in 0.0..1.0_f64,
        ) {
            let curve = curve(rate, &stages);
            let whole = curve.area(Duration::from_secs(400));
            let area = whole * share;
            if let Some(time) = curve.after(area) && time < 400.0 {
                let back = curve.area(Duration::from_secs_f64(time));
                prop_assert!((back - area).abs() < 1e-6 * (1.0 + whole), "{back} for {area}");
            }
        }
    }
}
