/* Enables the review once all uploads have finished, and checks the session before leaving. Answers
   are saved as they are typed; `connection.js` waits if the session has ended. */

import { canSend } from "./connection.js";

/** @import { UploadQueue } from "./upload-queue.js" */

/** @param {UploadQueue} queue */
export function guardReview(queue) {
  const form = document.getElementById("answers");
  queue.addEventListener("change", () => draw(queue));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { submitter } = event;
    if (await canSend()) leave(form, submitter);
  });
  keepTyped(form);
  followSaving(form);
  document.addEventListener("htmx:afterSettle", () => {
    const list = document.querySelector("#list select");
    document.getElementById("to-list").textContent = list.selectedOptions[0].textContent;
    draw(queue);
  });
  draw(queue);
}

/* Says whether the last edit is saved, and saves it if the page is left before that. */
function followSaving(form) {
  let [edits, sent, saved] = [0, 0, 0];
  const draw = () => {
    if (edits !== saved) document.getElementById("saved").textContent = "Saving…";
  };
  form.addEventListener("input", () => {
    edits += 1;
    draw();
  });
  form.addEventListener("htmx:beforeRequest", () => {
    sent = edits;
  });
  form.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.successful) saved = sent;
  });
  form.addEventListener("htmx:afterSettle", draw);
  window.addEventListener("pagehide", () => {
    if (edits !== saved) navigator.sendBeacon(form.action, new FormData(form));
  });
}

/* New questions arrive with the answers as they were when the server was asked for them. */
function keepTyped(form) {
  let before = [];
  form.addEventListener("htmx:beforeSwap", () => {
    before = [...document.querySelectorAll("#questions [id][name]")];
  });
  form.addEventListener("htmx:afterSwap", () => {
    for (const old of before) {
      const field = document.getElementById(old.id);
      if (!field || field === old) continue;
      field.value = old.value || field.value;
      field.checked = old.checked;
    }
  });
}

/* form.submit() sends no button, so its name goes into a hidden field. */
function leave(form, submitter) {
  const button = document.createElement("input");
  Object.assign(button, { type: "hidden", name: submitter.name, value: submitter.value });
  form.append(button);
  form.submit();
}

function draw(queue) {
  for (const button of document.querySelectorAll("[name=review]")) button.disabled = queue.isBusy;
  document.getElementById("review-hint").textContent = queue.isBusy ? "Wait until the upload has finished." : "";
}
