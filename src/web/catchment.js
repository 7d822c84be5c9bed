// The look-up without a server: answers from the files that `catchment export --static` writes.
//
//   import { Catchment } from "./catchment.js";
//   const answer = await new Catchment().locate({ postcode: "LA18 4DB" });
//
// An answer is the same JSON as the response of `/api/v1/locate`. docs/users/static.md describes what each mode reveals
// to the host of the files. The code in src/export/static_site/ writes the files and documents their format.

const FORMAT = 1;

const POSTCODE_AREAS = new Set(
  ("AB AL B BA BB BD BF BH BL BN BR BS BT BX CA CB CF CH CM CO CR CT CV CW DA DD DE DG DH DL DN DT DY E EC EH EN EX FK FY G GL GU GY " +
    "HA HD HG HP HR HS HU HX IG IM IP IV JE KA KT KW KY L LA LD LE LL LN LS LU M ME MK ML N NE NG NN NP NR NW OL OX PA PE PH PL PO PR RG RH RM " +
    "S SA SE SG SK SL SM SN SO SP SR SS ST SW SY TA TD TF TN TQ TR TS TW UB W WA WC WD WF WN WR WS WV XM YO ZE ZZ").split(" "),
);
const OVERSEAS = new Set("ASCN BBND BIQQ FIQQ GX11 PCRN SIQQ STHL TDCU TKCA".split(" "));
// The forms of outward codes (BS 7666), including the exceptions in use.
const OUTCODE = /^(GIR|NPT|XM4|ZZ99|W1[MNRVXY]|[A-PR-UWYZ](\d[\dA-HJKPSTUW]?|[A-HK-Y]\d[\dABEHMNPRVWXY]?))$/;
const INCODE = /^\d[ABD-HJLNP-UW-Z]{2}$/;
const LOOK_ALIKES = { O: "0", 0: "O", I: "1", L: "1", S: "5", 5: "S", Z: "2", 2: "Z", B: "8", 8: "B" };
const EXPECTED_FORM = "expected an outward code such as LA1, LA10 or SW1A, then a digit and two letters";

// The notes of answers, in the order in which answers list them.
const NOTES = ["practice_address", "not_yet_introduced", "closes_on", "postcode_status_unknown", "layers_disagree", "after_data"];

// The error that states why there is no answer. `code` is an error code of the API, or `unavailable`, `damaged` or
// `date_not_in_copy`.
export class CatchmentError extends Error {
  constructor(code, message, more) {
    super(message);
    this.name = "CatchmentError";
    this.code = code;
    Object.assign(this, more);
  }
}

function isOutcode(text) {
  const letters = /^[A-Z]*/.exec(text)[0];
  return OVERSEAS.has(text) || ((letters.length > 2 || POSTCODE_AREAS.has(letters)) && OUTCODE.test(text));
}

const isPostcode = (outcode, incode) => isOutcode(outcode) && (outcode === "ZZ99" ? /^\d[A-Z]{2}$/ : INCODE).test(incode);

const malformed = (reason, more) => new CatchmentError("malformed", `not a UK postcode: ${reason}`, more);

// Returns the postcode that results from swapping the fewest look-alike characters, if there is only one such postcode.
function suggest(outcode, incode) {
  if (incode.length !== 3 || outcode.length < 2 || outcode.length > 4) return undefined;
  const typed = [...outcode, ...incode];
  const found = new Set();
  let fewest = Infinity;
  for (let mask = 1; mask < 1 << typed.length; mask++) {
    for (const one of "IL") {
      let swaps = 0;
      const swapped = typed.map((character, index) => {
        if (!((mask >> index) & 1)) return character;
        swaps += 1;
        return character === "1" ? one : LOOK_ALIKES[character];
      });
      const [outward, inward] = [swapped.slice(0, -3).join(""), swapped.slice(-3).join("")];
      if (swaps > fewest || swapped.includes(undefined) || !isPostcode(outward, inward)) continue;
      if (swaps < fewest) found.clear();
      fewest = swaps;
      found.add(`${outward} ${inward}`);
    }
  }
  return found.size === 1 ? [...found][0] : undefined;
}

