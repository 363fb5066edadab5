//! Calls that all fall due at the same instant.

use std::time::Duration;

use crate::scenario::plan::BurstPlan;

/// The calls of some bursts, by time.
#[derive(Debug, Clone)]
pub struct Bursts {
    /// Those that have calls left.
    waiting: Vec<Waiting>,
    duration: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    at: Duration,
    left: u64,
    plan: BurstPlan,
}

impl Bursts {
    /// The calls of `bursts` before `duration`.
    pub fn new(bursts: &[BurstPlan], duration: Duration) -> Self {
        let waiting = |plan: &BurstPlan| Waiting {
            at: plan.at,
            left: plan.calls,
            plan: *plan,
        };
        Self {
            waiting: bursts.iter().map(waiting).collect(),
            duration,
        }
    }
}

impl Iterator for Bursts {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let (index, at) = self
            .waiting
            .iter()
            .enumerate()
            .map(|(index, burst)| (index, burst.at))
            .min_by_key(|(_, at)| *at)?;
        if at >= self.duration {
            return None;
        }
        let burst = self.waiting.get_mut(index)?;
        burst.left = burst.left.saturating_sub(1);
        if burst.left == 0 {
            match burst.plan.every {
                Some(every) => {
                    burst.at += every;
                    burst.left = burst.plan.calls;
                }
                None => {
                    self.waiting.swap_remove(index);
                }
            }
        }
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn burst(at: u64, calls: u64, every: Option<u64>) -> BurstPlan {
        BurstPlan {
            at: Duration::from_secs(at),
            calls,
            every: every.map(Duration::from_secs),
        }
    }

    #[test]
    fn bursts_come_whole_in_the_order_of_time_and_end_with_the_run() {
        let bursts = [burst(5, 2, None), burst(0, 3, Some(4)), burst(9, 7, None)];
        let duration = Duration::from_secs(9);
        let seconds: Vec<u64> = Bursts::new(&bursts, duration)
            .map(|at| at.as_secs())
            .collect();
        assert_eq!(seconds, [0, 0, 0, 4, 4, 4, 5, 5, 8, 8, 8]);
        let expected: u64 = bursts
            .iter()
            .map(|burst| burst.instants(duration) * burst.calls)
            .sum();
        assert_eq!(seconds.len() as u64, expected);
    }
}
