// The installed package, as an ES module or, with ELBUS_MODULE=cjs, as CommonJS: the same tests run on both.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(import.meta.url);
const elbus = process.env.ELBUS_MODULE === 'cjs' ? require('elbus') : await import('elbus');

export const { BusError, Client, ConnectError, Disconnect, Frame, Rpc, RpcError, Service, SentFrame } = elbus;
export const { RpcEvent, RpcNotification, RpcReply, RpcRequest, Extension, Qos, QoS, json, msgpack } = elbus;
export const constants = elbus;

// Parts that the package does not export, for tests of what has no sockets.
const folder = process.env.ELBUS_MODULE === 'cjs' ? 'cjs' : 'esm';

/** A module inside the installed package. */
export async function part(name) {
  const path = require.resolve('elbus/package.json').replace(/package\.json$/, `dist/${folder}/${name}.js`);
  return folder === 'cjs' ? require(path) : import(pathToFileURL(path));
}
