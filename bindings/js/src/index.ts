/**
 * Client of the elbus message bus for Node: messages, broadcasts, publish/subscribe and RPC over UNIX sockets and TCP.
 *
 * `Client` sends and receives; `Rpc` calls methods of other clients over it, and `Service` offers some. `Frame`, `RpcRequest`
 * and their like are there for programs written for the published package.
 *
 * @packageDocumentation
 */
export { Client } from './client.js';
export type {
  ClientEvents,
  FrameHandler,
  PublishOptions,
  ReceiveOptions,
  SendOptions,
} from './client-types.js';
export type { ClientOptions } from './options.js';
export type { NameLimits, TopicLimits } from './names.js';
export type { Payload } from './operation.js';
export { Frame } from './frame.js';
export type { FrameKind } from './frame.js';
export { SentFrame } from './sent-frame.js';
export { Rpc } from './rpc.js';
export type { CallHandler, Description, NotificationHandler, RpcOptions, RpcStats } from './rpc.js';
export type { CallOptions } from './calls.js';
export { Service } from './service.js';
export type { MethodHandler, MethodOptions, RawHandler } from './service.js';
export { Context } from './requests.js';
export { RpcEvent, RpcNotification, RpcReply, RpcRequest } from './rpc-types.js';
export { BusError, ConnectError, Disconnect, RpcError } from './errors.js';
export type { BusErrorKind, ConnectErrorKind, DisconnectKind, Outcome } from './errors.js';
export { msgpack } from './msgpack.js';
export type { Codec } from './msgpack.js';
export { Extension } from './extension.js';
export { json } from './json.js';
export * from './public-constants.js';
