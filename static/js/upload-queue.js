/* The upload queue: sends a few groups of files at a time and retries files that fail for a
   temporary reason, a few times, or as long as the server says when to try again. While the server
   cannot be reached, it pauses.
   It knows neither the page nor the network; the caller provides `send`. */

/** @typedef {{ name: string, file: File | null }} Item - `file` is null if it cannot be read */
/** @typedef {{ code: string, reason: string, isPassing?: boolean, isFinal?: boolean, waitMs?: number }} Failure */
/** @typedef {{ kind: "accepted" | "rejected" | "known" | "onList" } | { failure: Failure }} Outcome */
/** @typedef {{ files: number, bytes: number }} Limits - of a group; a larger file goes alone */

const AT_ONCE = 2;
const SOON_MS = 1000;
const RETRY_AFTER_MS = [1000, 3000, 9000];
const PROBE_EVERY_MS = 2000;

export const UNREACHABLE = {
  code: "unreachable",
  reason: "The server cannot be reached.",
  isPassing: true,
};
const STOPPED = { code: "stopped", reason: "You stopped the upload.", isFinal: true };
export const UNREADABLE = { code: "unreadable", reason: "This file cannot be read on your computer." };

/** Fires `change` whenever its numbers change and `finish` when the queue is empty. */
export class UploadQueue extends EventTarget {
  /** @type {Item[]} */
  #waiting = [];
  #active = 0;
  #reading = 0;
  #send;
  #limits;
  #isReachable;
  /** @type {Promise<void> | null} Settles when the server can be reached again. */
  #reached = null;
  #groupSize = 1; // grows while answers come soon, so that progress shows on a slow line too

  given = 0;
  done = 0;
  began = { at: 0, done: 0 }; // ms, and how many were done then
  counts = { accepted: 0, rejected: 0, known: 0, onList: 0 };
  /** @type {{ item: Item, failure: Failure }[]} */
  failed = [];
  /** @type {Failure | null} Why no more files are sent, or null while they are. */
  stopped = null;

  /**
   * @param {(group: Item[]) => Promise<Outcome[]>} send
   * @param {Limits} limits
   * @param {() => Promise<boolean>} isReachable
   */
  constructor(send, limits, isReachable) {
    super();
    this.#send = send;
    this.#limits = limits;
    this.#isReachable = isReachable;
  }

  get isPaused() {
    return Boolean(this.#reached);
  }

  get isBusy() {
    return this.#active > 0 || this.#waiting.length > 0 || this.#reading > 0;
  }

  /** @param {Item} item */
  add(item) {
    if (this.done === this.given) this.#begin();
    this.given += 1;
    const failure = item.file ? this.stopped : UNREADABLE;
    if (failure) this.#fail(item, failure);
    else this.#waiting.push(item);
    this.#advance();
  }

  #begin() {
    this.began = { at: Date.now(), done: this.done };
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

  /** Sends no more files. Those under way still arrive; `retry` sends the others. */
  stop() {
    this.#stop(STOPPED);
    this.#advance();
  }

  #advance() {
    while (!this.stopped && this.#active < AT_ONCE && this.#waiting.length) {
      this.#active += 1;
      this.#upload(this.#nextGroup());
    }
    this.#changed();
    if (!this.isBusy && this.done) this.dispatchEvent(new Event("finish"));
  }

  #nextGroup() {
    let [count, bytes] = [0, 0];
    for (const { file } of this.#waiting.slice(0, this.#groupSize)) {
      bytes += file.size;
      if (count && bytes > this.#limits.bytes) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #upload(group) {
    await this.#settle(group, RETRY_AFTER_MS);
    this.#active -= 1;
    this.#advance();
  }

  /* If the server does not say when, files are sent again one by one: the reason may be one of them. */
  async #settle(group, waits) {
    const outcomes = this.stopped ? group.map(() => ({ failure: this.stopped })) : await this.#timed(group);
    const again = group.filter((item, number) => !this.#isSettled(item, outcomes[number], waits));
    this.#changed();
    if (!again.length) return;
    const { code, waitMs } = outcomes[group.indexOf(again[0])].failure;
    if (code === UNREACHABLE.code) await this.#untilReached();
    else await pause(waitMs ?? waits[0]);
    if (waitMs) return this.#settle(again, waits);
    for (const item of again) await this.#settle([item], waits.slice(1));
  }

  #untilReached() {
    this.#reached ??= (async () => {
      do await pause(PROBE_EVERY_MS);
      while (!this.stopped && !(await this.#isReachable()));
      this.#reached = null;
      this.#changed();
    })();
    this.#changed();
    return this.#reached;
  }

  async #timed(group) {
    const began = Date.now();
    const outcomes = await this.#send(group);
    const isSoon = Date.now() - began < SOON_MS;
    this.#groupSize = isSoon ? Math.min(group.length * 2, this.#limits.files) : Math.ceil(group.length / 2);
    return outcomes;
  }

  #isSettled(item, { kind, failure }, waits) {
    if (kind) this.#count(kind);
    else if (!this.stopped && (failure.waitMs || (failure.isPassing && waits.length))) return false;
    else this.#fail(item, failure);
    return true;
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

function pause(ms) {
  return new Promise((resume) => setTimeout(resume, ms));
}
