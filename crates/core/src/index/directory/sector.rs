//! The postcodes of a sector, such as `LA1 1`, and their rows, stored in one cache line.

/// The letters that may occur in inward codes (BS 7666).
const INWARD_LETTERS: &[u8; 20] = b"ABDEFGHJLNPQRSTUWXYZ";

/// The number of pairs of letters, which is the number of possible postcodes of a sector.
pub(super) const LETTER_PAIRS: usize = INWARD_LETTERS.len() * INWARD_LETTERS.len();

/// A bitmap of the 400 pairs of letters, with the counts from which the number of set bits before a
/// pair can be derived.
///
/// ```text
///  word 0 … 5   384 bits, AA the lowest
///  word 6        16 more bits, 16 unused, and the row of the first postcode in 32
///  word 7         9 bits for each word 0 … 6: the number of bits set in the words before it
/// ```
///
/// The row of a pair is the first row, plus the count in word 7 for the pair's word, plus the
/// number of bits set below the pair's own bit. For any pair, only the bits of one word are
/// counted. Without word 7, the bits of up to seven words would have to be counted, and the program
/// is built for the baseline x86-64 instruction set, which has no instruction that counts bits.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
pub(super) struct SectorBitmap {
    words: [u64; 8],
}

const FIRST_ROW_SHIFT: u32 = 32;
const COUNT_BITS: usize = 9;

impl SectorBitmap {
    /// Adds a pair of letters. Call [`SectorBitmap::finish`] after the last pair.
    pub(super) fn insert(&mut self, pair: usize) {
        self.words[pair / 64] |= 1 << (pair % 64);
    }

    /// Stores the row of the sector's first postcode. If the sector has no postcodes, stores the
    /// row of the next postcode in order. Returns the row of the first postcode after the sector.
    pub(super) fn finish(&mut self, first_row: u32) -> u32 {
        let mut before = 0;
        for word in 0..7 {
            self.words[7] |= u64::from(before) << (word * COUNT_BITS);
            before += self.words[word].count_ones();
        }
        self.words[6] |= u64::from(first_row) << FIRST_ROW_SHIFT;
        first_row + before
    }

    pub(super) fn first_row(&self) -> u32 {
        u32::try_from(self.words[6] >> FIRST_ROW_SHIFT).expect("32 bits")
    }

    /// Returns the row of a pair of letters, if the sector contains that pair.
    pub(super) fn find_row(&self, pair: usize) -> Option<u32> {
        let is_set = self.words[pair / 64] >> (pair % 64) & 1 == 1;
        is_set.then_some(self.row_at_or_after(pair))
    }

    /// Returns the row of the first postcode at or after a pair of letters; `pair` may also be
    /// [`LETTER_PAIRS`].
    pub(super) fn row_at_or_after(&self, pair: usize) -> u32 {
        let (word, bit) = (pair / 64, pair % 64);
        let below = self.words[word] & ((1 << bit) - 1);
        let earlier = self.words[7] >> (word * COUNT_BITS) & ((1 << COUNT_BITS) - 1);
        self.first_row() + below.count_ones() + u32::try_from(earlier).expect("nine bits")
    }

    /// Returns the sector's first pair of letters at or after `from`.
    pub(super) fn next_pair(&self, from: usize) -> Option<usize> {
        let mut word = from / 64;
        let mut remaining = self.bits(word) >> (from % 64) << (from % 64);
        while remaining == 0 {
            word += 1;
            if word == 7 {
                return None;
            }
            remaining = self.bits(word);
        }
        Some(word * 64 + remaining.trailing_zeros() as usize)
    }

    fn bits(&self, word: usize) -> u64 {
        match word {
            6 => self.words[6] & 0xffff,
            _ => self.words[word],
        }
    }
}

/// Returns the index of a pair of letters. For letters that do not occur in inward codes, returns
/// the index of the next pair that can occur.
pub(super) fn pair_index(first: u8, second: u8) -> usize {
    let letter = |byte: u8| usize::from(LETTERS_BEFORE[usize::from(byte)]);
    letter(first) * INWARD_LETTERS.len() + letter(second)
}

/// Returns the letters of a pair.
pub(super) fn pair_letters(pair: usize) -> [u8; 2] {
    [
        INWARD_LETTERS[pair / INWARD_LETTERS.len()],
        INWARD_LETTERS[pair % INWARD_LETTERS.len()],
    ]
}

/// For each byte, the number of inward letters that are less than the byte.
static LETTERS_BEFORE: [u8; 256] = {
    let mut before = [0; 256];
    let mut byte = 1;
    let mut count = 0;
    while byte < 256 {
        before[byte] = count;
        if (count as usize) < INWARD_LETTERS.len()
            && INWARD_LETTERS[count as usize] as usize == byte
        {
            count += 1;
        }
        byte += 1;
    }
    before
};
