/** Frames as bytes, without I/O: what the client sends is encoded, what the broker sends is decoded. */
import { OP_ACK, OP_BROADCAST, OP_MESSAGE, OP_NOP, OP_PUBLISH } from './constants.js';
import { Disconnect } from './errors.js';
import { TextCache } from './text-cache.js';

/** Bytes in front of a frame to the broker. @internal */
export const SENT_HEADER = 9;

/** Bytes in front of a frame from the broker. @internal */
export const RECEIVED_HEADER = 6;

/** What sender, topic and separators add to a frame of the broker at most. */
const ADDRESS_ALLOWANCE = 4 * 1024;

/** Memory asked for when a large frame begins: from then on it grows as bytes arrive, not as the header says. */
const FIRST_PIECE = 256 * 1024;

/**
 * Writes the header of a frame to the broker and answers where its body begins.
 *
 * ```text
 *   0           4          5           9
 *  +-----------+----------+-----------+------
 *  | id (u32)  | QQoooooo | len (u32) | body
 *  +-----------+----------+-----------+------
 * ```
 *
 * @internal
 */
export function encodeHeader(
  into: Uint8Array,
  at: number,
  id: number,
  opAndQos: number,
  length: number,
): number {
  into[at] = id;
  into[at + 1] = id >>> 8;
  into[at + 2] = id >>> 16;
  into[at + 3] = id >>> 24;
  into[at + 4] = opAndQos;
  into[at + 5] = length;
  into[at + 6] = length >>> 8;
  into[at + 7] = length >>> 16;
  into[at + 8] = length >>> 24;
  return at + SENT_HEADER;
}

/** Takes what a decoder finds. @internal */
export interface FrameSink {
  /** The broker's answer to an operation. */
  acknowledged(id: number, result: number): void;
  /** A frame; its payload are the bytes of `bytes` from `start` to `end`. */
  received(
    kind: number,
    realtime: boolean,
    sender: string,
    topic: string | undefined,
    bytes: Buffer,
    start: number,
    end: number,
  ): void;
}

/**
 * Decodes what the broker sends, however it is cut into chunks. Whole frames are handed out where they lie in a chunk;
 * only a frame that spans chunks is copied, once, into memory of its own.
 *
 * ```text
 *   0      1           5      6
 *  +------+-----------+------+------------------------------
 *  | kind | len (u32) |  rt  | sender 00 [topic 00] payload
 *  +------+-----------+------+------------------------------
 *  |  FE  | id (u32)  | code |                                  acknowledgement
 *  |  00  |     00    |  00  |                                  ping
 *  +------+-----------+------+
 * ```
 *
 * @internal
 */
export class Decoder {
  readonly #sink: FrameSink;
  readonly #largest: number;
  readonly #senders = new TextCache();
  readonly #topics = new TextCache();
  /** The beginning of a frame that is not whole yet; `#have` bytes of it are there. */
  #partial = Buffer.alloc(0);
  #have = 0;

  constructor(sink: FrameSink, frameLimit: number) {
    this.#sink = sink;
    this.#largest = frameLimit + ADDRESS_ALLOWANCE;
  }

  /** Takes a chunk, whose memory the decoded payloads share from now on. Throws `Disconnect` at what is no frame. */
  push(chunk: Buffer): void {
    let at = this.#have > 0 ? this.#finishPartial(chunk) : 0;
    while (chunk.length - at >= RECEIVED_HEADER) {
      const length = this.#frameLength(chunk, at);
      if (at + length > chunk.length) {
        break;
      }
      this.#decode(chunk, at, at + length);
      at += length;
    }
    if (at < chunk.length) {
      this.#keep(chunk, at, chunk.length);
    }
  }

  /** Completes the frame that the last chunk began, if this one suffices; answers how much of it that took. */
  #finishPartial(chunk: Buffer): number {
    let at = 0;
    if (this.#have < RECEIVED_HEADER) {
      at = Math.min(RECEIVED_HEADER - this.#have, chunk.length);
      this.#keep(chunk, 0, at);
      if (this.#have < RECEIVED_HEADER) {
        return at;
      }
    }
    const length = this.#frameLength(this.#partial, 0);
    const end = Math.min(at + length - this.#have, chunk.length);
    this.#keep(chunk, at, end);
    if (this.#have === length) {
      const frame = this.#partial;
      this.#partial = Buffer.alloc(0);
      this.#have = 0;
      this.#decode(frame, 0, length);
    }
    return end;
  }

  #keep(chunk: Buffer, from: number, to: number): void {
    const have = this.#have + (to - from);
    if (this.#partial.length < have) {
      this.#grow(have, chunk, from);
    }
    chunk.copy(this.#partial, this.#have, from, to);
    this.#have = have;
  }

  #grow(needed: number, chunk: Buffer, from: number): void {
    const header = this.#have >= RECEIVED_HEADER ? this.#partial : chunk;
    const at = header === chunk ? from : 0;
    const known =
      this.#have >= RECEIVED_HEADER || (this.#have === 0 && chunk.length - from >= RECEIVED_HEADER);
    const whole = known ? this.#frameLength(header, at) : RECEIVED_HEADER;
    const grown = Buffer.allocUnsafeSlow(
      Math.max(needed, Math.min(whole, Math.max(FIRST_PIECE, 2 * needed))),
    );
    this.#partial.copy(grown, 0, 0, this.#have);
    this.#partial = grown;
  }

  /** The length of the frame whose header stands at `at`, header and body. */
  #frameLength(bytes: Buffer, at: number): number {
    const kind = bytes[at]!;
    if (kind === OP_ACK || kind === OP_NOP) {
      return RECEIVED_HEADER;
    }
    if (kind !== OP_MESSAGE && kind !== OP_PUBLISH && kind !== OP_BROADCAST) {
      throw new Disconnect('protocol', `the broker sent a frame of the unknown kind 0x${kind.toString(16)}`);
    }
    const length = u32(bytes, at + 1);
    if (length > this.#largest) {
      throw new Disconnect(
        'protocol',
        `the broker sent a frame of ${length} bytes, over the limit of ${this.#largest}`,
      );
    }
    return RECEIVED_HEADER + length;
  }

  #decode(bytes: Buffer, at: number, end: number): void {
    const kind = bytes[at]!;
    if (kind === OP_ACK) {
      this.#sink.acknowledged(u32(bytes, at + 1), bytes[at + 5]!);
      return;
    }
    if (kind === OP_NOP) {
      return;
    }
    const sender = this.#text(this.#senders, bytes, at + RECEIVED_HEADER, end);
    let start = at + RECEIVED_HEADER + this.#senders.length + 1;
    let topic: string | undefined;
    if (kind === OP_PUBLISH) {
      topic = this.#text(this.#topics, bytes, start, end);
      start += this.#topics.length + 1;
    }
    this.#sink.received(kind, bytes[at + 5] !== 0, sender, topic, bytes, start, end);
  }

  #text(cache: TextCache, bytes: Buffer, start: number, end: number): string {
    const text = cache.read(bytes, start, end);
    if (text === undefined) {
      const what = cache.length < 0 ? 'a body without its separator' : 'a name or topic that is not UTF-8';
      throw new Disconnect('protocol', `the broker sent ${what}`);
    }
    return text;
  }
}

/** @internal */
export function u32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}
