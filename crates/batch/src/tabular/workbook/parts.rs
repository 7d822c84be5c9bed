//! The parts of a workbook: its sheets and their parts, and the edits that add a sheet.
//!
//! Elements are recognised by their local names, so both the transitional and the strict namespaces
//! of the standard are supported, with any prefixes.

use std::fmt::Write as _;

use quick_xml::escape::partial_escape;
use quick_xml::events::{BytesStart, Event};

use super::super::error::TabularError;
use super::package::{Package, in_memory};
use super::positions::CellRange;
use super::unreadable;
use super::xml::{XmlError, XmlEvents, attribute, write_event};

/// A relationship of a part.
struct Relationship {
    id: String,
    /// The last word of the type: `worksheet`, `table`, `sharedStrings`.
    kind: String,
    /// The name of the part. Empty if the target is not in the workbook.
    part: String,
}

/// A sheet of cells.
#[derive(Debug, Clone)]
pub(crate) struct SheetEntry {
    pub(crate) name: String,
    pub(crate) part: String,
    pub(crate) is_hidden: bool,
    /// The position among all sheets, including sheets without cells, counted from 0.
    pub(crate) position: usize,
}

/// The names of the parts of a workbook.
pub(crate) struct WorkbookParts {
    workbook: String,
    /// The sheets of cells, in order.
    pub(crate) sheets: Vec<SheetEntry>,
    /// The names of all sheets.
    names: Vec<String>,
    pub(crate) shared_strings: Option<String>,
    pub(crate) styles: Option<String>,
    /// Whether dates are counted from 1904.
    pub(crate) is_1904: bool,
    pub(crate) is_strict: bool,
    pub(crate) has_macros: bool,
    /// The maximum length of a part that is read as a whole.
    part_bytes_max: u64,
}

const CONTENT_TYPES: &str = "[content_types].xml";
const WORKBOOK: &str = "list of sheets";
const RELATIONSHIPS: &str = "list of relationships";
const TYPES: &str = "list of content types";
/// The name of the sheet with the summary, unless the workbook already contains a sheet with this
/// name.
const SUMMARY_SHEET: &str = "Catchment summary";
/// The maximum number of sheets.
const SHEETS_MAX: usize = 4_096;

/// Describes an archive that is not a workbook of Excel 2007 or later, and a way for the user to
/// solve the problem.
pub(crate) fn part_kind(package: &mut Package) -> Option<(&'static str, &'static str)> {
    if package.has("xl/workbook.bin") {
        return Some((
            "a binary workbook (.xlsb)",
            ": save it as an Excel workbook (.xlsx)",
        ));
    }
    if package.has("xl/workbook.xml") {
        return None;
    }
    if package.has("mimetype") {
        let kind = package.read_whole("mimetype", 256, "type").ok();
        let kind = kind.map(|kind| String::from_utf8_lossy(&kind).into_owned());
        if kind.is_some_and(|kind| kind.contains("opendocument.spreadsheet")) {
            return Some((
                "an OpenDocument spreadsheet (.ods)",
                ": save it as an Excel workbook (.xlsx)",
            ));
        }
        return Some(("a document that is not a spreadsheet", ""));
    }
    if package.has("word/document.xml") {
        return Some((
            "a Word document (.docx)",
            ": save its table as a workbook or as CSV",
        ));
    }
    if package.has("index/document.iwa") || package.has("index.zip") {
        return Some((
            "a Numbers spreadsheet",
            ": export it as an Excel workbook (.xlsx)",
        ));
    }
    if package.has("_rels/.rels") && package.has(CONTENT_TYPES) {
        return None;
    }
    let is_workbook = |name: &str| name.ends_with(".xlsx") || name.ends_with(".xlsm");
    if package.names().any(is_workbook) {
        return Some((
            "a zip archive with a workbook in it",
            ": extract the workbook",
        ));
    }
    Some((
        "a zip archive, and not a workbook (.xlsx)",
        ": extract the archive",
    ))
}

