// Shows the flows of a summary on the batch page: the patients of each area, and a heat map of where people are
// registered and where they live. The heat map is a table that contains every number. The shading only repeats the
// numbers.

// The shades of the heat map, from the smallest count to the largest.
const SHADES = 5;

const shown = (number) => (number === null ? "hidden" : number.toLocaleString("en-GB"));

// Returns the shade of a count. The shade is 0 for no patients. Other shades depend on the logarithm of the count,
// because most people are registered where they live.
function shade(count, largest) {
  if (count === 0 || largest < 2) return Math.min(count, 1);
  return 1 + Math.floor(((SHADES - 1) * Math.log(count)) / Math.log(largest));
}

// Returns the explanation of hidden numbers for a suppression rule such as `below:8-round:5`.
function explanation(rule) {
  const [, below, multiple] = rule.match(/^below:(\d+)(?:-round:(\d+))?$/) ?? [];
  if (below === undefined) return "";
  const small = below === "2" ? "1" : `1 to ${below - 1}`;
  const rounding = multiple === undefined ? "" : ` Other numbers are rounded to the nearest ${multiple}.`;
  return `In these two tables, we hide numbers of ${small}, and other numbers from which someone could work them out.${rounding} The numbers in the tables above are not hidden in this way: do not publish those tables together with these.`;
}

function heatMap(flows, createElement) {
  const caption = "Where people are registered (rows) and where they live (columns)";
  const counts = flows.matrix.flat().filter((count) => count !== null);
  const largest = Math.max(0, ...counts);
  const header = (scope, name) => createElement("th", { scope }, name);
  const cell = (count, row, column) => {
    const isSame = flows.registered[row].kind === "area" && flows.registered[row].id === flows.resident[column].id;
    const kind = count === null ? "hidden" : `shade-${shade(count, largest)}`;
    return createElement("td", { class: isSame ? `${kind} same` : kind }, shown(count));
  };
  const total = (count) => createElement("td", { class: "total" }, shown(count));
  const head = createElement("tr", {}, ...["Registered", ...flows.resident.map(({ name }) => name), "Total"].map((name) => header("col", name)));
  const rows = flows.matrix.map((cells, row) => {
    const place = flows.registered[row];
    return createElement("tr", {}, header("row", place.name), ...cells.map((count, column) => cell(count, row, column)), total(place.total));
  });
  const last = createElement("tr", {}, header("row", "Total"), ...flows.resident.map((place) => total(place.total)), total(flows.total));
  const table = createElement(
    "table",
    { class: "heat-map" },
    createElement("caption", {}, caption),
    createElement("thead", {}, head),
    createElement("tbody", {}, ...rows, last),
  );
  // The table scrolls separately from the page, including by keyboard.
  return createElement("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, table);
}

// Returns the elements that show flows. `createElement` and `table` are the functions of the batch page.
export function flowElements(flows, createElement, table) {
  const areas = flows.areas ?? [];
  const rows = areas.map(({ name, registered, resident, both, ratio }) => [
    name,
    shown(registered),
    shown(resident),
    shown(both),
    ratio === null ? (resident === 0 ? "" : "hidden") : ratio.toFixed(3),
  ]);
  const parts = [
    createElement("h3", {}, "Registered and resident patients"),
    createElement("p", {}, `Each person is counted once, by the area of the practice and the area of the home. ${explanation(flows.suppression)}`),
    table("Patients by area", ["Area", "Registered", "Resident", "Both", "Registered divided by resident"], rows),
  ];
  if (flows.matrix !== null) {
    parts.push(
      heatMap(flows, createElement),
      createElement("p", { class: "nhsuk-body-s" }, "The more people, the darker the cell. Cells with a border count people who are registered in the area where they live. “Elsewhere” is outside these areas. “Not known” means that we do not know the practice, or where the person lives."),
    );
  }
  return parts;
}
