//! Colours of areas side by side.

use std::cmp::Reverse;
use std::collections::BTreeSet;

/// A colour for each area, a number below `count`, such that neighbours differ where so many suffice; each is
/// about as frequent as the others.
pub(crate) fn colours(neighbours: &[BTreeSet<usize>], count: usize) -> Vec<usize> {
    let mut chosen: Vec<Option<usize>> = vec![None; neighbours.len()];
    let mut uses = vec![0_usize; count];
    // Those with most neighbours have the least choice.
    let mut order: Vec<usize> = (0..neighbours.len()).collect();
    order.sort_by_key(|&at| Reverse(neighbours[at].len()));
    for at in order {
        let taken: BTreeSet<usize> = neighbours[at].iter().filter_map(|&it| chosen[it]).collect();
        let free = (0..count).filter(|colour| !taken.contains(colour));
        let colour = free.min_by_key(|&colour| uses[colour]).unwrap_or(0);
        uses[colour] += 1;
        chosen[at] = Some(colour);
    }
    chosen.into_iter().map(Option::unwrap_or_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_differ_where_there_are_enough() {
        // A wheel of five around a hub takes four.
        let rim = |at: usize| BTreeSet::from([0, (at + 3) % 5 + 1, at % 5 + 1]);
        let mut wheel = vec![BTreeSet::from([1, 2, 3, 4, 5])];
        wheel.extend((1..=5).map(rim));
        let chosen = colours(&wheel, 4);
        for (at, neighbours) in wheel.iter().enumerate() {
            assert!(neighbours.iter().all(|&it| chosen[it] != chosen[at]));
        }
        assert!(colours(&wheel, 3).iter().all(|&it| it < 3));
        let alone = vec![BTreeSet::new(); 14];
        let frequent = |colour| {
            colours(&alone, 7)
                .iter()
                .filter(|&&it| it == colour)
                .count()
        };
        assert!((0..7).all(|colour| frequent(colour) == 2));
        assert!(colours(&[], 7).is_empty());
    }
}
