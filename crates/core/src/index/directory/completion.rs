//! Completions: the postcodes that start with a prefix.

use std::ops::Range;

use super::{DirectoryEntries, OutcodeEntry, PostcodeDirectory, pad_outcode};
use crate::domain::{Postcode, PostcodePrefix, PrefixReading};

impl PostcodeDirectory {
    /// Returns the outward codes of the directory that start with a prefix, in order.
    pub(in crate::index) fn outcodes_with_prefix<'i>(
        &'i self,
        prefix: &PostcodePrefix,
    ) -> impl Iterator<Item = &'i str> {
        let may_match = |outcode: &&OutcodeEntry| prefix.may_complete_to(outcode.as_str());
        self.outcodes[1..]
            .iter()
            .filter(may_match)
            .map(OutcodeEntry::as_str)
    }

    /// Returns the entries that have the outward code of a reading and whose inward code starts
    /// with the inward prefix of that reading, in order.
    pub(in crate::index) fn entries_matching(
        &self,
        reading: &PrefixReading,
    ) -> DirectoryEntries<'_> {
        self.entries_in(self.rows_matching(reading))
    }

    /// Returns the range of rows from the first postcode that could match to the last.
    fn rows_matching(&self, reading: &PrefixReading) -> Range<usize> {
        let bound = |rest: &[u8; 3]| {
            let [a, b, c, d] = pad_outcode(reading.outcode());
            let incode_prefix = reading.incode_prefix().as_bytes();
            let mut inward = *rest;
            inward[..incode_prefix.len()].copy_from_slice(incode_prefix);
            let [digit, first, second] = inward;
            Postcode::from_pcd7([a, b, c, d, digit, first, second])
        };
        self.row_at_or_after(bound(b"0AA"))..self.row_after(bound(b"9ZZ"))
    }
}

impl OutcodeEntry {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text)
            .expect("an outward code is ASCII")
            .trim_end()
    }
}
