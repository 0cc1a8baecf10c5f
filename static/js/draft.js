/* The draft page. Its forms work without this script, which adds dropped folders, progress and
   retries. Nothing is stored in the browser. */

import { guardReview } from "./answers-form.js";
import { acceptChoices, acceptDrops } from "./drop-zone.js";
import { showArriving } from "./gallery.js";
import { followSelection } from "./selection.js";
import { renewToken } from "./session.js";
import { showUploads } from "./upload-panel.js";
import { UploadQueue } from "./upload-queue.js";
import { isReachable, uploadBy } from "./upload-transport.js";

const form = document.getElementById("upload");
const { groupFiles, groupBytes } = form.dataset;
const limits = { files: Number(groupFiles), bytes: Number(groupBytes) };
const queue = new UploadQueue(uploadBy(form), limits, isReachable);

/** @param {File} file - a CSV with entries */
function uploadEntries(file) {
  const [input, chosen] = [document.getElementById("entries"), new DataTransfer()];
  chosen.items.add(file);
  input.files = chosen.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

showUploads(form, queue, async () => {
  if (queue.stopped && !(await renewToken().catch(() => false))) return;
  queue.retry();
});
guardReview(queue);
acceptDrops(queue, uploadEntries);
acceptChoices(form, queue, uploadEntries);
followSelection();

showArriving(queue);
queue.addEventListener("finish", () => {
  // After signing out, a refresh would leave this page for the sign-in page.
  if (queue.stopped?.code !== "signed_out") htmx.trigger("#contents", "refresh");
});
window.addEventListener("beforeunload", (event) => {
  if (queue.isBusy) event.preventDefault();
});
document.documentElement.classList.add("scripted");
