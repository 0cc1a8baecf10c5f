/* Enables the attestation once all uploads have finished, and checks the session before sending. */

import { renewToken } from "./session.js";

/** @import { UploadQueue } from "./upload-queue.js" */

/**
 * @param {UploadQueue} queue
 * @param {string} page - the address of this page
 */
export function guardAttestation(queue, page) {
  const form = document.getElementById("attest");
  queue.addEventListener("change", () => drawSend(queue));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const isSignedIn = await renewToken(page).catch(() => true); // if in doubt, the server decides
    document.getElementById("signed-out").hidden = isSignedIn;
    if (isSignedIn) form.submit();
  });
  document.addEventListener("htmx:afterSettle", () => {
    const list = document.querySelector("#list select");
    document.getElementById("to-list").textContent = list.selectedOptions[0].textContent;
    drawSend(queue);
  });
  drawSend(queue);
}

function drawSend(queue) {
  const preview = document.getElementById("preview");
  if (!preview) return location.reload(); // this import is no longer a draft
  const hasImages = Number(preview.dataset.images) > 0;
  document.getElementById("send").disabled = queue.isBusy || !hasImages;
  document.getElementById("send-hint").textContent = hintOf(queue.isBusy, hasImages);
}

function hintOf(isBusy, hasImages) {
  if (isBusy) return "Wait until the upload has finished.";
  return hasImages ? "" : "Add at least one image first.";
}
