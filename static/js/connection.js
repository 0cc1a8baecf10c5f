/* Reports a failed htmx request on any page until a request succeeds. Polls and refreshes are
   retried. A failed change is reverted in its form, so the form shows what the server has. If the
   session has ended, the page stays as it is, and continues once the person has signed in again. */

import { renewToken } from "./session.js";

const RETRY_AFTER_MS = 2000;
const MOST_FORBIDDEN = 3;
const RETRYING = "Connection lost. Retrying.";
const NOT_SAVED = "Connection lost. Your change may not have been saved. Try again.";
const NOT_DONE = "This could not be done. Reload the page and try again.";
const SIGNED_OUT = "You are signed out. What you typed is kept on this page. ";
const UNREACHABLE = "The server cannot be reached. What you typed is kept on this page. Try again.";

const region = document.getElementById("connection");
/** @type {WeakMap<Element, number>} How often in a row an element was forbidden. */
const forbidden = new WeakMap();

/* Screen readers announce every write, even of the same text, so unchanged text is not written. */
function say(text) {
  if (region.textContent !== text) region.textContent = text;
}

function saySignedOut() {
  if (region.querySelector("a")) return;
  const link = document.createElement("a");
  Object.assign(link, { href: "/account/login/", target: "_blank", textContent: "Sign in in a new tab" });
  region.replaceChildren(SIGNED_OUT, link);
}

/** Returns true if someone is signed in; else says why nothing can be sent. */
export async function canSend() {
  const problem = await renewToken().then(
    (isSignedIn) => (isSignedIn ? null : saySignedOut),
    () => () => say(UNREACHABLE),
  );
  if (problem) problem();
  else say("");
  return !problem;
}

/* Elements that listen for `refresh` or `retry` get it; a poll repeats anyway. */
function retry(element, afterMs) {
  const name = /\b(refresh|retry)\b/.exec(element.getAttribute("hx-trigger"))?.[0];
  if (name) setTimeout(() => htmx.trigger(element, name), afterMs);
  return Boolean(name);
}

function failed(event, textOfChange) {
  const { elt, requestConfig } = event.detail;
  if (retry(elt, RETRY_AFTER_MS) || requestConfig.verb === "get") return say(RETRYING);
  say(textOfChange);
  if (elt instanceof HTMLFormElement) elt.reset();
}

/* A refusal that new tokens do not end is about the right to do this. */
function isTokenExpired(element, status) {
  if (status !== 403) return false;
  const times = (forbidden.get(element) ?? 0) + 1;
  forbidden.set(element, times);
  return times < MOST_FORBIDDEN;
}

/* The token of this page is that of the ended session, so a new one is fetched first. */
async function waitForSignIn(element) {
  if (!(await canSend())) {
    await new Promise((resume) => setTimeout(resume, RETRY_AFTER_MS));
    return waitForSignIn(element);
  }
  retry(element, 0);
}

for (const name of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, (event) => failed(event, NOT_SAVED));
}
document.addEventListener("htmx:responseError", (event) => failed(event, NOT_DONE));
document.addEventListener("htmx:beforeOnLoad", (event) => {
  const { elt, xhr } = event.detail;
  const isSignedOut = xhr.status === 401 && !xhr.getResponseHeader("HX-Redirect");
  if (isSignedOut || isTokenExpired(elt, xhr.status)) {
    event.preventDefault();
    waitForSignIn(elt);
  }
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (!event.detail.successful) return;
  forbidden.delete(event.detail.elt);
  say("");
});
