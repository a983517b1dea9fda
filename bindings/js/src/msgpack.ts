/**
 * MessagePack, the habit of params and results on the bus: small, and enough for values that JSON has words for, bytes,
 * integers of 64 bits and times. Whoever needs more passes `@msgpack/msgpack` or another codec to `Rpc`.
 */
import { DEPTH, Extension } from './extension.js';
import { Encoder } from './msgpack-encoder.js';

/** Turns values into bytes and back: params and results of calls. `@msgpack/msgpack` is one as it stands. */
export interface Codec {
  /** The bytes of a value. */
  encode(value: unknown): Uint8Array;
  /** The value of bytes. */
  decode(bytes: Uint8Array): unknown;
}

/**
 * The codec that `Rpc` uses unless it is given another one.
 *
 * | JavaScript | MessagePack |
 * | --- | --- |
 * | `null`, `undefined` | nil; a member that is `undefined` is left out |
 * | boolean, string, array | the same |
 * | number | integer if it is one, else float 64 |
 * | bigint | integer |
 * | `Uint8Array`, `Buffer` | bin; read as `Buffer` |
 * | plain object, `Map` | map; read as an object |
 * | `Date` | timestamp |
 * | `Extension` | ext |
 *
 * Integers beyond what a number holds exactly are read as bigint.
 */
export const msgpack: Codec = {
  encode(value: unknown): Buffer {
    return new Encoder().encode(value);
  },
  decode(bytes: Uint8Array): unknown {
    return new Decoder(bytes).decode();
  },
};

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

class Decoder {
  readonly #bytes: Buffer;
  #at = 0;
  #depth = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  decode(): unknown {
    const value = this.#value();
    if (this.#at !== this.#bytes.length) {
      throw new RangeError(`${this.#bytes.length - this.#at} bytes behind the value`);
    }
    return value;
  }

  #value(): unknown {
    const head = this.#byte();
    if (head < 0x80) return head;
    if (head < 0x90) return this.#map(head & 0x0f);
    if (head < 0xa0) return this.#array(head & 0x0f);
    if (head < 0xc0) return this.#text(head & 0x1f);
    if (head >= 0xe0) return head - 0x100;
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#copy(this.#uint(1 << (head - 0xc4)));
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return this.#extension(this.#uint(1 << (head - 0xc7)));
      case 0xca:
        return this.#bytes.readFloatBE(this.#take(4));
      case 0xcb:
        return this.#bytes.readDoubleBE(this.#take(8));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#uint(1 << (head - 0xcc));
      case 0xcf:
        return exact(this.#bytes.readBigUInt64BE(this.#take(8)));
      case 0xd0:
        return this.#bytes.readInt8(this.#take(1));
      case 0xd1:
        return this.#bytes.readInt16BE(this.#take(2));
      case 0xd2:
        return this.#bytes.readInt32BE(this.#take(4));
      case 0xd3:
        return exact(this.#bytes.readBigInt64BE(this.#take(8)));
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extension(1 << (head - 0xd4));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#uint(1 << (head - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#uint(2 << (head - 0xdc)));
      case 0xde:
      case 0xdf:
        return this.#map(this.#uint(2 << (head - 0xde)));
      default:
        throw new RangeError('0xc1 begins no value');
    }
  }

  /** Where `count` bytes begin that are certainly there. */
  #take(count: number): number {
    const at = this.#at;
    if (count > this.#bytes.length - at) {
      throw new RangeError('the value ends too early');
    }
    this.#at = at + count;
    return at;
  }

  #byte(): number {
    return this.#bytes[this.#take(1)]!;
  }

  #uint(bytes: number): number {
    return this.#bytes.readUIntBE(this.#take(bytes), bytes);
  }

  #copy(length: number): Buffer {
    const at = this.#take(length);
    return Buffer.from(this.#bytes.subarray(at, at + length));
  }

  #text(length: number): string {
    const at = this.#take(length);
    if (length < 24) {
      const short = this.#shortAscii(at, length);
      if (short !== undefined) {
        return short;
      }
    }
    return strict.decode(this.#bytes.subarray(at, at + length));
  }

  /** Short texts, such as keys, are not worth the call of a decoder. */
  #shortAscii(at: number, length: number): string | undefined {
    let text = '';
    for (let i = at; i < at + length; i += 1) {
      const byte = this.#bytes[i]!;
      if (byte >= 0x80) {
        return undefined;
      }
      text += String.fromCharCode(byte);
    }
    return text;
  }

  #enter(): void {
    this.#depth += 1;
    if (this.#depth > DEPTH) {
      throw new RangeError(`nested more than ${DEPTH} levels`);
    }
  }

  #array(length: number): unknown[] {
    this.#enter();
    // Grows as values are found: the length is what the input says, and may be a lie.
    const array: unknown[] = [];
    for (let i = 0; i < length; i += 1) {
      array.push(this.#value());
    }
    this.#depth -= 1;
    return array;
  }

  #map(length: number): Record<string, unknown> {
    this.#enter();
    const map: Record<string, unknown> = {};
    for (let i = 0; i < length; i += 1) {
      const key = this.#value();
      if (typeof key !== 'string' && typeof key !== 'number') {
        throw new RangeError('the key of a map is neither a text nor a number');
      }
      const value = this.#value();
      if (key === '__proto__') {
        Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
      } else {
        map[key] = value;
      }
    }
    this.#depth -= 1;
    return map;
  }

  #extension(length: number): unknown {
    const type = this.#bytes.readInt8(this.#take(1));
    const data = this.#copy(length);
    if (type !== -1) {
      return new Extension(type, data);
    }
    switch (length) {
      case 4:
        return new Date(data.readUInt32BE(0) * 1000);
      case 8: {
        const both = data.readBigUInt64BE(0);
        return new Date(Number(both & 0x3_ffff_ffffn) * 1000 + Number(both >> 34n) / 1e6);
      }
      case 12:
        return new Date(Number(data.readBigInt64BE(4)) * 1000 + data.readUInt32BE(0) / 1e6);
      default:
        throw new RangeError(`a timestamp of ${length} bytes`);
    }
  }
}

/** As a number if that holds it exactly. */
function exact(value: bigint): number | bigint {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}
