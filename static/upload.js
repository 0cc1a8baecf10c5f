/* The draft page: files travel to the server one a request, a few at a time. The plain form works
   without this; with it, folders can be dropped, progress is shown, and what the network lost is
   tried again. Nothing is kept in the browser. */
"use strict";

const AT_ONCE = 4;
const PAUSES_MS = [1000, 3000, 9000];
const AGAIN = ["incomplete", "not_stored"];
const SIGNED_OUT = "You are signed out. What was accepted so far is kept; sign in again to go on.";
const FINAL = ["signed_out", "sealed"];
const LOST_SHOWN = 20;
const SPOKEN_EVERY_MS = 4000;

const form = document.getElementById("upload");
const send = document.getElementById("send");
const hint = document.getElementById("send-hint");
const status = document.getElementById("upload-status");
const part = (name) => form.querySelector(name);

const waiting = [];
const lost = [];
const total = { given: 0, done: 0, accepted: 0, leftOut: 0, same: 0 };
let active = 0;
let reading = 0;
let stopped = "";
let spokenAt = 0;
let drawn = false;

/* ---- Files in ---- */

function give(name, file) {
  total.given += 1;
  if (stopped) lose({ name, file }, stopped);
  else waiting.push({ name, file });
  advance();
}

function lose(item, why) {
  total.done += 1;
  lost.push({ ...item, why });
}

function giveChosen(input) {
  for (const file of input.files) give(file.webkitRelativePath || file.name, file);
  input.value = "";
}

async function giveDropped(transfer) {
  // The items are only there until this event ends, so all entries are taken before the first wait.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  reading += 1;
  draw();
  try {
    for (const entry of entries) await walk(entry);
  } finally {
    reading -= 1;
    advance();
  }
}

