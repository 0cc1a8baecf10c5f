/* Shows images while they arrive, and keeps the focus where the gallery is replaced. */

/** @import { UploadQueue } from "./upload-queue.js" */

const SHOW_EVERY_MS = 4000;

/** @param {UploadQueue} queue */
export function showArriving(queue) {
  const [contents, acts] = ["contents", "acts"].map((id) => document.getElementById(id));
  let [shown, shownAt, hadFocus] = [0, 0, false];
  queue.addEventListener("change", () => {
    const { accepted } = queue.counts;
    const isDue = queue.isBusy && accepted > shown && Date.now() - shownAt >= SHOW_EVERY_MS;
    if (!isDue || contents.contains(document.activeElement)) return;
    [shown, shownAt] = [accepted, Date.now()];
    show(contents);
  });
  contents.addEventListener("htmx:beforeSwap", () => {
    hadFocus = [contents, acts].some((part) => part.contains(document.activeElement));
  });
  contents.addEventListener("htmx:afterSettle", () => {
    if (hadFocus && document.activeElement === document.body) contents.focus({ preventScroll: true });
  });
}

/* Once the first page is full, its images no longer change, only their number does. */
function show(contents) {
  const isFull = contents.querySelector(".pages");
  const numberOnly = { target: contents, swap: "none" };
  if (isFull) htmx.ajax("GET", contents.getAttribute("hx-get"), numberOnly);
  else htmx.trigger(contents, "refresh");
}
