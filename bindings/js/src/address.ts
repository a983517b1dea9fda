/** Where a broker listens. */
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { ConnectError } from './errors.js';

/** Where to connect: a UNIX socket or TCP; as `net.connect` takes it. @internal */
export type Address = { path: string } | { host: string; port: number };

/** The environment variable that says where the bus is. */
const VARIABLE = 'ELBUS_ADDRESS';

/**
 * What a text stands for: `/path`, `./path`, `name.sock` (also `.socket`, `.ipc`), `unix:path`, `unix:///path`,
 * `host:port`, `[::1]:port`, `tcp://host:port`.
 *
 * @internal
 */
export function parseAddress(text: string): Address {
  if (text === '') {
    throw fault(
      'the address is empty: give a path like /run/bus.sock or a host and port like localhost:7777',
    );
  }
  if (text.startsWith('unix:')) {
    return unix(text.slice(text.startsWith('unix://') ? 7 : 5));
  }
  if (text.startsWith('tcp://')) {
    return tcp(text.slice(6));
  }
  if (text.includes('://') || text.startsWith('fifo:')) {
    throw fault(`${JSON.stringify(text)} has an unknown scheme: use unix: or tcp://`);
  }
  return /^[/.]|\.(sock|socket|ipc)$/.test(text) ? unix(text) : tcp(text);
}

/**
 * Where `elbus-server` of the same user listens by default: `$ELBUS_ADDRESS`, else `$XDG_RUNTIME_DIR/elbus/elbus.sock`,
 * else `/tmp/elbus-UID/elbus.sock`. Anyone may create names in `/tmp`: so the directory must belong to the user alone.
 *
 * @internal
 */
export function defaultAddress(environment: NodeJS.ProcessEnv = process.env): string {
  const set = environment[VARIABLE];
  // Empty means unset, as for other variables of the environment.
  if (set) {
    return set;
  }
  const uid = process.getuid?.();
  if (uid === undefined) {
    throw fault(`this system has no default address: set ${VARIABLE} or give one`);
  }
  const runtime = environment['XDG_RUNTIME_DIR'];
  const directory = runtime ? join(runtime, 'elbus') : `/tmp/elbus-${uid}`;
  const found = lstatSync(directory, { throwIfNoEntry: false });
  if (found !== undefined) {
    const what = !found.isDirectory()
      ? 'it is something else'
      : found.uid !== uid
        ? 'it belongs to somebody else'
        : (found.mode & 0o077) !== 0
          ? 'others may enter it (make it mode 0700)'
          : undefined;
    if (what !== undefined) {
      throw fault(`${directory} is not a directory that belongs to this user alone: ${what}`);
    }
  }
  return join(directory, 'elbus.sock');
}

function unix(path: string): Address {
  if (path === '') {
    throw fault('the address has no path');
  }
  return { path };
}

function tcp(text: string): Address {
  const colon = text.lastIndexOf(':');
  const port = text.slice(colon + 1);
  const host = text.slice(0, Math.max(colon, 0)).replace(/^\[(.*)\]$/, '$1');
  if (host !== '' && /^\d+$/.test(port) && Number(port) > 0xffff) {
    throw fault(`the port of ${JSON.stringify(text)} is out of range: ports are from 0 to 65535`);
  }
  if (host === '' || !/^\d+$/.test(port)) {
    const given = JSON.stringify(text);
    throw fault(`${given} is neither the path of a socket (/path, ./path, name.sock) nor host:port`);
  }
  return { host, port: Number(port) };
}

function fault(message: string): ConnectError {
  return new ConnectError('address', message);
}
