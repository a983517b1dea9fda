// Messages, broadcasts and publications between clients of this package, in every quality of service.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clients, shared } from './kit/bus.mjs';
import { BusError, Client, Qos } from './kit/elbus.mjs';
import { failure, frames, next } from './kit/wait.mjs';

const EVERY_QOS = Object.entries(Qos);

for (const transport of ['address', 'tcp']) {
  const where = transport === 'tcp' ? 'over TCP' : 'over a UNIX socket';
  const join = async (t) => clients(t, (await shared())[transport]);

  for (const [name, qos] of EVERY_QOS) {
    test(`a message of QoS ${name} arrives ${where} as it was sent`, async (t) => {
      const client = await join(t);
      const [sender, receiver] = [await client('sender'), await client('receiver')];
      await sender.send(receiver.name, Buffer.from([0, 1, 255]), { qos });
      const frame = await next(receiver);
      assert.deepEqual([frame.kind, frame.sender, frame.topic], ['message', sender.name, undefined]);
      assert.deepEqual([...frame.payload], [0, 1, 255]);
      assert.equal(frame.realtime, qos >= 2);
    });

    test(`a broadcast of QoS ${name} reaches whom the mask names ${where}`, async (t) => {
      const client = await join(t);
      const [sender, one, two] = [await client('sender'), await client('a.one'), await client('a.two')];
      await sender.broadcast(`${client.group}.a.?`, 'to both', { qos });
      for (const receiver of [one, two]) {
        const frame = await next(receiver);
        assert.deepEqual([frame.kind, frame.sender, frame.text()], ['broadcast', sender.name, 'to both']);
        assert.equal(frame.realtime, qos >= 2);
      }
      await sender.send(sender.name, 'last');
      assert.equal((await next(sender)).text(), 'last', 'the mask does not name the sender');
    });

    test(`a publication of QoS ${name} has its sender and its topic ${where}`, async (t) => {
      const client = await join(t);
      const [sender, receiver] = [await client('sender'), await client('receiver')];
      await receiver.subscribe(`${client.group}/+/x`);
      await sender.publish(`${client.group}/tür/x`, 'warm', { qos });
      const frame = await next(receiver);
      assert.deepEqual([frame.kind, frame.sender, frame.text()], ['publication', sender.name, 'warm']);
      assert.equal(frame.topic, `${client.group}/tür/x`);
      assert.equal(frame.realtime, qos >= 2);
    });
  }
}

test('payloads of any size and any bytes arrive whole and in order', async (t) => {
  const join = clients(t);
  const [sender, receiver] = [await join('sender'), await join('receiver')];
  const sizes = [0, 1, 255, 5_461, 5_462, 16_383, 16_384, 16_385, 65_535, 65_536, 300_000, 5_000_000];
  const payloads = sizes.map((size) => Buffer.alloc(size, `${size}\0ü`));
  const sent = Promise.all(payloads.map((payload) => sender.send(receiver.name, payload)));
  for (const payload of payloads) {
    assert.ok((await next(receiver)).payload.equals(payload), `${payload.length} bytes`);
  }
  await sent;
});

test('texts of any length arrive as UTF-8', async (t) => {
  const join = clients(t);
  const [sender, receiver] = [await join('sender'), await join('receiver')];
  for (const text of ['', 'a', 'grüße', '𝄞'.repeat(5_000), 'ß'.repeat(40_000)]) {
    await sender.send(receiver.name, text);
    assert.equal((await next(receiver)).text(), text);
  }
});

