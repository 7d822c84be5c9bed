// The service worker of a static look-up: it stores the files that the page needs at the first visit, and answers
// requests from these files. `catchment export --static` writes the constant COPY above this code. COPY contains the
// list of files and their version.
//
// Files that the page loads later, such as the map of an area, are also stored, so the device contains a record of them
// until the next export. If the page loads all answers (`everything`), no file depends on a postcode.

/* global COPY */

const SCOPE = self.registration.scope;
const PREFIX = `catchment ${SCOPE} `;
const CACHE = PREFIX + COPY.version;

// Returns the URL under which a file is stored. The page is stored under the URL of its folder, because some hosts
// redirect from index.html to the folder.
function storedUrl(address) {
  const url = new URL(address, SCOPE);
  url.search = url.hash = "";
  if (url.href === `${SCOPE}index.html`) url.href = SCOPE;
  return url.href;
}

async function store() {
  const cache = await caches.open(CACHE);
  await cache.addAll(COPY.files.map((file) => new Request(storedUrl(file), { cache: "reload" })));
  await self.skipWaiting();
}

async function deleteEarlier() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(PREFIX) && name !== CACHE).map((name) => caches.delete(name)));
  await self.clients.claim();
}

async function answer(request) {
  const cache = await caches.open(CACHE);
  const url = storedUrl(request.url);
  const stored = await cache.match(url, { ignoreVary: true });
  if (stored) return stored;
  const response = await fetch(request);
  if (response.ok && !response.redirected) await cache.put(url, response.clone());
  return response;
}

self.addEventListener("install", (event) => event.waitUntil(store()));
self.addEventListener("activate", (event) => event.waitUntil(deleteEarlier()));
self.addEventListener("fetch", (event) => {
  if (event.request.method === "GET" && event.request.url.startsWith(SCOPE)) event.respondWith(answer(event.request));
});
