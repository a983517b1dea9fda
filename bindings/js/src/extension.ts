/** What both halves of MessagePack share. */

/** Arrays and maps within one another at most: a limit, so that no input can exhaust the stack. @internal */
export const DEPTH = 64;

/** A value of a MessagePack type that is none of those known here. */
export class Extension {
  /** The number of the type: -128 to 127. */
  readonly type: number;
  /** The bytes of the value. */
  readonly data: Buffer;

  constructor(type: number, data: Buffer) {
    this.type = type;
    this.data = data;
  }
}