/// Converts an error in a part that is read as a whole.
fn part_error(error: XmlError, what: &str) -> TabularError {
    match error {
        XmlError::Invalid(why) => unreadable(format!("its {what} cannot be read: {why}")),
        XmlError::Failed(error) => error,
    }
}

/// Passes each event of a part to `visit`.
fn visit_events(
    bytes: &[u8],
    what: &str,
    mut visit: impl FnMut(&Event<'_>) -> Result<(), XmlError>,
) -> Result<(), TabularError> {
    let mut events = XmlEvents::new(in_memory(bytes));
    let mut buffer = Vec::new();
    loop {
        let event = events
            .next(&mut buffer)
            .map_err(|error| part_error(error, what))?;
        if matches!(event, Event::Eof) {
            return Ok(());
        }
        visit(&event).map_err(|error| part_error(error, what))?;
    }
}

/// Returns the name of the part that contains the relationships of `part`.
fn relationships_part(part: &str) -> String {
    let (folder, file) = part.rsplit_once('/').unwrap_or(("", part));
    let slash = if folder.is_empty() { "" } else { "/" };
    format!("{folder}{slash}_rels/{file}.rels")
}

/// Returns the name of the part that is the target of a relationship of `part`.
fn resolve(part: &str, target: &str) -> String {
    let target = target.replace('\\', "/");
    let mut folders: Vec<&str> = match target.starts_with('/') {
        true => Vec::new(),
        false => part.split('/').collect(),
    };
    folders.pop();
    for word in target.split('/') {
        match word {
            "" | "." => {}
            ".." => {
                folders.pop();
            }
            word => folders.push(word),
        }
    }
    folders.join("/")
}

fn read_relationships(
    package: &mut Package,
    part: &str,
    bytes_max: u64,
) -> Result<Vec<Relationship>, TabularError> {
    let name = relationships_part(part);
    if !package.has(&name) {
        return Ok(Vec::new());
    }
    let bytes = package.read_whole(&name, bytes_max, RELATIONSHIPS)?;
    let mut relationships = Vec::new();
    visit_events(&bytes, RELATIONSHIPS, |event| {
        let (Event::Start(tag) | Event::Empty(tag)) = event else {
            return Ok(());
        };
        if tag.local_name().as_ref() != "Relationship" {
            return Ok(());
        }
        let kind = attribute(tag, "Type")?.unwrap_or_default();
        let target = attribute(tag, "Target")?.unwrap_or_default();
        let is_external = attribute(tag, "TargetMode")?.is_some_and(|mode| mode == "External");
        relationships.push(Relationship {
            id: attribute(tag, "Id")?.unwrap_or_default().into_owned(),
            kind: kind.rsplit('/').next().unwrap_or_default().to_string(),
            part: if is_external {
                String::new()
            } else {
                resolve(part, &target)
            },
        });
        Ok(())
    })?;
    Ok(relationships)
}

impl WorkbookParts {
    /// Reads the list of a workbook's sheets.
    ///
    /// # Errors
    /// If the file is not a workbook of Excel 2007 or later.
    pub(crate) fn read(
        package: &mut Package,
        bytes_max: u64,
    ) -> Result<WorkbookParts, TabularError> {
        let root = read_relationships(package, "", bytes_max)?;
        let workbook = root
            .into_iter()
            .find(|relationship| relationship.kind == "officeDocument")
            .map(|relationship| relationship.part)
            .filter(|part| package.has(part))
            .ok_or_else(|| unreadable("it has no list of sheets"))?;
        let relationships = read_relationships(package, &workbook, bytes_max)?;
        let part_of_kind = |kind: &str| {
            let mut found = relationships.iter().filter(|other| other.kind == kind);
            found.next().map(|relationship| relationship.part.clone())
        };
        let mut parts = WorkbookParts {
            sheets: Vec::new(),
            names: Vec::new(),
            shared_strings: part_of_kind("sharedStrings").filter(|part| package.has(part)),
            styles: part_of_kind("styles").filter(|part| package.has(part)),
            is_1904: false,
            is_strict: false,
            has_macros: part_of_kind("vbaProject").is_some(),
            part_bytes_max: bytes_max,
            workbook,
        };
        parts.read_content_type(package)?;
        let bytes = package.read_whole(&parts.workbook, bytes_max, WORKBOOK)?;
        visit_events(&bytes, WORKBOOK, |event| {
            let (Event::Start(tag) | Event::Empty(tag)) = event else {
                return Ok(());
            };
            match tag.local_name().as_ref() {
                "workbook" => parts.is_strict = tag.contains("purl.oclc.org/ooxml"),
                "workbookPr" => {
                    let value = attribute(tag, "date1904")?;
                    parts.is_1904 = value.is_some_and(|value| matches!(&*value, "1" | "true"));
                }
                "sheet" => parts.add_sheet(tag, &relationships)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(parts)
    }

    fn add_sheet(
        &mut self,
        tag: &BytesStart<'_>,
        relationships: &[Relationship],
    ) -> Result<(), XmlError> {
        let name = attribute(tag, "name")?.unwrap_or_default().into_owned();
        let id = attribute(tag, "id")?.unwrap_or_default();
        let relationship = relationships.iter().find(|other| other.id == *id);
        let state = attribute(tag, "state")?.unwrap_or_default();
        if self.names.len() == SHEETS_MAX {
            return Err(XmlError::Invalid("it has too many sheets"));
        }
        // Charts and dialogs are sheets without cells.
        if let Some(found) = relationship.filter(|found| found.kind == "worksheet") {
            self.sheets.push(SheetEntry {
                name: name.clone(),
                part: found.part.clone(),
                is_hidden: !matches!(&*state, "" | "visible"),
                position: self.names.len(),
            });
        }
        self.names.push(name);
        Ok(())
    }

    /// Reads the content type, which states whether the workbook may contain macros or is a
    /// template.
    fn read_content_type(&mut self, package: &mut Package) -> Result<(), TabularError> {
        let bytes = package.read_whole(CONTENT_TYPES, self.part_bytes_max, TYPES)?;
        let part = format!("/{}", self.workbook);
        let mut content_type = String::new();
        visit_events(&bytes, TYPES, |event| {
            if let Event::Start(tag) | Event::Empty(tag) = event
                && tag.local_name().as_ref() == "Override"
                && attribute(tag, "PartName")?.is_some_and(|name| name.eq_ignore_ascii_case(&part))
            {
                content_type = attribute(tag, "ContentType")?
                    .unwrap_or_default()
                    .to_ascii_lowercase();
            }
            Ok(())
        })?;
        if content_type.contains("template") || content_type.contains("addin") {
            return Err(unreadable(
                "it is a template or an add-in: save it as a workbook (.xlsx)",
            ));
        }
        self.has_macros |= content_type.contains("macroenabled");
        Ok(())
    }

    /// Returns the parts of the tables of a sheet.
    pub(crate) fn table_parts(
        &self,
        package: &mut Package,
        sheet: &SheetEntry,
    ) -> Result<Vec<String>, TabularError> {
        let relationships = read_relationships(package, &sheet.part, self.part_bytes_max)?;
        let tables = relationships
            .into_iter()
            .filter(|other| other.kind == "table");
        Ok(tables.map(|table| table.part).collect())
    }

    /// Returns a name for the sheet with the summary. No existing sheet has this name.
    pub(crate) fn summary_name(&self) -> String {
        let is_taken = |name: &String| {
            let mut names = self.names.iter();
            names.any(|other| other.to_lowercase() == name.to_lowercase())
        };
        let mut name = SUMMARY_SHEET.to_string();
        let mut number = 1;
        while is_taken(&name) {
            number += 1;
            name = format!("{SUMMARY_SHEET} {number}");
        }
        name
    }

    /// Returns the edits that add a sheet with the summary. `filter` is the new range of the filter
    /// in the sheet with the rows, if the range changes.
    pub(crate) fn added_sheet(
        &self,
        package: &mut Package,
        sheet: &SheetEntry,
        filter: Option<CellRange>,
    ) -> Result<AddedSheet, TabularError> {
        let folder = self
            .workbook
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder);
        let slash = if folder.is_empty() { "" } else { "/" };
        let mut number = 0;
        let (target, part) = loop {
            number += 1;
            let target = format!("worksheets/catchment{number}.xml");
            let part = format!("{folder}{slash}{target}");
            if !package.has(&part) {
                break (target, part);
            }
        };
        let relationships_name = relationships_part(&self.workbook);
        let relationships =
            package.read_whole(&relationships_name, self.part_bytes_max, RELATIONSHIPS)?;
        let known = String::from_utf8_lossy(&relationships).into_owned();
        let mut id = "rIdCatchment".to_string();
        while known.contains(&format!("{id}\"")) || known.contains(&format!("{id}'")) {
            id.push('1');
        }
        let base = if self.is_strict {
            "http://purl.oclc.org/ooxml/officeDocument/relationships"
        } else {
            "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
        };
        let relationships = with_last_child(&relationships, RELATIONSHIPS, |prefix| {
            format!(
                "<{prefix}Relationship Id=\"{id}\" Type=\"{base}/worksheet\" Target=\"{target}\"/>"
            )
        })?;
        let types = package.read_whole(CONTENT_TYPES, self.part_bytes_max, TYPES)?;
        let types = with_last_child(&types, TYPES, |prefix| {
            format!(
                "<{prefix}Override PartName=\"/{part}\" ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml\"/>"
            )
        })?;
        let workbook = self.workbook_with_sheet(package, &id, sheet, filter)?;
        let edited = [
            (relationships_name, relationships),
            (CONTENT_TYPES.to_string(), types),
            (self.workbook.clone(), workbook),
        ];
        Ok(AddedSheet {
            part,
            edited: edited
                .into_iter()
                .map(|(name, bytes)| (name.to_ascii_lowercase(), bytes))
                .collect(),
        })
    }

    fn workbook_with_sheet(
        &self,
        package: &mut Package,
        relationship: &str,
        sheet: &SheetEntry,
        filter: Option<CellRange>,
    ) -> Result<Vec<u8>, TabularError> {
        let bytes = package.read_whole(&self.workbook, self.part_bytes_max, WORKBOOK)?;
        let name = self.summary_name();
        let (mut out, mut sheet_id) = (Vec::with_capacity(bytes.len() + 256), 0_u32);
        // The names with the prefixes that the other sheets use.
        let (mut element, mut id_attribute) = ("sheet".to_string(), "r:id".to_string());
        // Namespaces that are declared in the elements of the other sheets, as in files written by
        // lxml.
        let mut namespaces = String::new();
        let mut is_filter = false;
        visit_events(&bytes, WORKBOOK, |event| {
            match event {
                Event::Start(tag) | Event::Empty(tag) => match tag.local_name().as_ref() {
                    "sheet" => {
                        element = tag.name().as_ref().to_string();
                        let id = attribute(tag, "sheetId")?;
                        let id = id.and_then(|id| id.trim().parse().ok()).unwrap_or(0);
                        sheet_id = sheet_id.max(id);
                        namespaces.clear();
                        for other in tag.attributes().with_checks(false).flatten() {
                            let name = other.key.as_ref();
                            if other.key.as_namespace_binding().is_some() {
                                let value = other.value.replace('"', "&quot;");
                                write!(namespaces, " {name}=\"{value}\"")
                                    .expect("writing to a String");
                            } else if other.key.prefix().is_some()
                                && other.key.local_name().as_ref() == "id"
                            {
                                id_attribute = name.to_string();
                            }
                        }
                    }
                    "definedName" => {
                        let is_named = attribute(tag, "name")?
                            .is_some_and(|name| name == "_xlnm._FilterDatabase");
                        let local = attribute(tag, "localSheetId")?;
                        let local = local.and_then(|local| local.trim().parse::<usize>().ok());
                        is_filter = is_named && local == Some(sheet.position);
                    }
                    _ => {}
                },
                Event::End(tag) => match tag.local_name().as_ref() {
                    "definedName" => is_filter = false,
                    "sheets" => {
                        let name = partial_escape(name.as_str());
                        let id = sheet_id.saturating_add(1);
                        let added = format!(
                            "<{element}{namespaces} name=\"{name}\" sheetId=\"{id}\" {id_attribute}=\"{relationship}\"/>"
                        );
                        out.extend_from_slice(added.as_bytes());
                    }
                    _ => {}
                },
                Event::Text(text) if is_filter => {
                    if let (Some(range), Some((before, _))) = (filter, text.rsplit_once('!')) {
                        let (first, last) = (range.first, range.last);
                        let absolute = format!(
                            "{before}!${}${}:${}${}",
                            super::column_letters(first.column),
                            first.row,
                            super::column_letters(last.column),
                            last.row
                        );
                        out.extend_from_slice(absolute.as_bytes());
                        return Ok(());
                    }
                }
                _ => {}
            }
            write_event(&mut out, event);
            Ok(())
        })?;
        Ok(out)
    }
}

/// The edits of a workbook that add a sheet.
pub(crate) struct AddedSheet {
    /// The name of the part of the new sheet.
    pub(crate) part: String,
    /// The parts that change, with their names in lower case.
    pub(crate) edited: Vec<(String, Vec<u8>)>,
}

/// Returns a part with a child added at the end of its root element. The parameter of `child` is
/// the prefix of the root element, including the colon.
fn with_last_child(
    bytes: &[u8],
    what: &str,
    child: impl Fn(&str) -> String,
) -> Result<Vec<u8>, TabularError> {
    let mut out = Vec::with_capacity(bytes.len() + 256);
    let (mut depth, mut prefix) = (0_u32, String::new());
    visit_events(bytes, what, |event| {
        match event {
            Event::Start(tag) => {
                if depth == 0 {
                    prefix = prefix_of(tag.name().as_ref());
                }
                depth += 1;
            }
            Event::Empty(tag) if depth == 0 => {
                // The root element has no children yet.
                let name = tag.name().as_ref().to_string();
                prefix = prefix_of(&name);
                out.extend_from_slice(b"<");
                out.extend_from_slice(tag.as_bytes());
                out.extend_from_slice(format!(">{}</{name}>", child(&prefix)).as_bytes());
                return Ok(());
            }
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    out.extend_from_slice(child(&prefix).as_bytes());
                }
            }
            _ => {}
        }
        write_event(&mut out, event);
        Ok(())
    })?;
    Ok(out)
}

/// Returns the prefix of a name, including the colon.
pub(super) fn prefix_of(name: &str) -> String {
    name.split_once(':')
        .map_or(String::new(), |(prefix, _)| format!("{prefix}:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_resolved() {
        for (part, target, expected) in [
            ("", "xl/workbook.xml", "xl/workbook.xml"),
            (
                "xl/workbook.xml",
                "worksheets/sheet1.xml",
                "xl/worksheets/sheet1.xml",
            ),
            ("xl/workbook.xml", "/xl/styles.xml", "xl/styles.xml"),
            (
                "xl/worksheets/sheet1.xml",
                "../tables/table1.xml",
                "xl/tables/table1.xml",
            ),
        ] {
            assert_eq!(resolve(part, target), expected);
        }
        assert_eq!(relationships_part(""), "_rels/.rels");
        assert_eq!(
            relationships_part("xl/workbook.xml"),
            "xl/_rels/workbook.xml.rels"
        );
    }

    #[test]
    fn children_are_added_with_the_prefix_of_the_root() {
        let added = |xml: &str| {
            let out = with_last_child(xml.as_bytes(), "part", |prefix| format!("<{prefix}b/>"));
            String::from_utf8(out.expect("XML")).expect("text")
        };
        assert_eq!(added("<a><c/></a>"), "<a><c/><b/></a>");
        assert_eq!(added("<x:a y='1'/>"), "<x:a y='1'><x:b/></x:a>");
    }
}
