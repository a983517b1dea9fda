/** Calls of other clients' methods, and whatever others send over RPC. */
import { Calls, type CallOptions } from './calls.js';
import type { FrameHandler, SendOptions } from './client-types.js';
import type { Client } from './client.js';
import { OP_MESSAGE } from './constants.js';
import { Dispatcher } from './dispatcher.js';
import { BusError } from './errors.js';
import { Frame, bytesOf } from './frame.js';
import { isPromise } from './inbox.js';
import { Lane } from './lane.js';
import { msgpack, type Codec } from './msgpack.js';
import type { Payload } from './operation.js';
import { within } from './options.js';
import type { Request, Route } from './requests.js';
import { NOTIFICATION_FRONT, requestFront } from './rpc-format.js';
import {
  RpcReply,
  replyEvent,
  requestEvent,
  type RpcEvent,
  type RpcNotification,
  type RpcRequest,
} from './rpc-types.js';
import { Watch } from './watch.js';

/** Settings of an RPC layer. Times are in milliseconds. */
export interface RpcOptions {
  /** For a call, unless it has its own. Default 5,000; 1 to 86,400,000. */
  readonly timeout?: number;
  /** Calls that wait for their reply; beyond it they fail and nothing is sent. Default 65,536; 1 to 524,288. */
  readonly callsLimit?: number;
  /** After this time it is watched whether whom is called leaves the bus. Default 100; 1 to 86,400,000. */
  readonly watchAfter?: number;
  /** Requests that are handled at a time. Default 64; 1 to 1,048,576. */
  readonly concurrent?: number;
  /** One request after the other, in the order in which they came. Default false. */
  readonly inOrder?: boolean;
  /** Requests that wait; beyond it they are answered *busy* (-32118) at once. Default 1,024; 0 to 1,048,576. */
  readonly waitingRequests?: number;
  /** Bytes of requests that wait; the same. Default 64 MiB; 1 to 2 GiB. */
  readonly waitingBytes?: number;
  /** How params and results become bytes. Default: the MessagePack of this package. */
  readonly codec?: Codec;
}

/** What is going on in an RPC layer. */
export interface RpcStats {
  /** Calls that wait for their reply. */
  readonly callsPending: number;
  /** Replies that nobody waited for, or that came from somebody else than whom was called. */
  readonly strays: number;
  /** Requests that are being handled. */
  readonly requestsRunning: number;
  /** Requests that wait to be handled. */
  readonly requestsWaiting: number;
  /** Requests that were answered *busy*. */
  readonly requestsRefused: number;
  /** Notifications and frames that were left out, because unread ones took more than `inboxHardLimit`. */
  readonly framesDropped: number;
}

/** What a service offers. */
export interface Description {
  /** Its methods, sorted by name. */
  readonly methods: readonly { readonly name: string; readonly description: string }[];
}

/** Answers a request: bytes, an `RpcReply`, a value for the codec, or a promise of these. */
export type CallHandler = (event: RpcEvent) => unknown;

/** Hears of a notification: if it returns a promise, the next one waits for that. */
export type NotificationHandler = (event: RpcEvent) => unknown;

/**
 * Calls methods of other clients over a client's connection.
 *
 * ```js
 * const rpc = new Rpc(client);
 * const sum = await rpc.call('plant.adder', 'add', { a: 2, b: 3 });
 * ```
 *
 * A call that fails rejects: with `RpcError` if the service answered with an error, else with `BusError`. It ends at once
 * when the target is not on the bus or the connection is lost, soon when the target leaves, else at its deadline.
 *
 * A client has one RPC layer. What is not RPC goes to `onFrame`, or to the client as before.
 */
export class Rpc {
  /** The client. */
  readonly client: Client;
  /** Turns params and results into bytes. @internal */
  readonly codec: Codec;
  /** Hears of notifications. */
  onNotification: NotificationHandler | null | undefined;
  /** Handles requests for methods that nobody else does. */
  onCall: CallHandler | null | undefined;
  /** Handles frames that are not RPC, in place of the client. */
  onFrame: FrameHandler | null | undefined;
  readonly #calls: Calls;
  readonly #lane: Lane;
  readonly #limits: Required<Pick<RpcOptions, 'waitingRequests' | 'waitingBytes'>>;
  readonly #lanes: Lane[] = [];
  readonly #dispatcher: Dispatcher;

