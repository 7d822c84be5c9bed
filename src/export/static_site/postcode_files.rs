//! The files with the answers of groups of postcodes.

use std::num::NonZeroUsize;
use std::ops::Range;

use jiff::civil::Date;

use super::answer_file::{self, KeyedAnswers};
use super::answers;
use super::groups::{self, BYTES_MAX, Member};
use catchment_core::domain::{Postcode, PostcodeStatus};
use catchment_core::index::{ChangeDates, Index};
use catchment_core::parallel::parallel_map_on;

/// The compressed file, or several compressed files, of a group of postcodes.
pub(super) struct GroupFile {
    /// The seven characters of the first postcode.
    pub(super) from: String,
    /// The number of postcodes, and the number of postcodes in use.
    pub(super) postcodes: usize,
    pub(super) live: usize,
    /// The content of each file. The reader opens the files in this order.
    pub(super) contents: Vec<Vec<u8>>,
}

/// A postcode of the directory.
struct ListedPostcode {
    postcode: Postcode,
    key: String,
    is_live: bool,
}

/// Returns the files of all postcodes, in order. The content does not depend on the number of
/// threads.
pub(super) fn encode(index: &Index, day: Date, threads: NonZeroUsize) -> Vec<GroupFile> {
    let postcodes = listed_postcodes(index, day);
    let members: Vec<Member<'_>> = postcodes.iter().map(ListedPostcode::member).collect();
    let ranges = groups::divide(&members);
    let changes = index.change_dates();
    let files = parallel_map_on(threads, ranges, |range| {
        encode_range(index, &changes, &postcodes[range], day)
    });
    files.into_iter().flatten().collect()
}

/// Returns the postcodes of the directory, without pseudo postcodes and other postcodes that have
/// no location by definition.
fn listed_postcodes(index: &Index, day: Date) -> Vec<ListedPostcode> {
    let entries = index.postcodes();
    let entries = entries.filter(|entry| entry.postcode.special().is_none());
    entries
        .map(|entry| ListedPostcode {
            postcode: entry.postcode,
            key: key_of(entry.postcode),
            is_live: index.postcode_status(&entry, day) == PostcodeStatus::Live,
        })
        .collect()
}

fn key_of(postcode: Postcode) -> String {
    String::from_utf8(postcode.pcd7().to_vec()).expect("a postcode is ASCII")
}

impl ListedPostcode {
    fn member(&self) -> Member<'_> {
        Member {
            key: &self.key,
            is_live: self.is_live,
        }
    }
}

fn encode_range(
    index: &Index,
    changes: &ChangeDates<'_>,
    postcodes: &[ListedPostcode],
    day: Date,
) -> Vec<GroupFile> {
    let keyed: Vec<KeyedAnswers> = postcodes
        .iter()
        .map(|listed| KeyedAnswers {
            key: listed.key.clone(),
            is_live: listed.is_live,
            answers: answers::of_postcode(index, changes, listed.postcode, day),
        })
        .collect();
    let mut files = Vec::new();
    encode_divided(&keyed, 0..keyed.len(), &mut files);
    files
}

/// Encodes a group, or its two halves if the file would be too large.
///
/// If one half would contain too few postcodes in use, one file contains the postcodes in use, and
/// further files contain the other postcodes. The reader opens these files one after another.
fn encode_divided(keyed: &[KeyedAnswers], group: Range<usize>, files: &mut Vec<GroupFile>) {
    let part = &keyed[group.clone()];
    let members: Vec<Member<'_>> = part.iter().map(KeyedAnswers::member).collect();
    let from = members.first().map_or("", |first| first.key);
    let all: Vec<&KeyedAnswers> = part.iter().collect();
    let mut contents = vec![compressed(from, &all)];
    if contents[0].len() > BYTES_MAX {
        if let Some(middle) = groups::split_point(&members) {
            let middle = group.start + middle;
            encode_divided(keyed, group.start..middle, files);
            encode_divided(keyed, middle..group.end, files);
            return;
        }
        let (live, other): (Vec<_>, Vec<_>) = all.into_iter().partition(|keyed| keyed.is_live);
        contents = vec![compressed(from, &live)];
        encode_in_turn(from, &other, &mut contents);
    }
    files.push(GroupFile {
        from: from.to_string(),
        postcodes: part.len(),
        live: groups::count_live(&members),
        contents,
    });
}

/// Encodes postcodes that are not in use as one file or, if that file would be too large, as
/// several files.
fn encode_in_turn(from: &str, keyed: &[&KeyedAnswers], contents: &mut Vec<Vec<u8>>) {
    let content = compressed(from, keyed);
    if content.len() > BYTES_MAX && keyed.len() > 1 {
        let (first, second) = keyed.split_at(keyed.len() / 2);
        encode_in_turn(from, first, contents);
        encode_in_turn(from, second, contents);
    } else if !keyed.is_empty() {
        contents.push(content);
    }
}

fn compressed(from: &str, keyed: &[&KeyedAnswers]) -> Vec<u8> {
    answer_file::compress(answer_file::encode(from, keyed).as_bytes())
}

impl KeyedAnswers {
    fn member(&self) -> Member<'_> {
        Member {
            key: &self.key,
            is_live: self.is_live,
        }
    }
}
