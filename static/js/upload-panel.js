/* Shows the progress of the uploads and announces it to screen readers. */

/** @import { UploadQueue } from "./upload-queue.js" */

const FAILURES_SHOWN = 20;
const SPOKEN_EVERY_MS = 4000;
const ESTIMATE_AFTER_MS = 5000;

/**
 * @param {HTMLFormElement} form
 * @param {UploadQueue} queue
 * @param {() => void} retry - called by the retry button
 */
export function showUploads(form, queue, retry) {
  const part = (selector) => form.querySelector(selector);
  const status = document.getElementById("upload-status");
  let spokenAt = 0;
  let isDrawing = false;

  function say(text) {
    status.textContent = text;
    spokenAt = Date.now();
  }

  function draw() {
    isDrawing = false;
    const summary = summaryOf(queue);
    part(".upload-progress").hidden = !queue.given;
    part("label[for=uploaded]").textContent = stateOf(queue);
    part("[data-stop]").hidden = !queue.isBusy || Boolean(queue.stopped);
    part("progress").max = queue.given || 1;
    part("progress").value = queue.done;
    part(".upload-summary").textContent = summary;
    if (queue.isBusy && Date.now() - spokenAt > SPOKEN_EVERY_MS) say(summary);
    drawFailures();
  }

  function drawFailures() {
    part(".upload-failed").hidden = !queue.failed.length;
    part(".upload-failed a").hidden = queue.stopped?.code !== "signed_out";
    part(".upload-failed-count").textContent =
      `${counted(queue.failed.length, "file")} not uploaded. Accepted images are saved.`;
    const shown = queue.failed.slice(0, FAILURES_SHOWN).map(({ item, failure }) => {
      const entry = document.createElement("li");
      entry.textContent = `${item.name}: ${failure.reason}`;
      return entry;
    });
    part(".upload-failed-names").replaceChildren(...shown);
  }

  queue.addEventListener("change", () => {
    if (!isDrawing) requestAnimationFrame(draw);
    isDrawing = true;
  });
  queue.addEventListener("finish", () => say(summaryOf(queue)));
  part(".upload-failed button").addEventListener("click", retry);
  part("[data-stop]").addEventListener("click", () => queue.stop());
}

function stateOf({ isPaused, isBusy, stopped }) {
  if (isPaused) return "Connection lost. The upload resumes automatically";
  if (isBusy) return "Uploading";
  return stopped ? "Stopped" : "Finished";
}

/* No estimate before there is something to go by. */
function timeLeft({ isBusy, isPaused, began, done, given }) {
  const [elapsed, uploaded] = [Date.now() - began.at, done - began.done];
  if (!isBusy || isPaused || !uploaded || elapsed < ESTIMATE_AFTER_MS) return "";
  const seconds = (elapsed / uploaded) * (given - done) / 1000;
  return seconds < 60 ? "less than a minute left" : `about ${counted(Math.ceil(seconds / 60), "minute")} left`;
}

function summaryOf(queue) {
  const { done, given, counts, failed } = queue;
  const parts = [
    `${done} of ${counted(given, "file")}`,
    `${counts.accepted} accepted`,
    `${counts.rejected} rejected`,
  ];
  if (counts.known) parts.push(`${counts.known} already in this draft`);
  if (counts.onList) parts.push(`${counts.onList} already on the list`);
  if (failed.length) parts.push(`${failed.length} not uploaded`);
  if (timeLeft(queue)) parts.push(timeLeft(queue));
  return parts.join(", ");
}

function counted(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
