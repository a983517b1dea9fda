// The MessagePack of this package: against itself, against @msgpack/msgpack, and against bad input.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Extension, json, msgpack } from './kit/elbus.mjs';

const { decode, encode } = await import('@msgpack/msgpack');

const numbers = [
  0,
  1,
  127,
  128,
  255,
  256,
  65_535,
  65_536,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  Number.MAX_SAFE_INTEGER,
]
  .flatMap((n) => [n, -n, -n - 1])
  .concat([0.5, -1e300, 2 ** 60, Infinity, -Infinity]);
const lengths = [0, 1, 9, 10, 11, 15, 16, 31, 32, 255, 256, 510, 511, 512, 65_535, 65_536];
const values = [
  null,
  true,
  false,
  ...numbers.map((n) => (Object.is(n, -0) ? 0 : n)),
  ...lengths.map((n) => 'x'.repeat(n)),
  ...lengths.map((n) => 'ß'.repeat(n)),
  '𝄞',
  ...lengths.map((n) => Array.from({ length: n }, (_, i) => i)),
  ...lengths
    .slice(0, -2)
    .map((n) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`key ${i}`, i]))),
  { a: [{ b: { c: [null, [[]], {}] } }] },
  new Date(0),
  new Date(1_700_000_000_123),
  new Date(-1),
];

test('values come back as they were', () => {
  for (const value of values) assert.deepEqual(msgpack.decode(msgpack.encode(value)), value);
  assert.ok(Number.isNaN(msgpack.decode(msgpack.encode(NaN))));
  assert.ok(Object.is(msgpack.decode(msgpack.encode(-0)), -0));
});

test('the same values are read by @msgpack/msgpack, and what it writes is read here', () => {
  for (const value of values) {
    assert.deepEqual(decode(msgpack.encode(value)), value);
    assert.deepEqual(msgpack.decode(encode(value)), value);
  }
});

test('bytes come back as a Buffer of their own', () => {
  for (const length of lengths) {
    const bytes = Buffer.alloc(length, 7);
    const encoded = msgpack.encode([bytes]);
    const [decoded] = msgpack.decode(encoded);
    assert.ok(Buffer.isBuffer(decoded) && decoded.equals(bytes));
    encoded.fill(0);
    assert.ok(decoded.equals(bytes), 'not a view');
    assert.ok(Buffer.from(decode(msgpack.encode(bytes))).equals(bytes));
  }
  assert.deepEqual(msgpack.decode(msgpack.encode(new Uint8Array([1, 2]))), Buffer.from([1, 2]));
});

test('integers that a number does not hold exactly are bigints', () => {
  for (const value of [2n ** 53n, 2n ** 64n - 1n, -(2n ** 53n), -(2n ** 63n)]) {
    assert.equal(msgpack.decode(msgpack.encode(value)), value);
  }
  assert.equal(msgpack.decode(msgpack.encode(5n)), 5);
  for (const value of [2n ** 64n, -(2n ** 63n) - 1n])
    assert.throws(() => msgpack.encode(value), /more than 64 bits/);
});

test('extensions come back with their type', () => {
  for (const length of [0, 1, 2, 3, 4, 8, 15, 16, 17, 255, 256, 65_536]) {
    const value = msgpack.decode(msgpack.encode(new Extension(-5, Buffer.alloc(length, 1))));
    assert.ok(value instanceof Extension);
    assert.deepEqual([value.type, value.data.length], [-5, length]);
  }
});

test('what is undefined is left out of a map and nil elsewhere', () => {
  assert.deepEqual(msgpack.decode(msgpack.encode({ a: undefined, b: 1 })), { b: 1 });
  assert.deepEqual(msgpack.decode(msgpack.encode([undefined])), [null]);
  assert.equal(msgpack.decode(msgpack.encode(undefined)), null);
  assert.deepEqual(msgpack.decode(msgpack.encode(new Map([[1, 2]]))), { 1: 2 });
});

test('what cannot be encoded is refused', () => {
  for (const value of [() => 1, Symbol('x'), [() => 1], new Date(NaN)])
    assert.throws(() => msgpack.encode(value));
  const circle = [];
  circle.push(circle);
  assert.throws(() => msgpack.encode(circle), /nested more than 64 levels/);
});

test('64 levels are read, 65 are not', () => {
  const nested = (levels) => Buffer.concat([Buffer.alloc(levels, 0x91), Buffer.from([0xc0])]);
  msgpack.decode(nested(64));
  assert.throws(() => msgpack.decode(nested(65)), /nested more than 64 levels/);
  assert.throws(() => msgpack.decode(Buffer.alloc(1_000_000, 0x91)), /nested more than 64 levels/);
});

test('every value that is cut off anywhere is refused, and so is what stands behind one', () => {
  for (const value of [
    values,
    new Extension(1, Buffer.alloc(20)),
    'x'.repeat(300),
    2 ** 40,
    -5000,
    { a: 1.5 },
  ]) {
    const bytes = msgpack.encode(value);
    const step = Math.max(1, Math.floor(bytes.length / 50));
    for (let cut = 0; cut < bytes.length; cut += step) {
      assert.throws(() => msgpack.decode(bytes.subarray(0, cut)), RangeError);
    }
    assert.throws(() => msgpack.decode(Buffer.concat([bytes, Buffer.from([0])])), /behind the value/);
  }
});

test('lengths that lie take no memory', () => {
  for (const head of [0xc6, 0xc9, 0xdb, 0xdd, 0xdf]) {
    assert.throws(() => msgpack.decode(Buffer.from([head, 0xff, 0xff, 0xff, 0xff])), RangeError);
  }
});

test('bad texts, keys and times are refused', () => {
  for (const bytes of [
    [0xa1, 0xff],
    [0xd9, 30, ...new Array(30).fill(0xff)],
    [0x81, 0xc0, 0xc0],
    [0xc7, 3, 0xff, 0, 0, 0],
    [0xc1],
  ]) {
    assert.throws(() => msgpack.decode(Buffer.from(bytes)));
  }
});

test('a key named __proto__ is a key like any other', () => {
  const map = msgpack.decode(
    Buffer.concat([Buffer.from([0x81, 0xa9]), Buffer.from('__proto__'), Buffer.from([0x81, 0xa1, 0x61, 1])]),
  );
  assert.deepEqual(Object.keys(map), ['__proto__']);
  assert.equal(Object.getPrototypeOf(map), Object.prototype);
});

test('random bytes are a value or refused, never anything else', () => {
  let seed = 7;
  const random = () => (seed = (seed * 48271) % 0x7fffffff);
  for (let round = 0; round < 20_000; round += 1) {
    const bytes = Buffer.from(Array.from({ length: random() % 12 }, () => random() & 255));
    let ours;
    try {
      ours = msgpack.decode(bytes);
    } catch (error) {
      assert.ok(error instanceof RangeError || error instanceof TypeError, String(error));
      continue;
    }
    const again = msgpack.decode(msgpack.encode(ours));
    assert.deepEqual(again, ours);
  }
});

test('JSON as a codec refuses what it has no words for', () => {
  assert.deepEqual(json.decode(json.encode({ a: [1] })), { a: [1] });
  assert.equal(json.decode(json.encode(undefined)), null);
  assert.throws(() => json.encode(() => 1), TypeError);
});
