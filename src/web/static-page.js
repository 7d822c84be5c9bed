// The page of a static look-up (index.html in the folder that `catchment export --static` writes): states what a
// look-up reveals, reports problems with the files, and installs the service worker if the owner of the page has
// enabled it.

const isOffline = document.documentElement.hasAttribute("data-offline");
const map = document.querySelector("catchment-map");
const problem = document.getElementById("problem");

const PROBLEMS = {
  unavailable: "A file of this page cannot be loaded. Check your connection, and reload the page.",
  damaged: "The files of this page are not from the same export. Reload the page. If the error remains, the owner of the page has to copy all files of one export again.",
};

map.addEventListener("catchment-error", ({ detail: { code } }) => {
  problem.textContent = PROBLEMS[code] ?? "";
  problem.hidden = !PROBLEMS[code];
  if (PROBLEMS[code]) document.getElementById("waiting").textContent = "";
});
for (const name of ["catchment-ready", "catchment-answer"]) map.addEventListener(name, () => (problem.hidden = true));

const index = await fetch("index.json").then((response) => response.json()).catch(() => null);
if (index) {
  document.getElementById("privacy").textContent = map.hasAttribute("everything")
    ? "Your browser has all answers and looks up the postcode itself, so it sends nothing about the postcode."
    : `Your browser looks up the postcode in a file of this website. The file has the answers for a group of many postcodes (at least ${index.smallest_group} of them in use), so the website learns the group, but not the postcode.`;
}

if (isOffline) navigator.serviceWorker?.register("service-worker.js").catch((error) => console.warn(`catchment: this page does not work offline: ${error.message}`));
