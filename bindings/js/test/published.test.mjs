// The published brokers: the wire is the same. CI builds them; without them these tests are skipped.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clients } from './kit/bus.mjs';
import { Qos, Rpc, RpcError, Service, msgpack } from './kit/elbus.mjs';
import { publishedBroker } from './kit/server.mjs';
import { failure, frames, next, until, within } from './kit/wait.mjs';

const skip = process.env.ELBUS_PUBLISHED_BROKER
  ? false
  : 'ELBUS_PUBLISHED_BROKER is not set: bindings/js/ci builds the published brokers (interop/examples/published_broker.rs) and sets it';

for (const name of ['elbus', 'busrt']) {
  test(`on the published broker of ${name}`, { skip }, async (t) => {
    const broker = await publishedBroker(name);
    t.after(() => broker.stop());
    const join = clients(t, broker.address);
    const [one, two] = [await join('one'), await join('two')];

    for (const [quality, qos] of Object.entries(Qos)) {
      await t.test(`every pattern works with QoS ${quality}`, async () => {
        await two.subscribe([`${quality}/#`, 'other'], { qos: qos | 1 });
        await one.send(two.name, 'message', { qos });
        await one.broadcast(`${join.group}.?`, 'broadcast', { qos });
        await one.publish(`${quality}/x`, 'publication', { qos });
        const [message, broadcast, publication] = await frames(two, 3);
        assert.deepEqual([message.kind, message.sender, message.text()], ['message', one.name, 'message']);
        assert.deepEqual(
          [broadcast.kind, broadcast.sender, broadcast.text()],
          ['broadcast', one.name, 'broadcast'],
        );
        assert.deepEqual(
          [publication.kind, publication.sender, publication.topic, publication.text()],
          ['publication', one.name, `${quality}/x`, 'publication'],
        );
        assert.equal((await next(one)).kind, 'broadcast', 'the sender matches the mask too');
        await two.unsubscribe(`${quality}/#`);
        await one.publish(`${quality}/x`, 'nobody');
      });
    }

    await t.test('verdicts are told', async () => {
      assert.equal((await failure(one.send('nobody.here', 'x'))).code, 0x71);
    });

    await t.test('payloads of any size arrive whole and in order', async () => {
      const sizes = [0, 1, 16_384, 16_385, 65_536, 1_000_000];
      const sent = Promise.all(sizes.map((size) => one.send(two.name, Buffer.alloc(size, 7))));
      assert.deepEqual(
        (await frames(two, sizes.length)).map(({ payload }) => payload.length),
        sizes,
      );
      await sent;
    });

    await t.test('calls are answered, fail at once, and end when their target leaves', async () => {
      const [caller, server] = [await join('caller'), await join('server')];
      const rpc = new Rpc(caller, { watchAfter: 20, timeout: 3_600_000 });
      const service = new Service(server);
      service.method('add', ({ a, b }) => a + b).method('never', () => new Promise(() => undefined));
      service.method('fail', () => {
        throw new RpcError(5, 'five');
      });
      assert.equal(await rpc.call(server.name, 'add', { a: 2, b: 3 }), 5);
      assert.equal((await failure(rpc.call(server.name, 'fail'))).code, 5);
      assert.equal((await failure(rpc.call('nobody.here', 'x'))).code, 0x71);
      assert.deepEqual(msgpack.decode(await rpc.callRaw('.broker', 'test')), { ok: true });
      const calls = Array.from({ length: 1_000 }, (_, n) => rpc.call(server.name, 'add', { a: n, b: 0 }));
      assert.deepEqual(await within(Promise.all(calls), 'the results'), [...calls.keys()]);
      const never = failure(rpc.call(server.name, 'never'));
      await until(() => service.stats().requestsRunning === 1);
      await server.close();
      assert.equal((await never).kind, 'targetLeft');
    });

    await t.test('a secondary is reached by its name', async () => {
      const second = await one.secondary();
      await two.send(second.name, 'x');
      assert.equal((await next(second)).text(), 'x');
    });

    await t.test('who only listens is given a sign of life', async () => {
      const timeout = 2_000;
      const listener = await join('listener', { timeout, pingInterval: 10, reconnect: false });
      assert.equal(await listener.receive({ timeout: 2 * timeout }), undefined);
      assert.ok(listener.isConnected());
    });

    await t.test(
      'exclusions keep publications away',
      { skip: name === 'elbus' ? 'elbus 0.2 has none' : false },
      async () => {
        await two.subscribe('log/#');
        await two.exclude('log/debug');
        await one.publish('log/debug', 'x');
        await one.publish('log/error', 'y', { onlyFor: two.name });
        assert.equal((await next(two)).topic, 'log/error');
      },
    );
  });
}
