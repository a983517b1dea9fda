/**
 * RPC in the payload of a one-to-one message. All integers are little-endian.
 *
 * ```text
 *  00  payload                            notification
 *  01  id (u32)  method 00 params         request; id 0: no reply wanted
 *  11  id (u32)  payload                  reply
 *  12  id (u32)  code (i16)  payload      error reply
 * ```
 */
import { RPC_ERROR, RPC_NOTIFICATION, RPC_REPLY, RPC_REQUEST } from './constants.js';
import { BusError } from './errors.js';

/** Bytes in front of a reply's payload, and of the method in a request. @internal */
export const REPLY_HEADER = 5;

/** Bytes in front of an error reply's payload. @internal */
export const ERROR_HEADER = 7;

/** @internal */
export const NOTIFICATION_FRONT = Buffer.from([RPC_NOTIFICATION]);

/** What stands in front of a request's params. @internal */
export function requestFront(id: number, method: string): Buffer {
  if (method === '' || method.includes('\0')) {
    throw new BusError(
      'method',
      `${JSON.stringify(method)} is no name of a method: it is empty or holds NUL`,
    );
  }
  // Three bytes a UTF-16 unit are the most that UTF-8 takes; in memory of its own, for it may wait for long.
  const front = Buffer.allocUnsafe(REPLY_HEADER + 3 * method.length + 1);
  front[0] = RPC_REQUEST;
  front.writeUInt32LE(id, 1);
  const end = REPLY_HEADER + front.write(method, REPLY_HEADER);
  front[end] = 0;
  return front.subarray(0, end + 1);
}

/** @internal */
export function replyFront(id: number): Buffer {
  const front = Buffer.allocUnsafe(REPLY_HEADER);
  front[0] = RPC_REPLY;
  front.writeUInt32LE(id, 1);
  return front;
}

/** @internal */
export function errorFront(id: number, code: number): Buffer {
  const front = Buffer.allocUnsafe(ERROR_HEADER);
  front[0] = RPC_ERROR;
  front.writeUInt32LE(id, 1);
  front.writeInt16LE(code, REPLY_HEADER);
  return front;
}
