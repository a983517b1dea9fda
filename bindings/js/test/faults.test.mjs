// Brokers that misbehave, stall, or speak byte by byte.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, Qos, Service } from './kit/elbus.mjs';
import { FakeBroker, delivery } from './kit/fake-broker.mjs';
import { Server } from './kit/server.mjs';
import { event, failure, next, until, within } from './kit/wait.mjs';

/** For tests in which it passes: long enough to connect on a machine that stands still for two seconds. */
const TIMEOUT = 3_000;

/** A client on a fake broker, and the broker's end of it. */
async function pair(t, options = {}, how = {}) {
  const broker = await FakeBroker.start(how);
  const client = new Client('c', { address: broker.address, reconnect: false, ...options });
  const connected = client.connect();
  const peer = await broker.client();
  await connected;
  t.after(async () => {
    peer.close();
    await client.disconnect();
    broker.stop();
  });
  return { broker, client, peer };
}

test('a greeting and frames that come byte by byte are understood', async (t) => {
  const broker = await FakeBroker.start();
  t.after(() => broker.stop());
  const client = new Client('c', { address: broker.address });
  t.after(() => client.disconnect());
  const connected = client.connect();
  const peer = await broker.accept();
  await peer.greet(true);
  await connected;
  assert.equal(peer.name, 'c');
  const sent = client.send('a.b', 'x');
  const { id } = await peer.frame();
  const answer = Buffer.from([0xfe, 0, 0, 0, 0, 1]);
  answer.writeUInt32LE(id, 1);
  const ping = Buffer.alloc(6);
  const bytes = Buffer.concat([
    delivery(0x12, 'a', 'one'),
    ping,
    answer,
    delivery(0x01, 'a', 'two', { topic: 't' }),
  ]);
  await peer.say(bytes, true);
  await sent;
  assert.equal((await next(client)).text(), 'one');
  const frame = await next(client);
  assert.deepEqual([frame.sender, frame.topic, frame.text()], ['a', 't', 'two']);
});

test('half a frame is never taken for one, and a new connection begins with a new frame', async (t) => {
  const { broker, client, peer } = await pair(t, { reconnect: true, backoff: { first: 1, longest: 10 } });
  const whole = delivery(0x12, 'a', 'cut off');
  await peer.say(whole.subarray(0, whole.length - 1));
  await peer.say(Buffer.alloc(0));
  const gone = event(client, 'disconnected');
  peer.close();
  await gone;
  const again = await broker.client();
  t.after(() => again.close());
  await again.say(delivery(0x12, 'a', 'whole'));
  assert.equal((await next(client)).text(), 'whole');
});

for (const [what, bytes, reason] of [
  ['a frame of an unknown kind', Buffer.from([0x77, 0, 0, 0, 0, 0]), /unknown kind 0x77/],
  ['a frame over the limit', Buffer.from([0x12, 0, 0, 0, 0x40, 0]), /over the limit/],
  ['a frame without a separator', Buffer.from([0x12, 1, 0, 0, 0, 0, 0x61]), /without its separator/],
  ['a sender that is not UTF-8', Buffer.from([0x12, 2, 0, 0, 0, 0, 0xff, 0]), /not UTF-8/],
]) {
  test(`${what} ends the connection, because what follows cannot be trusted`, async (t) => {
    const { client, peer } = await pair(t);
    const waiting = failure(client.send('a.b', 'x'));
    await peer.frame();
    const gone = event(client, 'disconnected');
    await peer.say(Buffer.concat([delivery(0x12, 'a', 'before'), bytes, delivery(0x12, 'a', 'behind')]));
    const [why] = await gone;
    assert.equal(why.kind, 'protocol');
    assert.match(why.message, reason);
    assert.equal((await waiting).kind, 'connectionLost');
    assert.equal((await next(client)).text(), 'before');
    assert.equal(await client.receive(), undefined);
  });
}

test('an answer to an operation that nobody asked for, and a second one, are passed over', async (t) => {
  const { client, peer } = await pair(t);
  const sent = client.send('a.b', 'x');
  const { id } = await peer.frame();
  peer.acknowledge(id + 1);
  peer.acknowledge(id, 0x77);
  peer.acknowledge(id, 1);
  assert.equal((await failure(sent)).code, 0x77);
  const next = client.send('a.b', 'y');
  peer.acknowledge((await peer.frame()).id);
  await next;
});

