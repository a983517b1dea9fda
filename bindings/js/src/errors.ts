/** Why operations, connections and calls fail. */
import {
  ERR_BUSY,
  ERR_CLIENT_NOT_REGISTERED,
  ERR_DATA,
  ERR_IO,
  ERR_OTHER,
  ERR_TIMEOUT,
} from './constants.js';
import { RPC_BUS_ERROR, RPC_ERROR_CODE_INTERNAL, codeText } from './constants.js';

/**
 * What is known about something that failed: `refused`, it was certainly not done, and trying again cannot do it
 * twice; `unknown`, it may or may not have been done.
 */
export type Outcome = 'refused' | 'unknown';

/**
 * Why an operation or a call failed.
 *
 * | kind | when | outcome |
 * | --- | --- | --- |
 * | `refused` | the broker answered with a code | refused |
 * | `name`, `mask`, `topic`, `method` | the address or method is malformed; nothing was sent | refused |
 * | `tooLarge` | the frame is over `frameLimit` | refused |
 * | `tooManyFilters` | more filters than `filterLimit` | refused |
 * | `tooManyWaiting` | more bytes wait to be handed over than `waitingLimit` | refused |
 * | `tooManyCalls` | more calls wait for their reply than `callsLimit` | refused |
 * | `encode` | params cannot be encoded; nothing was sent | refused |
 * | `notConnected` | there is no connection, or it was lost before anything was sent | refused |
 * | `closed` | the client is closed | refused |
 * | `connectionLost` | the connection was lost before the answer came | unknown |
 * | `timedOut` | no answer came in time; refused if nothing had been sent yet | unknown |
 * | `inboxFull` | unread frames take more than `inboxHardLimit`, so that the answer could not be read | unknown |
 * | `targetLeft` | whom was called left the bus | unknown |
 * | `decode` | the result of a call cannot be decoded | unknown |
 * | `aborted` | the caller's signal; refused if nothing had been sent yet | unknown |
 */
export type BusErrorKind =
  | 'refused'
  | 'name'
  | 'mask'
  | 'topic'
  | 'method'
  | 'tooLarge'
  | 'tooManyFilters'
  | 'tooManyWaiting'
  | 'tooManyCalls'
  | 'encode'
  | 'notConnected'
  | 'closed'
  | 'connectionLost'
  | 'timedOut'
  | 'inboxFull'
  | 'targetLeft'
  | 'decode'
  | 'aborted';

const UNKNOWN: ReadonlySet<BusErrorKind> = new Set<BusErrorKind>([
  'connectionLost',
  'timedOut',
  'inboxFull',
  'targetLeft',
  'decode',
  'aborted',
]);

const CODES: Partial<Record<BusErrorKind, number>> = {
  name: ERR_DATA,
  mask: ERR_DATA,
  topic: ERR_DATA,
  method: ERR_DATA,
  tooLarge: ERR_DATA,
  encode: ERR_DATA,
  decode: ERR_DATA,
  tooManyFilters: ERR_BUSY,
  tooManyWaiting: ERR_BUSY,
  tooManyCalls: ERR_BUSY,
  targetLeft: ERR_CLIENT_NOT_REGISTERED,
  timedOut: ERR_TIMEOUT,
  aborted: ERR_OTHER,
};

/**
 * An operation of a client, or a call, failed.
 *
 * ```js
 * try {
 *   await client.send('plant.valve', 'open');
 * } catch (error) {
 *   if (error instanceof BusError && error.outcome === 'refused') console.log(`not done: ${error.message}`);
 * }
 * ```
 */
export class BusError extends Error {
  /** What happened. */
  readonly kind: BusErrorKind;
  /** The code of the wire: that of the broker's answer, else the one that says the same. */
  readonly code: number;
  /** Whether it is certain that nothing was done. */
  readonly outcome: Outcome;

