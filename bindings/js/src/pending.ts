/** Operations that wait: for the broker's answer, and in front of that for room to be handed over. */
import { RESPONSE_OK, knownCode } from './constants.js';
import { BusError } from './errors.js';
import { Fifo } from './fifo.js';
import type { Operation } from './operation.js';

/** Operations whose answer is open, by their id. One that timed out keeps its place until it is answered. @internal */
export class Pending {
  readonly #operations = new Map<number, Operation>();
  #lastId = 0;
  /** Those of them for which somebody waits. */
  waiting = 0;

  get size(): number {
    return this.#operations.size;
  }

  /** An id that no open operation has. */
  nextId(): number {
    do {
      this.#lastId = (this.#lastId + 1) >>> 0;
    } while (this.#operations.has(this.#lastId));
    return this.#lastId;
  }

  add(id: number, operation: Operation): void {
    this.#operations.set(id, operation);
    this.waiting += 1;
  }

  /** The broker's answer. One to nothing is passed over: published brokers answer some operations twice. */
  answer(id: number, result: number): void {
    const operation = this.#operations.get(id);
    if (operation === undefined) {
      return;
    }
    this.#operations.delete(id);
    if (operation.stage !== 'over') {
      this.waiting -= 1;
      operation.finish(result === RESPONSE_OK ? undefined : BusError.refused(knownCode(result)));
    }
  }

  /** Tells whoever waits for one that it is over; its answer may still come. */
  giveUp(operation: Operation, error: BusError): void {
    if (operation.stage === 'sent') {
      this.waiting -= 1;
      operation.finish(error);
    }
  }

  /** Ends what somebody waits for, though its answer may still come. */
  giveUpAll(error: () => BusError): void {
    for (const operation of this.#operations.values()) {
      this.giveUp(operation, error());
    }
  }

  /** Ends what was sent up to a tick and has no deadline of its own; answers how many. */
  endUntil(tick: number, error: () => BusError): number {
    let ended = 0;
    for (const operation of this.#operations.values()) {
      if (operation.tick > tick) {
        break;
      }
      if (operation.stage === 'sent' && !operation.ownDeadline) {
        this.giveUp(operation, error());
        ended += 1;
      }
    }
    return ended;
  }

  /** No answers will come: ends everything, each with what is known about it. */
  endAll(error: (operation: Operation) => BusError): void {
    const operations = [...this.#operations.values()];
    this.#operations.clear();
    this.waiting = 0;
    for (const operation of operations) {
      if (operation.stage === 'sent') {
        operation.finish(error(operation));
      }
    }
  }
}

/** What a waiting operation takes beside its payload. */
const COST = 256;

/** Operations that wait for room or for a connection, in order. @internal */
export class Waiting {
  readonly #queue = new Fifo<Operation>();
  #length = 0;
  #bytes = 0;

  get length(): number {
    return this.#length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  push(operation: Operation): void {
    this.#queue.push(operation);
    this.#length += 1;
    this.#bytes += operation.payload.length + COST;
  }

  /** The first one, which stays. Those that were given up are passed over. */
  peek(): Operation | undefined {
    let operation = this.#queue.peek();
    while (operation !== undefined && operation.stage !== 'waiting') {
      this.#queue.shift();
      operation = this.#queue.peek();
    }
    return operation;
  }

  /** Takes out the one that `peek` answered. */
  shift(): void {
    this.#forget(this.#queue.shift()!);
  }

  /** Tells whoever waits for one that it will not be done. */
  giveUp(operation: Operation, error: BusError): void {
    if (operation.stage === 'waiting') {
      this.#forget(operation);
      operation.finish(error);
    }
  }

  /** Ends all of them. */
  endAll(error: () => BusError): void {
    for (const operation of this.#queue.drain()) {
      this.giveUp(operation, error());
    }
  }

  /** Those that wait. */
  all(): Operation[] {
    const waiting = this.#queue.drain().filter(({ stage }) => stage === 'waiting');
    for (const operation of waiting) {
      this.#queue.push(operation);
    }
    return waiting;
  }

  #forget(operation: Operation): void {
    this.#length -= 1;
    this.#bytes -= operation.payload.length + COST;
  }
}
