// Services: how many requests are handled at a time, what is answered, and what they tell of themselves.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clients, shared } from './kit/bus.mjs';
import { BusError, Client, Rpc, Service } from './kit/elbus.mjs';
import { failure, until, within } from './kit/wait.mjs';

/** A caller and a service. */
async function pair(t, options = {}) {
  const join = clients(t);
  const [client, server] = [await join('client'), await join('server')];
  return { join, rpc: new Rpc(client), service: new Service(server, options), target: server.name };
}

/** A method whose requests are answered when the test says so. */
function held(service, name, options) {
  const waiting = [];
  service.method(name, (params) => new Promise((resolve) => waiting.push(() => resolve(params))), options);
  return waiting;
}

test('a service tells what it offers', async (t) => {
  const { rpc, service, target } = await pair(t);
  service.method('second', () => 2, { description: 'Says two.' }).method('first', () => 1);
  assert.deepEqual(await rpc.describe(target), {
    methods: [
      { name: 'first', description: '' },
      { name: 'second', description: 'Says two.' },
    ],
  });
});

test('a method that is not there is told, also one of the layer', async (t) => {
  const { rpc, service, target } = await pair(t);
  for (const method of ['nothing', '.nothing', 'toString', '__proto__']) {
    const error = await failure(rpc.call(target, method));
    assert.equal(error.code, -32_601, method);
    assert.match(error.message, new RegExp(method.replace('.', '\\.')));
  }
  assert.ok(service.isConnected());
});

test('what cannot be a method is refused when it is added', async (t) => {
  const { service } = await pair(t);
  for (const name of ['', '.mine', 'a\0b']) assert.throws(() => service.method(name, () => 1), TypeError);
  service.method('a', () => 1);
  assert.throws(() => service.rawMethod('a', () => ''), /there already/);
  assert.throws(() => service.method('b', () => 1, { concurrent: 0 }), /^RangeError: concurrent must/);
});

test('errors of handlers are answered with their code', async (t) => {
  const { rpc, service, target } = await pair(t);
  service.method('throws', () => {
    throw new TypeError('oops');
  });
  service.method('rejects', () => Promise.reject(new Error('later')));
  service.method('text', () => Promise.reject('only a text'));
  service.method('bus', () => Promise.reject(new BusError('refused', 'nobody there', { code: 0x71 })));
  service.method('function', () => () => 1);
  const told = async (method) => {
    const { code, message } = await failure(rpc.call(target, method));
    return [code, message];
  };
  assert.deepEqual(await told('throws'), [-32_603, 'oops']);
  assert.deepEqual(await told('rejects'), [-32_603, 'later']);
  assert.deepEqual(await told('text'), [-32_603, 'only a text']);
  assert.deepEqual(await told('bus'), [-32_113, 'nobody there']);
  assert.equal((await failure(rpc.call(target, 'bus'))).busCode, 0x71);
  assert.equal((await told('function'))[0], -32_603);
});

test('params that are no MessagePack are told', async (t) => {
  const { rpc, service, target } = await pair(t);
  service.method('m', () => 1);
  for (const params of [Buffer.from([0xc1]), Buffer.from([0x92, 1]), Buffer.from([1, 2])]) {
    assert.equal((await failure(rpc.callRaw(target, 'm', params))).code, -32_700);
  }
  assert.equal(await rpc.call(target, 'm'), 1);
});

test('a reply that is too large is told to the caller', async (t) => {
  const join = clients(t);
  const [client, server] = [await join('client'), await join('server', { frameLimit: 10_000 })];
  new Service(server).rawMethod('m', (params) => Buffer.alloc(params.readUInt32LE()));
  const rpc = new Rpc(client);
  const callRaw = (size) => rpc.callRaw(server.name, 'm', Buffer.from(Uint32Array.of(size).buffer));
  const room = 10_000 - client.name.length - 1 - 5;
  assert.equal((await callRaw(room)).length, room);
  const error = await failure(callRaw(room + 1));
  assert.equal(error.code, -32_603);
  assert.match(error.message, /over the limit of 10000 bytes/);
});

test('so many requests are handled at a time, so many wait, and one more is answered busy', async (t) => {
  const { rpc, service, target } = await pair(t, { concurrent: 2, waitingRequests: 3 });
  const waiting = held(service, 'm');
  const calls = Array.from({ length: 5 }, (_, n) => rpc.call(target, 'm', n));
  const error = await failure(rpc.call(target, 'm', 5));
  assert.deepEqual([error.code, error.busCode], [-32_118, 0x76]);
  const { requestsRunning, requestsWaiting, requestsRefused } = service.stats();
  assert.deepEqual([requestsRunning, requestsWaiting, requestsRefused], [2, 3, 1]);
  for (let n = 0; n < 5; n += 1) {
    await until(() => waiting.length > 0);
    assert.ok(waiting.length <= 2);
    waiting.shift()();
  }
  assert.deepEqual(await within(Promise.all(calls), 'the results'), [0, 1, 2, 3, 4]);
  await until(() => service.stats().requestsRunning === 0);
  assert.equal(service.stats().requestsWaiting, 0);
});

