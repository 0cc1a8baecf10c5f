/* The upload queue: sends a few files at a time and retries those that fail for a temporary reason,
   a few times, or as long as the server says when to try again.
   It knows neither the page nor the network; the caller provides `send`. */

/** @typedef {{ name: string, file: File | null }} Item - `file` is null if it cannot be read */
/** @typedef {{ code: string, reason: string, isPassing?: boolean, isFinal?: boolean, waitMs?: number }} Failure */
/** @typedef {{ kind: "accepted" | "rejected" | "known" } | { failure: Failure }} Outcome */

const AT_ONCE = 4;
const RETRY_AFTER_MS = [1000, 3000, 9000];

export const UNREADABLE = { code: "unreadable", reason: "This file cannot be read on your computer." };

/** Fires `change` whenever its numbers change and `finish` when the queue is empty. */
export class UploadQueue extends EventTarget {
  /** @type {Item[]} */
  #waiting = [];
  #active = 0;
  #reading = 0;
  #send;

  given = 0;
  done = 0;
  counts = { accepted: 0, rejected: 0, known: 0 };
  /** @type {{ item: Item, failure: Failure }[]} */
  failed = [];
  /** @type {Failure | null} Why no more files are sent, or null while they are. */
  stopped = null;

  /** @param {(item: Item) => Promise<Outcome>} send */
  constructor(send) {
    super();
    this.#send = send;
  }

  get isBusy() {
    return this.#active > 0 || this.#waiting.length > 0 || this.#reading > 0;
  }

  /** @param {Item} item */
  add(item) {
    this.given += 1;
    const failure = item.file ? this.stopped : UNREADABLE;
    if (failure) this.#fail(item, failure);
    else this.#waiting.push(item);
    this.#advance();
  }

  /** Stays busy while `work` finds files to add. */
  async during(work) {
    this.#reading += 1;
    this.#changed();
    try {
      await work();
    } finally {
      this.#reading -= 1;
      this.#advance();
    }
  }

  /** Sends failed files again, except those that cannot be read. */
  retry() {
    this.stopped = null;
    const again = this.failed.splice(0);
    this.given -= again.length;
    this.done -= again.length;
    for (const { item } of again) if (item.file) this.add(item);
    this.#advance();
  }

  #advance() {
    while (!this.stopped && this.#active < AT_ONCE && this.#waiting.length) {
      this.#active += 1;
      this.#upload(this.#waiting.shift());
    }
    this.#changed();
    if (!this.isBusy && this.done) this.dispatchEvent(new Event("finish"));
  }

  async #upload(item) {
    const waits = [...RETRY_AFTER_MS];
    let outcome = await this.#send(item);
    while (outcome.failure && !this.stopped) {
      const wait = outcome.failure.waitMs ?? (outcome.failure.isPassing ? waits.shift() : undefined);
      if (wait === undefined) break;
      await new Promise((resume) => setTimeout(resume, wait));
      outcome = await this.#send(item);
    }
    this.#active -= 1;
    if (outcome.failure) this.#fail(item, outcome.failure);
    else this.#count(outcome.kind);
    this.#advance();
  }

  #count(kind) {
    this.done += 1;
    this.counts[kind] += 1;
  }

  #fail(item, failure) {
    this.done += 1;
    this.failed.push({ item, failure });
    if (failure.isFinal && !this.stopped) this.#stop(failure);
  }

  /* Waiting files fail as well, so the page lists every file that was not sent. */
  #stop(failure) {
    this.stopped = failure;
    for (const item of this.#waiting.splice(0)) this.#fail(item, failure);
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
