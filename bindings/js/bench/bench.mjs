// How many messages a second one client sends and receives, and how many calls it makes, on a server of this machine. No
// published client exists to compare with: so each figure stands beside what a bare socket of Node does with the same bytes
// in the same run.
//
// node bench/bench.mjs [ADDRESS]   ADDRESS: of a running server; else target/release/elbus-server is started
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { Client, Qos, Rpc, Service } from 'elbus';

const PAYLOAD = Buffer.alloc(100, 'x');
const MESSAGES = 1_000_000;
const CALLS = 200_000;
const IN_FLIGHT = 64;
const ROUNDS = 3;
// What a message of the bench is on the wire: header, target, separator, payload; and the same from the broker.
const SENT = 9 + 'bench.receiver'.length + 1 + PAYLOAD.length;
const RECEIVED = 6 + 'bench.sender'.length + 1 + PAYLOAD.length;

/** The other end, on a thread of its own: a socket that writes or discards bytes, or a client that does. */
async function worker({ role, address, count }) {
  if (role === 'sink') {
    const server = createServer((socket) => {
      let bytes = 0;
      socket.on('data', (chunk) => {
        bytes += chunk.length;
        if (bytes === count * SENT) parentPort.postMessage('done');
      });
    }).listen(address);
    await once(server, 'listening');
    parentPort.postMessage('ready');
  } else if (role === 'source') {
    const server = createServer((socket) => {
      const chunk = Buffer.alloc(RECEIVED * 500);
      let left = count / 500;
      const write = () => {
        while (left > 0) {
          left -= 1;
          if (!socket.write(chunk)) break;
        }
      };
      socket.on('drain', write);
      write();
    }).listen(address);
    await once(server, 'listening');
    parentPort.postMessage('ready');
  } else if (role === 'echo') {
    const server = createServer((socket) => socket.setNoDelay(true).pipe(socket)).listen(address);
    await once(server, 'listening');
    parentPort.postMessage('ready');
  } else if (role === 'receiver') {
    const client = await Client.connect('bench.receiver', { address });
    let received = 0;
    client.on('frame', () => {
      received += 1;
      if (received === count) parentPort.postMessage('done');
    });
    parentPort.postMessage('ready');
  } else if (role === 'sender') {
    const client = await Client.connect('bench.sender', { address });
    parentPort.postMessage('ready');
    await once(parentPort, 'message');
    for (let n = 0; n < count; n += 1) await client.send('bench.target', PAYLOAD, { qos: Qos.No });
    await client.flush();
  } else {
    const client = new Client('bench.service', { address });
    new Service(client).method('echo', (params) => params);
    await client.connect();
    parentPort.postMessage('ready');
  }
}

async function start(role, address, count) {
  const thread = new Worker(fileURLToPath(import.meta.url), { workerData: { role, address, count } });
  await once(thread, 'message');
  return thread;
}

/** Seconds that something takes. */
async function time(what) {
  const begin = performance.now();
  await what();
  return (performance.now() - begin) / 1000;
}

