// Builds the assets of the pages. Usage: node build.mjs SOURCES OUT FILE...
//
// Builds each FILE in the folder SOURCES, and writes the result and two compressed copies (.br and .gz) to OUT. The name
// of a result contains a digest of its content. Prints the names of the results, one per line. Fails if a style sheet
// loads anything from another host.

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import * as esbuild from "esbuild";
import * as sass from "sass";

const [sources, out, ...files] = process.argv.slice(2);
const packages = path.join(import.meta.dirname, "node_modules");
// Browsers released from 2023 on. Older browsers may show the pages without JavaScript.
const target = ["chrome109", "firefox115", "safari16"];

function style(file) {
  const compiled = sass.compile(file, { loadPaths: [packages], quietDeps: true, charset: false });
  return esbuild.transformSync(compiled.css, { loader: "css", minify: true, charset: "utf8", target }).code;
}

// Without `ignoreAnnotations`, esbuild would drop the whole worker of MapLibre, because the package declares that the
// worker has no side effects.
function script(file) {
  const options = { bundle: true, format: "esm", minify: true, write: false, nodePaths: [packages], charset: "utf8", target, logLevel: "error", ignoreAnnotations: true };
  return esbuild.buildSync({ entryPoints: [file], ...options }).outputFiles[0].text;
}

const builders = {
  ".scss": [".css", style],
  ".css": [".css", style],
  ".js": [".js", script],
  ".svg": [".svg", (file) => readFileSync(file, "utf8")],
};

function checkNoExternalUrl(name, text) {
  const found = text.match(/(url\(\s*["']?|@import\s*["']?)\s*(https?:)?\/\/[^)"';]*/i);
  if (found) throw new Error(`${name} loads ${found[0]}: pages must not load anything from another host`);
}

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
for (const name of files) {
  const { name: stem, ext } = path.parse(name);
  const [extension, build] = builders[ext];
  const text = build(path.join(sources, name));
  if (extension === ".css") checkNoExternalUrl(name, text);
  const bytes = Buffer.from(text);
  const digest = createHash("sha256").update(bytes).digest("hex").slice(0, 12);
  const file = `${stem}-${digest}${extension}`;
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  writeFileSync(path.join(out, file), bytes);
  writeFileSync(path.join(out, `${file}.br`), brotliCompressSync(bytes, { params }));
  writeFileSync(path.join(out, `${file}.gz`), gzipSync(bytes, { level: 9 }));
  console.log(file);
}
