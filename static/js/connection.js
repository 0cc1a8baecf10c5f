/* Reports a failed htmx request on any page until a request succeeds. Polls and refreshes are
   retried. A failed change is reverted in its form, so the form shows what the server has. */

const RETRY_AFTER_MS = 2000;
const RETRYING = "Connection lost. Retrying.";
const NOT_SAVED = "Connection lost. Your change may not have been saved. Try again.";
const NOT_DONE = "This could not be done. Reload the page and try again.";

const region = document.getElementById("connection");

/* Screen readers announce every write, even of the same text, so unchanged text is not written. */
function say(text) {
  if (region.textContent !== text) region.textContent = text;
}

function retry(element) {
  const trigger = element.getAttribute("hx-trigger");
  if (trigger === "refresh") setTimeout(() => htmx.trigger(element, "refresh"), RETRY_AFTER_MS);
}

function failed(event, textOfChange) {
  const { elt, requestConfig } = event.detail;
  if (requestConfig.verb === "get") {
    say(RETRYING);
    retry(elt);
  } else {
    say(textOfChange);
    if (elt instanceof HTMLFormElement) elt.reset();
  }
}

for (const name of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, (event) => failed(event, NOT_SAVED));
}
document.addEventListener("htmx:responseError", (event) => failed(event, NOT_DONE));
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) say("");
});
