// JavaScript and Rust on one bus: the Rust client is that of our command line.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clients, shared } from './kit/bus.mjs';
import { cli, listener } from './kit/cli.mjs';
import { next } from './kit/wait.mjs';

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
  const count = 2_000;
  const rust = await listener(address, `${join.group}.rust`, count);
  const text = (n) => `${n}`.padEnd((n * 37) % 5_000, 'ü');
  for (let n = 0; n < count; n += 1) await client.send(`${join.group}.rust`, text(n), { qos: n % 4 });
  const heard = await rust.heard();
  assert.deepEqual(
    heard.map(({ payload }) => payload),
    Array.from({ length: count }, (_, n) => text(n)),
  );
});
