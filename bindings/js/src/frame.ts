/** A frame: what arrives, and, for programs written for the published package, what is sent. */
import { OP_BROADCAST, OP_MESSAGE, OP_PUBLISH } from './constants.js';
import { asBuffer } from './errors.js';
import { primaryName } from './names.js';
import type { Payload } from './operation.js';

/** Marks frames of whatever copy of this package: a program may load it as an ES module and as CommonJS at once. */
const BRAND = Symbol.for('elbus.Frame');

/** How a frame came here. */
export type FrameKind = 'message' | 'broadcast' | 'publication';

/**
 * A frame.
 *
 * What arrives has a sender, and a topic if it is a publication. Its payload is a view of what was read from the
 * socket: to keep a small one for long, copy it.
 *
 * Programs written for the published package make frames to send: `new Frame(OP_PUBLISH, 1)` with `payload` set, or
 * `new Frame(payload, OP_PUBLISH, 1)`.
 */
export class Frame {
  /** `OP_MESSAGE`, `OP_BROADCAST` or `OP_PUBLISH`; of a frame to send also another operation. */
  type: number;
  /** Of a frame to send: its quality of service. Of one that arrived: 2 if it is real-time, else 0. */
  qos: number;
  /** Who sent it. */
  sender: string | undefined;
  /** The topic of a publication. */
  topic: string | undefined;
  /** What was sent. */
  payload: Buffer;

  constructor(type?: number, qos?: number);
  constructor(payload: Payload | null | undefined, type?: number, qos?: number);
  constructor(first?: number | Payload | null, second?: number, third?: number) {
    const old = typeof first === 'number';
    this.type = (old ? first : second) ?? OP_MESSAGE;
    this.qos = (old ? second : third) ?? 0;
    this.sender = undefined;
    this.topic = undefined;
    this.payload = old ? EMPTY : bytesOf(first);
  }

  /** @internal */
  static received(
    kind: number,
    realtime: boolean,
    sender: string,
    topic: string | undefined,
    payload: Buffer,
  ): Frame {
    const frame = new Frame(kind, realtime ? 2 : 0);
    frame.sender = sender;
    frame.topic = topic;
    frame.payload = payload;
    return frame;
  }

  /** Whether a value is a frame, also one of another copy of this package. */
  static isFrame(value: unknown): value is Frame {
    return typeof value === 'object' && value !== null && BRAND in value;
  }

  /** Message, broadcast or publication. */
  get kind(): FrameKind {
    return this.type === OP_PUBLISH ? 'publication' : this.type === OP_BROADCAST ? 'broadcast' : 'message';
  }

  /** Whether it was sent to be flushed at once. */
  get realtime(): boolean {
    return (this.qos & 2) !== 0;
  }

  /** The sender without the suffix of a secondary. */
  get primarySender(): string | undefined {
    return this.sender === undefined ? undefined : primaryName(this.sender);
  }

  /** The same as `primarySender`. */
  get primary_sender(): string | undefined {
    return this.primarySender;
  }

  /** The same as `payload`. */
  get buf(): Buffer {
    return this.payload;
  }

  set buf(payload: Buffer) {
    this.payload = payload;
  }

  /** The payload as text. */
  text(): string {
    return this.payload.toString();
  }
}

Object.defineProperty(Frame.prototype, BRAND, { value: true });

const EMPTY = Buffer.alloc(0);

/** A payload as bytes. @internal */
export function bytesOf(payload: Payload | null | undefined): Buffer {
  if (payload === null || payload === undefined) {
    return EMPTY;
  }
  return typeof payload === 'string' ? Buffer.from(payload) : asBuffer(payload);
}
