// Reads the first rows of a sheet of an Excel workbook, so that the page can offer its columns. If this script cannot
// read an unusual workbook, the page does not offer columns. The server has a complete reader for workbooks.

// The maximum number of characters that are read from a part.
const PART_CHARS_MAX = 1 << 21;

// Returns the entries of a zip archive by name.
async function readDirectory(source) {
  const tail = await source.slice(Math.max(0, source.size - 65_557)).arrayBuffer();
  const view = new DataView(tail);
  let end = tail.byteLength - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end -= 1;
  if (end < 0) throw new Error("not a zip archive");
  const [size, offset] = [view.getUint32(end + 12, true), view.getUint32(end + 16, true)];
  const directory = new DataView(await source.slice(offset, offset + size).arrayBuffer());
  const entries = new Map();
  for (let start = 0; start + 46 <= directory.byteLength; ) {
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((place) => directory.getUint16(start + place, true));
    const name = new TextDecoder().decode(new Uint8Array(directory.buffer, start + 46, nameLength));
    entries.set(name, { method: directory.getUint16(start + 10, true), size: directory.getUint32(start + 20, true), offset: directory.getUint32(start + 42, true) });
    start += 46 + nameLength + extraLength + commentLength;
  }
  return entries;
}

// Returns the beginning of a part as text. Reading ends when `isEnough` returns true.
async function readPart(source, entries, name, isEnough = () => false) {
  const entry = entries.get(name);
  if (!entry) return "";
  const header = new DataView(await source.slice(entry.offset, entry.offset + 30).arrayBuffer());
  const start = entry.offset + 30 + header.getUint16(26, true) + header.getUint16(28, true);
  const bytes = source.slice(start, start + entry.size).stream();
  const stream = entry.method === 8 ? bytes.pipeThrough(new DecompressionStream("deflate-raw")) : bytes;
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (text.length < PART_CHARS_MAX && !isEnough(text)) {
    const { value, done } = await reader.read();
    if (done) return text;
    text += value;
  }
  reader.cancel().catch(() => {});
  return text;
}

const parseXml = (text) => new DOMParser().parseFromString(text, "application/xml");
const elements = (node, name) => [...node.getElementsByTagNameNS("*", name)];

// Returns the path of the sheet with a name or number, or of the first visible sheet.
async function sheetPart(source, entries, wanted) {
  const workbook = parseXml(await readPart(source, entries, "xl/workbook.xml"));
  const sheets = elements(workbook, "sheet");
  const isNamed = (sheet) => sheet.getAttribute("name").toLowerCase() === wanted.toLowerCase();
  const sheet = wanted === "" ? (sheets.find((each) => (each.getAttribute("state") ?? "visible") === "visible") ?? sheets[0]) : (sheets.find(isNamed) ?? sheets[Number(wanted) - 1]);
  const id = [...sheet.attributes].find((attribute) => attribute.localName === "id" && attribute.prefix).value;
  const relations = parseXml(await readPart(source, entries, "xl/_rels/workbook.xml.rels"));
  const target = elements(relations, "Relationship").find((relation) => relation.getAttribute("Id") === id).getAttribute("Target");
  return target.startsWith("/") ? target.slice(1) : `xl/${target}`;
}

// Returns the text of the `t` elements in XML, excluding phonetic readings.
function textOf(xml) {
  const texts = xml.replace(/<(\w+:)?rPh\b[^]*?<\/(\w+:)?rPh>/g, "").matchAll(/<(?:\w+:)?t(?:\s[^>]*)?>([^<]*)</g);
  const text = Array.from(texts, ([, content]) => content).join("");
  return text.replace(/&(lt|gt|amp|quot|apos|#x?[0-9a-f]+);/gi, (whole, name) => {
    const named = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" }[name];
    return named ?? String.fromCodePoint(name[1] === "x" ? parseInt(name.slice(2), 16) : Number(name.slice(1)));
  });
}

// Returns the index of the column with these letters, counted from 0.
function columnIndex(letters) {
  return letters && [...letters].reduce((index, letter) => index * 26 + letter.charCodeAt(0) - 64, 0) - 1;
}

// Returns the cells of the first `limit` rows that contain values. Strings are returned as text, and other values as
// stored in the file.
export async function readWorkbook(source, sheet, limit) {
  const entries = await readDirectory(source);
  const part = await sheetPart(source, entries, sheet.trim());
  const rowEnd = /<\/(?:\w+:)?row>/g;
  const xml = await readPart(source, entries, part, (text) => (text.match(rowEnd)?.length ?? 0) >= limit);
  const rows = Array.from(xml.matchAll(/<(?:\w+:)?row\b[^>]*>([^]*?)<\/(?:\w+:)?row>/g), ([, row]) =>
    Array.from(row.matchAll(/<(?:\w+:)?c\b([^>]*?)(?:\/>|>([^]*?)<\/(?:\w+:)?c>)/g), ([, attributes, content = ""], place) => ({
      column: columnIndex(attributes.match(/\br="([A-Z]+)/)?.[1]) ?? place,
      type: attributes.match(/\bt="(\w+)"/)?.[1],
      content,
      value: content.match(/<(?:\w+:)?v>([^<]*)</)?.[1],
    })),
  );
  const shared = rows.flat().filter(({ type, value }) => type === "s" && value !== undefined);
  const last = Math.max(-1, ...shared.map(({ value }) => Number(value)));
  const itemEnd = /<\/(?:\w+:)?si>/g;
  const strings = last < 0 ? "" : await readPart(source, entries, "xl/sharedStrings.xml", (text) => (text.match(itemEnd)?.length ?? 0) > last);
  const texts = Array.from(strings.matchAll(/<(?:\w+:)?si(?:\s[^>]*)?>([^]*?)<\/(?:\w+:)?si>/g), ([, item]) => textOf(item));
  const cellText = ({ type, content, value }) => (type === "s" ? texts[Number(value)] : type === "inlineStr" ? textOf(content) : textOf(`<t>${value ?? ""}<`)) ?? "";
  const written = rows.map((cells) => {
    const row = [];
    for (const cell of cells) row[cell.column] = cellText(cell).replace(/\s+/g, " ").trim();
    return Array.from(row, (text) => text ?? "");
  });
  return written.filter((row) => row.some((text) => text !== "")).slice(0, limit);
}
