/**
 * Frames on their way to the system, without I/O. Small ones are encoded one behind the other into a slab, so that many
 * go out with one write; large payloads are written from where they are.
 */
import { SENT_HEADER, encodeHeader } from './codec.js';
import type { Payload } from './operation.js';

/** Size of a slab: as much as is gathered before it is written without waiting for the end of the turn. @internal */
export const SLAB = 64 * 1024;

/** Payloads over this size are not copied. @internal */
export const LARGE = 16 * 1024;

/** Most bytes handed to the system at once: only a finished write shows that the broker is taking something. */
const BATCH = 256 * 1024;

/** Bytes a UTF-16 unit takes in UTF-8 at most. */
const UTF8_MOST = 3;

/** @internal */
export class Outbox {
  #slab = Buffer.allocUnsafeSlow(SLAB);
  /** What of the slab was taken; what is filled. */
  #taken = 0;
  #filled = 0;
  /** Full slabs and large payloads in front of what the slab holds. */
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  /** Bytes of all frames so far. */
  appended = 0;

  /** Bytes that were not taken yet. */
  get staged(): number {
    return this.#pieceBytes + this.#filled - this.#taken;
  }

  /** Encodes a frame. */
  append(id: number, opAndQos: number, address: Buffer, front: Buffer | undefined, payload: Payload): void {
    const before = SENT_HEADER + address.length + (front === undefined ? 0 : front.length);
    const most = typeof payload === 'string' ? payload.length * UTF8_MOST : payload.length;
    if (most <= LARGE) {
      const at = this.#room(before + most);
      const body = this.#body(at, address, front);
      const end = body + this.#write(payload, body);
      encodeHeader(this.#slab, at, id, opAndQos, end - at - SENT_HEADER);
      this.#filled = end;
      this.appended += end - at;
      return;
    }
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : view(payload);
    const at = this.#room(before);
    this.#filled = this.#body(at, address, front);
    encodeHeader(this.#slab, at, id, opAndQos, before - SENT_HEADER + bytes.length);
    this.#seal();
    this.#pieces.push(bytes);
    this.#pieceBytes += bytes.length;
    this.appended += before + bytes.length;
  }

  /** Bytes to write now, in order. */
  take(): Buffer[] {
    this.#seal();
    const batch: Buffer[] = [];
    let room = BATCH;
    let next = 0;
    while (next < this.#pieces.length && room > 0) {
      const piece = this.#pieces[next]!;
      if (piece.length > room) {
        batch.push(piece.subarray(0, room));
        this.#pieces[next] = piece.subarray(room);
        room = 0;
      } else {
        batch.push(piece);
        room -= piece.length;
        next += 1;
      }
    }
    this.#pieces = this.#pieces.slice(next);
    this.#pieceBytes -= BATCH - room;
    return batch;
  }

  /** The system has taken everything that was handed to it: the slab may be written over. */
  recycle(): void {
    if (this.#pieces.length === 0 && this.#taken === this.#filled) {
      this.#taken = 0;
      this.#filled = 0;
    }
  }

  #body(at: number, address: Buffer, front: Buffer | undefined): number {
    let end = at + SENT_HEADER;
    this.#slab.set(address, end);
    end += address.length;
    if (front !== undefined) {
      this.#slab.set(front, end);
      end += front.length;
    }
    return end;
  }

  #write(payload: Payload, at: number): number {
    if (typeof payload === 'string') {
      return this.#slab.write(payload, at);
    }
    this.#slab.set(payload, at);
    return payload.length;
  }

  /** Where in the slab so many bytes fit. An address may be longer than a slab. */
  #room(bytes: number): number {
    if (this.#filled + bytes > this.#slab.length) {
      this.#seal();
      this.#slab = Buffer.allocUnsafeSlow(Math.max(SLAB, bytes));
      this.#taken = 0;
      this.#filled = 0;
    }
    return this.#filled;
  }

  /** What the slab holds becomes a piece. */
  #seal(): void {
    if (this.#filled > this.#taken) {
      this.#pieces.push(this.#slab.subarray(this.#taken, this.#filled));
      this.#pieceBytes += this.#filled - this.#taken;
      this.#taken = this.#filled;
    }
  }
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