test('frames of one client keep their order, whatever their QoS and their kind', async (t) => {
  const join = clients(t);
  const [sender, receiver] = [await join('sender'), await join('receiver')];
  await receiver.subscribe(`${join.group}/n`);
  const sent = [];
  for (let n = 0; n < 600; n += 1) {
    const options = { qos: n % 4 };
    const payload = n % 50 === 0 ? `${n} `.padEnd(20_000) : `${n} `;
    sent.push(
      n % 3 === 0
        ? sender.send(receiver.name, payload, options)
        : n % 3 === 1
          ? sender.publish(`${join.group}/n`, payload, options)
          : sender.broadcast(receiver.name, payload, options),
    );
  }
  const received = await frames(receiver, 600);
  assert.deepEqual(
    received.map((frame) => parseInt(frame.text(), 10)),
    Array.from({ length: 600 }, (_, n) => n),
  );
  await Promise.all(sent);
});

test('the verdict of an acknowledged message says that its target is not there', async (t) => {
  const sender = await clients(t)('sender');
  for (const qos of [Qos.Processed, Qos.RealtimeProcessed]) {
    const error = await failure(sender.send('nobody.here', 'x', { qos }));
    assert.ok(error instanceof BusError);
    assert.deepEqual([error.kind, error.code, error.outcome], ['refused', 0x71, 'refused']);
  }
});

test('a message that is not acknowledged is sent, whatever becomes of it', async (t) => {
  const sender = await clients(t)('sender');
  await sender.send('nobody.here', 'x', { qos: Qos.No });
  await sender.flush();
  assert.ok(sender.isConnected());
});

test('nobody needs to be there for a broadcast or a publication', async (t) => {
  const join = clients(t);
  const sender = await join('sender');
  await sender.broadcast(`${join.group}.nobody.*`, 'x');
  await sender.publish(`${join.group}/nothing`, 'x');
});

test('a publication for one client reaches it and nobody else', async (t) => {
  const join = clients(t);
  const [sender, one, other] = [await join('sender'), await join('one'), await join('other')];
  const topic = `${join.group}/t`;
  await Promise.all([one.subscribe(topic), other.subscribe(topic)]);
  await sender.publish(topic, 'for one', { onlyFor: one.name });
  await sender.publish(topic, 'for all');
  assert.deepEqual(
    (await frames(one, 2)).map((frame) => frame.text()),
    ['for one', 'for all'],
  );
  assert.equal((await next(other)).text(), 'for all');
});

test('what is excluded does not come although it is subscribed, until it is unexcluded', async (t) => {
  const join = clients(t);
  const [sender, receiver] = [await join('sender'), await join('receiver')];
  await receiver.subscribe([`${join.group}/#`, 'another']);
  await receiver.exclude(`${join.group}/debug`);
  const publish = (topic) => sender.publish(`${join.group}/${topic}`, topic);
  await publish('debug');
  await publish('one');
  await receiver.unexclude([`${join.group}/debug`]);
  await publish('debug');
  await receiver.unsubscribe(`${join.group}/#`);
  await publish('two');
  await sender.send(receiver.name, 'end');
  assert.deepEqual(
    (await frames(receiver, 3)).map((frame) => frame.text()),
    ['one', 'debug', 'end'],
  );
});

test('many filters go out in one operation', async (t) => {
  const join = clients(t);
  const [sender, receiver] = [await join('sender'), await join('receiver')];
  await receiver.subscribe(Array.from({ length: 10_000 }, (_, n) => `${join.group}/${n}`));
  await sender.publish(`${join.group}/9999`, 'x');
  assert.equal((await next(receiver)).topic, `${join.group}/9999`);
});

test('what is malformed is refused before it is sent', async (t) => {
  const client = await clients(t)('client');
  const cases = [
    ['name', client.send('a*', '')],
    ['name', client.send('', '')],
    ['name', client.send('a\0b', '')],
    ['name', client.publish('t', '', { onlyFor: 'a?' })],
    ['mask', client.broadcast('*.a', '')],
    ['topic', client.publish('a/+', '')],
    ['topic', client.publish('a\0b', '')],
    ['topic', client.subscribe(['ok', 'a/#/b'])],
  ];
  for (const [kind, sending] of cases) {
    const error = await failure(sending);
    assert.deepEqual([error.kind, error.code, error.outcome], [kind, 0x72, 'refused'], error.message);
  }
  assert.ok(client.isConnected());
});

