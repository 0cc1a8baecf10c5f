/* Computes the SHA-256 of a dropped or chosen picture and searches for it. The picture is not sent. */

import { fileOf, onDrop } from "./drop-zone.js";

const MOST_BYTES = 100 * 1024 * 1024;
const NO_CRYPTO =
  "This browser computes a SHA-256 only on an HTTPS address or on localhost. Compute it elsewhere and enter it.";
const FOLDER = "This is a folder. Drop one picture.";
const SEVERAL = "Drop one picture at a time.";
const EMPTY = "This file is empty, so it was never accepted.";
const HUGE = "This file is larger than 100 MB, so it was never accepted. Images have at most 10 MB.";
const UNREADABLE = "This file cannot be read on your computer.";

const form = document.getElementById("search");
const status = document.querySelector("#picture [role=status]");
const input = document.getElementById("picture-file");

function say(text, level) {
  status.dataset.level = level;
  status.textContent = text;
}

/* Returns why the file is not searched for, or "". */
function refusal(file) {
  if (!crypto.subtle) return NO_CRYPTO;
  if (!file.size) return EMPTY;
  return file.size > MOST_BYTES ? HUGE : "";
}

async function searchFor(file) {
  const reason = refusal(file);
  if (reason) return say(reason, "error");
  say(`Computing the SHA-256 of ${file.name}`, "neutral");
  try {
    form.elements.text.value = await sha256(file);
  } catch {
    return say(UNREADABLE, "error");
  }
  form.requestSubmit();
}

async function sha256(file) {
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

onDrop((entries) => {
  if (entries.length !== 1) return say(SEVERAL, "error");
  if (entries[0].isDirectory) return say(FOLDER, "error");
  fileOf(entries[0]).then(searchFor, () => say(UNREADABLE, "error"));
});
input.addEventListener("change", () => {
  const [file] = input.files;
  input.value = "";
  if (file) searchFor(file);
});
if (!crypto.subtle) say(NO_CRYPTO, "error");
document.documentElement.classList.add("scripted");
