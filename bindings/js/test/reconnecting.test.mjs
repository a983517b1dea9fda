// What happens when the connection is lost: restarts of the server, and what a client does until it is back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clients } from './kit/bus.mjs';
import { Client, Disconnect, Qos } from './kit/elbus.mjs';
import { FakeBroker, delivery } from './kit/fake-broker.mjs';
import { Server } from './kit/server.mjs';
import { event, failure, next, uncaught, until, within } from './kit/wait.mjs';

const QUICK = { backoff: { first: 1, longest: 20 } };

test('after a restart of the server everything subscribed and excluded is there again', async (t) => {
  const server = await Server.start();
  t.after(() => server.kill());
  const join = clients(t, server.address);
  const [receiver, sender] = [await join('receiver', QUICK), await join('sender', QUICK)];
  await receiver.subscribe(['a/#', 'gone']);
  await receiver.exclude('a/secret');
  await receiver.unsubscribe('gone');
  for (const end of ['stop', 'kill']) {
    const gone = [receiver, sender].map((client) => event(client, 'disconnected'));
    await server[end]();
    // The system reports an error where the server had not read a ping.
    for (const [why] of await Promise.all(gone))
      assert.ok(why instanceof Disconnect && ['byBroker', 'io'].includes(why.kind));
    assert.ok(!receiver.isConnected());
    const back = [receiver, sender].map((client) => event(client, 'connected'));
    await server.restart();
    await Promise.all(back);
    for (const topic of ['gone', 'a/secret', 'a/b']) await sender.publish(topic, end);
    let frame = await next(receiver);
    if (end === 'stop') {
      assert.equal(frame.topic, '.broker/warn', 'the goodbye came before');
      frame = await next(receiver);
    }
    assert.deepEqual([frame.topic, frame.text()], ['a/b', end]);
  }
});

test('what waits for its answer fails at once with an unknown outcome, what was not sent is refused', async (t) => {
  const broker = await FakeBroker.start();
  t.after(() => broker.stop());
  const client = new Client('c', {
    address: broker.address,
    reconnect: false,
    outboxLimit: 1_000,
    timeout: 3_600_000,
  });
  const connected = client.connect();
  const peer = await broker.client();
  await connected;
  const sent = client.send('a.b', 'sent');
  await peer.frame();
  peer.pause();
  // More than the buffers of the kernel: the system takes some of it, the rest stays here.
  const filling = Array.from({ length: 400 }, () => client.send('a.b', Buffer.alloc(60_000)));
  const behind = client.send('a.b', 'never sent');
  const verdicts = [sent, ...filling, behind].map((sending) => failure(sending));
  await new Promise((resolve) => setImmediate(resolve));
  peer.close();
  const errors = await Promise.all(verdicts);
  assert.deepEqual([errors[0].kind, errors[0].outcome], ['connectionLost', 'unknown']);
  assert.equal(errors.at(-1).outcome, 'refused');
  const unknown = errors.filter(({ outcome }) => outcome === 'unknown').length;
  assert.ok(
    errors.every(({ outcome }, at) => (outcome === 'unknown') === at < unknown),
    'in order',
  );
});

test('without a connection operations are refused at once', async (t) => {
  const server = await Server.start();
  const client = await clients(t, server.address)('client', QUICK);
  const gone = event(client, 'disconnected');
  await server.kill();
  await gone;
  for (const sending of [
    client.send('a', ''),
    client.publish('t', '', { qos: Qos.No }),
    client.subscribe('t'),
  ]) {
    const error = await failure(sending);
    assert.deepEqual([error.kind, error.outcome], ['notConnected', 'refused']);
  }
  assert.equal((await failure(client.flush())).kind, 'notConnected');
});

test('operations that may wait for a connection are done when it is back, in order', async (t) => {
  const server = await Server.start();
  t.after(() => server.kill());
  const client = await clients(t, server.address)('client', { ...QUICK, waitWhileDisconnected: 60_000 });
  const gone = event(client, 'disconnected');
  await server.kill();
  await gone;
  const sent = ['a', 'b', 'c'].map((text, qos) => client.send(client.name, text, { qos }));
  await server.restart();
  await within(Promise.all(sent), 'the verdicts');
  for (const text of ['a', 'b', 'c']) assert.equal((await next(client)).text(), text);
});

