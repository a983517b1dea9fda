/**
 * Senders and topics as strings. The same few come again and again, and making a string from bytes costs more than all
 * else about a small frame: so they are found by a hash that is computed while looking for the separator.
 */

/** As many as a power of two; a text whose slot is taken by another one takes it over. */
const SLOTS = 512;

/** Longer texts are not remembered, so that nobody can fill the cache with megabytes. */
const LONGEST = 256;

interface Known {
  readonly hash: number;
  readonly bytes: Buffer;
  readonly text: string;
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @internal */
export class TextCache {
  readonly #known = new Array<Known | undefined>(SLOTS).fill(undefined);
  /** Bytes of the text that was read last, without its separator; -1 if it had none. */
  length = 0;

  /** The text from `start` to the first 00; `undefined` if there is none, or if it is not UTF-8. */
  read(bytes: Buffer, start: number, end: number): string | undefined {
    let hash = 0x811c9dc5;
    let at = start;
    let byte = 0;
    while (at < end && (byte = bytes[at]!) !== 0) {
      hash = Math.imul(hash ^ byte, 0x01000193);
      at += 1;
    }
    if (at >= end) {
      this.length = -1;
      return undefined;
    }
    this.length = at - start;
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    const known = this.#known[slot];
    if (known?.hash === hash && known.bytes.length === at - start && matches(known.bytes, bytes, start)) {
      return known.text;
    }
    const text = decode(bytes.subarray(start, at));
    if (text !== undefined && at - start <= LONGEST) {
      this.#known[slot] = { hash, bytes: Buffer.from(bytes.subarray(start, at)), text };
    }
    return text;
  }
}

function matches(known: Buffer, bytes: Buffer, start: number): boolean {
  for (let at = 0; at < known.length; at += 1) {
    if (known[at] !== bytes[start + at]) {
      return false;
    }
  }
  return true;
}

function decode(bytes: Buffer): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}
