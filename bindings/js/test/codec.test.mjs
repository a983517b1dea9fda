// The codec against the vectors that the broker's own codec has made.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { constants, part } from './kit/elbus.mjs';
import { delivery } from './kit/fake-broker.mjs';
import { ROOT } from './kit/server.mjs';

const vectors = JSON.parse(readFileSync(join(ROOT, 'bindings/vectors.json'), 'utf8'));
const { Decoder } = await part('codec');
const { Greeting } = await part('greeting');
const { Outbox } = await part('outbox');
const names = await part('names');
const { knownCode } = await part('constants');
const { Dispatcher } = await part('dispatcher');
const format = await part('rpc-format');

const LIMIT = 64 * 1024 * 1024;
const KINDS = { 0x01: 'publication', 0x12: 'message', 0x13: 'broadcast' };
const RESULTS = new Map(vectors.results.map(({ byte, name }) => [byte, name]));
const OPS = new Map(vectors.operations.map(({ bits, name }) => [name, bits]));
const QOS = new Map(vectors.qos.map(({ bits, name }) => [name, bits]));

/** What a decoder has found, in the words of the vectors. */
class Found {
  list = [];

  acknowledged(id, result) {
    const name = result === 1 ? 'ok' : RESULTS.get(knownCode(result));
    this.list.push({ kind: 'acknowledgement', id, result: [result, name] });
  }

  received(kind, realtime, sender, topic, bytes, start, end) {
    const payload = bytes.toString('hex', start, end);
    this.list.push({
      kind: KINDS[kind],
      realtime,
      sender,
      ...(topic === undefined ? {} : { topic }),
      payload,
    });
  }
}

function decode(chunks) {
  const found = new Found();
  const decoder = new Decoder(found, LIMIT);
  for (const chunk of chunks) decoder.push(chunk);
  return found.list;
}

/** A vector as a decoder tells it. */
const meaning = (vector) => {
  const { ...rest } = vector;
  delete rest.is;
  delete rest.hex;
  return rest;
};

const deliveries = vectors.deliveries.map((vector) => ({ vector, bytes: Buffer.from(vector.hex, 'hex') }));
const told = deliveries.filter(({ vector }) => vector.kind !== 'ping').map(({ vector }) => meaning(vector));
const stream = Buffer.concat(deliveries.map(({ bytes }) => bytes));

test('the greeting of a broker is told from what is none', () => {
  for (const { is, hex, result } of vectors.greetings) {
    const step = new Greeting('a').push(Buffer.from(hex, 'hex'));
    assert.equal('send' in step, result === 'ok', is);
  }
});

test('a client registers with the bytes of the vectors, also if the broker speaks byte by byte', () => {
  for (const { name, hex } of vectors.registrations) {
    const greeting = new Greeting(name);
    const sent = [];
    let done;
    for (const byte of [0xeb, 1, 0, 1, 1, 0x42]) {
      for (
        let step = greeting.push(Buffer.from([byte]));
        step !== undefined;
        step = greeting.push(Buffer.alloc(0))
      ) {
        if ('send' in step) sent.push(step.send);
        else {
          done = step;
          break;
        }
      }
      if (done) break;
    }
    assert.equal(Buffer.concat(sent).toString('hex'), `eb0100${hex}`, name);
    assert.equal(done.done, true);
  }
});

test('results that are not known count as the code for other errors', () => {
  for (const { byte, name } of vectors.results.filter(({ name }) => name !== 'ok')) {
    assert.equal(RESULTS.get(knownCode(byte)), name);
  }
});

test('the constants are those of the wire', () => {
  for (const { bits, name } of vectors.operations) {
    assert.equal(constants[`OP_${name.toUpperCase().replace(' ', '_')}`], bits, name);
  }
  for (const { bits, acknowledged, realtime } of vectors.qos) {
    const name = `${realtime ? 'Realtime' : ''}${acknowledged ? 'Processed' : ''}` || 'No';
    assert.equal(constants.Qos[name], bits);
  }
  const codes = new Set(
    Object.entries(constants).flatMap(([name, value]) => (/^RPC_ERROR_CODE/.test(name) ? [value] : [])),
  );
  assert.deepEqual(codes, new Set(vectors.rpc_codes.map(({ code }) => code)));
  for (const { byte, code } of vectors.rpc_bus_errors) {
    assert.equal(constants.RPC_BUS_ERROR - byte, code);
  }
});

test('every operation is encoded as in the vectors', () => {
  assert.ok(vectors.requests.length > 20);
  for (const { is, hex, id, op, qos, address, receiver, filters, payload } of vectors.requests) {
    const texts = [address, receiver].filter((text) => text !== undefined);
    const front = Buffer.from(texts.map((text) => `${text}\0`).join(''));
    const body = filters === undefined ? Buffer.from(payload ?? '', 'hex') : filters.join('\0');
    const outbox = new Outbox();
    outbox.append(id, OPS.get(op) | (QOS.get(qos) << 6), front, undefined, body);
    assert.equal(Buffer.concat(outbox.take()).toString('hex'), hex, is);
  }
});

test('every frame of a broker is decoded as in the vectors, alone', () => {
  for (const { vector, bytes } of deliveries) {
    const expected = vector.kind === 'ping' ? [] : [meaning(vector)];
    assert.deepEqual(decode([bytes]), expected, vector.is);
  }
});

test('all of them as one stream are decoded, wherever it is cut, and byte by byte', () => {
  for (let cut = 0; cut <= stream.length; cut += 1) {
    assert.deepEqual(decode([stream.subarray(0, cut), stream.subarray(cut)]), told, `cut at ${cut}`);
  }
  assert.deepEqual(decode(Array.from(stream, (byte) => Buffer.from([byte]))), told, 'byte by byte');
});