  constructor(client: Client, options: RpcOptions = {}) {
    const timeout = options.timeout ?? 5_000;
    const callsLimit = options.callsLimit ?? 65_536;
    const watchAfter = options.watchAfter ?? 100;
    const concurrent = options.concurrent ?? 64;
    this.#limits = {
      waitingRequests: options.waitingRequests ?? 1_024,
      waitingBytes: options.waitingBytes ?? 64 * 1024 * 1024,
    };
    within('timeout', timeout, 1, 86_400_000);
    within('callsLimit', callsLimit, 1, 524_288);
    within('watchAfter', watchAfter, 1, 86_400_000);
    within('waitingRequests', this.#limits.waitingRequests, 0, 1 << 20);
    within('waitingBytes', this.#limits.waitingBytes, 1, 2 ** 31);
    this.client = client;
    this.codec = options.codec ?? msgpack;
    this.#lane = this.lane(options.inOrder === true ? 1 : concurrent, options.inOrder === true);
    this.#calls = new Calls(client, timeout, callsLimit, () => {
      watch.look();
    });
    const watch = new Watch(client, this.#calls, watchAfter);
    this.#dispatcher = new Dispatcher(this, this.#calls, watch, this);
    client.core.intake.attach(this.#dispatcher);
  }

  /** Calls a method: its result, decoded. Without params an empty map is sent. */
  call<Result = unknown>(
    target: string,
    method: string,
    params?: unknown,
    options?: CallOptions,
  ): Promise<Result>;
  /** Calls a method as the published package does: the event of the reply, whose `getPayload()` are bytes. */
  call(target: string, request: RpcRequest): Promise<RpcEvent>;
  async call(
    target: string,
    what: string | RpcRequest,
    params?: unknown,
    options?: CallOptions,
  ): Promise<unknown> {
    if (typeof what !== 'string') {
      return replyEvent(target, await this.#calls.start(target, what.method, what.payload));
    }
    const result = await this.#calls.start(target, what, this.#encode(params), options);
    if (result.length === 0) {
      return null;
    }
    try {
      return this.codec.decode(result);
    } catch (cause) {
      throw new BusError('decode', `the result of ${what} cannot be decoded: ${text(cause)}`, { cause });
    }
  }

  /** Calls a method with any bytes as params: the bytes of its result, a view of what was read from the socket. */
  callRaw(target: string, method: string, params?: Payload, options?: CallOptions): Promise<Buffer> {
    return this.#calls.start(target, method, bytesOf(params), options);
  }

  /** Calls a method without wanting a reply: resolves when the broker has placed the request with its target. */
  call0(target: string, method: string, params?: unknown, options?: SendOptions): Promise<void>;
  /** The same as the published package does. */
  call0(target: string, request: RpcRequest): Promise<void>;
  async call0(
    target: string,
    what: string | RpcRequest,
    params?: unknown,
    options?: SendOptions,
  ): Promise<void> {
    const [method, bytes] =
      typeof what === 'string' ? [what, this.#encode(params)] : [what.method, what.payload];
    await this.#send(target, requestFront(0, method), bytes, options);
  }

  /** Sends a notification, any bytes: resolves when the broker has placed it with its target. */
  async notify(
    target: string,
    notification: Payload | RpcNotification,
    options?: SendOptions,
  ): Promise<void> {
    const isBytes = typeof notification === 'string' || ArrayBuffer.isView(notification);
    await this.#send(target, NOTIFICATION_FRONT, isBytes ? notification : notification.payload, options);
  }

  /** What a service offers. Services of this and of the Rust library answer. */
  async describe(target: string, options?: CallOptions): Promise<Description> {
    const result = await this.#calls.start(target, DESCRIBE, msgpack.encode({}), options);
    return msgpack.decode(result) as Description;
  }

  /** What is going on, in numbers. */
  stats(): RpcStats {
    const sum = (of: (lane: Lane) => number): number => this.#lanes.reduce((all, lane) => all + of(lane), 0);
    return {
      callsPending: this.#calls.size,
      strays: this.#calls.strays,
      requestsRunning: sum((lane) => lane.running),
      requestsWaiting: sum((lane) => lane.waiting),
      requestsRefused: this.#dispatcher.refused,
      framesDropped: this.client.core.intake.dropped,
    };
  }

  /** Whether the client is on the bus. */
  isConnected(): boolean {
    return this.client.isConnected();
  }

  /** The same as `isConnected`. */
  is_connected(): boolean {
    return this.client.isConnected();
  }

  /** The same as `onNotification`. */
  get on_notification(): NotificationHandler | null | undefined {
    return this.onNotification;
  }

  set on_notification(handler: NotificationHandler | null | undefined) {
    this.onNotification = handler;
  }

  /** The same as `onCall`. */
  get on_call(): CallHandler | null | undefined {
    return this.onCall;
  }

  set on_call(handler: CallHandler | null | undefined) {
    this.onCall = handler;
  }

  /** The same as `onFrame`. */
  get on_frame(): FrameHandler | null | undefined {
    return this.onFrame;
  }

  set on_frame(handler: FrameHandler | null | undefined) {
    this.onFrame = handler;
  }

  /** A lane with the layer's limits on what waits. @internal */
  lane(concurrent: number, inOrder = false): Lane {
    within('concurrent', concurrent, 1, 1 << 20);
    const { waitingRequests: waiting, waitingBytes } = this.#limits;
    const lane = new Lane({ concurrent, waiting, waitingBytes, inOrder });
    this.#lanes.push(lane);
    return lane;
  }

  /** The lane that methods share. @internal */
  get sharedLane(): Lane {
    return this.#lane;
  }

  /** Who handles requests for a method. @internal */
  route(method: string): Route | undefined {
    return this.onCall && !method.startsWith('.')
      ? { lane: this.#lane, handle: this.#handleCall }
      : undefined;
  }

  readonly #handleCall = ({ sender, realtime, params, method, id }: Request): Payload | Promise<Payload> => {
    const frame = Frame.received(OP_MESSAGE, realtime, sender, undefined, params);
    const answer = this.onCall?.(requestEvent(frame, params, method, id));
    return isPromise(answer) ? answer.then((value) => this.#reply(value)) : this.#reply(answer);
  };

  #send(target: string, front: Buffer, payload: Payload, options: SendOptions | undefined): Promise<void> {
    const { sender } = this.client;
    return sender.perform(OP_MESSAGE, sender.addresses.target(target), payload, options, front);
  }

  #reply(answer: unknown): Payload {
    if (answer instanceof RpcReply) {
      return answer.payload;
    }
    if (answer === undefined || answer === null) {
      return Buffer.alloc(0);
    }
    const isBytes = typeof answer === 'string' || answer instanceof Uint8Array;
    return isBytes ? answer : this.codec.encode(answer);
  }

  #encode(params: unknown): Uint8Array {
    try {
      return this.codec.encode(params === undefined ? {} : params);
    } catch (cause) {
      throw new BusError('encode', `the params cannot be encoded: ${text(cause)}`, { cause });
    }
  }
}

/** The method that tells what a service offers. @internal */
export const DESCRIBE = '.describe';

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
