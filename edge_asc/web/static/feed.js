/* The connection to the server: its state first, then what happens, for ever. */

const KINDS = ["estimate", "gap", "event", "health"];

/** The server gives a sign of life more often; without any the connection is taken for dead. */
const SILENCE_MS = 40_000;

/** A machine that is gone does not even refuse. */
const ANSWER_MS = 15_000;

const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 8_000;

export class Feed {
  #source = null;
  #timer = null;
  #retryMs = FIRST_RETRY_MS;

  /**
   * `begin(state)` is called with each connection, `hear(message)` with each message after that,
   * `lost()` when the connection or an attempt at one has failed.
   */
  constructor({ begin, hear, lost }) {
    Object.assign(this, { begin, hear, lost });
  }

  async open() {
    clearTimeout(this.#timer);
    this.#source?.close();
    let state;
    try {
      state = await fetchJson("/api/state");
    } catch {
      this.#fail();
      return;
    }
    const source = new EventSource(`/api/events?after=${state.last_event_id}`);
    this.#source = source;
    source.onerror = () => this.#fail();
    source.onopen = () => {
      this.#alive();
      this.begin(state);
    };
    source.addEventListener("ping", () => this.#alive());
    for (const kind of KINDS) {
      source.addEventListener(kind, (event) => {
        this.#alive();
        this.hear(JSON.parse(event.data));
      });
    }
    this.#watch();
  }

  #alive() {
    this.#retryMs = FIRST_RETRY_MS;
    this.#watch();
  }

  #watch() {
    this.#reopenAfter(SILENCE_MS);
  }

  /** What an EventSource does by itself is not enough: what was missed is in the state. */
  #fail() {
    this.#source?.close();
    this.lost();
    this.#reopenAfter(this.#retryMs);
    this.#retryMs = Math.min(2 * this.#retryMs, LAST_RETRY_MS);
  }

  #reopenAfter(delayMs) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.open(), delayMs);
  }
}

/** What the server answers. Throws an Error; where nobody is signed in it goes to the form. */
export async function fetchJson(path) {
  const response = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
  if (response.status === 401) location.replace("/");
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}
