/** One operation of a client, from being asked for to its verdict. */
import type { BusError } from './errors.js';

/** A payload: a string is sent as UTF-8. */
export type Payload = string | Uint8Array;

/**
 * Where an operation is: not handed over yet; encoded into the outbox, its answer open; or over, whoever waited for it
 * told. @internal
 */
export type Stage = 'waiting' | 'sent' | 'over';

/** @internal */
export class Operation {
  readonly opAndQos: number;
  /** The body in front of the payload: target, mask or topic with the separator. */
  readonly address: Buffer;
  /** The first bytes of the payload: the header of an RPC frame. */
  readonly front: Buffer | undefined;
  readonly payload: Payload;
  stage: Stage = 'waiting';
  /** The position of its first byte among all those of the connection. */
  start = 0;
  /** When it was sent, in ticks of the client's clock. */
  tick = 0;
  /** Has a deadline of its own, so that the client's does not count. */
  ownDeadline = false;
  /** Called when it is over: takes back a timer or a listener. */
  cleanUp: (() => void) | undefined;
  /** Called when it waits no more: it was handed over, or will not be. */
  left: (() => void) | undefined;
  /** Ends it if there is no connection for too long. */
  patience: NodeJS.Timeout | undefined;
  #done: ((error: BusError | undefined) => void) | undefined;

  constructor(
    opAndQos: number,
    address: Buffer,
    front: Buffer | undefined,
    payload: Payload,
    done: (error: BusError | undefined) => void,
  ) {
    this.opAndQos = opAndQos;
    this.address = address;
    this.front = front;
    this.payload = payload;
    this.#done = done;
  }

  /** Whether the broker is asked for an answer. */
  get acknowledged(): boolean {
    return (this.opAndQos & 0x40) !== 0;
  }

  /** Whether it is to be flushed at once. */
  get realtime(): boolean {
    return (this.opAndQos & 0x80) !== 0;
  }

  /** It waits no more. */
  leave(): void {
    clearTimeout(this.patience);
    this.left?.();
    this.left = undefined;
  }

  /** Tells whoever waits, once. */
  finish(error: BusError | undefined): void {
    this.stage = 'over';
    this.leave();
    this.cleanUp?.();
    const done = this.#done;
    this.#done = undefined;
    done?.(error);
  }
}
