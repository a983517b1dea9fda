/** What comes over the connection: to the RPC layer or the inbox, and when reading has to stop. */
import { OP_MESSAGE } from './constants.js';
import type { Core } from './core.js';
import { BusError } from './errors.js';
import { Frame } from './frame.js';
import { Inbox, type Handler } from './inbox.js';

/** Takes one-to-one messages before they become frames: the RPC layer. @internal */
export interface MessageTaker {
  /** Whether it has dealt with the message. */
  take(sender: string, realtime: boolean, bytes: Buffer, start: number, end: number): boolean;
  /** Whether anybody wants a frame that it has not dealt with. */
  wants(frame: Frame): boolean;
  /** Who handles such a frame, in place of the client. */
  handler(frame: Frame): Handler | undefined;
  /** The connection is gone: no replies to what was placed over it will come. */
  connectionLost(): void;
}

/** @internal */
export class Intake {
  readonly #core: Core;
  readonly inbox: Inbox;
  /** Nothing is read for now. */
  isPaused = false;
  taker: MessageTaker | undefined;
  /** Somebody iterates over frames. */
  isIterated = false;
  /** Frames that were left out, because with an RPC layer reading goes on however full the inbox is. */
  dropped = 0;

  constructor(core: Core, handler: (frame: Frame) => Handler | undefined) {
    this.#core = core;
    this.inbox = new Inbox(handler, () => {
      this.readOn();
    });
  }

  /** From now on messages go to an RPC layer first, those too that wait already. */
  attach(taker: MessageTaker): void {
    if (this.taker !== undefined) {
      throw new TypeError(
        'this client has an RPC layer already: one Rpc or Service does all calls and all methods',
      );
    }
    this.taker = taker;
    // Methods that are added in this turn are there by then.
    process.nextTick(() => {
      for (const frame of this.inbox.drain()) {
        const { sender, realtime, payload } = frame;
        const taken = frame.kind === 'message' && taker.take(sender!, realtime, payload, 0, payload.length);
        if (!taken && taker.wants(frame)) {
          this.inbox.push(frame);
        }
      }
      this.readOn();
    });
  }

  /** A frame came: its payload are the bytes from `start` to `end`. */
  take(
    kind: number,
    realtime: boolean,
    sender: string,
    topic: string | undefined,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const { taker, inbox } = this;
    const { settings, phase } = this.#core;
    if (kind === OP_MESSAGE && taker?.take(sender, realtime, bytes, start, end) === true) {
      return;
    }
    if (taker === undefined && !settings.receive) {
      return;
    }
    const frame = Frame.received(kind, realtime, sender, topic, bytes.subarray(start, end));
    if (taker !== undefined) {
      if (!taker.wants(frame)) {
        return;
      }
      if (inbox.bytes >= settings.inboxHardLimit) {
        this.dropped += 1;
        return;
      }
    }
    // A client that is closing reads on, for what the broker has to answer.
    if (phase !== 'closing' || inbox.bytes < settings.inboxLimit) {
      inbox.push(frame);
    }
  }

  /** At the inbox's limit what comes is left with the broker, unless an answer is expected behind it. */
  stopIfFull(): void {
    const { inbox } = this;
    const { settings, pending, link, phase, events } = this.#core;
    if (
      this.taker !== undefined ||
      inbox.bytes < settings.inboxLimit ||
      link === undefined ||
      phase === 'closing'
    ) {
      return;
    }
    const limit = settings.inboxHardLimit;
    if (pending.waiting > 0 && inbox.bytes < limit) {
      return;
    }
    pending.giveUpAll(() => {
      return new BusError(
        'inboxFull',
        `the answer was not read: unread frames take more than ${limit} bytes`,
      );
    });
    if (!this.isPaused) {
      this.isPaused = true;
      link.pause();
      events.inboxLagging(inbox.bytes);
    }
  }

  /** Reads again, if there is room or an answer is expected. */
  readOn(): void {
    const { settings, pending, phase } = this.#core;
    const limit = pending.waiting > 0 ? settings.inboxHardLimit : settings.inboxLimit;
    if (this.isPaused && (this.taker !== undefined || phase === 'closing' || this.inbox.bytes < limit)) {
      this.isPaused = false;
      this.#core.link?.resume();
    }
  }
}
