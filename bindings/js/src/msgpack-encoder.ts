/** The writing half of MessagePack. What is written as what stands at `msgpack`. */
import { DEPTH, Extension } from './extension.js';

/** Values up to this size are written in memory that encoders share. */
const FIRST_SIZE = 512;

/** @internal */
export class Encoder {
  #bytes = Buffer.allocUnsafe(FIRST_SIZE);
  #at = 0;
  #depth = 0;

  encode(value: unknown): Buffer {
    this.#value(value);
    return this.#bytes.subarray(0, this.#at);
  }

  #value(value: unknown): void {
    switch (typeof value) {
      case 'undefined':
        this.#u8(0xc0);
        return;
      case 'boolean':
        this.#u8(value ? 0xc3 : 0xc2);
        return;
      case 'number':
        this.#number(value);
        return;
      case 'bigint':
        this.#bigint(value);
        return;
      case 'string':
        this.#text(value);
        return;
      case 'object':
        this.#object(value);
        return;
      default:
        throw new TypeError(`a ${typeof value} cannot be encoded as MessagePack`);
    }
  }

  #object(value: object | null): void {
    if (value === null) {
      this.#u8(0xc0);
    } else if (ArrayBuffer.isView(value)) {
      this.#head(value.byteLength, 0xc4, 0xc5, 0xc6);
      this.#raw(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
    } else if (value instanceof Date) {
      this.#date(value);
    } else if (value instanceof Extension) {
      this.#extension(value.type, value.data);
    } else {
      this.#depth += 1;
      if (this.#depth > DEPTH) {
        throw new RangeError(`nested more than ${DEPTH} levels`);
      }
      if (Array.isArray(value)) {
        this.#array(value);
      } else {
        this.#map(value instanceof Map ? [...(value as Map<unknown, unknown>)] : Object.entries(value));
      }
      this.#depth -= 1;
    }
  }

  #number(value: number): void {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      this.#u8(0xcb);
      this.#at = this.#room(8).writeDoubleBE(value, this.#at);
    } else if (value >= 0) {
      this.#positive(value);
    } else if (value >= -0x20) {
      this.#u8(value + 0x100);
    } else if (value >= -0x80) {
      this.#u8(0xd0);
      this.#u8(value + 0x100);
    } else if (value >= -0x8000) {
      this.#u8(0xd1);
      this.#at = this.#room(2).writeInt16BE(value, this.#at);
    } else if (value >= -0x8000_0000) {
      this.#u8(0xd2);
      this.#at = this.#room(4).writeInt32BE(value, this.#at);
    } else {
      this.#bigint(BigInt(value));
    }
  }

  #positive(value: number): void {
    if (value < 0x80) {
      this.#u8(value);
    } else if (value <= 0xffff_ffff) {
      this.#head(value, 0xcc, 0xcd, 0xce);
    } else {
      this.#bigint(BigInt(value));
    }
  }

  #bigint(value: bigint): void {
    if (value >= 0n && value < 1n << 64n) {
      this.#u8(0xcf);
      this.#at = this.#room(8).writeBigUInt64BE(value, this.#at);
    } else if (value < 0n && value >= -(1n << 63n)) {
      this.#u8(0xd3);
      this.#at = this.#room(8).writeBigInt64BE(value, this.#at);
    } else {
      throw new RangeError(`${value} has more than 64 bits`);
    }
  }

  #text(text: string): void {
    // Three bytes a UTF-16 unit are the most that UTF-8 takes.
    if (text.length <= 10) {
      const into = this.#room(1 + 3 * text.length);
      const length = into.write(text, this.#at + 1);
      into[this.#at] = 0xa0 | length;
      this.#at += 1 + length;
      return;
    }
    const length = Buffer.byteLength(text);
    if (length < 32) {
      this.#u8(0xa0 | length);
    } else {
      this.#head(length, 0xd9, 0xda, 0xdb);
    }
    this.#at += this.#room(length).write(text, this.#at);
  }

  #array(array: unknown[]): void {
    if (array.length < 16) {
      this.#u8(0x90 | array.length);
    } else {
      this.#head(array.length, undefined, 0xdc, 0xdd);
    }
    for (const value of array) {
      this.#value(value);
    }
  }

  #map(entries: [unknown, unknown][]): void {
    const there = entries.filter(([, value]) => value !== undefined);
    if (there.length < 16) {
      this.#u8(0x80 | there.length);
    } else {
      this.#head(there.length, undefined, 0xde, 0xdf);
    }
    for (const [key, value] of there) {
      this.#value(key);
      this.#value(value);
    }
  }

  #date(date: Date): void {
    const milliseconds = date.getTime();
    if (Number.isNaN(milliseconds)) {
      throw new RangeError('a date that is none cannot be encoded');
    }
    const data = Buffer.alloc(12);
    const seconds = Math.floor(milliseconds / 1000);
    data.writeUInt32BE((milliseconds - 1000 * seconds) * 1e6, 0);
    data.writeBigInt64BE(BigInt(seconds), 4);
    this.#extension(-1, data);
  }

  #extension(type: number, data: Uint8Array): void {
    const fixed = [1, 2, 4, 8, 16].indexOf(data.length);
    if (fixed >= 0) {
      this.#u8(0xd4 + fixed);
    } else {
      this.#head(data.length, 0xc7, 0xc8, 0xc9);
    }
    this.#at = this.#room(1).writeInt8(type, this.#at);
    this.#raw(data);
  }

  /** A length or a value, behind the byte that says in how many bytes it is written. */
  #head(value: number, one: number | undefined, two: number, four: number): void {
    if (one !== undefined && value <= 0xff) {
      this.#u8(one);
      this.#u8(value);
    } else if (value <= 0xffff) {
      this.#u8(two);
      this.#at = this.#room(2).writeUInt16BE(value, this.#at);
    } else {
      this.#u8(four);
      this.#at = this.#room(4).writeUInt32BE(value, this.#at);
    }
  }

  #u8(byte: number): void {
    this.#room(1)[this.#at] = byte;
    this.#at += 1;
  }

  #raw(bytes: Uint8Array): void {
    this.#room(bytes.length).set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** The memory to write into, with room for so many bytes. */
  #room(bytes: number): Buffer {
    const needed = this.#at + bytes;
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, 2 * this.#bytes.length));
      this.#bytes.copy(grown, 0, 0, this.#at);
      this.#bytes = grown;
    }
    return this.#bytes;
  }
}
