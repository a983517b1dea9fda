// How frames are received: by iteration, by handlers, by asking; and what a slow receiver does.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clients } from './kit/bus.mjs';
import { Frame, Qos, part } from './kit/elbus.mjs';
import { Server } from './kit/server.mjs';
import { event, failure, frames, next, uncaught, until, within } from './kit/wait.mjs';

const { Inbox } = await part('inbox');

test('iteration yields every frame, those included that came before it began', async (t) => {
  const join = clients(t);
  const [sender, receiver] = [await join('sender'), await join('receiver')];
  await sender.send(receiver.name, '0');
  const later = (async () => {
    for (let n = 1; n < 1000; n += 1) await sender.send(receiver.name, `${n}`, { qos: n % 2 });
  })();
  const received = [];
  for await (const frame of receiver) {
    received.push(Number(frame.text()));
    if (received.length === 1000) break;
  }
  assert.deepEqual(
    received,
    Array.from({ length: 1000 }, (_, n) => n),
  );
  await later;
});

test('iteration ends when the client is closed, after what has arrived', async (t) => {
  const join = clients(t);
  const receiver = await join('receiver');
  for (const text of ['one', 'two']) await receiver.send(receiver.name, text);
  await receiver.close();
  const received = [];
  for await (const frame of receiver) received.push(frame.text());
  assert.deepEqual(received, ['one', 'two']);
  assert.equal(await receiver.receive(), undefined);
});

test('a wait for a frame ends at its time-out or signal, and loses no frame', async (t) => {
  const client = await clients(t)('client');
  assert.equal(await client.receive({ timeout: 1 }), undefined);
  assert.equal(await client.receive({ signal: AbortSignal.abort() }), undefined);
  const controller = new AbortController();
  const waiting = client.receive({ signal: controller.signal });
  controller.abort();
  assert.equal(await waiting, undefined);
  await client.send(client.name, 'kept');
  assert.equal((await next(client)).text(), 'kept');
});

test('listeners of the event get every frame, those included that came before', async (t) => {
  const client = await clients(t)('client');
  await client.send(client.name, 'before');
  const received = [];
  client.on('frame', (frame) => received.push(frame.text()));
  await client.send(client.name, 'after');
  await until(() => received.length === 2);
  assert.deepEqual(received, ['before', 'after']);
});

test('a handler that returns a promise gets one frame after the other', async (t) => {
  const client = await clients(t)('client');
  const log = [];
  client.onFrame = async (frame) => {
    log.push(`begin ${frame.text()}`);
    await new Promise((resolve) => setImmediate(resolve));
    log.push(`end ${frame.text()}`);
  };
  await Promise.all(['a', 'b', 'c'].map((text) => client.send(client.name, text)));
  await until(() => log.length === 6);
  assert.deepEqual(log, ['begin a', 'end a', 'begin b', 'end b', 'begin c', 'end c']);
});

test('without autopause a handler gets frames as they come', async (t) => {
  const client = await clients(t)('client');
  let begun = 0;
  client.autopause = false;
  client.onFrame = () => {
    begun += 1;
    return new Promise(() => undefined);
  };
  await Promise.all(['a', 'b', 'c'].map((text) => client.send(client.name, text)));
  assert.equal(begun, 3);
});

test('what a handler throws is an uncaught exception, and the next frames are handled', async (t) => {
  const client = await clients(t)('client');
  const received = [];
  client.onFrame = (frame) => {
    received.push(frame.text());
    if (frame.text() === 'bad') throw new Error('from the handler');
    if (frame.text() === 'worse') return Promise.reject(new Error('from the promise'));
    return undefined;
  };
  const caught = await uncaught(async (errors) => {
    await Promise.all(['bad', 'worse', 'good'].map((text) => client.send(client.name, text)));
    await until(() => received.length === 3 && errors.length === 2);
  });
  assert.deepEqual(received, ['bad', 'worse', 'good']);
  assert.deepEqual(caught, ['from the handler', 'from the promise']);
});

