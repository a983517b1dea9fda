/** What a connection is asked at regular times: whether the broker is still there, and whether answers are late. */
import { OP_NOP, OP_SUBSCRIBE, Qos } from './constants.js';
import type { Core } from './core.js';
import { BusError, Disconnect } from './errors.js';

/** Parts of the time-out that are told apart. */
const TICKS = 8;

/** So many of them without a word from the broker, and it is asked for one. */
const QUIET = 2;

const NOTHING = Buffer.alloc(0);

/** @internal */
export class Clock {
  readonly #core: Core;
  #timer: NodeJS.Timeout | undefined;
  /** Ticks since the client was made. */
  tick = 0;
  /** The tick in which the broker last gave a sign of life, or nothing could be said about that. */
  #heard = 0;
  /** The same, or in which nothing was expected of it. */
  #progress = 0;
  /** It was asked for a sign of life and has not given one. */
  #asked = false;
  /** In milliseconds of `performance.now()`, which does not jump with the time of day. */
  #lastPing = 0;
  #blockedSince: number | undefined;
  #heldBack = false;

  constructor(core: Core) {
    this.#core = core;
  }

  /** There is a connection. */
  start(): void {
    this.#lastPing = performance.now();
    this.heard();
    this.#timer ??= setInterval(this.#ticked, this.#core.settings.timeout / TICKS);
  }

  /** It is gone. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#blockedSince = undefined;
    this.#heldBack = false;
  }

  /** The broker gave a sign of life. */
  heard(): void {
    this.#heard = this.tick;
    this.#progress = this.tick;
    this.#asked = false;
  }

  /** Something is expected of it from now on. */
  expects(): void {
    if (!this.#asked) {
      this.#progress = this.tick;
    }
  }

  /** The system has taken what it was given. That says something about the broker only if the socket had been full. */
  taken(): void {
    if (this.#blockedSince !== undefined) {
      this.heard();
    }
    this.#blockedSince = undefined;
    if (this.#heldBack) {
      this.#heldBack = false;
      this.#core.events.released();
    }
  }

  readonly #ticked = (): void => {
    const { link, pending, settings, phase } = this.#core;
    if (link === undefined) {
      return;
    }
    this.tick += 1;
    const blocked = link.isBlocked;
    if (this.#core.intake.isPaused) {
      // Whatever the broker says, it is not read.
      this.heard();
    } else if (pending.waiting === 0 && !blocked && !(this.#asked && phase === 'connected')) {
      // Closing has a time-out of its own, and who closes has to learn that it passed.
      this.#progress = this.tick;
    }
    // Sent in the course of a tick: the whole time-out has passed one tick later.
    const silent = this.tick - this.#progress > TICKS;
    const late = pending.endUntil(this.tick - TICKS - 1, () =>
      BusError.timedOut(settings.timeout, 'unknown'),
    );
    if (silent || (late > 0 && phase === 'restoring')) {
      link.destroy(new Disconnect('silent', `the broker said and took nothing for ${settings.timeout} ms`));
      return;
    }
    if (blocked && !this.#heldBack) {
      this.#blockedSince ??= this.tick;
      if (this.tick > this.#blockedSince) {
        this.#heldBack = true;
        this.#core.events.heldBack();
      }
    }
    this.#pingIfDue();
  };

  /**
   * A connection that leads nowhere is noticed when something is written. A ping is never answered: when the broker has said
   * nothing for a while, an operation that every broker acknowledges takes its place, subscribing to nothing (published
   * brokers take that for a topic without a name, to which nobody publishes). Any bytes that come count as its answer, so
   * nothing waits for this one.
   */
  #pingIfDue(): void {
    const { link, settings, phase } = this.#core;
    const now = performance.now();
    // The next tick would be too late.
    const due = now + settings.timeout / TICKS > this.#lastPing + settings.pingInterval;
    if (due && link?.queued === 0 && phase === 'connected') {
      this.#lastPing = now;
      if (this.#mayAsk()) {
        this.#asked = true;
        const id = this.#core.pending.nextId();
        link.append(id, OP_SUBSCRIBE | (Qos.Processed << 6), NOTHING, undefined, NOTHING);
      } else {
        link.append(0, OP_NOP, NOTHING, undefined, NOTHING);
      }
    }
  }

  /**
   * Whether to ask for a sign of life. Not where something is expected anyway, nor where the answer may take as long as a
   * slow receiver for which the broker holds this client back.
   */
  #mayAsk(): boolean {
    const { pending, unproven } = this.#core;
    return this.tick - this.#heard >= QUIET && !this.#asked && pending.waiting === 0 && !unproven;
  }
}
