/** Numbers of the wire: operations, qualities of service, codes. Their meaning is told in `docs/protocol.md`. */

/** Operation: nothing; with QoS bits it is acknowledged. */
export const OP_NOP = 0x00;
/** Operation and kind of frame: a publication to a topic. */
export const OP_PUBLISH = 0x01;
/** Operation: subscribe to topics. */
export const OP_SUBSCRIBE = 0x02;
/** Operation: take subscriptions back. */
export const OP_UNSUBSCRIBE = 0x03;
/** Operation: keep publications away although they are subscribed to (BUS/RT). */
export const OP_EXCLUDE = 0x04;
/** Operation: take exclusions back (BUS/RT). */
export const OP_UNEXCLUDE = 0x05;
/** Operation: a publication for the subscriptions of one client (BUS/RT). */
export const OP_PUBLISH_FOR = 0x06;
/** Operation and kind of frame: a message to one client. */
export const OP_MESSAGE = 0x12;
/** Operation and kind of frame: a message to every client that a mask matches. */
export const OP_BROADCAST = 0x13;
/** First byte of an acknowledgement. */
export const OP_ACK = 0xfe;

/** The broker's answer: done. */
export const RESPONSE_OK = 0x01;

/** No client of that name is on the bus. */
export const ERR_CLIENT_NOT_REGISTERED = 0x71;
/** Malformed, or over a limit of size or depth. */
export const ERR_DATA = 0x72;
/** Input or output failed. */
export const ERR_IO = 0x73;
/** Another error. */
export const ERR_OTHER = 0x74;
/** The broker does not know the operation or the protocol. */
export const ERR_NOT_SUPPORTED = 0x75;
/** The name is taken, or a quota is full. */
export const ERR_BUSY = 0x76;
/** The target did not take the message in time. */
export const ERR_NOT_DELIVERED = 0x77;
/** Timed out. */
export const ERR_TIMEOUT = 0x78;
/** Access denied. */
export const ERR_ACCESS = 0x79;

/** First byte of an RPC notification. */
export const RPC_NOTIFICATION = 0x00;
/** First byte of an RPC request. */
export const RPC_REQUEST = 0x01;
/** First byte of an RPC reply. */
export const RPC_REPLY = 0x11;
/** First byte of an RPC error reply. */
export const RPC_ERROR = 0x12;

/** The params cannot be decoded. */
export const RPC_ERROR_CODE_PARSE = -32700;
/** Not a valid request. */
export const RPC_ERROR_CODE_INVALID_REQUEST = -32600;
/** The service has no such method. */
export const RPC_ERROR_CODE_METHOD_NOT_FOUND = -32601;
/** The method does not take these params. */
export const RPC_ERROR_CODE_INVALID_METHOD_PARAMS = -32602;
/** The service failed. */
export const RPC_ERROR_CODE_INTERNAL = -32603;
/** What the params name does not exist (BUS/RT). */
export const RPC_ERROR_CODE_NOT_FOUND = -32001;

/** An error of the bus in an RPC error reply is this less its code: -32118 is `ERR_BUSY`. */
export const RPC_BUS_ERROR = -32000;

/**
 * Quality of service: whether the broker acknowledges a frame, and whether it is flushed at once on its whole way.
 *
 * | member | number | acknowledged | real-time |
 * | --- | --- | --- | --- |
 * | `No` | 0 | no | no |
 * | `Processed` | 1 | yes | no |
 * | `Realtime` | 2 | no | yes |
 * | `RealtimeProcessed` | 3 | yes | yes |
 */
export const Qos = { No: 0, Processed: 1, Realtime: 2, RealtimeProcessed: 3 } as const;

/** A quality of service: 0 to 3. */
export type Qos = (typeof Qos)[keyof typeof Qos];

/** The name of the broker's own client. */
export const BROKER = '.broker';

const CODE_TEXTS: Record<number, string> = {
  [ERR_CLIENT_NOT_REGISTERED]: 'no such client is on the bus',
  [ERR_DATA]: 'malformed, or over a limit of size or depth',
  [ERR_IO]: 'input or output failed',
  [ERR_OTHER]: 'another error',
  [ERR_NOT_SUPPORTED]: 'not supported',
  [ERR_BUSY]: 'busy: the name is taken or a quota is full',
  [ERR_NOT_DELIVERED]: 'not delivered',
  [ERR_TIMEOUT]: 'timed out',
  [ERR_ACCESS]: 'access denied',
};

/** A byte of the wire as one of the codes: what is not among them counts as `ERR_OTHER`. @internal */
export function knownCode(byte: number): number {
  return byte in CODE_TEXTS ? byte : ERR_OTHER;
}

/** What a code of the wire means, in words. @internal */
export function codeText(code: number): string {
  return CODE_TEXTS[knownCode(code)]!;
}
