/**
 * Frames that have arrived and were not handed out yet. They go to a handler, one after the other, or to whoever asks
 * for the next one. What is held is counted, so that reading can stop in time.
 */
import { Fifo } from './fifo.js';
import type { Frame } from './frame.js';

/** What a frame takes beside its payload. @internal */
export const FRAME_COST = 96;

/** Of a chunk of which less than this part is held, payloads are copied: so a kept frame pins at most four times itself. */
const SPARSE = 4;

/** Takes frames: a promise says when it is ready for the next one. @internal */
export type Handler = (frame: Frame) => unknown;

/** @internal */
export class Inbox {
  /** Answers who handles a frame; `undefined`: it waits to be asked for. */
  readonly #handler: (frame: Frame) => Handler | undefined;
  /** Called when frames were handed out that had waited. */
  readonly #emptied: () => void;
  readonly #queue = new Fifo<Frame>();
  #bytes = 0;
  #asking: ((frame: Frame | undefined) => void)[] = [];
  /** A handler has not settled its promise yet. */
  #busy = false;
  #pumpScheduled = false;
  #ended = false;
  /** What is kept of the chunk that is being decoded, and its bytes. */
  #kept: Frame[] = [];
  #keptBytes = 0;

  constructor(handler: (frame: Frame) => Handler | undefined, emptied: () => void) {
    this.#handler = handler;
    this.#emptied = emptied;
  }

  /** Bytes of the frames that wait, each with its cost. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Frames that wait. */
  get length(): number {
    return this.#queue.length;
  }

  /** Hands a frame out, or keeps it. */
  push(frame: Frame): void {
    if (this.#ended) {
      return;
    }
    if (this.#queue.length === 0 && !this.#busy) {
      const handler = this.#handler(frame);
      if (handler !== undefined) {
        this.#handle(handler, frame);
        return;
      }
      const asking = this.#asking.shift();
      if (asking !== undefined) {
        asking(frame);
        return;
      }
    }
    this.#queue.push(frame);
    this.#bytes += frame.payload.length + FRAME_COST;
    this.#kept.push(frame);
    this.#keptBytes += frame.payload.length;
  }

  /** A chunk of so many bytes is decoded: if little of it is kept, the rest is not kept with it. */
  chunkDone(chunk: number): void {
    if (this.#kept.length === 0) {
      return;
    }
    if (this.#keptBytes * SPARSE < chunk) {
      for (const frame of this.#kept) {
        frame.payload = Buffer.from(frame.payload);
      }
    }
    this.#kept = [];
    this.#keptBytes = 0;
  }

  /** The next frame if one waits. */
  take(): Frame | undefined {
    const frame = this.#queue.shift();
    if (frame !== undefined) {
      this.#bytes -= frame.payload.length + FRAME_COST;
      this.#emptied();
    }
    return frame;
  }

  /** The next frame, when there is one; `undefined` when there will be none any more. */
  ask(): { frame: Promise<Frame | undefined>; forget: () => void } {
    const first = this.#queue.peek();
    const free = first !== undefined && !this.#busy && this.#handler(first) === undefined;
    const waiting = free ? this.take() : undefined;
    if (waiting !== undefined || (this.#ended && this.length === 0)) {
      return { frame: Promise.resolve(waiting), forget: () => undefined };
    }
    let settle!: (frame: Frame | undefined) => void;
    const frame = new Promise<Frame | undefined>((resolve) => (settle = resolve));
    this.#asking.push(settle);
    const forget = (): void => {
      this.#asking = this.#asking.filter((asking) => asking !== settle);
      settle(undefined);
    };
    return { frame, forget };
  }

  /** Somebody handles frames who did not before: those that wait are handed out once the turn is over. */
  kick(): void {
    if (!this.#pumpScheduled) {
      this.#pumpScheduled = true;
      setImmediate(() => {
        this.#pumpScheduled = false;
        this.#pump();
      });
    }
  }

  /** Nothing more comes; what waits is still handed out. */
  end(): void {
    this.#ended = true;
    if (this.length === 0) {
      for (const settle of this.#asking.splice(0)) {
        settle(undefined);
      }
    } else {
      this.kick();
    }
  }

  /** Takes out everything that waits. */
  drain(): Frame[] {
    this.#bytes = 0;
    return this.#queue.drain();
  }

  #pump(): void {
    while (!this.#busy && this.#queue.length > 0) {
      const frame = this.#queue.peek()!;
      const handler = this.#handler(frame);
      if (handler === undefined && this.#asking.length === 0) {
        return;
      }
      this.take();
      if (handler !== undefined) {
        this.#handle(handler, frame);
      } else {
        this.#asking.shift()!(frame);
      }
    }
    if (this.#ended && this.length === 0) {
      this.end();
    }
  }

  #handle(handler: Handler, frame: Frame): void {
    try {
      const handled = handler(frame);
      if (isPromise(handled)) {
        this.#busy = true;
        handled.then(this.#handled, this.#failed);
      }
    } catch (error) {
      rethrow(error);
    }
  }

  readonly #handled = (): void => {
    this.#busy = false;
    this.#pump();
  };

  readonly #failed = (error: unknown): void => {
    rethrow(error);
    this.#handled();
  };
}

/** @internal */
export function isPromise(value: unknown): value is Promise<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}

/**
 * What a handler throws is the program's: it surfaces as an uncaught exception, as from any event listener, and leaves the
 * client as it was. @internal
 */
export function rethrow(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}