  constructor(
    kind: BusErrorKind,
    message: string,
    details: { code?: number; outcome?: Outcome; cause?: unknown } = {},
  ) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.kind = kind;
    this.code = details.code ?? CODES[kind] ?? ERR_IO;
    this.outcome = details.outcome ?? (UNKNOWN.has(kind) ? 'unknown' : 'refused');
  }

  static {
    this.prototype.name = 'BusError';
  }

  /** The broker's answer. @internal */
  static refused(code: number): BusError {
    return new BusError('refused', `the broker answered: ${codeText(code)} (0x${code.toString(16)})`, {
      code,
    });
  }

  /** @internal */
  static notConnected(): BusError {
    return new BusError('notConnected', 'not connected to the broker');
  }

  /** @internal */
  static closed(): BusError {
    return new BusError('closed', 'the connection to the broker is closed');
  }

  /** @internal */
  static connectionLost(): BusError {
    return new BusError('connectionLost', 'the connection was lost before the answer came');
  }

  /** @internal */
  static timedOut(limit: number, outcome: Outcome): BusError {
    const what = outcome === 'refused' ? 'nothing could be sent' : 'no answer came';
    return new BusError('timedOut', `${what} within ${limit} ms`, { outcome });
  }

  /** @internal */
  static aborted(signal: AbortSignal, outcome: Outcome): BusError {
    return new BusError('aborted', 'aborted by the caller', { outcome, cause: signal.reason });
  }
}

/**
 * Why a client could not connect.
 *
 * | kind | when | tried again |
 * | --- | --- | --- |
 * | `address` | the text is no address, or the default one cannot be trusted | no |
 * | `unreachable` | nothing listens there, or the system forbids it | yes |
 * | `lost`, `timedOut` | the connection ended, or the time-out passed, before the client was registered | yes |
 * | `greeting` | whoever listens there does not speak this protocol | no |
 * | `refused` | the broker does not register the name | if it is taken or its primary is missing |
 * | `closed` | the client was closed | no |
 */
export type ConnectErrorKind =
  'address' | 'unreachable' | 'lost' | 'timedOut' | 'greeting' | 'refused' | 'closed';

/** A client could not connect. */
export class ConnectError extends Error {
  /** What happened. */
  readonly kind: ConnectErrorKind;
  /** The broker's answer, if `kind` is `refused`. */
  readonly code: number | undefined;

  constructor(kind: ConnectErrorKind, message: string, details: { code?: number; cause?: unknown } = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.kind = kind;
    this.code = details.code;
  }

  static {
    this.prototype.name = 'ConnectError';
  }

  /** Whether it may go better later: the broker may not be up yet, or still hold an old connection of that name. */
  get mayPass(): boolean {
    if (this.kind === 'refused') {
      return this.code === ERR_BUSY || this.code === ERR_CLIENT_NOT_REGISTERED;
    }
    return this.kind === 'unreachable' || this.kind === 'lost' || this.kind === 'timedOut';
  }
}

/**
 * Why a connection ended: `byBroker`, it closed the connection; `io`, the system reports an error; `silent`, it neither
 * said nor took anything for the time-out although something waited for it, or it was asked for a sign of life; `protocol`,
 * it sent what is not of this protocol, or a frame over the limit; `closed`, by this client.
 */
export type DisconnectKind = 'byBroker' | 'io' | 'silent' | 'protocol' | 'closed';

/** Why a connection ended. */
export class Disconnect extends Error {
  /** What happened. */
  readonly kind: DisconnectKind;

  constructor(kind: DisconnectKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.kind = kind;
  }

  static {
    this.prototype.name = 'Disconnect';
  }
}

/**
 * What a service answers instead of a result: thrown by its handlers, and what the caller's promise is rejected with.
 *
 * ```js
 * service.method('divide', ({ a, b }) => {
 *   if (b === 0) throw new RpcError(RPC_ERROR_CODE_INVALID_METHOD_PARAMS, 'b is 0');
 *   return a / b;
 * });
 * ```
 */
export class RpcError extends Error {
  /** -32768 to 32767; the `RPC_ERROR_CODE_…` constants are what everybody understands. */
  readonly code: number;
  /** The reason as bytes: a text by habit. */
  readonly payload: Buffer;

  constructor(code: number = RPC_ERROR_CODE_INTERNAL, reason: string | Uint8Array = '') {
    const payload = typeof reason === 'string' ? Buffer.from(reason) : asBuffer(reason);
    super(typeof reason === 'string' ? reason : payload.toString());
    this.code = code;
    this.payload = payload;
  }

  static {
    this.prototype.name = 'RpcError';
  }

  /** An error of the bus on its way through RPC. @internal */
  static ofBus(code: number, reason: string): RpcError {
    return new RpcError(RPC_BUS_ERROR - code, reason);
  }

  /** The code of the bus in it, if it is an error of the bus: 0x76 (busy) for -32118. */
  get busCode(): number | undefined {
    const code = RPC_BUS_ERROR - this.code;
    return code >= ERR_CLIENT_NOT_REGISTERED && code <= 0x79 ? code : undefined;
  }
}

/** The same bytes as a `Buffer`. @internal */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