const measures = {
  /** Writes the bytes of the messages, gathered as a client gathers them. */
  async 'socket writes'(folder) {
    const path = join(folder, 'sink.sock');
    const thread = await start('sink', path, MESSAGES);
    const socket = connect(path);
    await once(socket, 'connect');
    const chunk = Buffer.alloc(SENT * 500);
    const seconds = await time(async () => {
      const done = once(thread, 'message');
      for (let n = 0; n < MESSAGES; n += 500) {
        if (!socket.write(chunk)) await once(socket, 'drain');
      }
      await done;
    });
    socket.destroy();
    await thread.terminate();
    return MESSAGES / seconds;
  },

  async 'client sends, not acknowledged'(folder, address) {
    const client = await Client.connect('bench.sender', { address });
    // The broker drops what nobody is there for: what is measured is the client.
    const seconds = await time(async () => {
      for (let n = 0; n < MESSAGES; n += 1) await client.send('bench.receiver', PAYLOAD, { qos: Qos.No });
      await client.send('bench.sender', '');
    });
    await client.close();
    return MESSAGES / seconds;
  },

  async 'client sends, acknowledged, in flight together'(folder, address) {
    const client = await Client.connect('bench.sender', { address, receive: false });
    const count = MESSAGES / 4;
    const seconds = await time(async () => {
      let open = [];
      for (let n = 0; n < count; n += 1) {
        open.push(client.send('bench.sender', PAYLOAD));
        if (open.length === 1_000) {
          await Promise.all(open);
          open = [];
        }
      }
    });
    await client.close();
    return count / seconds;
  },

  async 'socket reads'(folder) {
    const path = join(folder, 'source.sock');
    const thread = await start('source', path, MESSAGES);
    const seconds = await time(async () => {
      const socket = connect(path);
      let bytes = 0;
      await new Promise((resolve) => {
        socket.on('data', (chunk) => {
          bytes += chunk.length;
          if (bytes === MESSAGES * RECEIVED) resolve();
        });
      });
      socket.destroy();
    });
    await thread.terminate();
    return MESSAGES / seconds;
  },

  async 'client receives, with a listener'(folder, address) {
    return receiving(address, (client) => {
      let received = 0;
      return new Promise((resolve) => {
        client.on('frame', () => {
          received += 1;
          if (received === MESSAGES) resolve();
        });
      });
    });
  },

  async 'client receives, one frame after the other'(folder, address) {
    return receiving(address, async (client) => {
      let received = 0;
      while (received < MESSAGES && (await client.receive()) !== undefined) received += 1;
    });
  },

  async 'messages from client to client'(folder, address) {
    const thread = await start('receiver', address, MESSAGES);
    const client = await Client.connect('bench.sender', { address });
    const seconds = await time(async () => {
      const done = once(thread, 'message');
      for (let n = 0; n < MESSAGES; n += 1) await client.send('bench.receiver', PAYLOAD, { qos: Qos.No });
      await done;
    });
    await client.close();
    await thread.terminate();
    return MESSAGES / seconds;
  },

  async [`socket echoes, ${IN_FLIGHT} in flight`](folder) {
    const path = join(folder, 'echo.sock');
    const thread = await start('echo', path);
    const socket = connect(path).setNoDelay(true);
    await once(socket, 'connect');
    const request = Buffer.alloc(SENT);
    const seconds = await time(
      () =>
        new Promise((resolve) => {
          let bytes = 0;
          let sent = IN_FLIGHT;
          socket.on('data', (chunk) => {
            bytes += chunk.length;
            const done = Math.floor(bytes / SENT);
            if (done === CALLS) resolve();
            for (; sent < CALLS && sent < done + IN_FLIGHT; sent += 1) socket.write(request);
          });
          for (let n = 0; n < IN_FLIGHT; n += 1) socket.write(request);
        }),
    );
    socket.destroy();
    await thread.terminate();
    return CALLS / seconds;
  },

  async [`calls, ${IN_FLIGHT} in flight`](folder, address) {
    return calling(address, IN_FLIGHT, CALLS);
  },

  async 'calls, one after the other'(folder, address) {
    return calling(address, 1, CALLS / 10);
  },
};

async function receiving(address, receive) {
  const thread = await start('sender', address, MESSAGES);
  const client = await Client.connect('bench.target', { address });
  const seconds = await time(async () => {
    thread.postMessage('go');
    await receive(client);
  });
  await client.close();
  await thread.terminate();
  return MESSAGES / seconds;
}

async function calling(address, inFlight, count) {
  const thread = await start('service', address);
  const client = await Client.connect('bench.caller', { address });
  const rpc = new Rpc(client);
  const seconds = await time(async () => {
    let begun = 0;
    const caller = async () => {
      for (; begun < count;) {
        begun += 1;
        await rpc.call('bench.service', 'echo', { a: 1 });
      }
    };
    await Promise.all(Array.from({ length: inFlight }, caller));
  });
  await client.close();
  await thread.terminate();
  return count / seconds;
}

const AGAINST = [
  ['client sends', 'socket writes'],
  ['client receives', 'socket reads'],
  ['messages', 'socket reads'],
  ['calls, 64', 'socket echoes'],
];

async function main() {
  const folder = mkdtempSync(join(tmpdir(), 'elbus-bench-'));
  let server;
  let [, , address] = process.argv;
  if (address === undefined) {
    address = join(folder, 'bus.sock');
    const path = fileURLToPath(new URL('../../../target/release/elbus-server', import.meta.url));
    server = spawn(path, ['-B', address], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(server.stdout, 'data');
  }
  const only = process.env.ONLY;
  const best = {};
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, measure] of Object.entries(measures)) {
      if (only === undefined || name.includes(only)) {
        best[name] = Math.max(best[name] ?? 0, await measure(folder, address));
      }
    }
  }
  console.log(`Node ${process.version}, ${PAYLOAD.length}-byte messages, best of ${ROUNDS} rounds`);
  for (const [name, figure] of Object.entries(best)) {
    const against = AGAINST.find(([begin]) => name.startsWith(begin))?.[1];
    const base = Object.entries(best).find(
      ([other]) => against !== undefined && other.startsWith(against),
    )?.[1];
    const ratio = base === undefined ? '' : `${(figure / base).toFixed(2)} of ${against}`;
    console.log(`${name.padEnd(48)}${Math.round(figure).toLocaleString('en').padStart(12)}/s  ${ratio}`);
  }
  server?.kill();
  rmSync(folder, { recursive: true });
}

if (isMainThread) {
  await main();
} else {
  await worker(workerData);
}
