// The script of the page with the code to embed a map. The script updates the code without reloading the page, and
// copies the code.

const form = document.getElementById("map-options");
const result = document.getElementById("embed-code");
const status = document.getElementById("status");

function addCopyButtons() {
  for (const code of result.querySelectorAll("pre")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "nhsuk-button nhsuk-button--secondary nhsuk-button--small";
    button.textContent = "Copy";
    button.setAttribute("aria-describedby", code.id);
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(code.textContent);
        status.textContent = "Copied.";
      } catch {
        getSelection().selectAllChildren(code);
        status.textContent = "Selected. Press Ctrl and C (or Command and C) to copy.";
      }
    });
    code.after(button);
  }
}

async function update() {
  const query = new URLSearchParams(new FormData(form));
  const url = `${form.action}?${query}`;
  status.textContent = "";
  try {
    const response = await fetch(url);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    // DOMParser does not run scripts, so it parses the content of noscript elements as HTML. Remove the noscript
    // elements.
    for (const noscript of page.querySelectorAll("noscript")) noscript.remove();
    result.replaceChildren(...document.adoptNode(page.getElementById("embed-code")).childNodes);
    history.replaceState(null, "", url);
    addCopyButtons();
    status.textContent = "The preview and the code have been updated.";
  } catch {
    form.submit();
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  update();
});
addCopyButtons();
