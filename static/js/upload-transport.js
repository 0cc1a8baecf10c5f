/* Sends a group of files per request and translates the response for the queue. */

/** @import { Failure, Item, Outcome } from "./upload-queue.js" */

import { UNREACHABLE, UNREADABLE } from "./upload-queue.js";

const PASSING = ["incomplete", "not_stored"];
const FINAL = ["signed_out", "sealed"];
/* When the session ends, the CSRF token of this page expires and the server answers 403. */
const SIGNED_OUT = {
  code: "signed_out",
  reason: "You are signed out. Accepted images are saved. Sign in again to continue.",
  isFinal: true,
};

/**
 * @param {HTMLFormElement} form
 * @returns {(group: Item[]) => Promise<Outcome[]>}
 */
export function uploadBy(form) {
  return async (group) => {
    try {
      const headers = { Accept: "application/json" };
      const answer = await fetch(form.action, { method: "POST", body: bodyOf(form, group), headers });
      if (answer.status === 403) return group.map(() => ({ failure: SIGNED_OUT }));
      return outcomesOf(group, answer, await answer.json());
    } catch {
      return Promise.all(group.map(async ({ file }) => ({ failure: await reasonFor(file) })));
    }
  };
}

/** Returns true if the server answers at all. */
export function isReachable() {
  return fetch("/healthz", { cache: "no-store" }).then(
    () => true,
    () => false,
  );
}

/* A file over the limit is not sent: its name and size are enough to reject it. */
function bodyOf(form, group) {
  const body = new FormData();
  body.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  for (const { name, file } of group) {
    body.append("name", name);
    body.append("size", file.size);
    body.append("file", file.size <= Number(form.dataset.fileBytes) ? file : new Blob(), "file");
  }
  return body;
}

/* Files after the last outcome share the reason why the server stopped there. */
function outcomesOf(group, answer, { files = [], code, reason }) {
  const seconds = answer.headers.get("Retry-After");
  const waitMs = seconds ? Number(seconds) * 1000 : undefined;
  const failure = { code, reason, isPassing: PASSING.includes(code), isFinal: FINAL.includes(code), waitMs };
  return group.map((_, number) => (number in files ? { kind: kindOf(files[number]) } : { failure }));
}

function kindOf({ state, code, new: isNew }) {
  if (!isNew) return "known";
  if (code === "already_sent") return "onList";
  return state === "accepted" ? "accepted" : "rejected";
}

/* A file that was changed, moved or deleted after it was chosen can no longer be sent. */
async function reasonFor(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return UNREACHABLE;
  } catch {
    return UNREADABLE;
  }
}
