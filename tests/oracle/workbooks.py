"""Writes workbooks with made-up patients with openpyxl, and compares answered workbooks with them.

    workbooks.py make FOLDER                 writes the workbooks of tests/it/batches/workbooks.rs
    workbooks.py compare BEFORE AFTER SHEET  checks that every cell of BEFORE has the same value, type, number format and
                                             style in AFTER, and prints the added columns and the added sheet as JSON
    workbooks.py dump FILE [SHEET]           prints the values and types of the cells of a sheet as JSON
    workbooks.py large FILE ROWS             writes a workbook with this number of rows of 20 columns
"""

import datetime
import json
import re
import shutil
import struct
import sys
import zipfile
from pathlib import Path

import openpyxl
from openpyxl.comments import Comment
from openpyxl.formatting.rule import CellIsRule
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.table import Table, TableStyleInfo

PATIENTS = [
    # The columns are name, NHS number, postcode, practice and date of birth.
    ("Airey", 9990001111, "LA18 4DB", "P81064"),
    ("Rigg & Son", 9990001112, "LA1O 5DL", "P81002"),
    ("Tyson", 9990001113, "ZZ99 3VZ", "A82608"),
    ("=cmd|' /C calc'!A0", 9990001114, "LA1 1PN", "A82033"),
    ("Zoë", 9990001115, None, None),
]


def rewrite(path, edit, rename=None):
    """Rewrites the parts of a workbook. `edit` receives the name and the bytes of each part."""
    temporary = path.with_suffix(".tmp")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            data = edit(name, source.read(name))
            if data is not None:
                target.writestr(name, data)
    shutil.move(temporary, path)


