//! Two runs of one seed, request by request: which of them turned from hit to
//! miss. One percent of lost hits shows here where two ratios look alike.

use crate::report::model::Outcomes;

/// How many examples are kept.
const EXAMPLES: usize = 5;

/// Where two runs of one seed part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discordance {
    /// Arrivals of each.
    pub arrivals: u64,
    /// Hits that became misses.
    pub lost: u64,
    /// Misses that became hits.
    pub gained: u64,
    /// Arrivals that ended in an error, a timeout or not at all, and did not
    /// before.
    pub broken: u64,
    /// The first of the lost ones, by arrival from 0, with what they became.
    pub first_lost: Vec<(u64, char)>,
}

/// Sets two runs side by side; `None` where one was not kept, or their arrivals
/// are not the same.
pub fn discordance(base: Option<&Outcomes>, head: Option<&Outcomes>) -> Option<Discordance> {
    let (base, head) = (base?.unpack().ok()?, head?.unpack().ok()?);
    if base.len() != head.len() {
        return None;
    }
    let mut found = Discordance {
        arrivals: base.len() as u64,
        lost: 0,
        gained: 0,
        broken: 0,
        first_lost: Vec::new(),
    };
    for (index, (before, now)) in (0_u64..).zip(base.into_iter().zip(head)) {
        match (Ended::of(before), Ended::of(now)) {
            (Ended::Hit, Ended::Miss) => {
                found.lost += 1;
                if found.first_lost.len() < EXAMPLES {
                    found.first_lost.push((index, char::from(now)));
                }
            }
            (Ended::Miss, Ended::Hit) => found.gained += 1,
            (Ended::Hit | Ended::Miss, Ended::Badly) => found.broken += 1,
            _ => {}
        }
    }
    Some(found)
}

#[derive(PartialEq)]
enum Ended {
    Hit,
    Miss,
    Badly,
}

impl Ended {
    fn of(letter: u8) -> Self {
        match letter {
            b'h' | b'l' => Self::Hit,
            b'm' | b'e' | b'f' | b'd' | b'i' => Self::Miss,
            _ => Self::Badly,
        }
    }
}

/// What a letter of [`Outcomes`] stands for.
pub fn word(letter: char) -> &'static str {
    match letter {
        'h' => "from L1",
        'l' => "from L2",
        'm' => "no cached token",
        'e' => "expired",
        'f' => "forced",
        'd' => "cache disabled",
        'i' => "the cache is not asked",
        'x' => "error",
        't' => "timeout",
        'n' => "dropped",
        _ => "still running",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(letters: &str) -> Outcomes {
        Outcomes::pack(letters.bytes())
    }

    #[test]
    fn each_arrival_is_told_apart() {
        let found = discordance(Some(&of("hhmlhhh")), Some(&of("hehmhxn"))).unwrap();
        assert_eq!((found.lost, found.gained, found.broken), (2, 1, 2));
        assert_eq!(found.first_lost, [(1, 'e'), (3, 'm')]);
        let same = discordance(Some(&of("hm")), Some(&of("lm"))).unwrap();
        assert_eq!(
            (same.lost, same.gained),
            (0, 0),
            "another level is a hit too"
        );
    }

    #[test]
    fn other_arrivals_are_not_compared() {
        assert_eq!(discordance(Some(&of("hh")), Some(&of("hhh"))), None);
        assert_eq!(discordance(None, Some(&of("h"))), None);
    }
}
