/** Requests that wait their turn: so many are handled at a time, so many wait, and more are refused. */
import { Fifo } from './fifo.js';

/** A request in a lane. @internal */
export interface Waiter {
  /** Bytes it holds while it waits. */
  readonly bytes: number;
  /** Handles it; the returned promise, if there is one, ends when the next one may begin. */
  run(): Promise<void> | undefined;
}

/** How much a lane takes. @internal */
export interface LaneLimits {
  readonly concurrent: number;
  readonly waiting: number;
  readonly waitingBytes: number;
  /** One after the other, also while a handler waits for a call of its own. */
  readonly inOrder: boolean;
}

/** @internal */
export class Lane {
  readonly #limits: LaneLimits;
  readonly #queue = new Fifo<Waiter>();
  #bytes = 0;
  #running = 0;
  /** Handlers that wait for a call of their own: they do not count as running. */
  #aside = 0;
  #starting = false;

  constructor(limits: LaneLimits) {
    this.#limits = limits;
  }

  /** Requests that are being handled. */
  get running(): number {
    return this.#running + this.#aside;
  }

  /** Requests that wait. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Takes a request in; false if too many wait already. */
  admit(request: Waiter): boolean {
    const { concurrent, waiting, waitingBytes } = this.#limits;
    if (this.running + this.waiting >= concurrent + waiting || this.#bytes >= waitingBytes) {
      return false;
    }
    this.#queue.push(request);
    this.#bytes += request.bytes;
    this.#advance();
    return true;
  }

  /**
   * A handler waits for a call of its own: another one may run meanwhile. Otherwise services that call each other could fill
   * each other's lanes and wait until their deadlines. Answers whether it counts as waiting now.
   */
  stepAside(): boolean {
    if (this.#limits.inOrder) {
      return false;
    }
    this.#running -= 1;
    this.#aside += 1;
    this.#advance();
    return true;
  }

  /** It goes on. */
  stepBack(): void {
    this.#aside -= 1;
    this.#running += 1;
  }

  #advance(): void {
    if (this.#starting) {
      return;
    }
    this.#starting = true;
    while (this.#running < this.#limits.concurrent && this.#queue.length > 0) {
      const request = this.#queue.shift()!;
      this.#bytes -= request.bytes;
      this.#running += 1;
      const handled = request.run();
      if (handled === undefined) {
        this.#running -= 1;
      } else {
        void handled.then(this.#ended);
      }
    }
    this.#starting = false;
  }

  readonly #ended = (): void => {
    this.#running -= 1;
    this.#advance();
  };
}
