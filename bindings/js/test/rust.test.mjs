// JavaScript and Rust on one bus: the Rust client is that of our command line.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clients, shared } from './kit/bus.mjs';
import { cli, listener, rpcListener } from './kit/cli.mjs';
import { Rpc, RpcError, Service } from './kit/elbus.mjs';
import { next, until } from './kit/wait.mjs';

for (let qos = 0; qos < 4; qos += 1) {
  const realtime = qos >= 2;

  test(`what Rust sends with QoS ${qos} arrives in JavaScript`, async (t) => {
    const { address } = await shared();
    const join = clients(t);
    const client = await join('js');
    await client.subscribe(`${join.group}/#`);
    const send = async (...args) => assert.equal((await cli(address, '-n', 'rust.sender', ...args)).code, 0);
    await send('send', '--qos', `${qos}`, client.name, 'grüße');
    await send('send', '--qos', `${qos}`, `${join.group}.*`, 'to all');
    await send('publish', '--qos', `${qos}`, `${join.group}/t`, '21.5');
    const expected = [
      ['message', undefined, 'grüße'],
      ['broadcast', undefined, 'to all'],
      ['publication', `${join.group}/t`, '21.5'],
    ];
    for (const [kind, topic, text] of expected) {
      const frame = await next(client);
      assert.deepEqual([frame.kind, frame.topic, frame.text()], [kind, topic, text]);
      assert.deepEqual([frame.sender, frame.realtime], ['rust.sender', realtime]);
    }
  });

  test(`what JavaScript sends with QoS ${qos} arrives in Rust`, async (t) => {
    const { address } = await shared();
    const join = clients(t);
    const client = await join('js');
    const rust = await listener(address, `${join.group}.rust`, 3, '-t', `${join.group}/#`);
    await client.send(`${join.group}.rust`, 'grüße', { qos });
    await client.broadcast(`${join.group}.rust`, Buffer.from([0xff, 0]), { qos });
    await client.publish(`${join.group}/t`, '21.5', { qos });
    await client.flush();
    const sender = client.name;
    assert.deepEqual(await rust.heard(), [
      { kind: 'message', sender, realtime, payload: 'grüße' },
      { kind: 'broadcast', sender, realtime, payload_base64: '/wA=' },
      { kind: 'publication', sender, topic: `${join.group}/t`, realtime, payload: '21.5' },
    ]);
  });
}

test('Rust hears that nobody of a JavaScript client’s name is there any more', async (t) => {
  const { address } = await shared();
  const client = await clients(t)('js');
  assert.equal((await cli(address, 'send', client.name, 'x')).code, 0);
  await client.close();
  assert.equal((await cli(address, 'send', client.name, 'x')).code, 5);
});

test('many frames of any length go both ways whole and in order', async (t) => {
  const { address } = await shared();
  const join = clients(t);
  const client = await join('js');
  // Less than the server's high-water mark in all: a listener that gets no processor for a while is not taken for dead.
  const count = 1_500;
  const rust = await listener(address, `${join.group}.rust`, count);
  const text = (n) => `${n}`.padEnd((n * 37) % 5_000, 'ü');
  for (let n = 0; n < count; n += 1) await client.send(`${join.group}.rust`, text(n), { qos: n % 4 });
  const heard = await rust.heard();
  assert.deepEqual(
    heard.map(({ payload }) => payload),
    Array.from({ length: count }, (_, n) => text(n)),
  );
});

test('Rust calls a JavaScript service', async (t) => {
  const { address } = await shared();
  const join = clients(t);
  const service = new Service(await join('adder'));
  service.method('add', ({ a, b }) => a + b, { description: 'Adds a and b.' });
  service.method('echo', (params) => params);
  service.method('fail', () => {
    throw new RpcError(77, 'empty');
  });
  const notified = [];
  service.onNotification = (event) => notified.push(event.getPayload().toString());
  const call = (...args) => cli(address, 'rpc', 'call', '--json', `${join.group}.adder`, ...args);
  assert.deepEqual(await call('add', 'a=2', 'b=3'), { code: 0, stdout: '5\n', stderr: '' });
  const echoed = await call('echo', 'text=grüße', 'list:=[1,2.5,null]', 'deep.er=true');
  assert.deepEqual(JSON.parse(echoed.stdout), { text: 'grüße', list: [1, 2.5, null], deep: { er: true } });
  const failed = await call('fail');
  assert.notEqual(failed.code, 0);
  assert.match(failed.stderr, /77.*empty|empty.*77/);
  assert.match((await call('nothing')).stderr, /-32601/);
  const described = await cli(address, 'rpc', 'describe', `${join.group}.adder`);
  assert.match(described.stdout, /add +Adds a and b\./);
  assert.equal((await cli(address, 'rpc', 'notify', `${join.group}.adder`, 'noted')).code, 0);
  await until(() => notified.length === 1);
  assert.deepEqual(notified, ['noted']);
});

test('JavaScript calls a Rust service', async (t) => {
  const { address } = await shared();
  const join = clients(t);
  const name = `${join.group}.rust`;
  const rpc = new Rpc(await join('js'));
  const reply = { text: 'grüße', list: [1, 2.5, null] };
  const rust = await rpcListener(t, address, name, '--reply', JSON.stringify(reply));
  assert.deepEqual(await rpc.call(name, 'any.method', { a: 1 }), reply);
  assert.deepEqual(await rpc.call(name, 'another', undefined, { realtime: true }), reply);
  await rpc.call0(name, 'no.reply', { b: [2] });
  await rpc.notify(name, 'noted');
  await rust.line(/noted/);
  const sender = rpc.client.name;
  assert.deepEqual(
    rust.heard.map((line) => JSON.parse(line)),
    [
      { kind: 'call', sender, method: 'any.method', realtime: false, params: { a: 1 } },
      { kind: 'call', sender, method: 'another', realtime: true, params: {} },
      { kind: 'call0', sender, method: 'no.reply', realtime: false, params: { b: [2] } },
      { kind: 'notification', sender, realtime: false, payload: 'noted' },
    ],
  );
});
