//! The postcode directory: which postcodes exist, and where.

use std::collections::HashSet;

use crate::domain::{Postcode, PostcodeEntry};

/// Postcodes in order, and the outward codes of which every one is held.
#[derive(Debug)]
pub(super) struct Directory {
    entries: Vec<PostcodeEntry>,
    complete_outcodes: HashSet<String>,
}

/// What the directory knows of a postcode.
#[derive(Debug)]
pub enum Listing<'i> {
    /// This.
    Entry(&'i PostcodeEntry),
    /// That it does not exist: every code of its outcode is held.
    Unknown,
    /// Nothing: its outcode is not held.
    NotHeld,
}

impl Directory {
    /// `entries` are in order of postcode.
    pub(super) fn new(entries: Vec<PostcodeEntry>, complete_outcodes: &[String]) -> Directory {
        Directory {
            entries,
            complete_outcodes: complete_outcodes.iter().cloned().collect(),
        }
    }

    pub(super) fn entries(&self) -> &[PostcodeEntry] {
        &self.entries
    }

    pub(super) fn find(&self, postcode: Postcode) -> Listing<'_> {
        match self
            .entries
            .binary_search_by_key(&postcode, |entry| entry.postcode)
        {
            Ok(at) => Listing::Entry(&self.entries[at]),
            Err(_) if self.complete_outcodes.contains(postcode.outcode()) => Listing::Unknown,
            Err(_) => Listing::NotHeld,
        }
    }
}
