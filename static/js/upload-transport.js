/* Sends one file per request and translates the response for the queue. */

/** @import { Item, Outcome } from "./upload-queue.js" */

const PASSING = ["incomplete", "not_stored"];
const FINAL = ["signed_out", "sealed"];
const UNREACHABLE = { code: "unreachable", reason: "The server cannot be reached.", isPassing: true };

/* When the session ends, the CSRF token of this page expires and the server answers 403. */
const SIGNED_OUT = {
  code: "signed_out",
  reason: "You are signed out. Accepted images are saved. Sign in again to continue.",
  isFinal: true,
};

/**
 * @param {HTMLFormElement} form
 * @returns {(item: Item) => Promise<Outcome>}
 */
export function uploadBy(form) {
  return async (item) => {
    try {
      const headers = { Accept: "application/json" };
      const answer = await fetch(form.action, { method: "POST", body: bodyOf(form, item), headers });
      if (answer.status === 403) return { failure: SIGNED_OUT };
      return outcomeOf(answer, await answer.json());
    } catch {
      return { failure: UNREACHABLE };
    }
  };
}

/* A file over the limit is not sent: its name and size are enough to reject it. */
function bodyOf(form, { name, file }) {
  const body = new FormData();
  body.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  body.set("name", name);
  body.set("size", file.size);
  if (file.size <= Number(form.dataset.mostBytes)) body.set("file", file, "file");
  return body;
}

function outcomeOf(answer, { code, reason, state, new: isNew }) {
  if (!answer.ok) {
    const seconds = answer.headers.get("Retry-After");
    const waitMs = seconds ? Number(seconds) * 1000 : undefined;
    return { failure: { code, reason, isPassing: PASSING.includes(code), isFinal: FINAL.includes(code), waitMs } };
  }
  if (!isNew) return { kind: "known" };
  return { kind: state === "accepted" ? "accepted" : "rejected" };
}
