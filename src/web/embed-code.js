// The page for other sites' editors: shows another choice without loading the page anew, and copies lines.

const form = document.getElementById("choice");
const shown = document.getElementById("shown");
const said = document.getElementById("said");

function offerCopies() {
  for (const lines of shown.querySelectorAll("pre")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "nhsuk-button nhsuk-button--secondary nhsuk-button--small";
    button.textContent = "Copy";
    button.setAttribute("aria-describedby", lines.id);
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(lines.textContent);
        said.textContent = "Copied.";
      } catch {
        getSelection().selectAllChildren(lines);
        said.textContent = "Selected: copy it with your keyboard.";
      }
    });
    lines.after(button);
  }
}

async function show() {
  const query = new URLSearchParams(new FormData(form));
  const address = `${form.action}?${query}`;
  said.textContent = "";
  try {
    const answer = await fetch(address);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    // A page that is only parsed runs no script, so that what is for those without it is there as well.
    for (const plain of page.querySelectorAll("noscript")) plain.remove();
    shown.replaceChildren(...document.adoptNode(page.getElementById("shown")).childNodes);
    history.replaceState(null, "", address);
    offerCopies();
    said.textContent = "The preview and the lines below are for your choice.";
  } catch {
    form.submit();
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  show();
});
offerCopies();