test('operations wait for a connection as long as they may', async (t) => {
  const server = await Server.start();
  const client = await clients(t, server.address)('client', { ...QUICK, waitWhileDisconnected: 20 });
  const gone = event(client, 'disconnected');
  await server.kill();
  await gone;
  const error = await failure(client.send('a', ''));
  assert.deepEqual([error.kind, error.outcome], ['notConnected', 'refused']);
  assert.match(error.message, /for 20 ms/);
});

test('a client comes back when its name is free again, and is subscribed before it is connected', async (t) => {
  const broker = await FakeBroker.start();
  t.after(() => broker.stop());
  const client = new Client('c', { address: broker.address, ...QUICK });
  t.after(() => client.disconnect());
  const connected = client.connect();
  const first = await broker.client();
  await connected;
  const subscribed = client.subscribe(['a', 'b']);
  first.acknowledge((await first.frame()).id);
  await subscribed;
  first.close();
  // Two tries find the name taken.
  for (let n = 0; n < 2; n += 1) {
    const peer = await broker.accept();
    await peer.say(Buffer.from([0xeb, 1, 0]));
    await peer.hear(3);
    await peer.say(Buffer.from([1]));
    await peer.hear(3);
    await peer.say(Buffer.from([0x76]));
  }
  const peer = await broker.client();
  const { id, op, body } = await peer.frame();
  assert.deepEqual([op, body.toString()], [0x02, 'a\0b']);
  assert.ok(!client.isConnected(), 'not before it is subscribed');
  const back = event(client, 'connected');
  peer.acknowledge(id);
  await back;
});

test('a filter that the broker refused is not asked for again', async (t) => {
  const broker = await FakeBroker.start();
  t.after(() => broker.stop());
  const client = new Client('c', { address: broker.address, ...QUICK });
  t.after(() => client.disconnect());
  const connected = client.connect();
  let peer = await broker.client();
  await connected;
  for (const [filter, code] of [
    ['refused', 0x79],
    ['granted', 1],
  ]) {
    const subscribed = client.subscribe(filter).catch((error) => error);
    peer.acknowledge((await peer.frame()).id, code);
    await subscribed;
  }
  peer.close();
  peer = await broker.client();
  const { id, body } = await peer.frame();
  assert.equal(body.toString(), 'granted');
  peer.acknowledge(id);
});

test('a client that the broker refuses gives up, and says so', async (t) => {
  const broker = await FakeBroker.start();
  t.after(() => broker.stop());
  const client = new Client('c', { address: broker.address, ...QUICK });
  const connected = client.connect();
  const first = await broker.client();
  await connected;
  const gaveUp = event(client, 'gaveUp');
  first.close();
  const peer = await broker.accept();
  await peer.say(Buffer.from([0xeb, 1, 0]));
  await peer.hear(3);
  await peer.say(Buffer.from([1]));
  await peer.hear(3);
  await peer.say(Buffer.from([0x79]));
  const [why] = await gaveUp;
  assert.deepEqual([why.kind, why.code, why.mayPass], ['refused', 0x79, false]);
  await until(() => client.receive({ timeout: 1 }).then((frame) => frame === undefined));
  assert.equal((await failure(client.send('a', ''))).kind, 'closed');
});

test('a client that does not reconnect is closed when its connection is lost', async (t) => {
  const server = await Server.start();
  const client = await clients(t, server.address)('client', { reconnect: false });
  const gone = event(client, 'disconnected');
  await server.kill();
  await gone;
  assert.equal(await within(client.receive(), 'the end'), undefined);
  assert.equal((await failure(client.send('a', ''))).kind, 'closed');
  assert.equal((await failure(client.connect())).kind, 'closed');
});

test('connect waits for the connection that is being restored', async (t) => {
  const server = await Server.start();
  t.after(() => server.kill());
  const client = await clients(t, server.address)('client', QUICK);
  const gone = event(client, 'disconnected');
  await server.kill();
  await gone;
  const back = client.connect();
  await server.restart();
  await within(back, 'the connection');
  assert.ok(client.isConnected());
});

