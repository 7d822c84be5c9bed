//! A reader of the events of an XML part, with limits. The parts of a workbook contain no document
//! type declaration, so such a declaration is rejected, and no entity is expanded.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

use super::super::error::TabularError;
use super::super::limits::ExceededLimit;

/// The maximum length of one tag or text. The text of a cell has at most 32,767 characters, each of
/// which may be encoded as a reference of several characters.
const EVENT_BYTES_MAX: usize = 1 << 20;

/// A reader of XML events.
pub(super) struct XmlEvents<R: BufRead> {
    reader: Reader<BoundedEvents<R>>,
}

/// The problem in a part. The name of the part is not included.
pub(super) enum XmlError {
    /// The XML is not well-formed, or uses a feature that is not allowed in the parts of a
    /// workbook.
    Invalid(&'static str),
    /// Reading failed, or a limit is exceeded.
    Failed(TabularError),
}

const NOT_WELL_FORMED: &str = "its XML is not well-formed";
const TOO_LONG: &str = "a tag or text in its XML is longer than 1 MiB";

impl<R: BufRead> XmlEvents<R> {
    pub(super) fn new(source: R) -> XmlEvents<R> {
        let mut reader = Reader::from_reader(BoundedEvents { source, taken: 0 });
        reader.config_mut().check_comments = false;
        XmlEvents { reader }
    }

    /// Returns the next event. The buffer is cleared first.
    pub(super) fn next<'b>(&mut self, buffer: &'b mut Vec<u8>) -> Result<Event<'b>, XmlError> {
        buffer.clear();
        self.reader.get_mut().taken = 0;
        let event = self.reader.read_event_into(buffer).map_err(xml_error)?;
        match &event {
            Event::DocType(_) => Err(XmlError::Invalid(
                "its XML has a document type declaration (DTD)",
            )),
            Event::Decl(declaration) => match declaration.encoding() {
                Some(Ok(name)) if !is_utf8(&name) => {
                    Err(XmlError::Invalid("its XML is not in UTF-8"))
                }
                _ => Ok(event),
            },
            _ => Ok(event),
        }
    }
}

fn is_utf8(name: &str) -> bool {
    ["utf-8", "utf8", "us-ascii"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name))
}

fn xml_error(error: quick_xml::Error) -> XmlError {
    match error {
        quick_xml::Error::Io(error) => match ExceededLimit::from_io_error(&error) {
            Some(limit) => XmlError::Failed(TabularError::LimitExceeded(limit)),
            None if error
                .get_ref()
                .is_some_and(|inner| inner.is::<EventTooLong>()) =>
            {
                XmlError::Invalid(TOO_LONG)
            }
            None if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput
                    | io::ErrorKind::InvalidData
                    | io::ErrorKind::UnexpectedEof
            ) =>
            {
                XmlError::Invalid("its compressed data are corrupt")
            }
            None => XmlError::Failed(TabularError::Read(io::Error::new(
                error.kind(),
                error.to_string(),
            ))),
        },
        quick_xml::Error::Encoding(_) => XmlError::Invalid("its XML is not in UTF-8"),
        _ => XmlError::Invalid(NOT_WELL_FORMED),
    }
}

/// Returns the value of an attribute by its local name, with references resolved.
pub(super) fn attribute<'t>(
    tag: &'t BytesStart<'_>,
    name: &str,
) -> Result<Option<Cow<'t, str>>, XmlError> {
    for attribute in tag.attributes().with_checks(false) {
        let attribute = attribute.map_err(|_| XmlError::Invalid(NOT_WELL_FORMED))?;
        if attribute.key.local_name().as_ref() == name {
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            return match value {
                Ok(value) => Ok(Some(value)),
                Err(_) => Err(XmlError::Invalid(NOT_WELL_FORMED)),
            };
        }
    }
    Ok(None)
}

/// Writes a start tag or an empty tag. Replaces one of its attributes, or removes the attribute if
/// `value` is `None`.
pub(super) fn write_with_attribute(
    out: &mut Vec<u8>,
    tag: &BytesStart<'_>,
    is_empty: bool,
    changes: &[(&str, Option<String>)],
) {
    out.push(b'<');
    out.extend_from_slice(tag.name().as_ref().as_bytes());
    for attribute in tag.attributes().with_checks(false).flatten() {
        let key = attribute.key.as_ref();
        let change = changes.iter().find(|(name, _)| *name == key);
        let value = match change {
            Some((_, None)) => continue,
            Some((_, Some(value))) => Cow::Borrowed(value.as_str()),
            None => attribute.value,
        };
        out.push(b' ');
        out.extend_from_slice(key.as_bytes());
        // A raw value contains at most one kind of quotation mark.
        let quote = if value.contains('"') { b'\'' } else { b'"' };
        out.extend_from_slice(b"=");
        out.push(quote);
        out.extend_from_slice(value.as_bytes());
        out.push(quote);
    }
    out.extend_from_slice(if is_empty { b"/>" } else { b">" });
}

