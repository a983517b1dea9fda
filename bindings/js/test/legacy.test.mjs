// Programs written for the published package: its names, its frames and its ways.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clients, shared } from './kit/bus.mjs';
import {
  Client,
  Frame,
  Rpc,
  RpcError,
  RpcEvent,
  RpcNotification,
  RpcReply,
  RpcRequest,
} from './kit/elbus.mjs';
import { constants, msgpack } from './kit/elbus.mjs';
import { failure, until } from './kit/wait.mjs';

const { OP_BROADCAST, OP_MESSAGE, OP_PUBLISH, OP_SUBSCRIBE } = constants;

test('a client is made with a name and connects to a path', async () => {
  const { address } = await shared();
  const bus = new Client('legacy.one');
  assert.ok(!bus.isConnected() && !bus.is_connected());
  await bus.connect(address);
  assert.ok(bus.isConnected() && bus.is_connected() && bus.connected);
  await bus.disconnect();
  assert.ok(!bus.isConnected());
});

for (const property of ['onFrame', 'on_frame']) {
  test(`${property} hears frames of every type, with sender and topic where they belong`, async (t) => {
    const join = clients(t);
    const [bus, sender] = [await join('bus'), await join('sender')];
    const heard = [];
    bus[property] = (frame) => heard.push(frame);
    const subscribed = await bus.subscribe('some/#');
    assert.ok(await subscribed.waitCompleted(20));
    assert.equal(subscribed.result, constants.RESPONSE_OK);
    const make = (type, text) => {
      const frame = new Frame(type, 1);
      frame.payload = text;
      return frame;
    };
    for (const [target, frame] of [
      [bus.name, make(OP_MESSAGE, Buffer.from('message'))],
      [`${join.group}.?`, new Frame('broadcast', OP_BROADCAST, 1)],
      ['some/topic', new Frame(Buffer.from('publication'), OP_PUBLISH, 1)],
    ]) {
      const sent = await sender.send(target, frame);
      assert.ok(await sent.wait_completed(20));
      assert.ok(sent.isCompleted() && sent.is_completed());
      assert.deepEqual([sent.qos, sent.result], [1, constants.RESPONSE_OK]);
    }
    await until(() => heard.length === 3);
    assert.deepEqual(
      heard.map(({ type, sender, topic, payload }) => [type, sender, topic, payload.toString()]),
      [
        [OP_MESSAGE, sender.name, undefined, 'message'],
        [OP_BROADCAST, sender.name, undefined, 'broadcast'],
        [OP_PUBLISH, sender.name, 'some/topic', 'publication'],
      ],
    );
    assert.ok(heard[0].buf === heard[0].payload && heard[0].primary_sender === sender.name);
  });
}

test('a frame is by default a message of QoS 0', () => {
  const frame = new Frame();
  assert.deepEqual([frame.type, frame.qos, frame.payload.length], [OP_MESSAGE, 0, 0]);
  const other = new Frame('text', OP_PUBLISH, 3);
  assert.deepEqual([other.type, other.qos, other.payload.toString()], [OP_PUBLISH, 3, 'text']);
});

test('the answer to a sent frame tells that nobody is there, and a frame without QoS is not answered', async (t) => {
  const bus = await clients(t)('bus');
  const sent = await bus.send('nobody.here', new Frame('x', OP_MESSAGE, 1));
  assert.ok(await sent.waitCompleted(20));
  assert.equal(sent.result, constants.ERR_CLIENT_NOT_REGISTERED);
  const unanswered = await bus.send('nobody.here', new Frame('x'));
  assert.ok(await unanswered.waitCompleted());
});

test('waiting for the answer ends at its time-out', async (t) => {
  const bus = await clients(t)('bus');
  bus.core.link.pause();
  const sent = await bus.send(bus.name, new Frame('x', OP_MESSAGE, 1));
  assert.equal(await sent.waitCompleted(0.01), false);
  assert.ok(!sent.isCompleted() && sent.result === 0);
  bus.core.link.resume();
  assert.ok(await sent.waitCompleted());
});

