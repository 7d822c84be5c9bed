//! Counts rows, and records the lines of the first rows.

/// The number of rows of a kind, and the lines of the first of these rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineSample {
    /// The number of rows.
    pub rows: u64,
    /// The lines on which the first of these rows start. In Parquet and Arrow, the numbers of the
    /// rows, counted from 1.
    pub first_lines: Vec<u64>,
}

/// The maximum number of lines that are recorded.
pub(super) const LINES_MAX: usize = 10;

impl LineSample {
    /// Counts a row. Lines must not decrease between calls.
    pub(super) fn add(&mut self, line: impl FnOnce() -> u64) {
        self.rows += 1;
        if self.first_lines.len() < LINES_MAX {
            self.first_lines.push(line());
        }
    }

    /// Adds the rows of another thread.
    pub(super) fn merge(&mut self, other: LineSample) {
        self.rows += other.rows;
        self.first_lines.extend(other.first_lines);
        self.first_lines.sort_unstable();
        self.first_lines.truncate(LINES_MAX);
    }

    /// Counts rows that are not in order.
    pub(super) fn of_lines(mut lines: Vec<u64>) -> LineSample {
        let rows = lines.len() as u64;
        lines.sort_unstable();
        lines.truncate(LINES_MAX);
        LineSample {
            rows,
            first_lines: lines,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_lines_of_all_threads_are_kept() {
        let sample = |lines: std::ops::Range<u64>| {
            let mut sample = LineSample::default();
            lines.for_each(|line| sample.add(|| line));
            sample
        };
        let mut merged = sample(100..130);
        merged.merge(sample(2..6));
        let expected = [2, 3, 4, 5, 100, 101, 102, 103, 104, 105];
        assert_eq!((merged.rows, &merged.first_lines[..]), (34, &expected[..]));
        assert_eq!(LineSample::of_lines(vec![9, 3]).first_lines, [3, 9]);
    }
}
