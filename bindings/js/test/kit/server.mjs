// Our server as a process of its own, at a UNIX socket and a TCP port; and the published brokers.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { event, within } from './wait.mjs';

/** The root of the repository: where programs that were built from it are. */
export const ROOT = process.env.ELBUS_ROOT ?? new URL('../../../..', import.meta.url).pathname;

/** A program that cargo has built. */
export function program(name) {
  const path = join(ROOT, 'target/debug', name);
  if (!existsSync(path)) {
    throw new Error(`${path} is missing: build it with \`cargo build -p ${name}\``);
  }
  return path;
}

/** A folder for sockets that is gone when the process is. */
export function folder() {
  const path = mkdtempSync(join(tmpdir(), 'elbus-js-'));
  process.on('exit', () => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** The lines of a stream, and a way to wait for one of them. */
export function lines(stream) {
  const heard = [];
  const waiting = new Set();
  createInterface({ input: stream }).on('line', (line) => {
    heard.push(line);
    for (const look of waiting) look();
  });
  const line = (pattern) =>
    within(
      new Promise((resolve) => {
        const look = () => {
          const found = heard.find((one) => pattern.test(one));
          if (found !== undefined) {
            waiting.delete(look);
            resolve(found);
          }
        };
        waiting.add(look);
        look();
      }),
      `a line like ${pattern}`,
    );
  return { heard, line };
}

export class Server {
  /** Where it listens: the path of a socket, and a port that the system chose. */
  address;
  tcp;
  #args;
  #process;

  /** Starts a server; `args` are flags beside those that say where it listens. */
  static async start(args = []) {
    const server = new Server();
    server.address = join(folder(), 'bus.sock');
    server.#args = args;
    await server.restart();
    return server;
  }

  /** Starts it again at its socket, and at a port that the system chooses. */
  async restart() {
    const args = ['-B', this.address, '-B', '127.0.0.1:0', '-w', '1', ...this.#args];
    this.#process = spawn(program('elbus-server'), args, { stdio: ['ignore', 'pipe', 'ignore'] });
    process.once('exit', () => this.#process.kill('SIGKILL'));
    this.tcp = (await lines(this.#process.stdout).line(/^ +127\.0\.0\.1:/)).trim();
    await listening(this.address);
  }

  /** Ends it with a goodbye. */
  async stop() {
    const ended = event(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    await ended;
  }

  /** Ends it without one. */
  async kill() {
    const ended = event(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }

  /** Stops it from doing anything, as a machine does that swaps. */
  freeze() {
    this.#process.kill('SIGSTOP');
  }

  thaw() {
    this.#process.kill('SIGCONT');
  }
}

/** Waits until somebody accepts connections. */
async function listening(path) {
  await within(
    new Promise((resolve) => {
      const attempt = () => {
        const socket = connect(path);
        socket.once('connect', () => resolve(socket.destroy()));
        socket.once('error', () => setImmediate(attempt));
      };
      attempt();
    }),
    `a server at ${path}`,
  );
}

/** Starts a broker of the published crate `elbus` or `busrt`; answers where it listens and how to end it. */
export async function publishedBroker(origin) {
  const address = join(folder(), 'bus.sock');
  const args = [address, '127.0.0.1:0', origin];
  const child = spawn(process.env.ELBUS_PUBLISHED_BROKER, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  process.once('exit', () => child.kill('SIGKILL'));
  await lines(child.stdout).line(/ready/);
  await listening(address);
  const stop = async () => {
    const ended = event(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  return { address, stop };
}
