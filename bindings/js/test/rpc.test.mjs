// Calls: how they end, and whose replies count.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clients } from './kit/bus.mjs';
import { BusError, Client, Rpc, RpcError, Service, json, msgpack } from './kit/elbus.mjs';
import { FakeBroker } from './kit/fake-broker.mjs';
import { event, failure, until, within } from './kit/wait.mjs';

/** A client that calls, and a service with some methods. */
async function pair(t, rpcOptions = {}, serviceOptions = {}) {
  const join = clients(t);
  const [client, server] = [await join('client'), await join('server')];
  const [rpc, service] = [new Rpc(client, rpcOptions), new Service(server, serviceOptions)];
  service.method('echo', (params) => params);
  service.method('never', () => new Promise(() => undefined));
  return { join, client, server, rpc, service, target: server.name };
}

/** Waits until a client has subscribed to the announcements of who leaves; a witness asks the broker. */
async function watching(client, witness) {
  const rpc = new Rpc(witness);
  await until(async () => {
    const { subscriptions } = await rpc.call('.broker', 'subscription.list', { client: client.name });
    return subscriptions.includes('.broker/+');
  });
}

test('a call yields the result of the method, whatever its shape', async (t) => {
  const { rpc, target } = await pair(t);
  for (const value of [
    1,
    -1.5,
    'grüße',
    true,
    [1, [2]],
    { a: { b: null } },
    Buffer.from([0, 255]),
    2n ** 60n,
  ]) {
    assert.deepEqual(await rpc.call(target, 'echo', value), value);
  }
  assert.deepEqual(await rpc.call(target, 'echo'), {}, 'no params are an empty map');
  assert.deepEqual(await rpc.call(target, 'echo', null), {}, 'nil as well');
});

test('a raw call sends and yields bytes', async (t) => {
  const { rpc, service, target } = await pair(t);
  service.rawMethod('raw', (params, { payload }) => Buffer.concat([params, payload]));
  service.rawMethod('nothing', () => undefined);
  assert.deepEqual([...(await rpc.callRaw(target, 'raw', Buffer.from([0, 1])))], [0, 1, 0, 1]);
  assert.equal((await rpc.callRaw(target, 'raw', 'text')).toString(), 'texttext');
  assert.equal((await rpc.callRaw(target, 'nothing')).length, 0);
  assert.equal(await rpc.call(target, 'nothing'), null, 'an empty result');
});

test('thousands of calls in flight each get their own result', async (t) => {
  const { rpc, target } = await pair(t, {}, { waitingRequests: 10_000 });
  const calls = Array.from({ length: 5_000 }, (_, n) => rpc.call(target, 'echo', n));
  assert.deepEqual(await within(Promise.all(calls), 'the results'), [...calls.keys()]);
  assert.equal(rpc.stats().callsPending, 0);
});

test('an error of the service comes with its code and reason', async (t) => {
  const { rpc, service, target } = await pair(t);
  service.method('fail', () => {
    throw new RpcError(-32_768, 'grün');
  });
  service.method('later', async () => {
    throw new RpcError(77, Buffer.from([0xff]));
  });
  const error = await failure(rpc.call(target, 'fail'));
  assert.ok(error instanceof RpcError);
  assert.deepEqual([error.code, error.message, error.payload.toString()], [-32_768, 'grün', 'grün']);
  const later = await failure(rpc.call(target, 'later'));
  assert.deepEqual([later.code, [...later.payload]], [77, [0xff]]);
});

test('a call of nobody fails at once by the verdict of the broker', async (t) => {
  const { rpc } = await pair(t, { timeout: 3_600_000 });
  const error = await failure(rpc.call('nobody.here', 'x'));
  assert.ok(error instanceof BusError);
  assert.deepEqual([error.kind, error.code, error.outcome], ['refused', 0x71, 'refused']);
});

test('a call ends at its deadline', async (t) => {
  const { rpc, target } = await pair(t);
  const began = performance.now();
  const error = await failure(rpc.call(target, 'never', {}, { timeout: 30 }));
  assert.ok(performance.now() - began >= 29);
  assert.deepEqual([error.kind, error.outcome, error.code], ['timedOut', 'unknown', 0x78]);
  assert.equal(rpc.stats().callsPending, 0);
});

