// Every page: what is wrong is read out first, and a form is sent once, however often its button is pressed.

const summary = document.querySelector('[data-module="nhsuk-error-summary"]');
if (summary) {
  summary.tabIndex = -1;
  summary.focus();
  summary.addEventListener("blur", () => summary.removeAttribute("tabindex"), { once: true });
  // A link leads to the field itself, with its label in sight.
  summary.addEventListener("click", (event) => {
    const id = event.target.closest("a")?.hash.slice(1);
    const field = id && document.getElementById(id);
    if (!field) return;
    event.preventDefault();
    const label = field.closest("fieldset")?.querySelector("legend") ?? field.labels?.[0] ?? field;
    label.scrollIntoView();
    (field.matches("input, select") ? field : field.querySelector("input")).focus({ preventScroll: true });
  });
}

const PRESSED_TWICE_MS = 1000;
let pressed = 0;
document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-prevent-double-click]")) return;
  if (event.timeStamp - pressed < PRESSED_TWICE_MS && pressed) event.preventDefault();
  else pressed = event.timeStamp;
});
