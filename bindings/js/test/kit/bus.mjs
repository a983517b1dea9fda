// Clients of a test: each test has names of its own on a server that the file shares, and all are closed at its end.
import { after } from 'node:test';
import { Client } from './elbus.mjs';
import { Server } from './server.mjs';

let server;
let count = 0;

/** The server of this test file, at a UNIX socket and a TCP port; started when it is asked for. */
export async function shared() {
  server ??= Server.start();
  return server;
}

after(async () => (await server)?.kill());

/** A way to make clients that are closed when the test is over, with names that nobody else has. */
export function clients(t, address) {
  count += 1;
  const group = `g${count}`;
  const made = [];
  t.after(() => Promise.all(made.map((client) => client.disconnect())));
  const join = async (name, options = {}) => {
    const where = address ?? (await shared()).address;
    const client = new Client(`${group}.${name}`, { address: where, ...options });
    made.push(client);
    await client.connect();
    return client;
  };
  join.group = group;
  join.made = made;
  return join;
}
