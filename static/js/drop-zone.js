/* Adds files and folders to the queue: dropped anywhere on the page, or chosen in the form. */

/** @import { UploadQueue } from "./upload-queue.js" */

/** @param {UploadQueue} queue */
export function acceptDrops(queue) {
  document.addEventListener("dragover", (event) => {
    if (!bringsFiles(event)) return;
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    if (!bringsFiles(event)) return;
    event.preventDefault();
    document.body.classList.remove("dropping");
    // The items are available only during this event, so read all entries before the first await.
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
    queue.during(async () => {
      for (const entry of entries) await walk(entry, queue);
    });
  });
}

/**
 * @param {HTMLFormElement} form
 * @param {UploadQueue} queue
 */
export function acceptChoices(form, queue) {
  for (const input of form.querySelectorAll("input[type=file]")) {
    input.addEventListener("change", () => give(input, queue));
    give(input, queue); // chosen before this script loaded
  }
}

function give(input, queue) {
  for (const file of input.files) queue.add({ name: file.webkitRelativePath || file.name, file });
  input.value = "";
}

function bringsFiles(event) {
  return event.dataTransfer.types.includes("Files");
}

async function walk(entry, queue) {
  const name = entry.fullPath.replace(/^\//, "");
  try {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      return queue.add({ name, file });
    }
    for await (const child of childrenOf(entry)) await walk(child, queue);
  } catch {
    queue.add({ name, file: null });
  }
}

/* A reader returns at most a hundred entries at a time, and none when it is done. */
async function* childrenOf(folder) {
  const reader = folder.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return;
    yield* some;
  }
}
