//! Divides the postcodes into groups. There is one file for each group.
//!
//! The host of the files, and everyone who can read the host's log, learns the group of each
//! look-up. A group therefore contains at least [`LIVE_MIN`] postcodes in use. A district (the
//! postcodes of an outward code) with fewer postcodes in use is in the same group as the next
//! districts. A large district is divided, if possible between sectors.

use std::ops::Range;

/// The minimum number of postcodes in use in a group, unless the whole dataset contains fewer.
pub(super) const LIVE_MIN: usize = 150;
/// The maximum number of postcodes in a group, unless a smaller group would contain fewer than
/// [`LIVE_MIN`] postcodes in use. A file with this number of postcodes is usually smaller than
/// [`BYTES_MAX`].
const POSTCODES_MAX: usize = 640;
/// The maximum size of a compressed file, unless a smaller group would contain fewer than
/// [`LIVE_MIN`] postcodes in use.
pub(super) const BYTES_MAX: usize = 20_000;

/// The properties of a postcode that are relevant for the division.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member<'p> {
    /// The seven characters of the postcode.
    pub(super) key: &'p str,
    pub(super) is_live: bool,
}

impl Member<'_> {
    fn outcode(&self) -> &str {
        self.key.get(..4).unwrap_or(self.key)
    }

    fn sector(&self) -> &str {
        self.key.get(..5).unwrap_or(self.key)
    }
}

/// Divides postcodes, which are in ascending order, into groups.
pub(super) fn divide(members: &[Member<'_>]) -> Vec<Range<usize>> {
    let mut groups = Vec::new();
    for districts in merge_small_districts(members) {
        split_large(members, districts, &mut groups);
    }
    groups
}

/// Returns the postcodes of each district. Adjacent districts with too few postcodes in use are
/// merged.
fn merge_small_districts(members: &[Member<'_>]) -> Vec<Range<usize>> {
    let mut merged: Vec<Range<usize>> = Vec::new();
    let mut end = 0;
    for district in members.chunk_by(|a, b| a.outcode() == b.outcode()) {
        let start = end;
        end += district.len();
        match merged.last_mut() {
            Some(last) if count_live(&members[last.clone()]) < LIVE_MIN => last.end = end,
            _ => merged.push(start..end),
        }
    }
    // The last group may be too small, and there are no further districts to merge with it.
    if let [.., before, last] = merged.as_mut_slice()
        && count_live(&members[last.clone()]) < LIVE_MIN
    {
        before.end = last.end;
        merged.pop();
    }
    merged
}

fn split_large(members: &[Member<'_>], group: Range<usize>, groups: &mut Vec<Range<usize>>) {
    let middle = (group.len() > POSTCODES_MAX).then(|| split_point(&members[group.clone()]));
    match middle.flatten() {
        Some(middle) => {
            split_large(members, group.start..group.start + middle, groups);
            split_large(members, group.start + middle..group.end, groups);
        }
        None => groups.push(group),
    }
}

/// Returns the index at which to divide a group, so that both parts contain enough postcodes in use.
/// The index is near the middle, and preferably between two districts or sectors. Returns `None` if
/// there is no such index.
pub(super) fn split_point(members: &[Member<'_>]) -> Option<usize> {
    let live_total = count_live(members);
    let mut live_before = 0;
    let mut best: Option<(usize, usize)> = None;
    for (index, pair) in (1_usize..).zip(members.windows(2)) {
        let [before, after] = pair else { continue };
        live_before += usize::from(before.is_live);
        if live_before < LIVE_MIN || live_total - live_before < LIVE_MIN {
            continue;
        }
        let penalty = if before.outcode() != after.outcode() {
            0
        } else if before.sector() != after.sector() {
            members.len() / 16
        } else {
            members.len() / 4
        };
        let cost = index.abs_diff(members.len() / 2) + penalty;
        if best.is_none_or(|(lowest, _)| cost < lowest) {
            best = Some((cost, index));
        }
    }
    best.map(|(_, index)| index)
}

/// Returns the number of postcodes in use.
pub(super) fn count_live(members: &[Member<'_>]) -> usize {
    members.iter().filter(|member| member.is_live).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns `count` postcodes of a district, of which every `live_every`th is in use.
    fn district(outcode: &str, count: usize, live_every: usize) -> Vec<(String, bool)> {
        let letters = "ABDEFGHJLNPQRSTUWXYZ";
        let letter = |index: usize| letters.as_bytes()[index % 20] as char;
        let postcode = |index: usize| {
            let (digit, pair) = (index / 400, index % 400);
            let text = format!("{outcode:4}{digit}{}{}", letter(pair / 20), letter(pair));
            (text, index.is_multiple_of(live_every))
        };
        (0..count).map(postcode).collect()
    }

    fn members(postcodes: &[(String, bool)]) -> Vec<Member<'_>> {
        let members = postcodes.iter();
        members
            .map(|(key, is_live)| Member {
                key,
                is_live: *is_live,
            })
            .collect()
    }

    #[test]
    fn every_group_has_enough_postcodes_in_use_and_all_postcodes_are_in_one() {
        let counts = [
            (3, 1),
            (147, 1),
            (2_900, 1),
            (20, 1),
            (900, 2),
            (1_500, 12),
            (149, 1),
            (1, 1),
        ];
        let outcodes = ["AB1", "AB10", "BB2", "CA3", "CA4", "LA1", "LA2", "ZE3"];
        let districts = outcodes.iter().zip(counts);
        let postcodes: Vec<_> = districts
            .flat_map(|(outcode, (count, live_every))| district(outcode, count, live_every))
            .collect();
        let members = members(&postcodes);
        let groups = divide(&members);
        assert_eq!(groups.first().map(|group| group.start), Some(0));
        assert_eq!(groups.last().map(|group| group.end), Some(members.len()));
        assert!(groups.windows(2).all(|pair| pair[0].end == pair[1].start));
        for group in &groups {
            let group = &members[group.clone()];
            assert!(count_live(group) >= LIVE_MIN, "{group:?}");
            let can_be_divided = group.len() > POSTCODES_MAX && split_point(group).is_some();
            assert!(!can_be_divided, "{}", group.len());
        }
        // The large district is divided. Nearly all divisions are between sectors.
        let starts = groups.iter().map(|group| members[group.start].key);
        let of_large: Vec<&str> = starts.filter(|key| key.starts_with("BB2 ")).collect();
        assert!(of_large.len() >= 5, "{of_large:?}");
        assert!(
            of_large.iter().all(|key| key.ends_with("AA")),
            "{of_large:?}"
        );
    }

    #[test]
    fn few_postcodes_are_one_group_and_none_are_no_group() {
        let postcodes = [district("LA1", 60, 1), district("LA2", 60, 1)].concat();
        let groups = divide(&members(&postcodes));
        assert_eq!((groups.len(), groups.first()), (1, Some(&(0..120))));
        assert!(divide(&[]).is_empty());
    }

    #[test]
    fn a_group_is_not_divided_if_a_part_would_be_too_small() {
        let postcodes = district("LA1", 2 * LIVE_MIN - 1, 1);
        assert_eq!(split_point(&members(&postcodes)), None);
        let postcodes = district("LA1", 2 * LIVE_MIN, 1);
        assert_eq!(split_point(&members(&postcodes)), Some(LIVE_MIN));
    }
}
