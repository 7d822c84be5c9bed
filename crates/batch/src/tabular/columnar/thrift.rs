//! A reader of Thrift structs in the compact protocol, which Parquet uses. The reader allocates no
//! memory, so that it can be used to check the lengths in a file before another reader allocates
//! memory for these lengths.

/// Truncated or invalid Thrift data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InvalidThrift;

type Result<T> = std::result::Result<T, InvalidThrift>;

/// The maximum nesting depth of structs. The structs in Parquet are nested less deeply.
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

/// A reader of Thrift data that starts at the first byte.
#[derive(Debug, Clone, Copy)]
pub(super) struct ThriftReader<'b> {
    rest: &'b [u8],
}

/// The header of a field. The value of the field must be read next.
#[derive(Debug, Clone, Copy)]
pub(super) struct ThriftField {
    pub(super) id: i16,
    kind: u8,
}

impl<'b> ThriftReader<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> ThriftReader<'b> {
        ThriftReader { rest: bytes }
    }

    /// Returns the bytes that have not been read yet.
    pub(super) fn rest(&self) -> &'b [u8] {
        self.rest
    }

    /// Reads the next struct. For each field, `read_field` either reads the value and returns
    /// `true`, or returns `false` to skip it.
    pub(super) fn read_struct(
        &mut self,
        mut read_field: impl FnMut(&mut ThriftReader<'b>, ThriftField) -> Result<bool>,
    ) -> Result<()> {
        let mut id = 0_i16;
        loop {
            let byte = self.read_byte()?;
            if byte == 0 {
                return Ok(());
            }
            id = match byte >> 4 {
                0 => i16::try_from(self.read_zigzag()?).map_err(|_| InvalidThrift)?,
                delta => id.checked_add(i16::from(delta)).ok_or(InvalidThrift)?,
            };
            let field = ThriftField {
                id,
                kind: byte & 0x0f,
            };
            if !read_field(self, field)? {
                self.skip_value(field.kind, DEPTH_MAX)?;
            }
        }
    }

    /// Reads a field value that is an integer of 16, 32 or 64 bits.
    pub(super) fn read_integer(&mut self, field: ThriftField) -> Result<i64> {
        match field.kind {
            I16..=I64 => self.read_zigzag(),
            _ => Err(InvalidThrift),
        }
    }

    /// Reads the header of a field value that is a list of structs, and returns its length.
    pub(super) fn read_struct_list(&mut self, field: ThriftField) -> Result<u64> {
        let (length, kind) = self.read_list_header()?;
        match (field.kind, kind) {
            (LIST, STRUCT) => Ok(length),
            _ => Err(InvalidThrift),
        }
    }

    /// Checks that the value of a field is a struct.
    pub(super) fn expect_struct(field: ThriftField) -> Result<()> {
        match field.kind {
            STRUCT => Ok(()),
            _ => Err(InvalidThrift),
        }
    }

    fn skip_value(&mut self, kind: u8, depth: usize) -> Result<()> {
        let depth = depth.checked_sub(1).ok_or(InvalidThrift)?;
        match kind {
            // The type code of a boolean field contains its value.
            TRUE | FALSE => Ok(()),
            I8 => self.skip_bytes(1),
            I16..=I64 => self.read_zigzag().map(drop),
            DOUBLE => self.skip_bytes(8),
            BINARY => {
                let length = self.read_varint()?;
                self.skip_bytes(length)
            }
            LIST | SET => {
                let (length, kind) = self.read_list_header()?;
                self.skip_elements(length, &[kind], depth)
            }
            MAP => {
                let length = self.read_varint()?;
                if length == 0 {
                    return Ok(());
                }
                let kinds = self.read_byte()?;
                self.skip_elements(length, &[kinds >> 4, kinds & 0x0f], depth)
            }
            STRUCT => loop {
                let byte = self.read_byte()?;
                if byte == 0 {
                    return Ok(());
                }
                if byte >> 4 == 0 {
                    // The integer is the id of the field.
                    self.read_zigzag()?;
                }
                self.skip_value(byte & 0x0f, depth)?;
            },
            UUID => self.skip_bytes(16),
            _ => Err(InvalidThrift),
        }
    }

    fn skip_elements(&mut self, length: u64, kinds: &[u8], depth: usize) -> Result<()> {
        // Every element requires at least one byte.
        if length > self.rest.len() as u64 {
            return Err(InvalidThrift);
        }
        for _ in 0..length {
            for &kind in kinds {
                match kind {
                    TRUE | FALSE => self.skip_bytes(1)?,
                    kind => self.skip_value(kind, depth)?,
                }
            }
        }
        Ok(())
    }

    /// Reads the header of a list: its length and the type of its elements.
    fn read_list_header(&mut self) -> Result<(u64, u8)> {
        let byte = self.read_byte()?;
        let length = match byte >> 4 {
            15 => self.read_varint()?,
            length => u64::from(length),
        };
        Ok((length, byte & 0x0f))
    }

    fn read_byte(&mut self) -> Result<u8> {
        let (byte, rest) = self.rest.split_first().ok_or(InvalidThrift)?;
        self.rest = rest;
        Ok(*byte)
    }

    fn skip_bytes(&mut self, length: u64) -> Result<()> {
        let length = usize::try_from(length).map_err(|_| InvalidThrift)?;
        self.rest = self.rest.get(length..).ok_or(InvalidThrift)?;
        Ok(())
    }

    fn read_zigzag(&mut self) -> Result<i64> {
        let number = self.read_varint()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    /// Reads an integer in groups of seven bits, least significant group first (ULEB128).
    pub(super) fn read_varint(&mut self) -> Result<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.read_byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(InvalidThrift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selected_fields_are_read_and_others_are_skipped() {
        // The fields and their values are 1: true; 2: -3; 3: [true, false]; 5: {1: "ab"}; 20, with
        // an explicit id: 300.
        let bytes = [
            0x11, 0x15, 5, 0x19, 0x21, 1, 2, 0x2c, 0x18, 2, b'a', b'b', 0, 0x05, 40, 0xd8, 0x04, 0,
            9,
        ];
        let mut found = Vec::new();
        let mut thrift = ThriftReader::new(&bytes);
        let read = thrift.read_struct(|thrift, field| match field.id {
            2 | 20 => {
                found.push((field.id, thrift.read_integer(field)?));
                Ok(true)
            }
            _ => Ok(false),
        });
        assert_eq!(read, Ok(()));
        assert_eq!(found, [(2, -3), (20, 300)]);
        assert_eq!(thrift.rest(), [9]);
        for length in 0..bytes.len() - 1 {
            let read = ThriftReader::new(&bytes[..length]).read_struct(|_, _| Ok(false));
            assert_eq!(read, Err(InvalidThrift), "{length}");
        }
    }

    #[test]
    fn excessive_lengths_and_depths_are_rejected() {
        // These inputs are a list of 2^60 booleans, and endlessly nested structs.
        let long = [
            0x19, 0xf1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f,
        ];
        let deep = [0x1c; 1_000];
        for bytes in [long.as_slice(), &deep] {
            let read = ThriftReader::new(bytes).read_struct(|_, _| Ok(false));
            assert_eq!(read, Err(InvalidThrift));
        }
    }
}