def patients(path):
    """Writes a workbook with most of the features that people use in workbooks."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Patients & co"
    sheet["A1"] = "Patients of the practice"
    sheet["A1"].font = Font(bold=True, size=16, color="FF0000")
    sheet.merge_cells("A1:F1")
    header = ["Name", "NHS number", "Postcode", "GP practice code", "Born", "Seen", "Local id", "Share", "Copy", "Adult"]
    for column, name in enumerate(header, 1):
        cell = sheet.cell(3, column, name)
        cell.font = Font(bold=True)
        cell.fill = PatternFill("solid", fgColor="DDEEFF")
        cell.border = Border(bottom=Side("thick"))
    for index, (name, number, postcode, practice) in enumerate(PATIENTS):
        row = 4 + index if index < 3 else 5 + index  # row 7 is empty
        sheet.cell(row, 1, name).data_type = "s"
        sheet.cell(row, 2, number).number_format = "000 000 0000"
        sheet.cell(row, 3, postcode)
        sheet.cell(row, 4, practice).alignment = Alignment(horizontal="right", wrap_text=True)
        sheet.cell(row, 5, datetime.date(1950 + index, 2, 28)).number_format = "dd/mm/yyyy"
        sheet.cell(row, 6, datetime.datetime(2026, 4, 1, 10, 30, index)).number_format = "dd mmm yyyy hh:mm"
        sheet.cell(row, 7, "00%d" % index)
        sheet.cell(row, 8, 0.1 * (index + 1)).number_format = "0.0%"
        sheet.cell(row, 9, "=C%d" % row)
        sheet.cell(row, 10, index % 2 == 0)
    sheet.column_dimensions["A"].width = 33
    sheet.column_dimensions["G"].hidden = True
    sheet.row_dimensions[5].hidden = True
    sheet.row_dimensions[4].height = 30
    sheet.freeze_panes = "B4"
    sheet.auto_filter.ref = "A3:J9"
    sheet.conditional_formatting.add("H4:H9", CellIsRule("greaterThan", ["0.3"], fill=PatternFill("solid", bgColor="FFCCCC")))
    choices = DataValidation(type="list", formula1='"A,B"')
    choices.add("A4:A9")
    sheet.add_data_validation(choices)
    sheet["A4"].comment = Comment("made up", "tests")
    other = book.create_sheet("Notes")
    other["B2"] = "=SUM(1,2)"
    other["C3"] = datetime.time(9, 15)
    hidden = book.create_sheet("Catchment summary")
    hidden["A1"] = "already here"
    hidden.sheet_state = "hidden"
    book.save(path)

    texts = []

    def shared(match):
        texts.append(match[2])
        return '<c %st="s"><v>%d</v></c>' % (match[1], len(texts) - 1)

    def edit(name, data):
        if name == "[Content_Types].xml":
            kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
            return data.replace(b"</Types>", ('<Override PartName="/xl/sharedStrings.xml" ContentType="%s"/></Types>' % kind).encode())
        if name == "xl/_rels/workbook.xml.rels":
            kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"
            added = '<Relationship Id="rIdTexts" Type="%s" Target="/xl/sharedStrings.xml"/></Relationships>' % kind
            return data.replace(b"</Relationships>", added.encode())
        if name != "xl/worksheets/sheet1.xml":
            return data
        # openpyxl stores strings in their cells, and formulas without their values.
        text = data.decode()
        for index, (_, _, postcode, _) in enumerate(PATIENTS):
            row = 4 + index if index < 3 else 5 + index
            pattern = r'<c r="I%d"([^>]*)><f>([^<]*)</f><v ?/?>(</v>)?</c>' % row
            assert re.search(pattern, text), text
            value = r'<c r="I%d"\1 t="str"><f>\2</f><v>%s</v></c>' % (row, postcode or "")
            text = re.sub(pattern, value, text)
        text = re.sub(r'<c ([^>]*)t="inlineStr"><is>(.*?)</is></c>', shared, text)
        return text.encode()

    rewrite(path, edit)
    items = "".join("<si>%s</si>" % text for text in texts)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/sharedStrings.xml", '<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">%s</sst>' % items)


def table(path):
    """Writes a workbook whose second sheet contains, between other cells, a table with a row of totals."""
    book = openpyxl.Workbook()
    book.active.title = "Cover"
    book.active["A1"] = "This sheet has no patients"
    sheet = book.create_sheet("List")
    rows = [("Postcode", "GP practice code", "Cost"), ("LA18 4DB", "P81064", 1), ("LA1 1PN", "A82033", 2), ("Total", None, 3)]
    for row in rows:
        sheet.append(row)
    sheet["A6"] = "LA18 4DB"
    made = Table(displayName="Patients", ref="A1:C4", totalsRowCount=1)
    made.tableStyleInfo = TableStyleInfo(name="TableStyleMedium9", showRowStripes=True)
    made._initialise_columns()
    for column, name in zip(made.tableColumns, rows[0]):
        column.name = name
    made.autoFilter.ref = "A1:C3"
    sheet.add_table(made)
    for letter in "DEFGHIJKLMNOPQRSTUVWXYZ":
        sheet.column_dimensions[letter].hidden = True
    book.save(path)


def small(path, rows=(("postcode", "gp_practice_code"), ("LA18 4DB", "P81064")), prepare=None):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    if prepare:
        prepare(book)
    book.save(path)
    return path


def archive(path, parts):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in parts.items():
            target.writestr(name, data)


def replaced(path, part, old, new):
    def edit(name, data):
        if name != part:
            return data
        assert old in data, data
        return data.replace(old, new)

    rewrite(path, edit)


def bad(folder):
    """Writes workbooks that are rejected, and workbooks with rejected rows."""
    sheet = "xl/worksheets/sheet1.xml"
    archive(folder / "binary.xlsb", {"xl/workbook.bin": b"x"})
    archive(folder / "open.ods", {"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "content.xml": "<a/>"})
    archive(folder / "word.xlsx", {"word/document.xml": "<a/>"})
    archive(folder / "archive.xlsx", {"patients.csv": "postcode\n"})
    compound = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 504
    (folder / "password.xlsx").write_bytes(compound + "EncryptedPackage".encode("utf-16-le"))
    (folder / "old.xls").write_bytes(compound + "Workbook".encode("utf-16-le"))
    (folder / "csv.xlsx").write_bytes(b"postcode,gp_practice_code\nLA18 4DB,P81064\n")
    (folder / "html.xlsx").write_bytes(b"<html><table><tr><td>postcode</td></tr></table></html>")
    whole = small(folder / "whole.xlsx").read_bytes()
    (folder / "truncated.xlsx").write_bytes(whole[: len(whole) // 2])

    macros = small(folder / "macros.xlsm")
    replaced(macros, "[Content_Types].xml", b"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml", b"application/vnd.ms-excel.sheet.macroEnabled.main+xml")
    template = small(folder / "template.xlsx")
    replaced(template, "[Content_Types].xml", b"spreadsheetml.sheet.main+xml", b"spreadsheetml.template.main+xml")

    dtd = small(folder / "dtd.xlsx")
    replaced(dtd, sheet, b"<worksheet", b'<!DOCTYPE a [<!ENTITY b "bbbb">]><worksheet')
    order = small(folder / "order.xlsx")
    replaced(order, sheet, b'<row r="2"', b'<row r="1"')
    reference = small(folder / "reference.xlsx")
    replaced(reference, sheet, b't="inlineStr"><is><t>LA18 4DB</t></is>', b't="s"><v>99</v>')
    bomb = small(folder / "bomb.xlsx")
    replaced(bomb, sheet, b"</sheetData>", b"</sheetData>" + b'<a b="%s"/>' % (b"x" * 10_000) * 8_000)

    def two_tables(book):
        active = book.active
        for row in (("postcode", "gp_practice_code"), ("LA1 1PN", "A82033")):
            active.append(row)
        active.add_table(Table(displayName="One", ref="A1:B2"))
        active.add_table(Table(displayName="Two", ref="A3:B4"))

    small(folder / "tables.xlsx", prepare=two_tables)
    small(folder / "empty.xlsx", rows=())
    small(folder / "header.xlsx", rows=(("postcode", "gp_practice_code"),))
    small(folder / "wide.xlsx", prepare=lambda book: setattr(book.active["XFD1"], "font", Font(bold=True)))

    def merged(book):
        active = book.active
        active.append((None, "A82033"))
        active.merge_cells("A2:A3")
        active.append(("=B2", "A82033"))

    small(folder / "rows.xlsx", prepare=merged)

    # A workbook with the namespaces of the strict standard, a prefix, dates counted from 1904, and rows and cells
    # without positions.
    strict = small(folder / "strict.xlsx", rows=(("postcode", "gp_practice_code", "born"), ("LA18 4DB", "P81064", 1)))
    main = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"

    def make_strict(name, data):
        if name == sheet:
            return (
                '<x:worksheet xmlns:x="http://purl.oclc.org/ooxml/spreadsheetml/main"><x:sheetData>'
                '<x:row><x:c t="inlineStr"><x:is><x:t>postcode</x:t></x:is></x:c><x:c t="inlineStr"><x:is><x:t>born</x:t></x:is></x:c></x:row>'
                '<x:row><x:c t="inlineStr"><x:is><x:t>LA18 4DB</x:t></x:is></x:c><x:c t="d"><x:v>1950-02-28T00:00:00</x:v></x:c></x:row>'
                "</x:sheetData></x:worksheet>"
            ).encode()
        return data.replace(main, b"http://purl.oclc.org/ooxml/spreadsheetml/main").replace(
            b"http://schemas.openxmlformats.org/officeDocument/2006/relationships", b"http://purl.oclc.org/ooxml/officeDocument/relationships"
        )

    rewrite(strict, make_strict)


def make(folder):
    folder = Path(folder)
    patients(folder / "patients.xlsx")
    table(folder / "table.xlsx")
    bad(folder)


def plain(value):
    if isinstance(value, (datetime.date, datetime.time, datetime.timedelta)):
        return str(value)
    return value


def describe(cell):
    return (
        plain(cell.value),
        cell.data_type,
        cell.number_format,
        cell.font.b,
        cell.font.color.rgb if cell.font.color else None,
        cell.fill.fgColor.rgb,
        cell.border.bottom.style,
        cell.alignment.horizontal,
        cell.comment.text if cell.comment else None,
    )


def sheet_facts(sheet):
    return {
        "widths": {k: (v.width, v.min, v.max) for k, v in sheet.column_dimensions.items() if not v.hidden},
        "heights": {k: (v.height, v.hidden) for k, v in sheet.row_dimensions.items()},
        "merged": sorted(str(merged) for merged in sheet.merged_cells.ranges),
        "freeze": sheet.freeze_panes,
        "rules": sorted(str(rule.sqref) for rule in sheet.conditional_formatting),
        "validations": [str(v.sqref) for v in sheet.data_validations.dataValidation],
        "state": sheet.sheet_state,
    }


def check_archive(path):
    """Checks the checksums and the order of the parts. If a part's flag is set, its sizes must follow the part."""
    data = Path(path).read_bytes()
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        offset = 0
        for part in archive.infolist():
            assert part.header_offset == offset, part
            flags, name_length, extra_length = struct.unpack_from("<6xH18xHH", data, offset)
            assert flags == part.flag_bits, part
            offset += 30 + name_length + extra_length + part.compress_size
            if flags & 8:
                assert struct.unpack_from("<4sIII", data, offset) == (b"PK\x07\x08", part.CRC, part.compress_size, part.file_size)
                offset += 16
        assert offset == archive.start_dir


