//! Histograms as a report holds them: base64 of `HdrHistogram` V2.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer as _, V2Serializer};

use super::model::Distribution;

/// The header of V2: cookie, length, normalizing offset, significant digits,
/// lowest and highest value, conversion ratio.
const HEADER: usize = 40;

/// No histogram of ours keeps more digits; one that claims to would take
/// hundreds of megabytes.
const MOST_DIGITS: u32 = 3;

/// Reads a histogram back.
///
/// # Errors
///
/// Why the text is none, or none of ours.
pub fn decode(text: &str) -> Result<Histogram<u64>, String> {
    let bytes = BASE64_STANDARD
        .decode(text)
        .map_err(|error| format!("not base64: {error}"))?;
    let digits = bytes
        .get(12..16)
        .filter(|_| bytes.len() >= HEADER)
        .and_then(|digits| digits.try_into().ok())
        .map(u32::from_be_bytes)
        .ok_or("too short for a histogram")?;
    if digits > MOST_DIGITS {
        return Err(format!(
            "{digits} significant digits, where {MOST_DIGITS} are the most"
        ));
    }
    Deserializer::new()
        .deserialize(&mut bytes.as_slice())
        .map_err(|error| format!("not an HdrHistogram: {error}"))
}

/// The text of a histogram.
pub fn encode(times: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    // Serializing into memory fails only beyond 2^64 counts.
    let _ = V2Serializer::new().serialize(times, &mut bytes);
    BASE64_STANDARD.encode(bytes)
}

/// What a report says of a histogram of nanoseconds.
pub fn distribution(times: &Histogram<u64>) -> Distribution {
    let microseconds = |nanoseconds: u64| nanoseconds as f64 / 1_000.0;
    let at = |quantile: f64| microseconds(times.value_at_quantile(quantile));
    Distribution {
        count: times.len(),
        mean_us: if times.is_empty() {
            0.0
        } else {
            times.mean() / 1_000.0
        },
        p50_us: at(0.50),
        p90_us: at(0.90),
        p99_us: at(0.99),
        p999_us: at(0.999),
        max_us: microseconds(times.max()),
        hdr: encode(times),
    }
}

/// Whether two histograms count in the same buckets, so that adding them loses
/// nothing.
pub fn is_alike(one: &Histogram<u64>, other: &Histogram<u64>) -> bool {
    one.sigfig() == other.sigfig() && one.low() == other.low() && one.high() == other.high()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(digits: u8) -> Histogram<u64> {
        let mut times = Histogram::new_with_bounds(1, 1_000_000, digits).unwrap();
        for time in [1, 50, 50, 900_000] {
            times.record(time).unwrap();
        }
        times
    }

    #[test]
    fn a_histogram_reads_back_as_it_was() {
        let times = histogram(3);
        assert_eq!(decode(&encode(&times)), Ok(times));
    }

    #[test]
    fn what_is_not_a_histogram_of_ours_is_refused() {
        let good = encode(&histogram(2));
        let cut = &good[..good.len() / 2 / 4 * 4];
        for text in ["", "!", "AAAA", cut, &encode(&histogram(4))] {
            assert!(decode(text).is_err(), "{text}");
        }
    }

    #[test]
    fn histograms_with_other_buckets_are_not_alike() {
        assert!(is_alike(&histogram(2), &histogram(2)));
        assert!(!is_alike(&histogram(2), &histogram(3)));
    }
}
