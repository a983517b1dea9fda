/** The first words of a connection, without I/O: bytes in, bytes to send and the verdict out. */
import { ERR_NOT_SUPPORTED, RESPONSE_OK, codeText, knownCode } from './constants.js';
import { ConnectError } from './errors.js';

/** Both sides say this first: the magic byte pair's first, then the version as u16. */
const GREETING = Buffer.from([0xeb, 0x01, 0x00]);

/** What the client has to do next; `rest` are bytes behind the greeting, frames already. @internal */
export type GreetingStep =
  { send: Buffer } | { done: true; rest: Buffer } | { error: ConnectError } | undefined;

/**
 * Greets a broker in three steps, each of which waits for bytes:
 *
 * ```text
 *  broker → client   EB 01 00          client → broker   EB 01 00
 *  broker → client   01                client → broker   length of the name (u16), name
 *  broker → client   01
 * ```
 *
 * @internal
 */
export class Greeting {
  readonly #name: Buffer;
  #heard: Buffer = Buffer.alloc(0);
  #stage: 'version' | 'consent' | 'registered' = 'version';

  constructor(name: string) {
    this.#name = Buffer.from(name);
  }

  /** Takes bytes; to be called again, without bytes, for as long as it has something to send. */
  push(bytes: Buffer): GreetingStep {
    this.#heard = this.#heard.length === 0 ? bytes : Buffer.concat([this.#heard, bytes]);
    const needed = this.#stage === 'version' ? GREETING.length : 1;
    if (this.#heard.length < needed) {
      return undefined;
    }
    const said = this.#heard.subarray(0, needed);
    this.#heard = this.#heard.subarray(needed);
    switch (this.#stage) {
      case 'version':
        if (!said.equals(GREETING)) {
          const hex = said.toString('hex');
          return {
            error: new ConnectError('greeting', `not a broker of this protocol: it greets with ${hex}`),
          };
        }
        this.#stage = 'consent';
        return { send: GREETING };
      case 'consent':
        if (said[0] !== RESPONSE_OK) {
          return { error: this.#refusal(said[0]!) };
        }
        this.#stage = 'registered';
        return { send: this.#introduction() };
      case 'registered':
        if (said[0] !== RESPONSE_OK) {
          return { error: this.#refusal(said[0]!) };
        }
        return { done: true, rest: this.#heard };
    }
  }

  #introduction(): Buffer {
    const length = Buffer.alloc(2);
    length.writeUInt16LE(this.#name.length);
    return Buffer.concat([length, this.#name]);
  }

  #refusal(byte: number): ConnectError {
    const code = knownCode(byte);
    if (this.#stage === 'consent' && code === ERR_NOT_SUPPORTED) {
      return new ConnectError('greeting', 'the broker speaks another version of the protocol');
    }
    const name = JSON.stringify(this.#name.toString());
    return new ConnectError('refused', `the broker does not register ${name}: ${codeText(code)}`, { code });
  }
}
