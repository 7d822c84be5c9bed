//! Sorts addresses by UPRN. Publishers list them by region, and tens of millions do not fit into the
//! memory that a build may use, so sorted runs are written to temporary files and merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::UprnRecord;
use catchment_core::domain::{BritishGrid, GssCode, Home, Postcode, Uprn};

/// The number of records that are sorted in memory: 128 MB.
const RUN_RECORDS_MAX: usize = 4_000_000;
/// The length in bytes of a record in a temporary file.
const RECORD_BYTES: usize = 32;
/// The length in bytes of the buffer of a temporary file.
const BUFFER_BYTES: usize = 1 << 18;

/// A record as it is sorted: the UPRN, the millimetres east and north, the postcode, and the code of
/// the statistical area. A postcode or code that is not stated is all zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct SortRecord {
    uprn: u64,
    easting_mm: i32,
    northing_mm: i32,
    postcode: [u8; 7],
    statistical_area: [u8; 9],
}

/// Collects addresses and returns them in order of UPRN.
pub(crate) struct UprnSorter {
    /// The folder for temporary files.
    folder: PathBuf,
    run_records_max: usize,
    run: Vec<SortRecord>,
    /// The sorted runs. The files have no names, and disappear when they are closed.
    files: Vec<File>,
}

impl UprnSorter {
    /// Creates a sorter. If there are many addresses, temporary files are written to `folder`.
    pub(crate) fn new(folder: &Path) -> UprnSorter {
        UprnSorter::with_run_length(folder, RUN_RECORDS_MAX)
    }

    fn with_run_length(folder: &Path, run_records_max: usize) -> UprnSorter {
        UprnSorter {
            folder: folder.into(),
            run_records_max,
            run: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Adds an address.
    ///
    /// # Errors
    /// If a temporary file cannot be written.
    pub(crate) fn add(&mut self, record: &UprnRecord) -> io::Result<()> {
        if self.run.len() == self.run_records_max {
            self.write_run()?;
        }
        self.run.push(record.into());
        Ok(())
    }

    fn write_run(&mut self) -> io::Result<()> {
        self.run.sort_unstable();
        let mut file = tempfile::tempfile_in(&self.folder)?;
        let mut writer = BufWriter::with_capacity(BUFFER_BYTES, &mut file);
        for record in self.run.drain(..) {
            writer.write_all(&record.to_bytes())?;
        }
        writer.flush()?;
        drop(writer);
        file.seek(SeekFrom::Start(0))?;
        self.files.push(file);
        Ok(())
    }

    /// Calls `take` with each address in order of UPRN, and states whether the previous address has
    /// the same UPRN.
    ///
    /// # Errors
    /// If a temporary file cannot be read, or `take` returns an error.
    pub(crate) fn finish(
        mut self,
        mut take: impl FnMut(&UprnRecord, SameUprn) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut last: Option<SortRecord> = None;
        let mut next = |record: SortRecord| {
            let same = match last {
                Some(last) if last == record => SameUprn::SameRecord,
                Some(last) if last.uprn == record.uprn => SameUprn::OtherRecord,
                _ => SameUprn::None,
            };
            last = Some(record);
            take(&record.to_record()?, same)
        };
        if self.files.is_empty() {
            self.run.sort_unstable();
            return self.run.into_iter().try_for_each(next);
        }
        self.write_run()?;
        self.run = Vec::new();
        let files = self.files.into_iter();
        let mut runs: Vec<BufReader<File>> = files
            .map(|file| BufReader::with_capacity(BUFFER_BYTES, file))
            .collect();
        let mut heap = BinaryHeap::with_capacity(runs.len());
        for (number, run) in runs.iter_mut().enumerate() {
            heap.extend(read_record(run)?.map(|record| Reverse((record, number))));
        }
        while let Some(Reverse((record, number))) = heap.pop() {
            next(record)?;
            let following = read_record(&mut runs[number])?;
            heap.extend(following.map(|record| Reverse((record, number))));
        }
        Ok(())
    }
}

/// Whether the previous address has the same UPRN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SameUprn {
    /// It does not.
    None,
    /// The previous address has the same UPRN and the same values.
    SameRecord,
    /// The previous address has the same UPRN but different values.
    OtherRecord,
}

fn read_record(run: &mut impl Read) -> io::Result<Option<SortRecord>> {
    let mut bytes = [0; RECORD_BYTES];
    match run.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(SortRecord::from_bytes(bytes))),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

impl SortRecord {
    fn to_bytes(self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        bytes[..8].copy_from_slice(&self.uprn.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.easting_mm.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.northing_mm.to_le_bytes());
        bytes[16..23].copy_from_slice(&self.postcode);
        bytes[23..].copy_from_slice(&self.statistical_area);
        bytes
    }

