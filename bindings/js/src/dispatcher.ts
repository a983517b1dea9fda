/** Sorts what comes: replies to calls, requests to handlers, and the rest to whoever wants it. */
import type { Calls } from './calls.js';
import type { FrameHandler } from './client-types.js';
import type { Client } from './client.js';
import { u32 } from './codec.js';
import { RPC_ERROR, RPC_REPLY, RPC_REQUEST } from './constants.js';
import type { MessageTaker } from './intake.js';
import type { Frame } from './frame.js';
import type { Handler } from './inbox.js';
import type { Rpc } from './rpc.js';
import { ERROR_HEADER, REPLY_HEADER } from './rpc-format.js';
import { Request, type Route } from './requests.js';
import { isNotification, notificationEvent, type RpcEvent } from './rpc-types.js';
import { TextCache } from './text-cache.js';
import type { Watch } from './watch.js';

/** Who handles what is no reply. @internal */
export interface Handlers {
  /** Who handles requests for a method. */
  route(method: string): Route | undefined;
  onNotification: ((event: RpcEvent) => unknown) | null | undefined;
  onFrame: FrameHandler | null | undefined;
}

/** @internal */
export class Dispatcher implements MessageTaker {
  readonly #rpc: Rpc;
  readonly #client: Client;
  readonly #calls: Calls;
  readonly #watch: Watch;
  readonly #handlers: Handlers;
  readonly #methods = new TextCache();
  /** Requests that were answered *busy*. */
  refused = 0;

  constructor(rpc: Rpc, calls: Calls, watch: Watch, handlers: Handlers) {
    this.#rpc = rpc;
    this.#client = rpc.client;
    this.#calls = calls;
    this.#watch = watch;
    this.#handlers = handlers;
  }

  take(sender: string, realtime: boolean, bytes: Buffer, start: number, end: number): boolean {
    switch (end - start >= REPLY_HEADER ? bytes[start] : undefined) {
      case RPC_REPLY:
        this.#calls.complete(u32(bytes, start + 1), sender, bytes, start, end);
        return true;
      case RPC_ERROR:
        if (end - start < ERROR_HEADER) {
          return false;
        }
        this.#calls.completeWithError(u32(bytes, start + 1), sender, bytes, start, end);
        return true;
      case RPC_REQUEST:
        return this.#takeRequest(sender, realtime, bytes, start, end);
      default:
        return false;
    }
  }

  wants(frame: Frame): boolean {
    this.#watch.note(frame);
    if (isNotification(frame)) {
      return Boolean(this.#handlers.onNotification);
    }
    const { core, handlesFrames } = this.#client;
    return (
      (Boolean(this.#handlers.onFrame) || handlesFrames || core.intake.isIterated) &&
      !this.#watch.isOwn(frame)
    );
  }

  handler(frame: Frame): Handler | undefined {
    return isNotification(frame) ? this.#notify : (this.#handlers.onFrame ?? undefined);
  }

  connectionLost(): void {
    this.#calls.connectionLost();
  }

  #takeRequest(sender: string, realtime: boolean, bytes: Buffer, start: number, end: number): boolean {
    const at = start + REPLY_HEADER;
    const method = this.#methods.read(bytes, at, end);
    const { length } = this.#methods;
    if (length < 0) {
      return false;
    }
    // Params may wait for long and be few: they are not to keep a whole chunk.
    const params = Buffer.from(bytes.subarray(at + length + 1, end));
    const name = method ?? bytes.toString('utf8', at, at + length);
    const request = new Request(this.#rpc, sender, realtime, u32(bytes, start + 1), name, params);
    if (!request.admit(method === undefined ? undefined : this.#handlers.route(method))) {
      this.refused += 1;
    }
    return true;
  }

  readonly #notify = (frame: Frame): unknown => this.#handlers.onNotification?.(notificationEvent(frame));
}
