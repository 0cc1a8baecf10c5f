/* The draft page. Its forms work without this script, which adds dropped folders, progress and
   retries. Nothing is stored in the browser. */

import { guardAttestation } from "./attest-form.js";
import { acceptChoices, acceptDrops } from "./drop-zone.js";
import { showArriving } from "./gallery.js";
import { renewToken } from "./session.js";
import { showUploads } from "./upload-panel.js";
import { UploadQueue } from "./upload-queue.js";
import { uploadBy } from "./upload-transport.js";

const form = document.getElementById("upload");
const { groupFiles, groupBytes } = form.dataset;
const queue = new UploadQueue(uploadBy(form), { files: Number(groupFiles), bytes: Number(groupBytes) });

showUploads(form, queue, async () => {
  if (queue.stopped && !(await renewToken(form.dataset.page).catch(() => false))) return;
  queue.retry();
});
guardAttestation(queue, form.dataset.page);
acceptDrops(queue);
acceptChoices(form, queue);

showArriving(queue);
queue.addEventListener("finish", () => {
  // After signing out, a refresh would leave this page for the sign-in page.
  if (queue.stopped?.code !== "signed_out") htmx.trigger("#contents", "refresh");
});
window.addEventListener("beforeunload", (event) => {
  if (queue.isBusy) event.preventDefault();
});
document.documentElement.classList.add("scripted");
