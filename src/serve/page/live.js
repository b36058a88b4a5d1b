// Words from the daemon, as they come; and whether there are any.

/** A daemon that lives says something every second, or answers. Longer than this, and what is shown is old. In ms. */
const SILENCE = 4000;
/** The same once nobody has answered at all: a daemon that restarts is back by then. */
const SILENCE_UNANSWERED = 1500;
/** Of a tab that nobody sees, whose turns a browser may hold back for a minute. */
const SILENCE_UNSEEN = 80000;
/** Between two questions where there is no stream. */
const ASK_EVERY = 2000;
/** Where nobody sees the page, which is told in its title only. */
const ASK_UNSEEN_EVERY = 10000;
/** Until a stream is tried again: where all eight are taken, and where nobody answers. */
const STREAM_AGAIN = 30000;
const STREAM_AGAIN_SOON = 2000;

class Live {
  /** `take` has `status(status)` and `history(page)`; `link(how)` is called when what there is to say of the link may be another. */
  constructor(take) {
    this.take = take;
    this.heard = null;
    this.stream = null;
    /** When it was last begun to listen, so that there could be nothing to hear before. */
    this.began = Date.now();
    this.streamAt = 0;
    this.askAt = 0;
    this.isAsking = false;
    this.isUnanswered = false;
  }

  begin() {
    document.addEventListener("visibilitychange", () => {
      // What was not heard while nobody looked is no sign of death.
      this.began = Date.now();
      this.streamAt = 0;
      this.askAt = 0;
      if (document.hidden) this.end();
      this.turn();
    });
    setInterval(() => this.turn(), 500);
    this.turn();
  }

  /** Where the daemon has said nothing for too long, since when. */
  silentSince() {
    const heard = this.heard ?? this.began;
    const bound = document.hidden ? SILENCE_UNSEEN : this.isUnanswered ? SILENCE_UNANSWERED : SILENCE;
    return Date.now() - Math.max(heard, this.began) > bound ? heard : null;
  }

  /** Whether what is shown comes as it happens. */
  isStreaming() {
    return this.stream?.readyState === EventSource.OPEN;
  }

  turn() {
    const now = Date.now();
    // Tabs that nobody sees leave the few streams to others: a browser has six connections, the daemon eight.
    if (!document.hidden && this.stream === null && now >= this.streamAt) this.listen();
    if (this.stream !== null && now - Math.max(this.heard ?? 0, this.streamAt) > SILENCE) this.end();
    if (!this.isStreaming() && !this.isAsking && now >= this.askAt) this.ask();
    this.take.link();
  }

  listen() {
    const stream = new EventSource("/api/events");
    this.stream = stream;
    this.streamAt = Date.now();
    const hear = (what) => (event) => {
      if (this.stream !== stream) return;
      this.hear();
      if (what !== null) this.take[what](JSON.parse(event.data));
      else this.take.link();
    };
    stream.addEventListener("alive", hear(null));
    stream.addEventListener("status", hear("status"));
    stream.addEventListener("history", hear("history"));
    stream.addEventListener("open", () => this.take.opened());
    stream.addEventListener("error", () => {
      if (this.stream !== stream) return;
      // Closed: it was refused, as the ninth is. Else nobody answers.
      const isRefused = stream.readyState === EventSource.CLOSED;
      this.end();
      this.streamAt = Date.now() + (isRefused ? STREAM_AGAIN : STREAM_AGAIN_SOON);
      this.askAt = 0;
      this.turn();
    });
  }

  hear() {
    this.heard = Date.now();
    this.isUnanswered = false;
  }

  end() {
    this.stream?.close();
    this.stream = null;
  }

  async ask() {
    this.isAsking = true;
    this.askAt = Date.now() + (document.hidden ? ASK_UNSEEN_EVERY : ASK_EVERY);
    const status = await answer("/api/status").catch(() => null);
    this.isAsking = false;
    // A stream that has begun meanwhile has told what is newer.
    if (this.isStreaming()) return;
    if (status === null) {
      this.isUnanswered = true;
      this.turn();
      return;
    }
    this.hear();
    this.take.status(status);
    this.take.polled();
  }
}

/** What an address of the daemon answers; else an error whose message is its sentence. */
async function answer(path) {
  const got = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(SILENCE) });
  if (!got.ok) throw new Error((await got.text()).trim());
  return got.json();
}