test('at the limit of the inbox reading stops, nothing is lost, and it goes on when frames are taken', async (t) => {
  const join = clients(t);
  const receiver = await join('receiver', { inboxLimit: 50_000 });
  const sender = await join('sender');
  const lagging = event(receiver, 'inboxLagging');
  const count = 3_000;
  const sent = Promise.all(
    Array.from({ length: count }, (_, n) => sender.send(receiver.name, `${n}`.padEnd(100))),
  );
  const [bytes] = await lagging;
  assert.ok(bytes >= 50_000 && bytes < 50_000 + 2 * 65_536 * 2, `${bytes} bytes`);
  const received = await frames(receiver, count);
  assert.deepEqual(
    received.map((frame) => parseInt(frame.text(), 10)),
    Array.from({ length: count }, (_, n) => n),
  );
  await sent;
});

test('an operation gets its answer although the inbox is full', async (t) => {
  const client = await clients(t)('client', { inboxLimit: 1_000 });
  await Promise.all(Array.from({ length: 100 }, () => client.send(client.name, Buffer.alloc(200))));
  assert.equal((await frames(client, 100)).length, 100);
});

test('past the hard limit of the inbox operations fail, and their outcome is unknown', async (t) => {
  const join = clients(t);
  const client = await join('client', { inboxLimit: 1_000, inboxHardLimit: 200_000 });
  const sent = Array.from({ length: 100 }, () =>
    client.send(client.name, Buffer.alloc(10_000)).catch((error) => error),
  );
  const results = await within(Promise.all(sent), 'the verdicts');
  const full = results.filter((result) => result !== undefined);
  assert.ok(full.length > 0);
  for (const error of full) assert.deepEqual([error.kind, error.outcome], ['inboxFull', 'unknown']);
  assert.equal((await frames(client, 100)).length, 100, 'nothing is lost');
  await client.send(client.name, 'again');
  assert.equal((await next(client)).text(), 'again');
});

test('a client that does not receive discards what comes', async (t) => {
  const join = clients(t);
  const client = await join('client', { receive: false, inboxLimit: 100 });
  for (let n = 0; n < 100; n += 1) await client.send(client.name, Buffer.alloc(100));
  assert.equal(await client.receive({ timeout: 1 }), undefined);
});

test('a slow receiver holds its sender back, who waits and loses nothing', async (t) => {
  // However long this process is kept from running, the receiver is not to be taken for dead.
  const server = await Server.start(['--stall-timeout', '60']);
  t.after(() => server.kill());
  const join = clients(t, server.address);
  const receiver = await join('receiver', { inboxLimit: 65_536 });
  const sender = await join('sender', { outboxLimit: 100_000 });
  // More than the broker's mark and all the buffers between.
  const [count, size] = [400, 64 * 1024];
  let sent = 0;
  const sending = (async () => {
    for (; sent < count; sent += 1)
      await sender.send(receiver.name, Buffer.alloc(size, sent & 255), { qos: Qos.No });
    await sender.flush();
  })();
  let received = 0;
  let most = 0;
  for await (const frame of receiver) {
    assert.ok(frame.payload.length === size && frame.payload[0] === (received & 255));
    received += 1;
    most = Math.max(most, sent - received);
    if (received === count) break;
    if (received % 8 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await sending;
  assert.ok(most < count, 'it waited');
});

test('a small frame that waits does not keep the chunk that it came in, and many small ones do', () => {
  for (const [count, copied] of [
    [1, true],
    [600, false],
  ]) {
    const chunk = Buffer.allocUnsafeSlow(65_536);
    const inbox = new Inbox(
      () => undefined,
      () => undefined,
    );
    for (let n = 0; n < count; n += 1)
      inbox.push(Frame.received(0x12, false, 'a', undefined, chunk.subarray(0, 100)));
    inbox.chunkDone(chunk.length);
    assert.equal(inbox.bytes, count * 196);
    assert.equal(inbox.take().payload.buffer !== chunk.buffer, copied);
  }
});

test('a signal ends a wait for the verdict, before it is sent and after', async (t) => {
  const client = await clients(t)('client');
  const before = await failure(client.send(client.name, 'x', { signal: AbortSignal.abort() }));
  assert.deepEqual([before.kind, before.outcome], ['aborted', 'refused']);
  const controller = new AbortController();
  const sending = client.send(client.name, 'x', { signal: controller.signal });
  controller.abort();
  const after = await failure(sending);
  assert.deepEqual([after.kind, after.outcome], ['aborted', 'unknown']);
  assert.equal((await next(client)).text(), 'x');
});