for (const [what, greeting] of [
  ['another protocol', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
  ['another version', Buffer.from([0xeb, 2, 0])],
]) {
  test(`whoever speaks ${what} is no broker, and it is not tried again`, async (t) => {
    const broker = await FakeBroker.start();
    t.after(() => broker.stop());
    const connecting = failure(Client.connect('c', { address: broker.address, retryFirstConnect: 60_000 }));
    await (await broker.accept()).say(Buffer.from(greeting));
    const error = await connecting;
    assert.deepEqual([error.kind, error.mayPass], ['greeting', false]);
  });
}

test('a broker that does not greet is given up after the time-out', async (t) => {
  const broker = await FakeBroker.start();
  t.after(() => broker.stop());
  const error = await failure(Client.connect('c', { address: broker.address, timeout: 20 }));
  assert.deepEqual([error.kind, error.mayPass], ['timedOut', true]);
});

test('a connection that ends within the greeting is told from one that is not there', async (t) => {
  const broker = await FakeBroker.start();
  t.after(() => broker.stop());
  const connecting = failure(Client.connect('c', { address: broker.address }));
  const peer = await broker.accept();
  await peer.say(Buffer.from([0xeb, 1, 0]));
  await peer.hear(3);
  peer.close();
  assert.equal((await connecting).kind, 'lost');
});

test('an operation without an answer times out, and the silent broker is given up', async (t) => {
  // That the system takes pings is no sign of life.
  const { client, peer } = await pair(t, { timeout: TIMEOUT, pingInterval: 10 });
  const gone = event(client, 'disconnected');
  const began = Date.now();
  const error = await failure(client.send('a.b', 'x'));
  assert.deepEqual([error.kind, error.outcome, error.code], ['timedOut', 'unknown', 0x78]);
  assert.ok(Date.now() - began >= TIMEOUT - 1);
  const [why] = await gone;
  assert.equal(why.kind, 'silent');
  await peer.gone();
});

test('a broker that delivers but does not answer is kept, and a late answer hurts nobody', async (t) => {
  const { client, peer } = await pair(t, { timeout: TIMEOUT });
  let gone = false;
  client.on('disconnected', () => (gone = true));
  const sending = failure(client.send('a.b', 'x'));
  const { id } = await peer.frame();
  let over = false;
  void sending.then(() => (over = true));
  while (!over) {
    await peer.say(delivery(0x12, 'a', 'still here'));
    await next(client);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal((await sending).kind, 'timedOut');
  peer.acknowledge(id);
  const again = client.send('a.b', 'y');
  peer.acknowledge((await peer.frame()).id);
  await again;
  assert.ok(!gone);
});

test('an operation may have a time-out of its own', async (t) => {
  const { client, peer } = await pair(t);
  const error = await failure(client.send('a.b', 'x', { timeout: 10 }));
  assert.deepEqual([error.kind, error.outcome], ['timedOut', 'unknown']);
  await peer.frame();
  assert.ok(client.isConnected());
});

test('a client that only listens notices a broker that is silent, and comes back', async (t) => {
  const { broker, client } = await pair(t, { timeout: TIMEOUT, pingInterval: 10, reconnect: true });
  const [why] = await event(client, 'disconnected');
  assert.equal(why.kind, 'silent');
  const back = event(client, 'connected');
  const again = await broker.client();
  t.after(() => again.close());
  await back;
});

test('a broker that gives a sign of life when it is asked is kept, and the answer is nobody else’s', async (t) => {
  const { client, peer } = await pair(t, { timeout: TIMEOUT, pingInterval: 10 });
  const ids = new Set();
  // It is asked after a quarter of the time-out without a word: so more than a whole one passes.
  while (ids.size < 6) {
    const { id } = await peer.question();
    assert.equal(client.core.pending.size, 0);
    ids.add(id);
    // Whether it grants that or not.
    peer.acknowledge(id, ids.size % 2 === 0 ? 1 : 0x79);
  }
  const sent = client.send('a.b', 'x');
  const { id } = await peer.frame();
  assert.ok(!ids.has(id));
  peer.acknowledge(id);
  await sent;
  assert.ok(client.isConnected());
});

test('a broker that is silent while the client closes is no reason to say that everything arrived', async (t) => {
  const { client, peer } = await pair(t, { timeout: TIMEOUT, pingInterval: 10 }, { allowHalfOpen: true });
  await peer.question();
  // Some time passes, so that the silence has lasted for longer than the closing.
  for (let n = 0; n < 3; n += 1) await peer.hear(9);
  const error = await failure(client.close());
  assert.deepEqual([error.kind, error.outcome], ['timedOut', 'unknown']);
});

/** More pings than come within the time-out, and nothing else. */
async function onlyPings(peer) {
  // One comes every eighth of it.
  for (let n = 0; n < 12; n += 1) {
    assert.deepEqual([...(await peer.hear(9))], [0, 0, 0, 0, 0, 0, 0, 0, 0]);
  }
}

test('who may be held back for a slow receiver is not taken from the bus', async (t) => {
  const { client, peer } = await pair(t, { timeout: TIMEOUT, pingInterval: 10 });
  await client.send('a.b', 'x', { qos: Qos.No });
  assert.equal((await peer.frame()).op, 0x12);
  await onlyPings(peer);
  // A program may ping by itself: that proves nothing, and hides nothing.
  await client.ping();
  const sent = client.send('a.b', 'y');
  peer.acknowledge((await peer.frame()).id);
  await sent;
  await client.ping();
  await peer.question();
});

test('a client with a full inbox does not take the broker for silent', async (t) => {
  const { client, peer } = await pair(t, { timeout: TIMEOUT, pingInterval: 10, inboxLimit: 1 });
  const lagging = event(client, 'inboxLagging');
  await peer.say(delivery(0x12, 'a', 'unread'));
  await lagging;
  await onlyPings(peer);
  assert.equal((await next(client)).text(), 'unread');
  await peer.question();
});

test('a broker that takes nothing holds senders back, and is given up after the time-out', async (t) => {
  const { client, peer } = await pair(t, { timeout: TIMEOUT, outboxLimit: 10_000 });
  peer.pause();
  const heldBack = event(client, 'heldBack');
  const gone = event(client, 'disconnected');
  const send = () => client.send('a.b', Buffer.alloc(50_000), { qos: Qos.No }).catch((error) => error);
  const sent = Array.from({ length: 100 }, send);
  await heldBack;
  assert.equal((await sent[99]).outcome, 'refused', 'what the system has not taken was not sent');
  assert.equal((await gone)[0].kind, 'silent');
});

test('a large frame that is not acknowledged can be given up, and counts for nothing afterwards', async (t) => {
  const { client, peer } = await pair(t, { outboxLimit: 10_000_000 });
  peer.pause();
  const options = { qos: Qos.No, timeout: 20 };
  const send = () => client.send('a.b', Buffer.alloc(100_000), options).catch((error) => error);
  // More than the buffers of the kernel, less than the outbox takes.
  const sent = Array.from({ length: 80 }, send);
  const error = await sent.at(-1);
  assert.deepEqual([error.kind, error.outcome], ['timedOut', 'unknown']);
  assert.equal(client.core.pending.waiting, 0);
});

test('a reply goes to whoever the broker names, also by a name that would be refused here', async (t) => {
  const { client, peer } = await pair(t);
  new Service(client).method('m', () => 7);
  const request = Buffer.concat([Buffer.from([1, 9, 0, 0, 0]), Buffer.from('m\0')]);
  await peer.say(delivery(0x12, 'odd*name', request));
  const { op, body } = await peer.frame();
  assert.equal(op, 0x12);
  assert.deepEqual(body, Buffer.concat([Buffer.from('odd*name\0'), Buffer.from([0x11, 9, 0, 0, 0, 7])]));
});

test('a server that is frozen for less than the time-out loses nothing', async (t) => {
  const server = await Server.start();
  t.after(() => server.kill());
  const client = await Client.connect('c', { address: server.address });
  t.after(() => client.disconnect());
  server.freeze();
  const sent = Array.from({ length: 1_000 }, (_, n) => client.send('c', `${n}`));
  await client.send('c', 'x', { timeout: 50 }).catch(() => undefined);
  server.thaw();
  await within(Promise.all(sent), 'the verdicts');
  for (let n = 0; n < 1_000; n += 1) assert.equal((await next(client)).text(), `${n}`);
});

test('at the limit of operations in flight others wait, and none is lost', async (t) => {
  const { client, peer } = await pair(t, { inFlightLimit: 2 });
  const sent = ['a', 'b', 'c'].map((text) => client.send('a.b', text));
  const [one, two] = [await peer.frame(), await peer.frame()];
  const probe = client.send('a.b', 'not acknowledged', { qos: Qos.No });
  peer.acknowledge(one.id);
  const three = await peer.frame();
  assert.equal(three.body.toString(), 'a.b\0c');
  await probe;
  assert.equal(
    (await peer.frame()).body.toString(),
    'a.b\0not acknowledged',
    'in the order in which they were sent',
  );
  peer.acknowledge(two.id);
  peer.acknowledge(three.id);
  await Promise.all(sent);
});

test('more than the waiting limit is refused at once', async (t) => {
  const { client, peer } = await pair(t, { outboxLimit: 1_000, waitingLimit: 10_000 });
  peer.pause();
  const sent = [];
  let refused;
  for (let n = 0; refused === undefined; n += 1) {
    const sending = client.send('a.b', Buffer.alloc(1_000));
    sent.push(sending.catch((error) => (error.kind === 'tooManyWaiting' ? (refused = error) : undefined)));
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual([refused.outcome, refused.code], ['refused', 0x76]);
  const waiting = client.core.waiting;
  assert.equal(waiting.length, Math.ceil(10_000 / 1_256), 'up to the limit they wait');
  client.core.link.destroy(new Error('the test is over'));
  await Promise.all(sent);
  assert.deepEqual([waiting.length, waiting.bytes], [0, 0], 'everything is returned');
});

test('a program that sends without end leaves others their turn', async (t) => {
  const { client, peer } = await pair(t, { outboxLimit: 100_000 });
  let ticks = 0;
  const timer = setInterval(() => (ticks += 1), 1);
  t.after(() => clearInterval(timer));
  let sending = true;
  const flood = (async () => {
    while (sending) await client.send('a.b', 'x'.repeat(100), { qos: Qos.No });
  })();
  const drained = (async () => {
    while (sending) await peer.frame();
  })();
  await until(() => ticks >= 20);
  sending = false;
  await flood;
  await client.send('a.b', 'last', { qos: Qos.No });
  await drained;
});