// Returns the outward and the inward code of a postcode in any case, width and spacing, with the same rules as the API.
export function parsePostcode(input) {
  const text = String(input ?? "");
  const isLong = new TextEncoder().encode(text).length > 64;
  const wide = text.normalize("NFKC");
  if (isLong || !/^[A-Za-z\d\p{White_Space}]*$/u.test(wide)) {
    const rest = wide.replace(/[^\p{Alphabetic}\p{N}]/gu, "");
    let suggestion;
    try {
      if (!isLong && /^[A-Za-z\d]+$/.test(rest)) suggestion = parsePostcode(rest).join(" ");
    } catch (error) {
      suggestion = error.suggestion;
    }
    const hint = !isLong && /^[A-Za-z\d\p{White_Space}]*%/u.test(wide) ? "percent_encoded" : undefined;
    throw malformed(isLong ? "a postcode must have at most seven letters and digits" : "a postcode must contain only letters, digits and one space", { suggestion, hint });
  }
  const normal = wide.toUpperCase().replace(/\p{White_Space}+/gu, " ").trim();
  if (normal === "") throw new CatchmentError("missing", "no postcode was given");
  const partial = new CatchmentError("partial_postcode", "a full postcode is needed, such as LA1 1AA; this is only the start of a postcode");
  if (normal === "NFA") return ["ZZ99", "3VZ"];
  if (normal === "NPC") return ["ZZ99", "3WZ"];
  if (normal === "BFPO") throw partial;
  const office = /^BFPO ?(\d{1,4})$/.exec(normal)?.[1];
  if (office > 0 && office < 6760) return ["BFPO", office];
  if (/^[A-Z](\d{5}|\d{8})$/.test(normal)) throw malformed("it has the form of the code of a GP practice", { hint: "practice_code" });
  const parts = normal.split(" ");
  if (parts.length > 2) throw malformed("the only space must be before the last three characters");
  const [first, second] = parts;
  if (isOutcode(first) && (second === undefined || /^\d[A-Z]?$/.test(second))) throw partial;
  if (second === undefined && first.length < 5) throw malformed(EXPECTED_FORM);
  const [outcode, incode] = second === undefined ? [first.slice(0, -3), first.slice(-3)] : parts;
  if (!isPostcode(outcode, incode)) throw malformed(EXPECTED_FORM, { suggestion: suggest(outcode, incode) });
  return [outcode, incode];
}

// Returns the status of a postcode that does not identify a location, or null for any other postcode.
function specialStatus(outcode, incode) {
  if (outcode === "ZZ99") return { "3VZ": "no_fixed_abode", "3WZ": "address_not_known" }[incode] ?? "pseudo_country";
  return /^(GIR|XM4|BF.*|BX.*)$/.test(outcode) || OVERSEAS.has(outcode) ? "no_location" : null;
}

// Returns today's date in London. Swedish dates are written as in ISO 8601.
const today = () => new Intl.DateTimeFormat("sv-SE", { timeZone: "Europe/London" }).format(new Date());

function isDate(text) {
  const date = new Date(`${text}T00:00:00Z`);
  return /^\d{4}-\d\d-\d\d$/.test(text) && !isNaN(date) && date.toISOString().startsWith(text);
}

