//! What the machine let the generator have: whether the numbers of a run in real
//! time can be believed.

use telemetry::process::{Usage, usage};
use tokio::time::Instant;

use crate::record::Recorder;
use crate::report::model::Generator;

/// Looks at the machine from the first arrival to the end.
#[derive(Debug)]
pub(super) struct Machine {
    began: Instant,
    /// Wall time does not stop with the machine, as the other clock does.
    began_at: jiff::Timestamp,
    used: Option<Usage>,
}

impl Machine {
    pub(super) fn watch() -> Self {
        Self {
            began: Instant::now(),
            began_at: jiff::Timestamp::now(),
            used: usage(),
        }
    }

    /// What there is to say at the end.
    pub(super) fn end(&self, recorder: &Recorder) -> Generator {
        let elapsed = self.began.elapsed().as_secs_f64();
        let wall = self.began_at.duration_until(jiff::Timestamp::now());
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let there_was = (elapsed * processors as f64).max(f64::MIN_POSITIVE);
        let used = self.used.zip(usage());
        let share = |read: fn(&Usage) -> f64| {
            let (before, after) = used?;
            Some(((read(&after) - read(&before)) / there_was).clamp(0.0, 1.0))
        };
        Generator {
            cpu_share: share(|used| used.own_s),
            steal_share: share(|used| used.stolen_s),
            longest_pause_us: recorder.longest_pause().as_nanos() as f64 / 1_000.0,
            clock_jump_s: wall.as_secs_f64() - elapsed,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_machine_that_slept_is_told_by_its_clocks() {
        let recorder = Recorder::new(1);
        let watch = |wall_s| Machine {
            began_at: jiff::Timestamp::now() - jiff::SignedDuration::from_secs(wall_s),
            began: Instant::now() - Duration::from_secs(60),
            used: None,
        };
        // A minute by both clocks; two hours by the one that goes on in a suspended machine; one
        // that was set back.
        for (wall_s, jump) in [(60, 0.0), (7_260, 7_200.0), (30, -30.0)] {
            let said = watch(wall_s).end(&recorder).clock_jump_s;
            assert!((said - jump).abs() < 1.0, "{wall_s}: {said}");
        }
    }
}
