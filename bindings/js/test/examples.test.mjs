// The examples run as they stand, as processes of their own.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Server, lines } from './kit/server.mjs';
import { event } from './kit/wait.mjs';

const path = (name) => fileURLToPath(new URL(`../examples/${name}`, import.meta.url));

function start(t, name, address) {
  const child = spawn(process.execPath, [path(name), address], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const closed = event(child, 'close');
  return { ...lines(child.stdout), closed };
}

async function bus(t) {
  const server = await Server.start();
  t.after(() => server.kill());
  return server.address;
}

/** Runs one to its end. */
async function output(t, name, address) {
  const { heard, closed } = start(t, name, address);
  assert.deepEqual((await closed)[0], 0);
  return heard;
}

test('the service has ten lines, and is called', async (t) => {
  const address = await bus(t);
  assert.equal(readFileSync(path('service.mjs'), 'utf8').trimEnd().split('\n').length, 8);
  await start(t, 'service.mjs', address).line(/serves/);
  assert.deepEqual(await output(t, 'call.mjs', address), [
    '2 + 3 = 5',
    'it offers add: Adds a and b.',
    'it offers greet: ',
    'error -32601: there is no method "divide"',
  ]);
});

test('the listener prints what the sender sends', async (t) => {
  const address = await bus(t);
  assert.deepEqual((await output(t, 'send.mjs', address)).length, 2, 'nobody listens yet');
  const listener = start(t, 'listen.mjs', address);
  await listener.line(/listening/);
  let sent;
  do {
    sent = await output(t, 'send.mjs', address);
  } while (!listener.heard.some((line) => line.includes('plant/')));
  assert.deepEqual(sent, ['published', 'delivered']);
  await listener.line(/^tour.sender plant\/hall\/temperature 21.5$/);
  await listener.line(/^tour.sender \(message\) hello$/);
});

test('a program written as for the published package runs', async (t) => {
  const heard = await output(t, 'published.cjs', await bus(t));
  assert.deepEqual(heard.sort(), ['1 tour.published some/topic hello', 'true']);
});
