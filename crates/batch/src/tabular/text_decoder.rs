//! Converts text from UTF-16 to UTF-8 while it is read. Excel saves "Unicode text" in UTF-16.

use std::io::{self, Read};

use encoding_rs::{Decoder, Encoding, UTF_16BE, UTF_16LE};

/// A reader of text. Text in UTF-16 is converted to UTF-8. Text in UTF-8 or another byte encoding
/// is not changed.
pub(crate) struct TextDecoder<S> {
    source: S,
    utf16: Option<Utf16>,
}

struct Utf16 {
    decoder: Decoder,
    raw: Vec<u8>,
    /// The decoded bytes. The bytes before `position` have already been read.
    decoded: Vec<u8>,
    position: usize,
    has_ended: bool,
}

/// The number of bytes that are decoded together.
const RAW_BYTES: usize = 16 << 10;

/// Returns the encoding if the text is in UTF-16, which the first four bytes indicate.
pub(crate) fn utf16_encoding(beginning: &[u8]) -> Option<&'static Encoding> {
    let is_ascii = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    match *beginning {
        [0xff, 0xfe, ..] => Some(UTF_16LE),
        [0xfe, 0xff, ..] => Some(UTF_16BE),
        [a, 0, b, 0] if is_ascii(a) && is_ascii(b) => Some(UTF_16LE),
        [0, a, 0, b] if is_ascii(a) && is_ascii(b) => Some(UTF_16BE),
        _ => None,
    }
}

impl<S: Read> TextDecoder<S> {
    /// Decodes `source`. If `encoding` is `None`, `source` is not changed.
    pub(crate) fn new(source: S, encoding: Option<&'static Encoding>) -> TextDecoder<S> {
        TextDecoder {
            source,
            utf16: encoding.map(|encoding| Utf16 {
                decoder: encoding.new_decoder_with_bom_removal(),
                raw: vec![0; RAW_BYTES],
                decoded: Vec::new(),
                position: 0,
                has_ended: false,
            }),
        }
    }
}

impl<S: Read> Read for TextDecoder<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(utf16) = &mut self.utf16 else {
            return self.source.read(buffer);
        };
        while utf16.position == utf16.decoded.len() && !utf16.has_ended {
            let read = match self.source.read(&mut utf16.raw) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            utf16.has_ended = read == 0;
            let raw = &utf16.raw[..read];
            let most = utf16.decoder.max_utf8_buffer_length(read);
            utf16.decoded.resize(most.expect("a small buffer"), 0);
            // Bytes that cannot be decoded become the replacement character, which no postcode
            // contains.
            let (_, _, written, _) =
                utf16
                    .decoder
                    .decode_to_utf8(raw, &mut utf16.decoded, utf16.has_ended);
            utf16.decoded.truncate(written);
            utf16.position = 0;
        }
        let rest = &utf16.decoded[utf16.position..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        utf16.position += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> String {
        let beginning = &bytes[..bytes.len().min(4)];
        let mut decoder = TextDecoder::new(bytes, utf16_encoding(beginning));
        let mut text = String::new();
        decoder.read_to_string(&mut text).expect("text");
        text
    }

    #[test]
    fn utf16_is_decoded_in_both_byte_orders() {
        let text = "name,postcode\nZoë \u{1f4ee},LA1 1AA\n".repeat(3_000);
        let units: Vec<u16> = text.encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        assert!(decoded(&little) == text);
        assert!(decoded(&big) == text);
        assert!(decoded(&[&b"\xff\xfe"[..], &little].concat()) == text);
        assert!(decoded(&[&b"\xfe\xff"[..], &big].concat()) == text);
        assert_eq!(decoded(b"\xff\xfea\0b"), "a\u{fffd}");
        assert_eq!(decoded(text.as_bytes()), text);
    }
}
