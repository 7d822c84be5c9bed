/** The look-up without a server: answers from the files that `catchment export --static` writes. */

/** The error that states why there is no answer. */
export class CatchmentError extends Error {
  /**
   * `missing`, `malformed`, `partial_postcode`, `unknown_postcode`, `missing_location`, `missing_practice`,
   * `invalid_practice_code`, `invalid_date`, `not_a_number` and `coordinates_out_of_range` are as in the API.
   * `unavailable` means that a file cannot be loaded. `damaged` means that a file is truncated, changed or from another
   * export. `date_not_in_copy` means that the date is before the day of the export.
   */
  readonly code: string;
  /** The postcode that the user probably meant. This postcode was not looked up. */
  readonly suggestion?: string;
  /** The probable cause of malformed text. */
  readonly hint?: "percent_encoded" | "practice_code";
}

export interface LocateParameters {
  /** A postcode in any case and spacing. */
  postcode?: string;
  /** The ODS code of the GP practice with which a person is registered. */
  practice?: string;
  /** A date (`YYYY-MM-DD`) on or after the day of the export. Default: today in London. */
  asOf?: string;
}

/** The result for a layer by residence or registration, or the reason why the result is not known. */
export type LayerResult = Array<{ id: string; name: string; [member: string]: unknown }> | { unknown: string };

/** An answer: the JSON of `/api/v1/locate`, which the documentation of the API describes. */
export interface Answer {
  status: string;
  location: { postcode: string | null; longitude: number | null; latitude: number | null; easting: number | null; northing: number | null; [member: string]: unknown } | null;
  residence: { [layer: string]: LayerResult };
  registration: { practice: { id: string; name: string; [member: string]: unknown } | null; reason: string | null; [layer: string]: unknown } | null;
  agreement: "agree" | "differ" | "registration_only" | "residence_only" | "neither";
  notes: string[];
  as_of: string;
  data: { [source: string]: string };
  dataset: { name: string; version: string; attribution: string };
  [member: string]: unknown;
}

/** The areas whose boundary contains a position. */
export interface AreasAt {
  /** The areas by layer; `unknown` if the boundaries of the layer are too large for the copy. */
  areas: { [layer: string]: Array<{ id: string; name: string; provenance: string }> | { unknown: string } };
  /** Whether the position is within a metre of a boundary. The service may then find the area on the other side. */
  approximate: boolean;
  as_of: string;
  dataset: { name: string; version: string; attribution: string };
}

/** The content of `index.json`. */
export interface CopyIndex {
  format: number;
  dataset: { name: string; version: string; attribution: string };
  /** The first day for which the copy has answers. */
  day: string;
  /** The number of postcodes in use in the smallest group. A look-up reveals the group to the host of the files. */
  smallest_group: number;
  [member: string]: unknown;
}

export interface Options {
  /** Load all answers with the first look-up, so that no later request depends on the postcode. Default: false. */
  everything?: boolean;
  /** Loads a file, for programs that read the files from a disk. Default: `fetch` without credentials. */
  fetch?: (url: URL) => Promise<Response>;
}

/** A copy of the look-up: a folder of files. */
export class Catchment {
  /** @param base The URL of the folder. Default: the folder of this module. */
  constructor(base?: string | URL, options?: Options);
  readonly base: URL;
  readonly everything: boolean;
  /** Returns the answer for a postcode, a practice code, or both. Throws a `CatchmentError`. */
  locate(parameters: LocateParameters): Promise<Answer>;
  /** Returns the areas of each layer at a position in degrees (WGS84), on the day of the export. */
  areasAt(position: { longitude: number; latitude: number }): Promise<AreasAt>;
  /** Loads everything that later look-ups of postcodes and practices need. */
  load(): Promise<void>;
  /** Returns `index.json`. */
  index(): Promise<CopyIndex>;
  /** Returns another JSON file of the copy. */
  json(path: string): Promise<unknown>;
}

/** Returns the outward and the inward code of a postcode in any case, width and spacing. Throws a `CatchmentError`. */
export function parsePostcode(text: string): [string, string];
