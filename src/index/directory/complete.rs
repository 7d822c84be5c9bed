//! Completions: the postcodes that start with a prefix.

use std::ops::Range;

use super::{Directory, Entries, Outcode, padded};
use crate::domain::{Postcode, PostcodePrefix, Reading};

impl Directory {
    /// Returns the outward codes of the directory that start with a prefix, in order.
    pub(in crate::index) fn outcodes<'i>(
        &'i self,
        prefix: &PostcodePrefix,
    ) -> impl Iterator<Item = &'i str> {
        let begin = |outcode: &&Outcode| prefix.may_begin_outcode(outcode.as_str());
        self.outcodes[1..].iter().filter(begin).map(Outcode::as_str)
    }

    /// Returns the entries with the outward code of a reading whose inward code starts as it does,
    /// in order.
    pub(in crate::index) fn entries_of(&self, reading: &Reading) -> Entries<'_> {
        self.entries_in(self.rows_of(reading))
    }

    /// Returns the rows between the first and the last postcode that could match.
    fn rows_of(&self, reading: &Reading) -> Range<usize> {
        let bound = |rest: &[u8; 3]| {
            let [a, b, c, d] = padded(reading.outcode());
            let begun = reading.begun().as_bytes();
            let mut inward = *rest;
            inward[..begun.len()].copy_from_slice(begun);
            let [digit, first, second] = inward;
            Postcode::from_pcd7([a, b, c, d, digit, first, second])
        };
        self.row_before(bound(b"0AA"))..self.row_after(bound(b"9ZZ"))
    }
}

impl Outcode {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text)
            .expect("an outward code is ASCII")
            .trim_end()
    }
}