async function walk(entry) {
  const name = entry.fullPath.replace(/^\//, "");
  try {
    if (entry.isFile) return give(name, await new Promise((ok, no) => entry.file(ok, no)));
    const reader = entry.createReader();
    for (;;) {
      // A reader hands out a hundred entries at a time, and none when it is done.
      const some = await new Promise((ok, no) => reader.readEntries(ok, no));
      if (!some.length) return;
      for (const one of some) await walk(one);
    }
  } catch {
    total.given += 1;
    lose({ name, file: null }, "It could not be read on this computer.");
  }
}

/* ---- To the server ---- */

function advance() {
  while (!stopped && active < AT_ONCE && waiting.length) {
    active += 1;
    carry(waiting.shift());
  }
  draw();
  if (!active && !waiting.length && !reading && total.done) finish();
}

async function carry(item) {
  let trouble = await attempt(item);
  for (const pause of PAUSES_MS) {
    if (!trouble?.again || stopped) break;
    await new Promise((done) => setTimeout(done, pause));
    trouble = await attempt(item);
  }
  active -= 1;
  if (trouble) lose(item, trouble.why);
  else total.done += 1;
  if (trouble?.final) halt(trouble.why);
  advance();
}

/* Nothing when the server took the file; else why not, and whether another try may help. */
async function attempt(item) {
  const body = new FormData();
  body.set("csrfmiddlewaretoken", part("[name=csrfmiddlewaretoken]").value);
  body.set("name", item.name);
  body.set("size", item.file.size);
  if (item.file.size <= Number(form.dataset.mostBytes)) body.set("file", item.file, "file");
  try {
    const headers = { Accept: "application/json" };
    const answer = await fetch(form.action, { method: "POST", body, headers });
    if (answer.status === 403) return { why: SIGNED_OUT, final: true }; // this page's token is old
    const told = await answer.json();
    if (!answer.ok) return { why: told.reason, again: AGAIN.includes(told.code), final: FINAL.includes(told.code) };
    if (!told.new) total.same += 1;
    else if (told.state === "accepted") total.accepted += 1;
    else total.leftOut += 1;
  } catch {
    return { why: "It did not reach the server.", again: true };
  }
}

/* No file can be taken any more: none is lost from sight. */
function halt(why) {
  stopped = why;
  for (const item of waiting.splice(0)) lose(item, why);
}

/* Whether someone is signed in; then this page's forms get the token of that sign-in. */
async function renewToken() {
  const answer = await fetch(form.dataset.page);
  if (answer.redirected) return false;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const token = fresh.querySelector("[name=csrfmiddlewaretoken]").value;
  for (const field of document.querySelectorAll("[name=csrfmiddlewaretoken]")) field.value = token;
  document.body.setAttribute("hx-headers", fresh.body.getAttribute("hx-headers"));
  return true;
}

function finish() {
  say(words());
  if (stopped !== SIGNED_OUT) htmx.trigger("#contents", "refresh"); // which would lead to the sign-in
}

part(".lost button").addEventListener("click", async () => {
  if (stopped && !(await renewToken().catch(() => false))) return;
  stopped = "";
  const again = lost.splice(0);
  total.given -= again.length;
  total.done -= again.length;
  for (const { name, file } of again) if (file) give(name, file);
  advance();
});

/* ---- What the person sees and hears ---- */

function words() {
  const told = [`${total.done} of ${total.given} files`, `${total.accepted} accepted`, `${total.leftOut} left out`];
  if (total.same) told.push(`${total.same} were here already`);
  if (lost.length) told.push(`${lost.length} did not arrive`);
  return told.join(", ");
}

function isArriving() {
  return active > 0 || waiting.length > 0 || reading > 0;
}

function say(text) {
  status.textContent = text;
  spokenAt = Date.now();
}

function draw() {
  if (drawn) return;
  drawn = true;
  requestAnimationFrame(() => {
    drawn = false;
    part(".arriving").hidden = !total.given;
    part("progress").max = total.given || 1;
    part("progress").value = total.done;
    part(".arrived-words").textContent = words();
    if (isArriving() && Date.now() - spokenAt > SPOKEN_EVERY_MS) say(words());
    drawLost();
    drawSend();
  });
}

function drawLost() {
  part(".lost").hidden = !lost.length;
  part(".lost a").hidden = stopped !== SIGNED_OUT;
  part(".lost-words").textContent =
    `${lost.length} file${lost.length === 1 ? "" : "s"} did not arrive. What was accepted is kept.`;
  const lines = lost.slice(0, LOST_SHOWN).map(({ name, why }) => {
    const line = document.createElement("li");
    line.textContent = `${name}: ${why}`;
    return line;
  });
  part(".lost ul").replaceChildren(...lines);
}

function drawSend() {
  const preview = document.getElementById("preview");
  if (!preview) return location.reload(); // no draft any more
  const accepted = Number(preview.dataset.images);
  send.disabled = isArriving() || !accepted;
  hint.textContent = isArriving() ? "Wait until all files have arrived." : accepted ? "" : "Add at least one image first.";
}

/* ---- Wiring ---- */

for (const input of form.querySelectorAll("input[type=file]")) {
  input.addEventListener("change", () => giveChosen(input));
}
const bringsFiles = (event) => event.dataTransfer.types.includes("Files");
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
  giveDropped(event.dataTransfer);
});
document.addEventListener("htmx:afterSettle", () => {
  if (document.activeElement === document.body) document.getElementById("contents").focus();
  const list = document.querySelector("#list select");
  document.getElementById("to-list").textContent = list.selectedOptions[0].textContent;
  drawSend();
});
document.getElementById("attest").addEventListener("submit", async (event) => {
  event.preventDefault();
  const isSignedIn = await renewToken().catch(() => true); // if in doubt, the server says it
  document.getElementById("signed-out").hidden = isSignedIn;
  if (isSignedIn) event.target.submit();
});
window.addEventListener("beforeunload", (event) => {
  if (isArriving()) event.preventDefault();
});
for (const shown of form.querySelectorAll(".with-script, .drop-words")) shown.hidden = false;
for (const gone of document.querySelectorAll(".without-script")) gone.hidden = true;
form.classList.add("scripted");
drawSend();
