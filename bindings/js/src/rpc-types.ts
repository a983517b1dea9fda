/** Requests, replies, notifications and events under the names of the published package. */
import { OP_MESSAGE, RPC_NOTIFICATION, RPC_REPLY, RPC_REQUEST } from './constants.js';
import { RpcError } from './errors.js';
import { Frame, bytesOf } from './frame.js';
import type { Payload } from './operation.js';

/** A request: a method, and params as bytes. */
export class RpcRequest {
  /** The name of the method. */
  method: string;
  /** The params. */
  payload: Buffer;

  constructor(method: string | Uint8Array, params?: Payload | null) {
    this.method = typeof method === 'string' ? method : Buffer.from(method).toString();
    this.payload = bytesOf(params);
  }

  /** The same as `payload`. */
  get params(): Buffer {
    return this.payload;
  }

  set params(params: Buffer) {
    this.payload = params;
  }
}

/** A notification: bytes that ask for no answer. */
export class RpcNotification {
  /** What is notified. */
  payload: Buffer;

  constructor(payload?: Payload | null) {
    this.payload = bytesOf(payload);
  }

  /** The payload. */
  getPayload(): Buffer {
    return this.payload;
  }

  /** The same as `getPayload`. */
  get_payload(): Buffer {
    return this.payload;
  }
}

/** A reply: what `onCall` answers. */
export class RpcReply {
  /** The result. */
  payload: Buffer;

  constructor(result?: Payload | null) {
    this.payload = bytesOf(result);
  }

  /** The same as `payload`. */
  get result(): Buffer {
    return this.payload;
  }

  set result(result: Buffer) {
    this.payload = result;
  }

  /** The result. */
  getPayload(): Buffer {
    return this.payload;
  }

  /** The same as `getPayload`. */
  get_payload(): Buffer {
    return this.payload;
  }
}

/** Something that came over RPC: a notification, a request, or the reply to a call. */
export class RpcEvent {
  /** `RPC_NOTIFICATION`, `RPC_REQUEST` or `RPC_REPLY`. */
  readonly kind: number;
  /** The frame that it came in. */
  readonly frame: Frame;
  /** The name of the method, if it is a request. */
  readonly method: string | undefined;
  /** The call id of a request: 0 if no reply is wanted. */
  readonly callId: number;
  readonly #payload: Buffer;

  /** @internal */
  constructor(kind: number, frame: Frame, payload: Buffer, method?: string, callId = 0) {
    this.kind = kind;
    this.frame = frame;
    this.method = method;
    this.callId = callId;
    this.#payload = payload;
  }

  /** The notification's payload, the request's params, or the call's result. */
  getPayload(): Buffer {
    return this.#payload;
  }

  /** The same as `getPayload`. */
  get_payload(): Buffer {
    return this.#payload;
  }

  /** The same as `getPayload()`. */
  get payload(): Buffer {
    return this.#payload;
  }

  /** Who sent it. */
  get sender(): string | undefined {
    return this.frame.sender;
  }

  /** The same as `kind`. */
  get tp(): number {
    return this.kind;
  }

  /** The same as `callId`. */
  get call_id(): number {
    return this.callId;
  }

  /** Whether there is no payload. */
  isEmpty(): boolean {
    return this.#payload.length === 0;
  }

  /** The same as `isEmpty`. */
  is_empty(): boolean {
    return this.isEmpty();
  }

  /** Whether it is a reply that came: always, for a call that fails rejects instead. */
  isCompleted(): boolean {
    return true;
  }

  /** The same as `isCompleted`. */
  is_completed(): boolean {
    return true;
  }

  /** This, for programs that wait a second time for what they have. */
  waitCompleted(): Promise<this> {
    return Promise.resolve(this);
  }

  /** The same as `waitCompleted`. */
  wait_completed(): Promise<this> {
    return this.waitCompleted();
  }
}

/** The event of a reply. @internal */
export function replyEvent(sender: string, result: Buffer): RpcEvent {
  return new RpcEvent(RPC_REPLY, Frame.received(OP_MESSAGE, false, sender, undefined, result), result);
}

/** The event of a request. @internal */
export function requestEvent(frame: Frame, params: Buffer, method: string, callId: number): RpcEvent {
  return new RpcEvent(RPC_REQUEST, frame, params, method, callId);
}

/** Whether a frame is a notification. @internal */
export function isNotification(frame: Frame): boolean {
  return frame.type === OP_MESSAGE && frame.payload[0] === RPC_NOTIFICATION;
}

/** The event of a notification. @internal */
export function notificationEvent(frame: Frame): RpcEvent {
  return new RpcEvent(RPC_NOTIFICATION, frame, frame.payload.subarray(1));
}

/** What a handler threw, as what its caller is told. @internal */
export function failureOf(error: unknown): RpcError {
  // Also an error of another copy of this package: it is told by its shape.
  if (error instanceof Error && error.name === 'RpcError') {
    const { code, payload, message } = error as Partial<RpcError>;
    if (typeof code === 'number' && Number.isInteger(code) && code >= -0x8000 && code <= 0x7fff) {
      return new RpcError(code, payload ?? message ?? '');
    }
  }
  if (error instanceof Error && error.name === 'BusError') {
    return RpcError.ofBus((error as { code?: number }).code ?? 0x74, error.message);
  }
  return new RpcError(undefined, error instanceof Error ? error.message : String(error));
}
