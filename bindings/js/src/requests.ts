/** Requests of others: who handles them, how many at a time, and what is answered. */
import type { CallOptions } from './calls.js';
import type { Client } from './client.js';
import {
  ERR_BUSY,
  OP_MESSAGE,
  Qos,
  RPC_ERROR_CODE_INTERNAL,
  RPC_ERROR_CODE_METHOD_NOT_FOUND,
} from './constants.js';
import { RpcError } from './errors.js';
import { isPromise } from './inbox.js';
import type { Lane, Waiter } from './lane.js';
import { primaryName } from './names.js';
import { Operation, type Payload } from './operation.js';
import type { Rpc } from './rpc.js';
import { errorFront, replyFront } from './rpc-format.js';
import { failureOf } from './rpc-types.js';

/** Answers that are sent without a handler while the outbox is full: beyond that they are left out. */
const ANSWERS = 1_024;

/** Who handles the requests for a method. @internal */
export interface Route {
  readonly lane: Lane;
  /** Handles one: the bytes of the result, or a promise of them. */
  handle(request: Request): Payload | Promise<Payload>;
}

/** A request on its way to its answer. @internal */
export class Request implements Waiter {
  readonly rpc: Rpc;
  readonly sender: string;
  readonly id: number;
  readonly method: string;
  readonly params: Buffer;
  readonly realtime: boolean;
  route: Route | undefined;

  constructor(rpc: Rpc, sender: string, realtime: boolean, id: number, method: string, params: Buffer) {
    this.rpc = rpc;
    this.sender = sender;
    this.realtime = realtime;
    this.id = id;
    this.method = method;
    this.params = params;
  }

  get bytes(): number {
    return this.params.length + 256;
  }

  /** Finds who handles it, and answers at once if nobody does or if too many wait. */
  admit(route: Route | undefined): boolean {
    if (route === undefined) {
      this.#refuse(
        new RpcError(RPC_ERROR_CODE_METHOD_NOT_FOUND, `there is no method ${JSON.stringify(this.method)}`),
      );
      return true;
    }
    this.route = route;
    if (!route.lane.admit(this)) {
      this.#refuse(RpcError.ofBus(ERR_BUSY, 'too many requests wait'));
      return false;
    }
    return true;
  }

  run(): Promise<void> | undefined {
    try {
      const handled = this.route!.handle(this);
      return isPromise(handled) ? this.#settle(handled) : this.#answer(replyFront(this.id), handled);
    } catch (error) {
      return this.#fail(error);
    }
  }

  async #settle(handled: Promise<Payload>): Promise<void> {
    try {
      await this.#answer(replyFront(this.id), await handled);
    } catch (error) {
      await this.#fail(error);
    }
  }

  #fail(error: unknown): Promise<void> | undefined {
    const { code, payload } = failureOf(error);
    try {
      return this.#answer(errorFront(this.id, code), payload);
    } catch {
      return this.#answer(errorFront(this.id, RPC_ERROR_CODE_INTERNAL), 'the reason is too large');
    }
  }

  #refuse(error: RpcError): void {
    if (this.rpc.client.core.waiting.length < ANSWERS) {
      void this.#fail(error);
    }
  }

  /** Sends an answer; the promise ends when it was handed over, if that is not at once. */
  #answer(front: Buffer, payload: Payload): Promise<void> | undefined {
    if (this.id === 0) {
      return undefined;
    }
    const { client } = this.rpc;
    const address = client.sender.addresses.sender(this.sender);
    const length = address.length + front.length + Buffer.byteLength(payload);
    const { frameLimit } = client.core.settings;
    if (length > frameLimit) {
      throw new RpcError(
        RPC_ERROR_CODE_INTERNAL,
        `the reply of ${length} bytes is over the limit of ${frameLimit} bytes`,
      );
    }
    const qos = this.realtime ? Qos.RealtimeProcessed : Qos.Processed;
    // That the caller is gone concerns nobody.
    const operation = new Operation(OP_MESSAGE | (qos << 6), address, front, payload, () => undefined);
    return handedOver(client, operation);
  }
}

function handedOver(client: Client, operation: Operation): Promise<void> | undefined {
  client.core.submit(operation);
  if (operation.stage !== 'waiting') {
    return undefined;
  }
  return new Promise((resolve) => {
    operation.left = resolve;
  });
}

/** What a handler knows about the request beside its params. */
export class Context {
  readonly #request: Request;
  #calls = 0;
  #aside = false;
  #ended = false;

  /** @internal */
  constructor(request: Request) {
    this.#request = request;
  }

  /** Who calls. */
  get caller(): string {
    return this.#request.sender;
  }

  /** Who calls, without the suffix of a secondary. */
  get primaryCaller(): string {
    return primaryName(this.#request.sender);
  }

  /** The name of the method. */
  get method(): string {
    return this.#request.method;
  }

  /** The params as they came. */
  get payload(): Buffer {
    return this.#request.params;
  }

  /** Whether request and reply are real-time. */
  get realtime(): boolean {
    return this.#request.realtime;
  }

  /** Whether the caller wants a reply. */
  get wantsReply(): boolean {
    return this.#request.id !== 0;
  }

  /** The layer: to call, to notify, and for its client. */
  get rpc(): Rpc {
    return this.#request.rpc;
  }

  /**
   * Calls another service, as `Rpc.call`. While it waits this handler does not count as running, so that services that call
   * each other do not wait for each other's lanes.
   */
  async call(target: string, method: string, params?: unknown, options?: CallOptions): Promise<unknown> {
    const { lane } = this.#request.route!;
    this.#calls += 1;
    if (this.#calls === 1 && !this.#ended) {
      this.#aside = lane.stepAside();
    }
    try {
      return await this.rpc.call(target, method, params, options);
    } finally {
      this.#calls -= 1;
      if (this.#calls === 0 && this.#aside) {
        this.#aside = false;
        lane.stepBack();
      }
    }
  }

  /** The handler has ended, whatever calls of its own go on. @internal */
  end(): void {
    this.#ended = true;
    if (this.#aside) {
      this.#aside = false;
      this.#request.route!.lane.stepBack();
    }
  }
}
