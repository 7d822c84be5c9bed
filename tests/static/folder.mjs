// Opens a folder of `catchment export --static` in Node, in the same way as a browser opens it on a web host.

import { readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

// Returns the `catchment.js` of a folder, and a function that opens a copy. `replaced` maps paths to other file
// contents. The value null means that the file is missing. `requested` records the paths of the files that were loaded.
export async function openFolder(folder) {
  const base = pathToFileURL(`${path.resolve(folder)}/`);
  const module = await import(new URL("catchment.js", base));
  const open = ({ replaced = {}, requested = [], ...options } = {}) => {
    const fetch = async (url) => {
      const name = url.href.slice(base.href.length);
      requested.push(name);
      const content = name in replaced ? replaced[name] : await readFile(fileURLToPath(url)).catch(() => null);
      return content === null ? new Response("", { status: 404 }) : new Response(content);
    };
    return new module.Catchment(base, { fetch, ...options });
  };
  return { ...module, base, open };
}

// Returns whether two values of JSON are equal. The order of the members of an object does not matter.
export function isEqual(a, b) {
  if (a === b) return true;
  if (a === null || b === null || typeof a !== "object" || typeof b !== "object" || Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && isEqual(a[key], b[key]));
}
