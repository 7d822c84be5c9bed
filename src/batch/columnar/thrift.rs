//! A reader of Thrift structs in the compact protocol, as Parquet uses them. It does not allocate,
//! so that the lengths in a file can be checked before another reader allocates memory for them.

/// Truncated or invalid Thrift data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotThrift;

type Result<T> = std::result::Result<T, NotThrift>;

/// The maximum nesting of structs; Parquet's are less deep.
const DEPTH_MAX: usize = 32;

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const I8: u8 = 3;
const I16: u8 = 4;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;
const UUID: u8 = 13;

/// A reader that starts at the first byte.
#[derive(Debug, Clone, Copy)]
pub(super) struct Thrift<'b> {
    rest: &'b [u8],
}

/// The header of a field, whose value is next to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) id: i16,
    kind: u8,
}

impl<'b> Thrift<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Thrift<'b> {
        Thrift { rest: bytes }
    }

    /// Returns the bytes that were not read yet.
    pub(super) fn rest(&self) -> &'b [u8] {
        self.rest
    }

    /// Reads the next struct. For each field, `read_field` either reads the value and returns
    /// `true`, or returns `false` to skip it.
    pub(super) fn structure(
        &mut self,
        mut read: impl FnMut(&mut Thrift<'b>, Field) -> Result<bool>,
    ) -> Result<()> {
        let mut id = 0_i16;
        loop {
            let byte = self.byte()?;
            if byte == 0 {
                return Ok(());
            }
            id = match byte >> 4 {
                0 => i16::try_from(self.signed()?).map_err(|_| NotThrift)?,
                delta => id.checked_add(i16::from(delta)).ok_or(NotThrift)?,
            };
            let field = Field {
                id,
                kind: byte & 0x0f,
            };
            if !read(self, field)? {
                self.skip(field.kind, DEPTH_MAX)?;
            }
        }
    }

    /// Reads a field value that is an integer of 16, 32 or 64 bits.
    pub(super) fn number(&mut self, field: Field) -> Result<i64> {
        match field.kind {
            I16..=I64 => self.signed(),
            _ => Err(NotThrift),
        }
    }

    /// Reads the header of a field value that is a list of structs, and returns its length.
    pub(super) fn list_of_structures(&mut self, field: Field) -> Result<u64> {
        let (length, kind) = self.list()?;
        match (field.kind, kind) {
            (LIST, STRUCT) => Ok(length),
            _ => Err(NotThrift),
        }
    }

    /// Checks that the value of a field is a struct.
    pub(super) fn is_structure(field: Field) -> Result<()> {
        match field.kind {
            STRUCT => Ok(()),
            _ => Err(NotThrift),
        }
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Result<()> {
        let depth = depth.checked_sub(1).ok_or(NotThrift)?;
        match kind {
            // The value of a boolean field is in its type.
            TRUE | FALSE => Ok(()),
            I8 => self.take(1),
            I16..=I64 => self.signed().map(drop),
            DOUBLE => self.take(8),
            BINARY => {
                let length = self.unsigned()?;
                self.take(length)
            }
            LIST | SET => {
                let (length, kind) = self.list()?;
                self.skip_elements(length, &[kind], depth)
            }
            MAP => {
                let length = self.unsigned()?;
                if length == 0 {
                    return Ok(());
                }
                let kinds = self.byte()?;
                self.skip_elements(length, &[kinds >> 4, kinds & 0x0f], depth)
            }
            STRUCT => loop {
                let byte = self.byte()?;
                if byte == 0 {
                    return Ok(());
                }
                if byte >> 4 == 0 {
                    // The id of the field.
                    self.signed()?;
                }
                self.skip(byte & 0x0f, depth)?;
            },
            UUID => self.take(16),
            _ => Err(NotThrift),
        }
    }

    fn skip_elements(&mut self, length: u64, kinds: &[u8], depth: usize) -> Result<()> {
        // Every element takes at least one byte.
        if length > self.rest.len() as u64 {
            return Err(NotThrift);
        }
        for _ in 0..length {
            for &kind in kinds {
                match kind {
                    TRUE | FALSE => self.take(1)?,
                    kind => self.skip(kind, depth)?,
                }
            }
        }
        Ok(())
    }

    /// Reads the header of a list: its length and the type of its elements.
    fn list(&mut self) -> Result<(u64, u8)> {
        let byte = self.byte()?;
        let length = match byte >> 4 {
            15 => self.unsigned()?,
            length => u64::from(length),
        };
        Ok((length, byte & 0x0f))
    }

    fn byte(&mut self) -> Result<u8> {
        let (byte, rest) = self.rest.split_first().ok_or(NotThrift)?;
        self.rest = rest;
        Ok(*byte)
    }

    fn take(&mut self, length: u64) -> Result<()> {
        let length = usize::try_from(length).map_err(|_| NotThrift)?;
        self.rest = self.rest.get(length..).ok_or(NotThrift)?;
        Ok(())
    }

    fn signed(&mut self) -> Result<i64> {
        let number = self.unsigned()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    /// Reads an integer in groups of seven bits, least significant group first (ULEB128).
    pub(super) fn unsigned(&mut self) -> Result<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(NotThrift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_others_are_left_out() {
        // 1: true; 2: -3; 3: [true, false]; 5: {1: "ab"}; 20, with an explicit id: 300.
        let bytes = [
            0x11, 0x15, 5, 0x19, 0x21, 1, 2, 0x2c, 0x18, 2, b'a', b'b', 0, 0x05, 40, 0xd8, 0x04, 0,
            9,
        ];
        let mut found = Vec::new();
        let mut thrift = Thrift::new(&bytes);
        let read = thrift.structure(|thrift, field| match field.id {
            2 | 20 => {
                found.push((field.id, thrift.number(field)?));
                Ok(true)
            }
            _ => Ok(false),
        });
        assert_eq!(read, Ok(()));
        assert_eq!(found, [(2, -3), (20, 300)]);
        assert_eq!(thrift.rest(), [9]);
        for length in 0..bytes.len() - 1 {
            let read = Thrift::new(&bytes[..length]).structure(|_, _| Ok(false));
            assert_eq!(read, Err(NotThrift), "{length}");
        }
    }

    #[test]
    fn lengths_and_depths_beyond_the_bytes_are_refused() {
        // A list of 2^60 booleans; endlessly nested structs.
        let long = [
            0x19, 0xf1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f,
        ];
        let deep = [0x1c; 1_000];
        for bytes in [long.as_slice(), &deep] {
            let read = Thrift::new(bytes).structure(|_, _| Ok(false));
            assert_eq!(read, Err(NotThrift));
        }
    }
}
