// Prints the areas at positions, as JSON: node tests/static/positions.mjs FOLDER POSITIONS_JSON

import { readFile } from "node:fs/promises";
import { openFolder } from "./folder.mjs";

const [folder, file] = process.argv.slice(2);
const { open } = await openFolder(folder);
const copy = open();
const positions = JSON.parse(await readFile(file));
const found = [];
for (const [longitude, latitude] of positions) found.push(await copy.areasAt({ longitude, latitude }));
console.log(JSON.stringify(found.map(({ areas, approximate }) => ({ areas, approximate }))));
