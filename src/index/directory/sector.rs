//! Which postcodes a sector has, such as `LA1 1`, and where their rows are: one cache line.

/// The letters of inward codes (BS 7666).
const LETTERS: &[u8; 20] = b"ABDEFGHJLNPQRSTUWXYZ";

/// The places of a sector: one for each pair of letters.
pub(super) const PLACES: usize = LETTERS.len() * LETTERS.len();

/// One bit for each of the 400 pairs of letters, and what is needed to count them.
///
/// ```text
///  word 0 … 5   384 bits, AA the lowest
///  word 6        16 bits more, 16 of nothing, and the row of the first postcode in 32
///  word 7         9 bits for each of the words 0 … 6: the bits set in all words before it
/// ```
///
/// So the row of a pair is the first one's, and what stands for its word in word 7, and the bits set
/// below its own: one word to count, wherever it is. (Without word 7 up to seven words are to be
/// counted, and the processors that we build for have no instruction to do it.)
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
pub(super) struct Sector {
    words: [u64; 8],
}

const FIRST_ROW: u32 = 32;
const COUNT_BITS: usize = 9;

impl Sector {
    /// Adds a place; [`Sector::count`] comes after the last.
    pub(super) fn add(&mut self, place: usize) {
        self.words[place / 64] |= 1 << (place % 64);
    }

    /// Fixes the row of its first postcode, or, where it has none, of the next one there is; returns
    /// that of the first postcode after it.
    pub(super) fn count(&mut self, first_row: u32) -> u32 {
        let mut before = 0;
        for word in 0..7 {
            self.words[7] |= u64::from(before) << (word * COUNT_BITS);
            before += self.words[word].count_ones();
        }
        self.words[6] |= u64::from(first_row) << FIRST_ROW;
        first_row + before
    }

    pub(super) fn first_row(&self) -> u32 {
        u32::try_from(self.words[6] >> FIRST_ROW).expect("32 bits")
    }

    /// The row of a place, if it is there.
    pub(super) fn row(&self, place: usize) -> Option<u32> {
        let is_there = self.words[place / 64] >> (place % 64) & 1 == 1;
        is_there.then_some(self.row_before(place))
    }

    /// The row of the first postcode at a place or after it; places up to [`PLACES`] itself.
    pub(super) fn row_before(&self, place: usize) -> u32 {
        let (word, bit) = (place / 64, place % 64);
        let below = self.words[word] & ((1 << bit) - 1);
        let earlier = self.words[7] >> (word * COUNT_BITS) & ((1 << COUNT_BITS) - 1);
        self.first_row() + below.count_ones() + u32::try_from(earlier).expect("nine bits")
    }

    /// The first place that is there, from one on.
    pub(super) fn next_place(&self, from: usize) -> Option<usize> {
        let mut word = from / 64;
        let mut left = self.bits(word) >> (from % 64) << (from % 64);
        while left == 0 {
            word += 1;
            if word == 7 {
                return None;
            }
            left = self.bits(word);
        }
        Some(word * 64 + left.trailing_zeros() as usize)
    }

    fn bits(&self, word: usize) -> u64 {
        match word {
            6 => self.words[6] & 0xffff,
            _ => self.words[word],
        }
    }
}

/// The place of a pair of letters; of one with others, which no sector has, that of the next pair
/// that one may have.
pub(super) fn place(first: u8, second: u8) -> usize {
    let letter = |byte: u8| usize::from(LETTERS_BEFORE[usize::from(byte)]);
    letter(first) * LETTERS.len() + letter(second)
}

/// The letters of a place.
pub(super) fn letters(place: usize) -> [u8; 2] {
    [
        LETTERS[place / LETTERS.len()],
        LETTERS[place % LETTERS.len()],
    ]
}

/// How many of the letters come before each byte.
static LETTERS_BEFORE: [u8; 256] = {
    let mut before = [0; 256];
    let mut byte = 1;
    let mut count = 0;
    while byte < 256 {
        before[byte] = count;
        if (count as usize) < LETTERS.len() && LETTERS[count as usize] as usize == byte {
            count += 1;
        }
        byte += 1;
    }
    before
};