test('a client that is closed while it is away does not come back', async (t) => {
  const server = await Server.start();
  t.after(() => server.kill());
  const client = await clients(t, server.address)('client', QUICK);
  const gone = event(client, 'disconnected');
  await server.kill();
  await gone;
  const connecting = client.connect();
  await client.close();
  assert.equal((await failure(connecting)).kind, 'closed');
  await server.restart();
  const other = await clients(t, server.address)('other');
  assert.equal((await failure(other.send(client.name, ''))).code, 0x71);
});

test('nothing listens: connecting fails at once, and can be tried again on the same client', async (t) => {
  const server = await Server.start();
  await server.kill();
  const client = new Client('c', { address: server.address });
  const error = await failure(client.connect());
  assert.deepEqual([error.kind, error.mayPass], ['unreachable', true]);
  await server.restart();
  t.after(() => server.kill());
  await client.connect();
  await client.close();
});

test('the first connection is tried for as long as it may take', async (t) => {
  const server = await Server.start();
  await server.kill();
  const client = new Client('c', { address: server.address, retryFirstConnect: 20_000, ...QUICK });
  const connected = client.connect();
  await server.restart();
  t.after(() => server.kill());
  await within(connected, 'the connection');
  await client.close();
  const late = await failure(
    Client.connect('c', { address: '/nowhere/bus.sock', retryFirstConnect: 30, ...QUICK }),
  );
  assert.equal(late.kind, 'unreachable');
});

test('secondaries have names of their own, leave with their primary and come back after it', async (t) => {
  const server = await Server.start();
  t.after(() => server.kill());
  const join = clients(t, server.address);
  const [client, sender] = [await join('client', QUICK), await join('sender', QUICK)];
  const [one, two] = [await client.secondary(), await client.secondary()];
  assert.deepEqual([one.name, two.name], [`${client.name}%%1`, `${client.name}%%2`]);
  await one.subscribe('t');
  const back = [client, sender, one, two].map((each) => event(each, 'connected'));
  await server.kill();
  await server.restart();
  await Promise.all(back);
  await one.send(sender.name, 'from the secondary');
  const frame = await next(sender);
  assert.deepEqual([frame.sender, frame.primarySender], [one.name, client.name]);
  await sender.publish('t', 'x');
  assert.equal((await next(one)).topic, 't');
  await client.close();
  assert.ok(!one.isConnected() && !two.isConnected());
  assert.equal((await failure(sender.send(one.name, ''))).code, 0x71);
});

test('what a closing client has sent before arrives, and its name is free', async (t) => {
  const join = clients(t);
  const receiver = await join('receiver');
  for (let round = 0; round < 5; round += 1) {
    const client = await join('client');
    const count = 500;
    for (let n = 0; n < count; n += 1) void client.send(receiver.name, `${n}`, { qos: Qos.No });
    const last = client.send(receiver.name, Buffer.alloc(300_000), { qos: Qos.Processed });
    const closed = client.close();
    assert.equal((await failure(client.send(receiver.name, 'late'))).kind, 'closed');
    for (let n = 0; n < count; n += 1) assert.equal((await next(receiver)).text(), `${n}`);
    assert.equal((await next(receiver)).payload.length, 300_000);
    await within(Promise.all([last, closed]), 'the end');
  }
});

test('a frame that comes with the last byte of the greeting is received', async (t) => {
  const broker = await FakeBroker.start();
  t.after(() => broker.stop());
  const client = new Client('c', { address: broker.address });
  t.after(() => client.disconnect());
  const connected = client.connect();
  const peer = await broker.accept();
  await peer.say(Buffer.from([0xeb, 1, 0]));
  await peer.hear(3);
  await peer.say(Buffer.from([1]));
  await peer.hear(3);
  await peer.say(Buffer.concat([Buffer.from([1]), delivery(0x12, 'a', 'early')]));
  await connected;
  assert.equal((await next(client)).text(), 'early');
});

test('a listener that throws does not keep the client from coming back', async (t) => {
  const server = await Server.start();
  t.after(() => server.kill());
  const client = await clients(t, server.address)('client', QUICK);
  client.once('disconnected', () => {
    throw new Error('from the listener');
  });
  const caught = await uncaught(async (errors) => {
    const back = event(client, 'connected');
    await server.kill();
    await server.restart();
    await back;
    await until(() => errors.length > 0);
  });
  assert.deepEqual(caught, ['from the listener']);
});