test('a frame at the limit is taken, one byte more is refused', async (t) => {
  const join = clients(t);
  const client = await join('c', { frameLimit: 1_000 });
  const room = 1_000 - client.name.length - 1;
  await client.send(client.name, 'x'.repeat(room));
  assert.equal((await next(client)).payload.length, room);
  const error = await failure(client.send(client.name, 'x'.repeat(room + 1)));
  assert.deepEqual(
    [error.kind, error.message],
    ['tooLarge', 'a frame of 1001 bytes is over the limit of 1000 bytes'],
  );
  await client.send(client.name, Buffer.alloc(room));
  assert.equal((await failure(client.send(client.name, Buffer.alloc(room + 1)))).kind, 'tooLarge');
  assert.equal((await failure(client.send(client.name, 'ß'.repeat(room / 2 + 1)))).kind, 'tooLarge');
});

test('as many filters are taken as the limit says, and not one more', async (t) => {
  const client = await clients(t)('client', { filterLimit: 3 });
  await client.subscribe(['a', 'b']);
  await client.exclude('a');
  await client.subscribe(['a', 'b']);
  assert.equal((await failure(client.subscribe('c'))).kind, 'tooManyFilters');
  await client.unsubscribe('a');
  await client.subscribe('c');
});

test('nobody else can have a name that is taken', async (t) => {
  const join = clients(t);
  const client = await join('one');
  const { address } = await shared();
  const error = await failure(Client.connect(client.name, { address }));
  assert.deepEqual(
    [error.name, error.kind, error.code, error.mayPass],
    ['ConnectError', 'refused', 0x76, true],
  );
});

test('a name that is taken is had when it is free, if the first connection is tried for long enough', async (t) => {
  const join = clients(t);
  const first = await join('one');
  const second = new Client(first.name, { address: (await shared()).address, retryFirstConnect: 20_000 });
  const connected = second.connect();
  await first.close();
  await connected;
  await second.send(second.name, 'here');
  assert.equal((await next(second)).text(), 'here');
  await second.close();
});

test('what is no name for a client is refused before it connects', () => {
  for (const name of ['', '.a', 'a*', 'a\nb', 'a%%', '\ud800']) {
    assert.throws(() => new Client(name), { name: 'BusError', kind: 'name' }, JSON.stringify(name));
  }
});

test('settings out of range are refused with their name', () => {
  const cases = [
    [{ timeout: 9 }, /^timeout must be from 10 to 3600000, not 9$/],
    [{ timeout: NaN }, /^timeout must/],
    [{ backoff: { first: 10, longest: 5 } }, /^backoff.longest must be from 10/],
    [{ inboxLimit: 100, inboxHardLimit: 99 }, /^inboxHardLimit must be from 100/],
    [{ outboxLimit: 0 }, /^outboxLimit must/],
    [{ inFlightLimit: 524_289 }, /^inFlightLimit must/],
    [{ nameLimits: { bytes: 0, parts: 1 } }, /^nameLimits.bytes must/],
  ];
  for (const [options, message] of cases) {
    assert.throws(() => new Client('a', options), { name: 'RangeError', message });
  }
});

test('what is no payload and no quality of service is refused, and leaves nothing behind', async (t) => {
  const client = await clients(t)('client');
  for (const payload of [undefined, null, 5, [1], new ArrayBuffer(1), new Uint16Array(1)]) {
    assert.ok((await failure(client.send(client.name, payload))) instanceof TypeError);
  }
  for (const qos of [4, -1, 64]) {
    assert.ok((await failure(client.send(client.name, '', { qos }))) instanceof RangeError);
    assert.ok((await failure(client.subscribe('t', qos))) instanceof RangeError);
  }
  await client.publish('t', 'nobody');
  await client.send(client.name, 'last');
  assert.equal((await next(client)).text(), 'last');
});