    fn from_bytes(bytes: [u8; RECORD_BYTES]) -> SortRecord {
        fn part<const N: usize>(bytes: &[u8], start: usize) -> [u8; N] {
            bytes[start..start + N].try_into().expect("N bytes")
        }
        SortRecord {
            uprn: u64::from_le_bytes(part(&bytes, 0)),
            easting_mm: i32::from_le_bytes(part(&bytes, 8)),
            northing_mm: i32::from_le_bytes(part(&bytes, 12)),
            postcode: part(&bytes, 16),
            statistical_area: part(&bytes, 23),
        }
    }

    fn to_record(self) -> io::Result<UprnRecord> {
        let damaged = || io::Error::other("a temporary file was changed");
        let [easting, northing] =
            [self.easting_mm, self.northing_mm].map(|mm| f64::from(mm) / 1_000.0);
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| damaged());
        let postcode: Option<Postcode> = match self.postcode {
            [0, ..] => None,
            _ => Some(text(&self.postcode)?.parse().map_err(|_| damaged())?),
        };
        let statistical_area: Option<GssCode> = match self.statistical_area {
            [0, ..] => None,
            _ => Some(
                text(&self.statistical_area)?
                    .parse()
                    .map_err(|_| damaged())?,
            ),
        };
        Ok(UprnRecord {
            uprn: Uprn::from_number(self.uprn).ok_or_else(damaged)?,
            home: Home {
                position: BritishGrid::from_metres(easting, northing).map_err(|_| damaged())?,
                postcode,
                statistical_area,
            },
        })
    }
}

impl From<&UprnRecord> for SortRecord {
    fn from(record: &UprnRecord) -> SortRecord {
        let home = record.home;
        let mut statistical_area = [0; 9];
        if let Some(code) = home.statistical_area {
            statistical_area.copy_from_slice(code.as_str().as_bytes());
        }
        SortRecord {
            uprn: record.uprn.number(),
            easting_mm: home.position.easting_mm(),
            northing_mm: home.position.northing_mm(),
            postcode: home.postcode.map_or([0; 7], |postcode| postcode.pcd7()),
            statistical_area,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: u64, easting: f64, postcode: &str, code: &str) -> UprnRecord {
        UprnRecord {
            uprn: Uprn::from_number(number).expect("a UPRN"),
            home: Home {
                position: BritishGrid::from_metres(easting, 400_000.25).expect("on the grid"),
                postcode: postcode.parse().ok(),
                statistical_area: code.parse().ok(),
            },
        }
    }

    #[test]
    fn records_are_sorted_in_memory_and_in_runs() {
        let folder = tempfile::tempdir().expect("a folder");
        let records = [
            record(30, 350_000.0, "LA1 1AA", "E01000001"),
            record(10, 350_001.5, "", ""),
            record(999_999_999_999, 350_002.0, "M1 1AA", ""),
            record(20, 350_003.0, "SW1A 1AA", "E01000002"),
            record(20, 350_004.0, "SW1A 1AA", "E01000002"),
            record(10, 350_001.5, "", ""),
            record(40, -5.0, "GIR 0AA", "S01000001"),
        ];
        for run_length in [1, 2, 3, 100] {
            let mut sorter = UprnSorter::with_run_length(folder.path(), run_length);
            for record in &records {
                sorter.add(record).expect("added");
            }
            let mut sorted = Vec::new();
            let result = sorter.finish(|record, same| {
                sorted.push((*record, same));
                Ok(())
            });
            result.expect("sorted");
            let expected = [
                (records[1], SameUprn::None),
                (records[1], SameUprn::SameRecord),
                (records[3], SameUprn::None),
                (records[4], SameUprn::OtherRecord),
                (records[0], SameUprn::None),
                (records[6], SameUprn::None),
                (records[2], SameUprn::None),
            ];
            assert_eq!(sorted, expected, "runs of {run_length}");
        }
        // Temporary files have no names.
        assert_eq!(std::fs::read_dir(folder.path()).expect("read").count(), 0);
        let empty = UprnSorter::new(folder.path());
        empty.finish(|_, _| panic!("no record")).expect("sorted");
    }
}