// Returns the answer for a key on a date from a file of answers, or null. src/export/static_site/answer_file.rs
// describes the format of the file.
function findAnswer({ unit, origin, fit, days, shapes, rows }, key, postcode, day) {
  let [units, name, found] = [[...origin], "", null];
  for (const row of rows) {
    units[0] += row[2];
    units[1] += row[3];
    if (typeof row[0] === "string") {
      if (found) break;
      name = row[0].length === 2 ? name.slice(0, 5) + row[0] : row[0];
    }
    if (name === key && (typeof row[0] === "string" || days[row[0]] <= day)) found = { row, units: [...units] };
  }
  if (!found) return null;
  const values = found.row.slice(4);
  const [east, north] = found.units.map((value) => (value * unit) / 1000);
  const [x, y] = found.units.map((value, axis) => ((value - origin[axis]) * unit) / 1e6);
  const degrees = ([a, b, c, d, e, f]) => (Math.floor(a + b * x + c * y + d * x * x + e * x * y + f * y * y + 0.5) + values.shift()) / 1e6;
  const fillers = [
    () => values.shift(),
    () => postcode,
    () => values.shift() / 10,
    () => build(values.shift()),
    () => east,
    () => north,
    () => degrees(fit[0]),
    () => degrees(fit[1]),
  ];
  const distance = (site) => {
    const [dx, dy] = site.split(",").map((value, axis) => [east, north][axis] - value / 1000);
    return Math.floor(Math.sqrt(dx * dx + dy * dy) + 0.5);
  };
  const fill = (value) => {
    if (Array.isArray(value)) return value.map(build);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([member, inner]) => [member, build(inner)]));
  };
  const build = (value) => {
    if (typeof value !== "number" || value >= 0) return fill(value);
    if (value > -10) return fillers[-1 - value]();
    const shape = shapes[-10 - value];
    return typeof shape === "string" ? distance(shape) : fill(shape);
  };
  return build(found.row[1]);
}

const damaged = (path) =>
  new CatchmentError("damaged", `${path} is not the file that index.json lists: it is truncated, changed, or from another export. Reload the page; if that does not help, copy all files of one export to the site again.`);

// Returns the areas of a topology (TopoJSON) that contain a position, and whether the position is within a metre of an
// edge. Coordinates are whole multiples of 1e-7 degrees, so the arithmetic is exact. A point on a border is in only one
// area, because an edge is tested from its lower end to its upper end in both areas.
function areasOf({ transform, arcs, objects }, px, py) {
  const narrowing = Math.cos((py * Math.PI) / 180e7);
  let isNear = false;
  const crossed = arcs.map((arc) => {
    let [x, y] = transform.translate.map((degrees) => Math.round(degrees * 1e7));
    let isOdd = false;
    arc.forEach(([dx, dy], index) => {
      const [ax, ay] = [x - px, y - py];
      x += dx;
      y += dy;
      if (index === 0) return;
      const [bx, by] = [x - px, y - py];
      if (ay > 0 !== by > 0 && (ay < by ? ax * by > bx * ay : bx * ay > ax * by)) isOdd = !isOdd;
      const [ex, ey, fx, fy] = [ax * narrowing, ay, dx * narrowing, dy];
      const along = Math.min(1, Math.max(0, -(ex * fx + ey * fy) / (fx * fx + fy * fy || 1)));
      isNear ||= Math.hypot(ex + along * fx, ey + along * fy) < 90;
    });
    return isOdd;
  });
  const [{ geometries }] = Object.values(objects);
  const isInside = (geometry) => geometry.arcs.flat(2).reduce((odd, arc) => odd !== crossed[arc < 0 ? ~arc : arc], false);
  return { isNear, areas: geometries.filter(isInside).map(({ id, properties: { name, provenance } }) => ({ id, name, provenance })) };
}

// A copy of the look-up: the folder that `catchment export --static` wrote.
export class Catchment {
  #fetch;
  // The files that have been read, by path.
  #files = new Map();

  // `base` is the URL of the folder, by default the folder of this module. With `everything`, the first look-up loads all
  // answers, so that no later request depends on the postcode.
  constructor(base = new URL(".", import.meta.url), { everything = false, fetch } = {}) {
    this.base = new URL(base, globalThis.document?.baseURI);
    if (!this.base.pathname.endsWith("/")) this.base.pathname += "/";
    this.everything = everything;
    this.#fetch = fetch ?? ((url) => globalThis.fetch(url, { credentials: "omit", referrerPolicy: "no-referrer" }));
  }