test('a signal ends a call', async (t) => {
  const { rpc, target } = await pair(t);
  const before = await failure(rpc.call(target, 'echo', {}, { signal: AbortSignal.abort() }));
  assert.deepEqual([before.kind, before.outcome], ['aborted', 'refused']);
  const controller = new AbortController();
  const calling = rpc.call(target, 'never', {}, { signal: controller.signal });
  controller.abort(new Error('enough'));
  const error = await failure(calling);
  assert.deepEqual([error.kind, error.cause.message], ['aborted', 'enough']);
  assert.equal(rpc.stats().callsPending, 0);
});

test('a call ends when its target leaves, also if that was before it could be watched', async (t) => {
  const { join, client, rpc, server, service, target } = await pair(t, {
    timeout: 3_600_000,
    watchAfter: 10,
  });
  const calling = failure(rpc.call(target, 'never'));
  await until(() => service.stats().requestsRunning === 1);
  await server.close();
  const error = await calling;
  assert.deepEqual([error.kind, error.outcome, error.code], ['targetLeft', 'unknown', 0x71]);

  const other = await join('other');
  const another = new Service(other).method('never', () => new Promise(() => undefined));
  const watched = failure(rpc.call(other.name, 'never'));
  await until(() => another.stats().requestsRunning === 1);
  await watching(client, await join('witness'));
  await other.close();
  assert.equal((await watched).kind, 'targetLeft');
});

test('who is only watched is not heard of by the program', async (t) => {
  const { join, client, rpc, service, target } = await pair(t, { watchAfter: 5 });
  let answer;
  service.method('slow', () => new Promise((resolve) => (answer = resolve)));
  const heard = [];
  client.on('frame', (frame) => heard.push(frame.topic));
  const call = rpc.call(target, 'slow');
  await watching(client, await join('witness'));
  await (await join('comes.and.goes')).close();
  await client.send(client.name, 'end');
  await until(() => heard.includes(undefined));
  assert.deepEqual(heard, [undefined]);
  answer('done');
  assert.equal(await call, 'done');
});

test('calls that wait fail at once when the connection is lost', async (t) => {
  const broker = await FakeBroker.start();
  t.after(() => broker.stop());
  const client = new Client('c', { address: broker.address, reconnect: false });
  const connected = client.connect();
  const peer = await broker.client();
  await connected;
  const rpc = new Rpc(client, { timeout: 3_600_000 });
  const placed = rpc.call('a', 'placed');
  const open = rpc.call('a', 'open');
  peer.acknowledge((await peer.frame()).id);
  await peer.frame();
  peer.close();
  for (const calling of [placed, open]) {
    const error = await failure(calling);
    assert.deepEqual([error.kind, error.outcome], ['connectionLost', 'unknown']);
  }
  assert.equal((await failure(rpc.call('a', 'late'))).kind, 'closed');
  assert.equal(rpc.stats().callsPending, 0);
});

test('a reply counts only from whom was called', async (t) => {
  const { join, client, rpc, server } = await pair(t);
  const forger = await join('forger');
  let request;
  const target = await join('target');
  target.onFrame = (frame) => (request = frame);
  const calling = rpc.call(target.name, 'm');
  await until(() => request !== undefined);
  const reply = (text) =>
    Buffer.concat([Buffer.from([0x11]), request.payload.subarray(1, 5), Buffer.from(text)]);
  for (const other of [forger, server]) await other.send(client.name, reply('\xa6forged'));
  assert.equal(rpc.stats().callsPending, 1);
  await target.send(client.name, Buffer.concat([reply(''), Buffer.from([0xa4]), Buffer.from('true')]));
  assert.equal(await calling, 'true');
  assert.equal(rpc.stats().strays, 2);
  await target.send(client.name, reply('again'));
  await until(() => rpc.stats().strays === 3);
});

test('as many calls are pending as the limit says, and not one more', async (t) => {
  const { rpc, target } = await pair(t, { callsLimit: 2 });
  const controller = new AbortController();
  const pending = [1, 2].map(() => failure(rpc.call(target, 'never', {}, { signal: controller.signal })));
  const error = await failure(rpc.call(target, 'never'));
  assert.deepEqual([error.kind, error.outcome], ['tooManyCalls', 'refused']);
  controller.abort();
  await Promise.all(pending);
  assert.equal(await rpc.call(target, 'echo', 1), 1);
});

test('a result that cannot be decoded, and params that cannot be encoded, are told', async (t) => {
  const { rpc, service, target } = await pair(t);
  service.rawMethod('broken', () => Buffer.from([0xc1]));
  const decode = await failure(rpc.call(target, 'broken'));
  assert.deepEqual([decode.kind, decode.outcome], ['decode', 'unknown']);
  const encode = await failure(rpc.call(target, 'echo', { f: () => undefined }));
  assert.deepEqual([encode.kind, encode.outcome], ['encode', 'refused']);
  for (const method of ['', 'a\0b']) assert.equal((await failure(rpc.call(target, method))).kind, 'method');
  assert.equal((await failure(rpc.call('a*', 'm'))).kind, 'name');
});

