/** Methods that other clients call. */
import { RPC_ERROR_CODE_PARSE } from './constants.js';
import type { Client } from './client.js';
import { RpcError } from './errors.js';
import { isPromise } from './inbox.js';
import type { Lane } from './lane.js';
import { msgpack } from './msgpack.js';
import type { Payload } from './operation.js';
import { Context, type Request, type Route } from './requests.js';
import { DESCRIBE, Rpc, type RpcOptions } from './rpc.js';

/**
 * Handles requests: what it returns, or the promise of it, is the result; what it throws is the error. An `RpcError` has
 * its own code; a `BusError`, such as of a call of its own, travels as an error of the bus; any other is -32603.
 */
// Params are what the caller sends: any shape that the handler declares for them.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type MethodHandler<Params = any> = (params: Params, context: Context) => unknown;

/** Handles requests whose params and results are bytes. */
export type RawHandler = (
  params: Buffer,
  context: Context,
) => Payload | undefined | Promise<Payload | undefined>;

/** How a method is offered. */
export interface MethodOptions {
  /** A line for whoever asks what the service offers. */
  readonly description?: string;
  /**
   * Requests for it that are handled at a time: then it neither takes part in the common limit nor waits for it.
   * 1 to 1,048,576.
   */
  readonly concurrent?: number;
}

interface Method extends Route {
  readonly name: string;
  readonly description: string;
}

/**
 * An RPC layer with methods: it serves and calls at once.
 *
 * ```js
 * const client = new Client('plant.adder');
 * const service = new Service(client);
 * service.method('add', ({ a, b }) => a + b, { description: 'Adds a and b.' });
 * await client.connect();
 * ```
 *
 * Methods are added before the client connects, or at least before the next `await`. Requests beyond the limits are answered
 * *busy*; the service never stops reading.
 */
export class Service extends Rpc {
  readonly #routes = new Map<string, Method>();

  constructor(client: Client, options: RpcOptions = {}) {
    super(client, options);
    this.#add(DESCRIBE, () => msgpack.encode(this.description()), {});
  }

  /** Adds a method whose params and results go through the codec. No params, and nil, come as an empty object. */
  method<Params>(name: string, handler: MethodHandler<Params>, options: MethodOptions = {}): this {
    return this.#addChecked(
      name,
      (request, context) => {
        const result = handler(this.#params(request) as Params, context);
        return isPromise(result) ? result.then((value) => this.#result(value)) : this.#result(result);
      },
      options,
    );
  }

  /** Adds a method whose params and results are any bytes. */
  rawMethod(name: string, handler: RawHandler, options: MethodOptions = {}): this {
    return this.#addChecked(
      name,
      ({ params }, context) => {
        const result = handler(params, context);
        return isPromise(result) ? result.then(orNothing) : orNothing(result);
      },
      options,
    );
  }

  /** What this service offers. */
  description(): { methods: { name: string; description: string }[] } {
    const methods = [...this.#routes.values()]
      .filter(({ name }) => name !== DESCRIBE)
      .map(({ name, description }) => ({ name, description }))
      .sort((one, other) => (one.name < other.name ? -1 : 1));
    return { methods };
  }

  /** @internal */
  override route(method: string): Route | undefined {
    return this.#routes.get(method) ?? super.route(method);
  }

  #addChecked(name: string, handle: Handle, options: MethodOptions): this {
    if (name === '' || name.includes('\0') || name.startsWith('.')) {
      throw new TypeError(
        `${JSON.stringify(name)} cannot be a method: it is empty, holds NUL or begins with a dot`,
      );
    }
    if (this.#routes.has(name)) {
      throw new TypeError(`the method ${JSON.stringify(name)} is there already`);
    }
    this.#add(name, handle, options);
    return this;
  }

  #add(name: string, handle: Handle, { description = '', concurrent }: MethodOptions): void {
    const lane: Lane = concurrent === undefined ? this.sharedLane : this.lane(concurrent);
    const run = (request: Request): Payload | Promise<Payload> => {
      const context = new Context(request);
      let result: Payload | Promise<Payload> | undefined;
      try {
        result = handle(request, context);
      } finally {
        if (!isPromise(result)) {
          context.end();
        }
      }
      return isPromise(result)
        ? result.finally(() => {
            context.end();
          })
        : result;
    };
    this.#routes.set(name, { name, description, lane, handle: run });
  }

  #params({ params }: Request): unknown {
    if (params.length === 0) {
      return {};
    }
    try {
      return this.codec.decode(params) ?? {};
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new RpcError(RPC_ERROR_CODE_PARSE, `the params cannot be decoded: ${reason}`);
    }
  }

  #result(value: unknown): Uint8Array {
    return this.codec.encode(value ?? null);
  }
}

type Handle = (request: Request, context: Context) => Payload | Promise<Payload>;

function orNothing(result: Payload | undefined): Payload {
  return result ?? '';
}