  async #get(path) {
    const response = await this.#fetch(new URL(path, this.base)).catch(() => null);
    if (!response?.ok) {
      const reason = response ? `the site returned status ${response.status}` : "there is no connection";
      throw new CatchmentError("unavailable", `${path} cannot be loaded: ${reason}`);
    }
    return response;
  }

  // Runs `load` once for each path. If it fails, the next call runs it again.
  #once(path, load) {
    if (!this.#files.has(path)) {
      const loading = load();
      loading.catch(() => this.#files.delete(path));
      this.#files.set(path, loading);
    }
    return this.#files.get(path);
  }

  // Returns a JSON file that is not compressed, such as a map.
  json(path, check = () => {}) {
    return this.#once(path, async () => {
      const response = await this.#get(path);
      const body = await response.json().catch(() => {
        throw damaged(path);
      });
      check(body);
      return body;
    });
  }

  // Returns the content of a compressed file whose name is the start of its SHA-256. Browsers provide SHA-256 only on
  // https pages and on localhost. On other pages, the checks are the checksum of gzip and the name in the file
  // (`from`).
  #compressed(folder, hash, from) {
    const path = `${folder}/${hash}.bin`;
    return this.#once(path, async () => {
      const bytes = await (await this.#get(path)).arrayBuffer();
      const digest = await globalThis.crypto?.subtle?.digest("SHA-256", bytes);
      const hex = digest && Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
      if (hex && !hex.startsWith(hash)) throw damaged(path);
      const file = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json().catch(() => {
        throw damaged(path);
      });
      if (file.from !== from) throw damaged(path);
      return file;
    });
  }

  // Returns `index.json`: the dataset, the day of the export and the list of files.
  index() {
    return this.json("index.json", ({ format }) => {
      if (format !== FORMAT) throw new CatchmentError("damaged", `index.json has format ${format}, but this catchment.js reads format ${FORMAT}: use the catchment.js of the same export`);
    });
  }

  // Loads everything that later look-ups need.
  async load() {
    const { practices, everything } = await this.index();
    if (!everything) throw new CatchmentError("unavailable", "this copy is too large to be loaded as a whole");
    await Promise.all([this.#compressed("everything", everything), this.#compressed("practices", practices, "practices")]);
  }

  // Searches the files of a group one after another for the answer for a postcode.
  async #findInGroup(index, position, key, postcode, day) {
    const [from, ...hashes] = index.groups[position];
    if (this.everything) await this.load();
    for (const [part, hash] of hashes.entries()) {
      const file = this.everything
        ? (await this.#compressed("everything", index.everything))[position][part]
        : await this.#compressed("groups", hash, from);
      const answer = findAnswer(file, key, postcode, day);
      if (answer) return answer;
    }
    return null;
  }

  // Returns the same answer as `/api/v1/locate` for a postcode, a practice code, or both.
  async locate({ postcode, practice, asOf } = {}) {
    const place = postcode == null ? null : parsePostcode(postcode);
    const code = practice == null ? null : String(practice).replace(/\p{White_Space}/gu, "").toUpperCase();
    if (!place && code === null) throw new CatchmentError("missing_location", "a postcode or a practice code is needed");
    const invalid = code === null ? null : code === "" || code === "&" ? "missing" : /^[A-Z\d]{3,10}$/.test(code) ? null : "malformed";
    if (!place && invalid === "missing") throw new CatchmentError("missing_practice", "no practice code was given");
    if (!place && invalid) throw new CatchmentError("invalid_practice_code", "not an ODS code: it must be three to ten letters and digits, such as P81002");
    const index = await this.index();
    const now = today();
    const day = asOf ?? now;
    if (!isDate(day)) throw new CatchmentError("invalid_date", "the date must be written as YYYY-MM-DD, such as 2025-12-01");
    if (day < index.day) throw new CatchmentError("date_not_in_copy", `this copy has the answers for ${index.day} and later days`);
    const answer = place && (await this.#residence(index, place, day));
    const registered = code === null ? null : await this.#registration(index, invalid ?? code, day);
    return this.#join(index, answer, registered, place?.join(" "), day, now);
  }

  // Returns the areas of each layer whose boundary contains a position. `approximate` is true within a metre of a
  // boundary. There, the service may find the area on the other side, because it computes in millimetres of the British
  // National Grid. This method loads all boundaries, so no request depends on the position.
  async areasAt({ longitude, latitude }) {
    const [x, y] = [longitude, latitude].map((degrees) => Math.round(degrees * 1e7));
    if (!Number.isFinite(x) || !Number.isFinite(y)) throw new CatchmentError("not_a_number", "the longitude and the latitude must be numbers of degrees");
    if (Math.abs(x) > 180e7 || Math.abs(y) > 90e7) throw new CatchmentError("coordinates_out_of_range", "the longitude must be between -180 and 180 degrees, the latitude between -90 and 90");
    const { boundaries, day, dataset } = await this.index();
    const found = await Promise.all(
      Object.entries(boundaries).map(async ([layer, hash]) => [layer, hash ? areasOf(await this.#compressed("boundaries", hash), x, y) : { areas: { unknown: "not_in_copy" } }]),
    );
    return {
      areas: Object.fromEntries(found.map(([layer, { areas }]) => [layer, areas])),
      approximate: found.some(([, { isNear }]) => isNear),
      as_of: day,
      dataset,
    };
  }

  async #residence(index, [outcode, incode], day) {
    const status = specialStatus(outcode, incode);
    if (status) return index.without_location[status];
    const isComplete = index.complete.split(" ").includes(outcode);
    const key = outcode.padEnd(4) + incode;
    const position = index.groups.findLastIndex(([from]) => from <= key);
    let answer = null;
    if (position >= 0 && (isComplete || index.incomplete.split(" ").includes(outcode))) {
      answer = await this.#findInGroup(index, position, key, `${outcode} ${incode}`, day);
    }
    if (!answer && isComplete) {
      throw new CatchmentError("unknown_postcode", `unknown postcode: it is not in the directory of ${index.directory}, which has every other postcode of this district; the postcode may be newer`);
    }
    return answer ?? index.without_location.outside_coverage;
  }

  async #registration(index, code, day) {
    const file = await this.#compressed("practices", index.practices, "practices");
    const find = (key) => findAnswer(file, key, null, day);
    const listed = find(code);
    if (listed || code.length !== 9) return listed ?? find("unknown");
    // The code of a branch surgery that is not listed: its first six characters are the code of the practice.
    const parent = find(code.slice(0, 6));
    if (!parent?.registration.practice) return find("unknown");
    Object.assign(parent.registration.practice.asked, { branch: true, branch_listed: false });
    return parent;
  }

  // Joins the answer by residence with the answer by registration.
  #join(index, answer, registered, postcode, day, now) {
    const { addresses, outside, ...alone } = registered ?? {};
    const joined = answer ? { ...answer } : alone;
    const notes = new Set([...joined.notes, ...(alone.notes ?? [])]);
    if (addresses?.includes(postcode)) notes.add("practice_address");
    if (day > now || day > index.outdated_after) notes.add("after_data");
    if (answer && registered) {
      joined.registration = alone.registration;
      joined.agreement = agreement(index.communities, answer.residence, alone.registration, outside);
      joined.data = { ...answer.data, ...alone.data };
    }
    return { ...joined, notes: NOTES.filter((note) => notes.has(note)), as_of: day, dataset: index.dataset };
  }
}

// Compares the communities of residence with the communities of registration.
function agreement(layers, residence, registration, isOutside) {
  const ids = (results) => layers.flatMap((layer) => (Array.isArray(results[layer]) ? results[layer].map(({ id }) => id) : []));
  const [homes, registered] = [ids(residence), ids(registration)];
  if (registered.length === 0) return homes.length === 0 ? "neither" : isOutside ? "differ" : "residence_only";
  if (homes.length === 0) return "registration_only";
  return homes.some((id) => registered.includes(id)) ? "agree" : "differ";
}
