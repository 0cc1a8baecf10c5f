/* Receives files and folders: dropped anywhere on the page, or chosen in the form. For a draft, a CSV
   among them has entries and goes its own way. */

/** @import { UploadQueue } from "./upload-queue.js" */

const ENTRIES = /\.csv$/i;

/** @param {(entries: FileSystemEntry[]) => void} receive */
export function onDrop(receive) {
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
    receive([...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean));
  });
}

/**
 * @param {UploadQueue} queue
 * @param {(file: File) => void} uploadEntries
 */
export function acceptDrops(queue, uploadEntries) {
  onDrop((entries) =>
    queue.during(async () => {
      for (const entry of entries) await walk(entry, queue, uploadEntries);
    }),
  );
}

/** @param {FileSystemFileEntry} entry */
export function fileOf(entry) {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

/**
 * @param {HTMLFormElement} form
 * @param {UploadQueue} queue
 * @param {(file: File) => void} uploadEntries
 */
export function acceptChoices(form, queue, uploadEntries) {
  for (const input of form.querySelectorAll("input[type=file]")) {
    input.addEventListener("change", () => give(input, queue, uploadEntries));
    give(input, queue, uploadEntries); // chosen before this script loaded
  }
}

function give(input, queue, uploadEntries) {
  for (const file of input.files) {
    if (ENTRIES.test(file.name)) uploadEntries(file);
    else queue.add({ name: file.webkitRelativePath || file.name, file });
  }
  input.value = "";
}

function bringsFiles(event) {
  return event.dataTransfer.types.includes("Files");
}

async function walk(entry, queue, uploadEntries) {
  const name = entry.fullPath.replace(/^\//, "");
  try {
    if (entry.isFile) {
      const file = await fileOf(entry);
      return ENTRIES.test(name) ? uploadEntries(file) : queue.add({ name, file });
    }
    for await (const child of childrenOf(entry)) await walk(child, queue, uploadEntries);
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
