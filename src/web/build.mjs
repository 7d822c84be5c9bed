// Builds what the pages load: node build.mjs SOURCES OUT FILE...
//
// Each FILE of the folder SOURCES becomes one file in OUT, whose name holds its digest, with a .br and a .gz
// beside it; the names are printed, a line each. Nothing that it makes may call another computer.

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import * as esbuild from "esbuild";
import * as sass from "sass";

const [sources, out, ...files] = process.argv.slice(2);
const packages = path.join(import.meta.dirname, "node_modules");
// Browsers of the last years; what they lack is told by a page without script.
const target = ["chrome109", "firefox115", "safari16"];

function style(file) {
  const made = sass.compile(file, { loadPaths: [packages], quietDeps: true, charset: false });
  return esbuild.transformSync(made.css, { loader: "css", minify: true, charset: "utf8", target }).code;
}

// MapLibre's package says of its worker that nothing happens in it, which would leave nothing of it.
function script(file) {
  const options = { bundle: true, format: "esm", minify: true, write: false, nodePaths: [packages], charset: "utf8", target, logLevel: "error", ignoreAnnotations: true };
  return esbuild.buildSync({ entryPoints: [file], ...options }).outputFiles[0].text;
}

const makers = {
  ".scss": [".css", style],
  ".css": [".css", style],
  ".js": [".js", script],
  ".svg": [".svg", (file) => readFileSync(file, "utf8")],
};

function expectNoAddress(name, text) {
  const found = text.match(/(url\(\s*["']?|@import\s*["']?)\s*(https?:)?\/\/[^)"';]*/i);
  if (found) throw new Error(`${name} loads ${found[0]}: the pages call no other computer`);
}

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
for (const name of files) {
  const { name: stem, ext } = path.parse(name);
  const [ending, make] = makers[ext];
  const text = make(path.join(sources, name));
  if (ending === ".css") expectNoAddress(name, text);
  const bytes = Buffer.from(text);
  const digest = createHash("sha256").update(bytes).digest("hex").slice(0, 12);
  const made = `${stem}-${digest}${ending}`;
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  writeFileSync(path.join(out, made), bytes);
  writeFileSync(path.join(out, `${made}.br`), brotliCompressSync(bytes, { params }));
  writeFileSync(path.join(out, `${made}.gz`), gzipSync(bytes, { level: 9 }));
  console.log(made);
}
