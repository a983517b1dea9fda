/** JSON as a codec, for those who want to read along. */
import type { Codec } from './msgpack.js';

/** Params and results as JSON: `new Rpc(client, { codec: json })`. Both sides have to agree on it. */
export const json: Codec = {
  encode(value: unknown): Buffer {
    // `JSON.stringify` answers undefined for what it has no words for, whatever its declaration says.
    const text = JSON.stringify(value ?? null) as string | undefined;
    if (text === undefined) {
      throw new TypeError(`a ${typeof value} cannot be encoded as JSON`);
    }
    return Buffer.from(text);
  },
  decode(bytes: Uint8Array): unknown {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString());
  },
};
