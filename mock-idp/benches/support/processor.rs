//! Processor time, which says what something costs even where other programs take their turns.

use std::ops::Sub;

/// Ticks of a second in which Linux counts processor time for programs.
const TICKS: f64 = 100.0;

/// Seconds of processor time: of this process, and of its children that have ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProcessorTime {
    pub(crate) own: f64,
    pub(crate) children: f64,
}

impl ProcessorTime {
    /// What was taken so far.
    pub(crate) fn now() -> Result<Self, super::Failure> {
        let stat = std::fs::read_to_string("/proc/self/stat")?;
        // The name, in brackets, may hold anything; after it the fields count from the third.
        let (_, fields) = stat.rsplit_once(')').ok_or("/proc/self/stat")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let seconds = |at: usize| -> Result<f64, super::Failure> {
            let field = fields.get(at).ok_or("/proc/self/stat")?;
            Ok(field.parse::<f64>()? / TICKS)
        };
        Ok(Self {
            own: seconds(11)? + seconds(12)?,
            children: seconds(13)? + seconds(14)?,
        })
    }
}

impl Sub for ProcessorTime {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            own: self.own - earlier.own,
            children: self.children - earlier.children,
        }
    }
}
