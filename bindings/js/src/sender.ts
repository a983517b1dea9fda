/** How operations of a client become frames: addresses and lengths are checked, filters noted, deadlines kept. */
import { Addresses } from './addresses.js';
import type { SendOptions } from './client-types.js';
import { OP_BROADCAST, OP_MESSAGE, OP_NOP, OP_PUBLISH, Qos } from './constants.js';
import { OP_EXCLUDE, OP_SUBSCRIBE, OP_UNEXCLUDE, OP_UNSUBSCRIBE } from './constants.js';
import type { Core } from './core.js';
import { BusError } from './errors.js';
import type { Asked, FilterOp } from './filters.js';
import type { Frame } from './frame.js';
import { filterFault } from './names.js';
import { Operation, type Payload } from './operation.js';
import { LARGE } from './outbox.js';
import { SentFrame } from './sent-frame.js';

/** What is handed over at once and asks for no answer is done. */
const SENT: Promise<void> = Promise.resolve();

/** Bytes a UTF-16 unit takes in UTF-8 at most. */
const UTF8_MOST = 3;

const NOTHING = Buffer.alloc(0);

/** @internal */
export class Sender {
  readonly addresses: Addresses;
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
    this.addresses = new Addresses(core.settings);
  }

  /** Does an operation; `front` are bytes in front of the payload. Throws if it is none, or too large. */
  perform(
    op: number,
    address: Buffer,
    payload: Payload,
    options: SendOptions | undefined,
    front?: Buffer,
  ): Promise<void> {
    const core = this.#core;
    const qos = options?.qos ?? Qos.Processed;
    if (qos >>> 2 !== 0) {
      throw new RangeError(`qos must be from 0 to 3, not ${String(qos)}`);
    }
    // By its shape, not by its class: the program may run in another realm.
    if (typeof payload !== 'string' && payload.BYTES_PER_ELEMENT !== 1) {
      throw new TypeError('a payload is a string or a Uint8Array');
    }
    const opAndQos = op | (qos << 6);
    if (payload.length * UTF8_MOST + address.length + (front?.length ?? 0) > core.settings.frameLimit) {
      this.checkLength(address.length + (front?.length ?? 0) + Buffer.byteLength(payload));
    }
    if ((opAndQos & 0x40) === 0 && payload.length <= LARGE && front === undefined && core.canTake()) {
      core.append(opAndQos, address, payload);
      return SENT;
    }
    return new Promise((resolve, reject) => {
      const operation = new Operation(opAndQos, address, front, payload, (error) => {
        if (error === undefined) {
          resolve();
        } else {
          reject(error);
        }
      });
      if (options?.timeout !== undefined || options?.signal !== undefined) {
        guard(core, operation, options);
      }
      if (operation.stage !== 'over') {
        core.submit(operation);
      }
    });
  }

  /** Throws if a frame is over the limit. */
  checkLength(length: number): void {
    const limit = this.#core.settings.frameLimit;
    if (length > limit) {
      throw new BusError('tooLarge', `a frame of ${length} bytes is over the limit of ${limit} bytes`);
    }
  }

  /** Changes what is subscribed or excluded, now and after each reconnect. */
  async filter(
    op: FilterOp,
    filters: string | readonly string[],
    options: SendOptions | Qos | undefined,
  ): Promise<SentFrame> {
    const list = typeof filters === 'string' ? [filters] : filters;
    const core = this.#core;
    const { topicLimits, filterLimit } = core.settings;
    for (const filter of list) {
      const fault = filterFault(filter, topicLimits);
      if (fault !== undefined) {
        throw new BusError('topic', `${JSON.stringify(filter)} is no topic filter: ${fault}`);
      }
    }
    if (!core.filters.hasRoom(op, list, filterLimit)) {
      throw new BusError(
        'tooManyFilters',
        `more filters subscribed and excluded than the limit of ${filterLimit}`,
      );
    }
    const how = typeof options === 'number' ? { qos: options } : options;
    const asked = core.filters.note(op, list);
    try {
      const verdict = this.perform(op, NOTHING, list.join('\0'), how);
      await verdict;
      return new SentFrame(how?.qos ?? Qos.Processed, verdict);
    } catch (error) {
      this.#reconsider(asked, error);
      throw error;
    }
  }

  /** Whether what was noted is still to be asked for after a reconnect. */
  #reconsider(asked: Asked, error: unknown): void {
    const { filters } = this.#core;
    const { kind, outcome } = error as Partial<BusError>;
    if (kind === 'refused') {
      filters.refused(asked);
    } else if (kind === 'connectionLost') {
      filters.unanswered(asked);
    } else if (outcome !== 'unknown') {
      filters.undo(asked);
    }
  }

  /** Sends a frame as the published package does: its type says what the target is. */
  async sendFrame(target: string | null | undefined, frame: Frame): Promise<SentFrame> {
    const qos = (frame.qos & 3) as Qos;
    const { type, payload } = frame;
    if (type === OP_SUBSCRIBE || type === OP_UNSUBSCRIBE || type === OP_EXCLUDE || type === OP_UNEXCLUDE) {
      return this.filter(type, payload.toString().split('\0'), qos);
    }
    const verdict = this.perform(type, this.#addressOf(type, target ?? ''), payload, { qos });
    const sent = new SentFrame(qos, verdict);
    if ((qos & 1) === 0) {
      await verdict;
    }
    return sent;
  }

  #addressOf(type: number, target: string): Buffer {
    switch (type) {
      case OP_NOP:
        return NOTHING;
      case OP_MESSAGE:
        return this.addresses.target(target);
      case OP_BROADCAST:
        return this.addresses.mask(target);
      case OP_PUBLISH:
        return this.addresses.topic(target);
      default:
        throw new TypeError(`a frame of type ${type} cannot be sent`);
    }
  }
}

/** Gives an operation a deadline of its own and an end at the caller's will. */
function guard(core: Core, operation: Operation, { timeout, signal }: SendOptions): void {
  if (signal?.aborted === true) {
    operation.finish(BusError.aborted(signal, 'refused'));
    return;
  }
  let timer: NodeJS.Timeout | undefined;
  if (timeout !== undefined) {
    operation.ownDeadline = true;
    timer = setTimeout(() => {
      core.giveUp(operation, (outcome) => BusError.timedOut(timeout, outcome));
    }, timeout);
  }
  const abort = (): void => {
    core.giveUp(operation, (outcome) => BusError.aborted(signal!, outcome));
  };
  signal?.addEventListener('abort', abort);
  operation.cleanUp = () => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  };
}