/// Writes an event in the form in which it was read.
pub(super) fn write_event(out: &mut Vec<u8>, event: &Event<'_>) {
    let mut put = |parts: [&str; 3]| {
        for part in parts {
            out.extend_from_slice(part.as_bytes());
        }
    };
    match event {
        Event::Start(tag) => put(["<", tag, ">"]),
        Event::Empty(tag) => put(["<", tag, "/>"]),
        Event::End(tag) => put(["</", tag, ">"]),
        Event::Text(text) => put(["", text, ""]),
        Event::CData(text) => put(["<![CDATA[", text, "]]>"]),
        Event::Comment(text) => put(["<!--", text, "-->"]),
        Event::Decl(text) => put(["<?", text, "?>"]),
        Event::PI(text) => put(["<?", text, "?>"]),
        Event::GeneralRef(name) => put(["&", name, ";"]),
        Event::DocType(_) | Event::Eof => {}
    }
}

/// Appends the text of an event to the text of an element. Tags and comments contain no text.
pub(super) fn append_text(text: &mut Vec<u8>, event: &Event<'_>) -> Result<(), XmlError> {
    match event {
        Event::Text(part) => text.extend_from_slice(part.xml10_content().as_bytes()),
        Event::CData(part) => text.extend_from_slice(part.xml10_content().as_bytes()),
        Event::GeneralRef(reference) => {
            let character = match reference.resolve_char_ref() {
                Ok(Some(character)) => character,
                Ok(None) => match &**reference {
                    "lt" => '<',
                    "gt" => '>',
                    "amp" => '&',
                    "apos" => '\'',
                    "quot" => '"',
                    _ => return Err(XmlError::Invalid("its XML refers to an unknown entity")),
                },
                Err(_) => return Err(XmlError::Invalid(NOT_WELL_FORMED)),
            };
            let mut bytes = [0; 4];
            text.extend_from_slice(character.encode_utf8(&mut bytes).as_bytes());
        }
        _ => {}
    }
    Ok(())
}

/// Decodes the escapes of characters that XML cannot contain. For example, `_x000D_` is a carriage
/// return.
pub(super) fn decode_escapes(text: &mut Vec<u8>, start: usize) {
    let Some(first) = memchr::memmem::find(&text[start..], b"_x") else {
        return;
    };
    let rest = text.split_off(start + first);
    let mut rest = rest.as_slice();
    while !rest.is_empty() {
        let code = match rest {
            [b'_', b'x', digits @ ..] if digits.len() >= 5 && digits[4] == b'_' => {
                std::str::from_utf8(&digits[..4])
                    .ok()
                    .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
                    .and_then(|digits| u32::from_str_radix(digits, 16).ok())
                    .and_then(char::from_u32)
            }
            _ => None,
        };
        match code {
            Some(character) => {
                let mut bytes = [0; 4];
                text.extend_from_slice(character.encode_utf8(&mut bytes).as_bytes());
                rest = &rest[7..];
            }
            None => {
                text.push(rest[0]);
                rest = &rest[1..];
            }
        }
    }
}

/// A reader that fails if a single event is longer than [`EVENT_BYTES_MAX`].
struct BoundedEvents<R> {
    source: R,
    /// The number of bytes read since the start of the event.
    taken: usize,
}

#[derive(Debug)]
struct EventTooLong;

impl std::fmt::Display for EventTooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(TOO_LONG)
    }
}

impl std::error::Error for EventTooLong {}

impl<R: BufRead> Read for BoundedEvents<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.read(buffer)
    }
}

impl<R: BufRead> BufRead for BoundedEvents<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.taken > EVENT_BYTES_MAX {
            return Err(io::Error::other(EventTooLong));
        }
        self.source.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.taken += amount;
        self.source.consume(amount);
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn escapes_are_decoded() {
        let decoded = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            decode_escapes(&mut bytes, 0);
            String::from_utf8(bytes).expect("text")
        };
        assert_eq!(decoded("a_x000D_b"), "a\rb");
        assert_eq!(decoded("_x005F_x000D_"), "_x000D_");
        assert_eq!(decoded("_x00_ _xZZZZ_ é_x"), "_x00_ _xZZZZ_ é_x");
    }

    #[test]
    fn events_are_written_as_they_were_read() {
        let text =
            "<?xml version=\"1.0\"?><a  b='1\"' c=\"&lt;\"><d/><!-- x -->&amp;é<![CDATA[<]]></a>";
        let mut events = XmlEvents::new(text.as_bytes());
        let (mut buffer, mut out) = (Vec::new(), Vec::new());
        loop {
            match events.next(&mut buffer) {
                Ok(Event::Eof) => break,
                Ok(event) => write_event(&mut out, &event),
                Err(_) => panic!("well-formed"),
            }
        }
        assert_eq!(String::from_utf8_lossy(&out), text);
    }

    #[test]
    fn document_types_and_long_texts_are_rejected() {
        let error = |text: &str| {
            let mut events = XmlEvents::new(BufReader::new(text.as_bytes()));
            let mut buffer = Vec::new();
            loop {
                match events.next(&mut buffer) {
                    Ok(Event::Eof) => return "",
                    Ok(_) => {}
                    Err(XmlError::Invalid(what)) => return what,
                    Err(XmlError::Failed(_)) => return "failed",
                }
            }
        };
        let bomb = "<!DOCTYPE a [<!ENTITY b \"bbbb\">]><a>&b;</a>";
        assert!(error(bomb).contains("DTD"));
        assert_eq!(error("<a><b></a>"), NOT_WELL_FORMED);
        assert_eq!(error(&format!("<a>{}</a>", "x".repeat(2 << 20))), TOO_LONG);
    }
}