test('a stream in chunks of any lengths is decoded', () => {
  let seed = 1;
  const random = (below) => (seed = (seed * 48271) % 0x7fffffff) % below;
  const kinds = [0x01, 0x12, 0x13];
  for (let round = 0; round < 200; round += 1) {
    const expected = [];
    const bytes = [];
    for (let n = 0; n < 20; n += 1) {
      const kind = kinds[random(3)];
      const payload = Buffer.alloc(random(4) === 0 ? random(100_000) : random(40), n);
      const topic = kind === 0x01 ? `t/${random(3)}` : undefined;
      expected.push({
        kind: KINDS[kind],
        realtime: false,
        sender: `s${random(9)}`,
        ...(topic ? { topic } : {}),
        payload: payload.toString('hex'),
      });
      bytes.push(delivery(kind, expected.at(-1).sender, payload, { topic }));
    }
    const all = Buffer.concat(bytes);
    const chunks = [];
    for (let at = 0; at < all.length;) {
      const length = 1 + random(random(2) === 0 ? 30 : 70_000);
      chunks.push(all.subarray(at, at + length));
      at += length;
    }
    assert.deepEqual(decode(chunks), expected);
  }
});

test('what is no frame is refused', () => {
  for (const { is, hex } of vectors.deliveries_refused) {
    assert.throws(() => decode([Buffer.from(hex, 'hex')]), { name: 'Disconnect', kind: 'protocol' }, is);
  }
});

test('a frame that is not whole is waited for, unless it is over the limit', () => {
  for (const { is, hex, length } of vectors.deliveries_unfinished) {
    const bytes = Buffer.from(hex, 'hex');
    if (length !== null && length > LIMIT) {
      assert.throws(() => decode([bytes]), /over the limit/, is);
    } else {
      assert.deepEqual(decode([bytes]), [], is);
    }
  }
});

test('a header that announces 64 MiB takes little memory until they come', () => {
  const header = Buffer.from([0x12, 0, 0, 0, 4, 0]);
  const before = process.memoryUsage().arrayBuffers;
  const decoders = Array.from({ length: 100 }, () => {
    const decoder = new Decoder(new Found(), LIMIT);
    decoder.push(header);
    return decoder;
  });
  assert.ok(process.memoryUsage().arrayBuffers - before < 64 * 1024 * 1024);
  assert.equal(decoders.length, 100);
});

test('RPC payloads are encoded as in the vectors', () => {
  for (const { is, hex, kind, id, method, code, payload } of vectors.rpc) {
    const front = {
      notification: () => format.NOTIFICATION_FRONT,
      request: () => format.requestFront(id, method),
      reply: () => format.replyFront(id),
      error: () => format.errorFront(id, code),
    }[kind]();
    assert.equal(Buffer.concat([front, Buffer.from(payload, 'hex')]).toString('hex'), hex, is);
  }
});

test('RPC payloads are told apart, and what is none is a plain message', () => {
  for (const { is, hex, kind, id, method, code, payload } of [...vectors.rpc, ...vectors.rpc_refused]) {
    const bytes = Buffer.from(hex, 'hex');
    let found = kind === 'notification' ? { kind, payload: bytes.toString('hex', 1) } : { kind: undefined };
    const calls = {
      complete: (id, _sender, bytes, start) =>
        (found = { kind: 'reply', id, payload: bytes.toString('hex', start + 5) }),
      completeWithError: (id, _sender, bytes, start) =>
        (found = {
          kind: 'error',
          id,
          code: bytes.readInt16LE(start + 5),
          payload: bytes.toString('hex', start + 7),
        }),
    };
    const lane = {
      admit: (request) => {
        found = {
          kind: 'request',
          id: request.id,
          method: request.method,
          payload: request.params.toString('hex'),
        };
        return true;
      },
    };
    const handlers = { route: () => ({ lane }), onNotification: () => undefined };
    const taken = new Dispatcher({ client: {} }, calls, {}, handlers).take(
      'a',
      false,
      bytes,
      0,
      bytes.length,
    );
    assert.equal(taken, kind !== undefined && kind !== 'notification', is);
    const expected = { kind, id, method, code, payload };
    for (const key of Object.keys(found)) assert.deepEqual(found[key], expected[key], `${is}: ${key}`);
  }
});

test('names, masks, topics and filters are valid as in the vectors', () => {
  const name = { bytes: 255, parts: 16 };
  const topic = { bytes: 1024, levels: 32 };
  const checks = [
    ['names', (text) => names.nameFault(text, name)],
    ['masks', (text) => names.maskFault(text, name)],
    ['topics', (text) => names.topicFault(text, topic)],
    ['filters', (text) => names.filterFault(text, topic)],
  ];
  for (const [list, fault] of checks) {
    assert.ok(vectors[list].length > 10);
    for (const { text, valid } of vectors[list]) {
      assert.equal(fault(text) === undefined, valid, `${list}: ${JSON.stringify(text)}: ${fault(text)}`);
    }
  }
  for (const { text, primary } of vectors.names.filter(({ valid }) => valid)) {
    assert.equal(names.primaryName(text), primary);
  }
});

test('filters match as in the vectors', () => {
  for (const { filter, topic, matches } of vectors.filter_matches) {
    assert.equal(names.filterMatches(filter, topic), matches, `${filter} and ${topic}`);
  }
});

test('a text that is no Unicode is no name', () => {
  assert.match(names.nameFault('a\ud800', { bytes: 255, parts: 16 }), /Unicode/);
});