test('a call that wants no reply ends by the verdict on its request', async (t) => {
  const { rpc, service, target } = await pair(t);
  let wanted;
  service.method('note', (_params, { wantsReply }) => (wanted = wantsReply));
  await rpc.call0(target, 'note', { a: 1 });
  await until(() => wanted !== undefined);
  assert.equal(wanted, false);
  assert.equal((await failure(rpc.call0('nobody.here', 'x'))).code, 0x71);
});

test('notifications arrive, and plain messages and broadcasts beside them', async (t) => {
  const { client, rpc, server, service, target } = await pair(t);
  const heard = [];
  service.onNotification = (event) => heard.push([event.sender, event.getPayload().toString()]);
  service.onFrame = (frame) => heard.push([frame.kind, frame.text()]);
  await rpc.notify(target, 'noted');
  await client.send(target, 'plain');
  await client.send(target, Buffer.from([1, 0, 0]));
  await client.broadcast(target, Buffer.from([1, 1, 0, 0, 0, 0x6d, 0]));
  await until(() => heard.length === 4);
  assert.deepEqual(heard.slice(0, 2), [
    [client.name, 'noted'],
    ['message', 'plain'],
  ]);
  assert.deepEqual([heard[2][0], heard[3][0]], ['message', 'broadcast'], 'no RPC');
  assert.ok(server.isConnected());
});

test('frames that are not RPC can be iterated over beside the layer', async (t) => {
  const { client, rpc, server, target } = await pair(t);
  const iterator = server[Symbol.asyncIterator]();
  const first = iterator.next();
  await client.send(target, 'to be iterated');
  assert.equal((await first).value.text(), 'to be iterated');
  assert.equal(await rpc.call(target, 'echo', 5), 5);
  assert.equal(await server.receive({ timeout: 1 }), undefined);
});

test('requests that came before the service was made are handled', async (t) => {
  const join = clients(t);
  const [client, server] = [await join('client'), await join('server')];
  const call = new Rpc(client).call(server.name, 'late');
  await client.send(server.name, 'marker');
  new Service(server).method('late', () => 'handled');
  assert.equal(await call, 'handled');
});

test('a client has one RPC layer', async (t) => {
  const { client } = await pair(t);
  assert.throws(() => new Rpc(client), /has an RPC layer already/);
});

test('real-time calls are answered in real time', async (t) => {
  const { rpc, service, target } = await pair(t);
  service.method('how', (_params, { realtime }) => realtime);
  assert.equal(await rpc.call(target, 'how', {}, { realtime: true }), true);
  assert.equal(await rpc.call(target, 'how'), false);
});

test('both sides may agree on another codec', async (t) => {
  const { rpc, service, target } = await pair(t, { codec: json }, { codec: json });
  service.rawMethod('text', (params) => params);
  assert.deepEqual(await rpc.call(target, 'echo', { a: [1, 'x'] }), { a: [1, 'x'] });
  assert.equal((await rpc.callRaw(target, 'text', '{"a":1}')).toString(), '{"a":1}');
});

test('the methods of the broker can be called', async (t) => {
  const { client, rpc } = await pair(t);
  assert.deepEqual(await rpc.call('.broker', 'test'), { ok: true });
  const { clients: list } = await rpc.call('.broker', 'client.list');
  assert.ok(list.some(({ name }) => name === client.name));
  assert.equal((await failure(rpc.call('.broker', 'no.such'))).code, -32_601);
});

test('an announcement of who comes and goes is a publication like any other', async (t) => {
  const { join, client } = await pair(t);
  await client.subscribe('.broker/info');
  const iterating = (async () => {
    for await (const frame of client) return frame;
    return undefined;
  })();
  const other = await join('other');
  const frame = await within(iterating, 'the announcement');
  assert.equal(frame.sender, '.broker');
  assert.deepEqual({ ...msgpack.decode(frame.payload), t: 0 }, { s: 'reg', d: other.name, t: 0 });
});

test('calls go on after a restart of the connection', async (t) => {
  const { client, rpc, target } = await pair(t);
  const lost = event(client, 'disconnected');
  const back = event(client, 'connected');
  client.core.link.destroy(new Error('cut by the test'));
  await lost;
  await back;
  assert.equal(await rpc.call(target, 'echo', 1), 1);
});
