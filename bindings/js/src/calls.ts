/** Calls that wait for their reply. Each ends: by its reply, by the broker's verdict, or by its deadline. */
import { randomInt } from 'node:crypto';
import type { Client } from './client.js';
import { OP_MESSAGE, Qos } from './constants.js';
import { BusError, RpcError } from './errors.js';
import { primaryName } from './names.js';
import { Operation } from './operation.js';
import { ERROR_HEADER, REPLY_HEADER, requestFront } from './rpc-format.js';

/** How a method is called. */
export interface CallOptions {
  /** Milliseconds until the call fails with `timedOut`. Default: the layer's. */
  readonly timeout?: number;
  /** Gives up waiting for the reply. */
  readonly signal?: AbortSignal;
  /** Request and reply are flushed at once on their whole way. Default false. */
  readonly realtime?: boolean;
}

interface Call {
  readonly target: string;
  readonly since: number;
  readonly resolve: (result: Buffer) => void;
  readonly reject: (error: Error) => void;
  operation: Operation | undefined;
  timer: NodeJS.Timeout | undefined;
  /** The broker has placed the request with its target. */
  placed: boolean;
  cleanUp: (() => void) | undefined;
}

/** @internal */
export class Calls {
  readonly #client: Client;
  readonly #limit: number;
  readonly #timeout: number;
  readonly #pending = new Map<number, Call>();
  /** Called when there is a call that was not there before. */
  readonly #began: () => void;
  // From a random start: a client that took over the name of another one does not get its replies.
  #lastId = randomInt(0xffff_ffff);
  strays = 0;

  constructor(client: Client, timeout: number, limit: number, began: () => void) {
    this.#client = client;
    this.#timeout = timeout;
    this.#limit = limit;
    this.#began = began;
  }

  get size(): number {
    return this.#pending.size;
  }

  /** When the oldest call began, in milliseconds of `performance.now()`. */
  get oldest(): number | undefined {
    for (const call of this.#pending.values()) {
      return call.since;
    }
    return undefined;
  }

  /** Whom calls wait for. */
  get targets(): Set<string> {
    return new Set(Array.from(this.#pending.values(), ({ target }) => target));
  }

  /** Calls a method: the bytes of its result. */
  start(target: string, method: string, params: Uint8Array, options: CallOptions = {}): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.#pending.size >= this.#limit) {
        throw new BusError(
          'tooManyCalls',
          `more calls wait for their reply than the limit of ${this.#limit}`,
        );
      }
      const address = this.#client.sender.addresses.target(target);
      const id = this.#nextId();
      const front = requestFront(id, method);
      this.#client.sender.checkLength(address.length + front.length + params.length);
      const { signal } = options;
      if (signal?.aborted === true) {
        throw BusError.aborted(signal, 'refused');
      }
      const call: Call = {
        target,
        since: performance.now(),
        resolve,
        reject,
        operation: undefined,
        timer: undefined,
        placed: false,
        cleanUp: undefined,
      };
      this.#pending.set(id, call);
      const qos = options.realtime === true ? Qos.RealtimeProcessed : Qos.Processed;
      const operation = new Operation(OP_MESSAGE | (qos << 6), address, front, params, (error) => {
        if (error === undefined) {
          call.placed = true;
        } else {
          this.#fail(id, error);
        }
      });
      // The call's own deadline counts, whatever becomes of the broker's verdict.
      operation.ownDeadline = true;
      call.operation = operation;
      this.#limitTime(id, call, operation, options);
      this.#client.core.submit(operation);
      this.#began();
    });
  }

  /** A reply came. It counts only from whom was called. */
  complete(id: number, sender: string, bytes: Buffer, start: number, end: number): void {
    const call = this.#pending.get(id);
    if (call?.target !== sender) {
      this.strays += 1;
      return;
    }
    this.#end(id, call);
    call.resolve(bytes.subarray(start + REPLY_HEADER, end));
  }

  /** An error reply came. */
  completeWithError(id: number, sender: string, bytes: Buffer, start: number, end: number): void {
    const call = this.#pending.get(id);
    if (call?.target !== sender) {
      this.strays += 1;
      return;
    }
    this.#end(id, call);
    const reason = Buffer.from(bytes.subarray(start + ERROR_HEADER, end));
    call.reject(new RpcError(bytes.readInt16LE(start + REPLY_HEADER), reason));
  }

  /** A client left the bus, and its secondaries with it: no replies from them will come. */
  targetLeft(name: string): void {
    for (const [id, { target }] of this.#pending) {
      if (target === name || primaryName(target) === name) {
        this.#fail(id, new BusError('targetLeft', `${target} left the bus before it replied`));
      }
    }
  }

  /** No replies will come over the connection that is gone. The client itself ends what had no verdict yet. */
  connectionLost(): void {
    for (const [id, call] of this.#pending) {
      if (call.placed) {
        this.#fail(id, BusError.connectionLost());
      }
    }
  }

  #nextId(): number {
    do {
      this.#lastId = (this.#lastId + 1) >>> 0;
    } while (this.#lastId === 0 || this.#pending.has(this.#lastId));
    return this.#lastId;
  }

  #limitTime(
    id: number,
    call: Call,
    operation: Operation,
    { timeout = this.#timeout, signal }: CallOptions,
  ): void {
    const { core } = this.#client;
    const giveUp = (error: (outcome: 'refused' | 'unknown') => BusError): void => {
      core.giveUp(operation, error);
      this.#fail(id, error('unknown'));
    };
    call.timer = setTimeout(() => {
      giveUp((outcome) => BusError.timedOut(timeout, outcome));
    }, timeout);
    if (signal !== undefined) {
      const abort = (): void => {
        giveUp((outcome) => BusError.aborted(signal, outcome));
      };
      signal.addEventListener('abort', abort);
      call.cleanUp = () => {
        signal.removeEventListener('abort', abort);
      };
    }
  }

  #fail(id: number, error: BusError): void {
    const call = this.#pending.get(id);
    if (call !== undefined) {
      this.#end(id, call);
      call.reject(error);
    }
  }

  #end(id: number, call: Call): void {
    this.#pending.delete(id);
    clearTimeout(call.timer);
    call.cleanUp?.();
    if (call.operation !== undefined) {
      // Nobody waits for a verdict that comes behind the reply; if it does not come at all, it is forgotten in time.
      call.operation.ownDeadline = false;
    }
  }
}