test('subscriptions may be sent as frames', async (t) => {
  const join = clients(t);
  const bus = await join('bus');
  await bus.send(null, new Frame('x\0y', OP_SUBSCRIBE, 1));
  await bus.publish('y', 'came');
  assert.equal((await bus.receive()).text(), 'came');
  await bus.ping();
  await assert.rejects(bus.send('a', new Frame('', 0x3f)), TypeError);
});

for (const snake of [false, true]) {
  const say = (camel, snaked) => (snake ? snaked : camel);
  test(`RPC with events, in ${say('camel', 'snake')} case`, async (t) => {
    const join = clients(t);
    const [bus, server] = [await join('bus'), await join('server')];
    const served = new Rpc(server);
    const notified = [];
    const framed = [];
    served[say('onNotification', 'on_notification')] = (event) =>
      notified.push(event[say('getPayload', 'get_payload')]().toString());
    served[say('onFrame', 'on_frame')] = (frame) => framed.push(frame.payload.toString());
    served[say('onCall', 'on_call')] = async (event) => {
      assert.equal(event.kind, constants.RPC_REQUEST);
      assert.equal(event.sender, bus.name);
      switch (event.method.toString()) {
        case 'add': {
          const { a, b } = msgpack.decode(event.payload);
          return msgpack.encode(a + b);
        }
        case 'reply':
          return new RpcReply('a reply');
        case 'nothing':
          return undefined;
        case 'object':
          return { a: 1 };
        default:
          throw new RpcError(constants.RPC_ERROR_CODE_METHOD_NOT_FOUND, 'no such method');
      }
    };
    const rpc = new Rpc(bus);
    assert.ok(rpc[say('isConnected', 'is_connected')]());
    const event = await rpc.call(server.name, new RpcRequest('add', msgpack.encode({ a: 2, b: 3 })));
    assert.ok(event instanceof RpcEvent);
    assert.equal(msgpack.decode(event[say('getPayload', 'get_payload')]()), 5);
    assert.equal(await event[say('waitCompleted', 'wait_completed')](), event);
    assert.deepEqual([event.kind, event.sender], [constants.RPC_REPLY, server.name]);
    const text = await rpc.call(server.name, new RpcRequest('reply'));
    assert.equal(text.getPayload().toString(), 'a reply');
    const nothing = await rpc.call(server.name, new RpcRequest('nothing'));
    assert.ok(nothing[say('isEmpty', 'is_empty')]());
    const object = await rpc.call(server.name, new RpcRequest('object'));
    assert.deepEqual(msgpack.decode(object.payload), { a: 1 });
    const error = await failure(rpc.call(server.name, new RpcRequest('other')));
    assert.deepEqual([error.code, error.message], [-32_601, 'no such method']);

    await rpc.call0(server.name, new RpcRequest('nothing'));
    await rpc.notify(server.name, new RpcNotification('noted'));
    await bus.send(server.name, new Frame('plain', OP_MESSAGE, 1));
    await until(() => notified.length === 1 && framed.length === 1);
    assert.deepEqual([notified, framed], [['noted'], ['plain']]);
  });
}

test('an Rpc without onCall has no methods', async (t) => {
  const join = clients(t);
  const [bus, server] = [await join('bus'), await join('server')];
  assert.ok(new Rpc(server).isConnected());
  const error = await failure(new Rpc(bus).call(server.name, new RpcRequest(Buffer.from('m'))));
  assert.equal(error.code, constants.RPC_ERROR_CODE_METHOD_NOT_FOUND);
});

test('errors and frames of another copy of the package are told by their shape', async (t) => {
  const join = clients(t);
  const [bus, server] = [await join('bus'), await join('server')];
  new Rpc(server).onCall = () => {
    throw Object.assign(new Error('from elsewhere'), { name: 'RpcError', code: 42 });
  };
  const error = await failure(new Rpc(bus).call(server.name, new RpcRequest('m')));
  assert.deepEqual([error.code, error.message], [42, 'from elsewhere']);
  assert.ok(Frame.isFrame({ [Symbol.for('elbus.Frame')]: true }));
});
