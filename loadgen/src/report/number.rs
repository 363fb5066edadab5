//! Numbers as people read them.

use crate::gate::metric::Unit;
use crate::gate::threshold::show;

/// A measured value, bytes in the unit that fits.
pub fn amount(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Bytes => format!("{value:.0}")
            .parse()
            .map_or_else(|_| show(unit, value), bytes),
        _ => show(unit, value),
    }
}

/// Three significant digits and a unit: `850 ns`, `12.3 us`, `4.56 ms`, `1.20 s`.
pub fn microseconds(time: f64) -> String {
    let (value, unit) = if time < 1.0 {
        (time * 1_000.0, "ns")
    } else if time < 1_000.0 {
        (time, "us")
    } else if time < 1_000_000.0 {
        (time / 1_000.0, "ms")
    } else {
        (time / 1_000_000.0, "s")
    };
    let digits = match value {
        value if value >= 100.0 || unit == "ns" => 0,
        value if value >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$} {unit}")
}

/// Bytes in the unit that fits, one decimal.
pub fn bytes(size: u64) -> String {
    match size {
        0..1_000 => format!("{size} B"),
        1_000..1_000_000 => format!("{:.1} kB", size as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", size as f64 / 1e6),
        _ => format!("{:.1} GB", size as f64 / 1e9),
    }
}

/// Digits in groups of three.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}