test('bytes that wait are bounded too', async (t) => {
  const { rpc, service, target } = await pair(t, { concurrent: 1, waitingBytes: 10_000 });
  const waiting = held(service, 'm');
  const calls = [rpc.call(target, 'm'), rpc.call(target, 'm', Buffer.alloc(10_000))];
  assert.equal((await failure(rpc.call(target, 'm'))).code, -32_118);
  for (let n = 0; n < calls.length; n += 1) {
    await until(() => waiting.length > 0);
    waiting.shift()();
  }
  await Promise.all(calls);
});

test('a method with a limit of its own neither takes part in the common one nor waits for it', async (t) => {
  const { rpc, service, target } = await pair(t, { concurrent: 1 });
  const common = held(service, 'common');
  const own = held(service, 'own', { concurrent: 2 });
  const calls = [rpc.call(target, 'common'), ...[1, 2, 3].map((n) => rpc.call(target, 'own', n))];
  await until(() => common.length === 1 && own.length === 2);
  own.shift()();
  await until(() => own.length === 2);
  for (const answer of [...common, ...own]) answer();
  await Promise.all(calls);
});

test('in order, one request is handled after the other', async (t) => {
  const { rpc, service, target } = await pair(t, { inOrder: true });
  const log = [];
  service.method('m', async (n) => {
    log.push(`begin ${n}`);
    await new Promise((resolve) => setImmediate(resolve));
    log.push(`end ${n}`);
  });
  await Promise.all([1, 2, 3].map((n) => rpc.call(target, 'm', n)));
  assert.deepEqual(log, ['begin 1', 'end 1', 'begin 2', 'end 2', 'begin 3', 'end 3']);
});

test('services that call each other do not wait for each other’s lanes', async (t) => {
  const join = clients(t);
  const [a, b] = [await join('a'), await join('b')];
  for (const [client, other] of [
    [a, b],
    [b, a],
  ]) {
    new Service(client, { concurrent: 1 }).method('down', (n, context) => {
      return n === 0 ? 0 : context.call(other.name, 'down', n - 1).then((m) => m + 1);
    });
  }
  const rpc = new Rpc(await join('caller'));
  assert.equal(await within(rpc.call(a.name, 'down', 20), 'the bottom'), 20);
  assert.deepEqual(
    await within(Promise.all([5, 6, 7].map((n) => rpc.call(b.name, 'down', n))), 'them all'),
    [5, 6, 7],
  );
});

test('a handler that ends while a call of its own goes on gives its place back', async (t) => {
  const { rpc, service, target } = await pair(t, { concurrent: 1 });
  service.method('never', () => new Promise(() => undefined), { concurrent: 100 });
  service.method('leaves', (_params, context) => {
    context.call(target, 'never', {}, { timeout: 50 }).catch(() => undefined);
    return 'left';
  });
  for (let n = 0; n < 3; n += 1) assert.equal(await rpc.call(target, 'leaves'), 'left');
  await until(() => service.stats().callsPending === 0);
  assert.equal(await rpc.call(target, 'leaves'), 'left');
});

test('a handler knows who calls', async (t) => {
  const { join, service, target } = await pair(t);
  service.method('who', (_params, { caller, primaryCaller, method }) => [caller, primaryCaller, method]);
  const primary = await join('primary');
  const secondary = await primary.secondary();
  const answer = await new Rpc(secondary).call(target, 'who');
  assert.deepEqual(answer, [`${primary.name}%%1`, primary.name, 'who']);
});

test('a service whose caller does not read goes on for the others', async (t) => {
  const { join, rpc, service, target } = await pair(t);
  service.rawMethod('big', () => Buffer.alloc(1_000_000));
  service.method('ok', () => true);
  const deaf = await join('deaf');
  const layer = new Rpc(deaf, { timeout: 200 });
  deaf.core.link.pause();
  const ignored = Array.from({ length: 50 }, () => layer.callRaw(target, 'big').catch(() => undefined));
  assert.equal(await within(rpc.call(target, 'ok', {}, { timeout: 20_000 }), 'the answer'), true);
  await Promise.all(ignored);
  deaf.core.link?.resume();
});

test('methods may be added before the client connects', async (t) => {
  const { join, rpc } = await pair(t);
  const client = new Client(`${join.group}.early`, { address: (await shared()).address });
  t.after(() => client.disconnect());
  new Service(client).method('m', () => 'early');
  await client.connect();
  assert.equal(await rpc.call(client.name, 'm'), 'early');
});
