//! The strings that the cells of a workbook share.

use std::io::BufRead;

use quick_xml::events::Event;

use super::super::error::TabularError;
use super::super::limits::ExceededLimit;
use super::unreadable;
use super::xml::{XmlError, XmlEvents, append_text, decode_escapes};

/// The shared strings, stored one after another.
#[derive(Debug, Default)]
pub(crate) struct SharedStrings {
    text: Vec<u8>,
    ends: Vec<usize>,
}

/// The memory in bytes for the end of each string.
const END_BYTES: usize = size_of::<usize>();

impl SharedStrings {
    /// Reads the part with the shared strings, which may use at most `bytes_max` bytes of memory.
    pub(crate) fn read(
        source: impl BufRead,
        bytes_max: u64,
    ) -> Result<SharedStrings, TabularError> {
        let mut strings = SharedStrings::default();
        let read = strings.read_items(XmlEvents::new(source), bytes_max);
        match read {
            Ok(()) => Ok(strings),
            Err(XmlError::Invalid(what)) => Err(unreadable(format!(
                "its shared strings cannot be read: {what}"
            ))),
            Err(XmlError::Failed(error)) => Err(error),
        }
    }

    fn read_items(
        &mut self,
        mut events: XmlEvents<impl BufRead>,
        bytes_max: u64,
    ) -> Result<(), XmlError> {
        let mut buffer = Vec::new();
        let (mut depth, mut texts, mut phonetic) = (0_u32, 0_u32, 0_u32);
        loop {
            let event = events.next(&mut buffer)?;
            match &event {
                Event::Start(tag) => {
                    depth += 1;
                    match tag.local_name().as_ref() {
                        "t" => texts += 1,
                        "rPh" => phonetic += 1,
                        _ => {}
                    }
                }
                Event::End(tag) => {
                    depth = depth.saturating_sub(1);
                    match tag.local_name().as_ref() {
                        "t" => texts -= 1,
                        "rPh" => phonetic -= 1,
                        "si" => self.end_item(),
                        _ => {}
                    }
                }
                Event::Empty(tag) if tag.local_name().as_ref() == "si" => self.end_item(),
                Event::Eof if depth > 0 => return Err(XmlError::Invalid("it is truncated")),
                Event::Eof => return Ok(()),
                // The phonetic reading of a string is not part of the string.
                event if texts > 0 && phonetic == 0 => append_text(&mut self.text, event)?,
                _ => {}
            }
            let bytes = self.text.len() + self.ends.len() * END_BYTES;
            if bytes as u64 > bytes_max {
                let limit = ExceededLimit::SharedStrings(bytes_max);
                return Err(XmlError::Failed(limit.into()));
            }
        }
    }

    fn end_item(&mut self) {
        let start = self.ends.last().copied().unwrap_or_default();
        decode_escapes(&mut self.text, start);
        self.ends.push(self.text.len());
    }

    /// Returns the string with this index, or `None` if there is no such string.
    pub(crate) fn get(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.text[start..end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(xml: &str, bytes_max: u64) -> Result<Vec<String>, String> {
        let strings = SharedStrings::read(xml.as_bytes(), bytes_max);
        let strings = strings.map_err(|error| error.to_string())?;
        let texts = (0..).map_while(|index| strings.get(index));
        Ok(texts
            .map(|text| String::from_utf8_lossy(text).into_owned())
            .collect())
    }

    #[test]
    fn texts_are_joined_without_their_phonetic_reading() {
        let xml = "<sst><si><t>LA1 1AA</t></si><si/><si><r><t xml:space=\"preserve\">a </t></r>\
                   <r><rPr><b/></rPr><t>&amp;b_x000D_</t></r><rPh sb=\"0\"><t>x</t></rPh></si>\
                   <si><t/></si></sst>";
        let expected = ["LA1 1AA", "", "a &b\r", ""].map(str::to_string).to_vec();
        assert_eq!(read(xml, 1_000), Ok(expected));
    }

    #[test]
    fn the_memory_is_limited() {
        let xml = format!("<sst>{}</sst>", "<si><t>abc</t></si>".repeat(100));
        assert!(read(&xml, 1_100).is_ok());
        let error = read(&xml, 1_000).expect_err("too large");
        assert!(error.contains("1000 bytes"), "{error}");
        let error = read("<sst><si>", 1_000).expect_err("truncated");
        assert!(error.contains("truncated"), "{error}");
    }
}
