/** What a connection is asked at regular times: whether the broker is still there, and whether answers are late. */
import { OP_NOP } from './constants.js';
import type { Core } from './core.js';
import { BusError, Disconnect } from './errors.js';

/** Parts of the time-out that are told apart. */
const TICKS = 8;

const NOTHING = Buffer.alloc(0);

/** @internal */
export class Clock {
  readonly #core: Core;
  #timer: NodeJS.Timeout | undefined;
  /** Ticks since the client was made. */
  tick = 0;
  /** The tick in which the broker last said or took something, or nothing was expected of it. */
  #progress = 0;
  #lastPing = 0;
  #blockedSince: number | undefined;
  #heldBack = false;

  constructor(core: Core) {
    this.#core = core;
  }

  /** There is a connection. */
  start(): void {
    this.#lastPing = Date.now();
    this.progressed();
    this.#timer ??= setInterval(this.#ticked, this.#core.settings.timeout / TICKS);
  }

  /** It is gone. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#blockedSince = undefined;
    this.#heldBack = false;
  }

  /** The broker said or took something, or something is expected of it from now on. */
  progressed(): void {
    this.#progress = this.tick;
  }

  /** The system has taken what it was given. */
  taken(): void {
    this.progressed();
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
    if ((pending.waiting === 0 && !blocked) || this.#core.intake.isPaused) {
      this.progressed();
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

  /** A connection that leads nowhere is noticed when something is written. */
  #pingIfDue(): void {
    const { link, settings, phase } = this.#core;
    const now = Date.now();
    // The next tick would be too late.
    const due = now + settings.timeout / TICKS > this.#lastPing + settings.pingInterval;
    if (due && link?.queued === 0 && phase === 'connected') {
      this.#lastPing = now;
      link.append(0, OP_NOP, NOTHING, undefined, NOTHING);
    }
  }
}