def compare(before, after, name):
    """Compares the formulas, then the stored values."""
    for stored in (False, True):
        old, new = (openpyxl.load_workbook(path, data_only=stored) for path in (before, after))
        assert new.sheetnames[:-1] == old.sheetnames, new.sheetnames
        for sheet in old.worksheets:
            other = new[sheet.title]
            facts, others = sheet_facts(sheet), sheet_facts(other)
            # New columns that would otherwise be hidden have a width.
            others["widths"] = {key: width for key, width in others["widths"].items() if key in facts["widths"]}
            assert facts == others, (facts, others)
            for row in sheet.iter_rows():
                for cell in row:
                    if cell.__class__.__name__ == "MergedCell":
                        continue
                    assert describe(cell) == describe(other[cell.coordinate]), (cell.coordinate, describe(cell), describe(other[cell.coordinate]))
            if sheet.title != name:
                assert sheet.dimensions == other.dimensions
    width, sheet = old[name].max_column, new[name]
    table_facts = {key: (value.ref, value.autoFilter.ref if value.autoFilter else None, value.column_names) for key, value in ((key, sheet.tables[key]) for key in sheet.tables)}
    check_archive(after)
    with zipfile.ZipFile(before) as one, zipfile.ZipFile(after) as two:
        changed = sorted(part for part in one.namelist() if two.read(part) != one.read(part))
    print(
        json.dumps(
            {
                "width": width,
                "added": [[plain(cell.value) for cell in row] for row in sheet.iter_rows(min_col=width + 1)],
                "types": sorted({cell.data_type for row in sheet.iter_rows(min_col=width + 1) for cell in row if cell.value is not None}),
                "header_bold": [cell.font.b for row in sheet.iter_rows(min_col=width + 1) for cell in row if str(cell.value).startswith("catchment_")],
                "hidden": sorted(key for key, value in sheet.column_dimensions.items() if value.hidden),
                "filter": sheet.auto_filter.ref,
                "dimensions": sheet.dimensions,
                "tables": table_facts,
                "last_sheet": new.sheetnames[-1],
                "summary": [[cell.value for cell in row] for row in new.worksheets[-1].iter_rows()],
                "changed": changed,
            }
        )
    )


def dump(path, name=None):
    check_archive(path)
    book = openpyxl.load_workbook(path)
    sheet = book[name] if name else book.worksheets[0]
    rows = [[[plain(cell.value), cell.data_type] for cell in row] for row in sheet.iter_rows()]
    print(json.dumps({"sheets": book.sheetnames, "freeze": sheet.freeze_panes, "rows": rows}))


def large(path, rows):
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Patients")
    sheet.append(["name", "postcode", "gp_practice_code"] + ["column %d" % index for index in range(17)])
    postcodes = [postcode for _, _, postcode, _ in PATIENTS if postcode]
    for row in range(int(rows)):
        cells = ["patient %d" % row, postcodes[row % len(postcodes)], "P81064"]
        sheet.append(cells + [row * 17 + index if index % 2 else "text %d" % (row % 1000 + index) for index in range(17)])
    book.save(path)


if __name__ == "__main__":
    {"make": make, "compare": compare, "dump": dump, "large": large}[sys.argv[1]](*sys.argv[2:])
