// The script of all pages. The script moves the focus to the error summary, and ignores a second press of a button
// within a second.

const summary = document.querySelector('[data-module="nhsuk-error-summary"]');
if (summary) {
  summary.tabIndex = -1;
  summary.focus();
  summary.addEventListener("blur", () => summary.removeAttribute("tabindex"), { once: true });
  // A click on a link moves the focus to the input and makes the label visible.
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

const DOUBLE_CLICK_MS = 1000;
let lastPress = 0;
document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-prevent-double-click]")) return;
  if (event.timeStamp - lastPress < DOUBLE_CLICK_MS && lastPress) event.preventDefault();
  else lastPress = event.timeStamp;
});
