//! A row of numbers as a row of bars.

/// The bars that a terminal can show, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ramp {
    /// Eighths of a block.
    Blocks,
    /// Letters, where the locale has no UTF-8.
    Ascii,
}

impl Ramp {
    /// By the locale, as the C library finds it: the first of the three variables
    /// that is set.
    pub(super) fn of_environment() -> Self {
        let set = |name: &&str| std::env::var(name).is_ok_and(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .find(|name| set(name))
            .and_then(|name| std::env::var(name).ok());
        Self::of_locale(locale.as_deref())
    }

    fn of_locale(locale: Option<&str>) -> Self {
        let name = locale.unwrap_or_default().to_ascii_lowercase();
        if name.contains("utf-8") || name.contains("utf8") {
            Self::Blocks
        } else {
            Self::Ascii
        }
    }

    fn bars(self) -> &'static [char] {
        match self {
            Self::Blocks => &['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
            Self::Ascii => &['_', '.', '-', '=', '+', '*', '%', '#'],
        }
    }
}

/// The last `width` of `values` as bars, the highest of them full and zero empty;
/// a space where there is no number.
pub(super) fn sparkline(values: &[Option<f64>], width: usize, ramp: Ramp) -> String {
    let shown = &values[values.len().saturating_sub(width)..];
    let highest = shown.iter().flatten().copied().fold(0.0, f64::max);
    let bars = ramp.bars();
    let bar = |value: f64| {
        let full = bars.len() - 1;
        if highest <= 0.0 {
            return bars[0];
        }
        let step = (value / highest * full as f64).round();
        // A share of the highest: between zero and the last bar.
        let step = (0..=full).find(|step_of| *step_of as f64 >= step);
        bars[step.unwrap_or(full)]
    };
    shown
        .iter()
        .map(|value| value.filter(|value| value.is_finite()).map_or(' ', bar))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(values: &[f64], width: usize) -> String {
        let values: Vec<_> = values.iter().copied().map(Some).collect();
        sparkline(&values, width, Ramp::Blocks)
    }

    #[test]
    fn bars_are_shares_of_the_highest_number_shown() {
        let cases: [(&[f64], usize, &str); 6] = [
            (&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 8, "▁▂▃▄▅▆▇█"),
            (&[0.0, 50.0, 100.0], 8, "▁▅█"),
            (&[100.0, 1.0, 2.0], 2, "▅█"),
            (&[0.0, 0.0], 8, "▁▁"),
            (&[5.0, 5.0], 8, "██"),
            (&[], 8, ""),
        ];
        for (values, width, expected) in cases {
            assert_eq!(drawn(values, width), expected, "{values:?}");
        }
    }

    #[test]
    fn what_is_no_number_is_a_gap() {
        let values = [Some(1.0), None, Some(f64::NAN), Some(2.0)];
        assert_eq!(sparkline(&values, 8, Ramp::Blocks), "▅  █");
        assert_eq!(sparkline(&values, 8, Ramp::Ascii), "+  #");
    }

    #[test]
    fn letters_are_for_locales_without_utf_8() {
        for (locale, expected) in [
            (Some("en_US.UTF-8"), Ramp::Blocks),
            (Some("C.utf8"), Ramp::Blocks),
            (Some("C"), Ramp::Ascii),
            (None, Ramp::Ascii),
        ] {
            assert_eq!(Ramp::of_locale(locale), expected, "{locale:?}");
        }
    }
}
