// A broker that does what a test tells it, byte by byte. It uses nothing of the package under test.
import { createServer } from 'node:net';
import { join } from 'node:path';
import { event, within } from './wait.mjs';
import { folder } from './server.mjs';

const GREETING = Buffer.from([0xeb, 1, 0]);
const OK = Buffer.from([1]);

/** A connection that the fake broker has accepted: what it reads is asked for, what it says is written. */
export class Peer {
  name;
  #socket;
  #heard = Buffer.alloc(0);
  #wake = () => undefined;
  #ended = false;

  constructor(socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (bytes) => {
      this.#heard = Buffer.concat([this.#heard, bytes]);
      this.#wake();
    });
    socket.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
    socket.on('error', () => undefined);
  }

  /** Writes bytes; with `one` set, one by one. */
  async say(bytes, one = false) {
    if (!one) {
      this.#socket.write(bytes);
      return;
    }
    for (const byte of bytes) {
      await new Promise((resolve) => this.#socket.write(Buffer.from([byte]), resolve));
    }
  }

  /** So many bytes from the client. */
  async hear(count) {
    while (this.#heard.length < count) {
      if (this.#ended) {
        throw new Error(`the client is gone; ${this.#heard.length} of ${count} bytes came`);
      }
      await within(new Promise((resolve) => (this.#wake = resolve)), `${count} bytes`);
    }
    const bytes = this.#heard.subarray(0, count);
    this.#heard = this.#heard.subarray(count);
    return bytes;
  }

  /** The next frame that is no ping. A client that asks for a sign of life, which it does when it likes, is given one. */
  async frame() {
    for (;;) {
      const frame = await this.anyFrame();
      if (isQuestion(frame)) {
        this.acknowledge(frame.id);
      } else if (frame.op !== 0 || frame.qos !== 0) {
        return frame;
      }
    }
  }

  /** The next question for a sign of life; there are not many pings in front of it. */
  async question() {
    for (let n = 0; n < 100; n += 1) {
      const frame = await this.anyFrame();
      if (isQuestion(frame)) {
        return frame;
      }
    }
    throw new Error('the client only pings');
  }

  /** The next frame, whatever it is. */
  async anyFrame() {
    const header = await this.hear(9);
    const body = Buffer.from(await this.hear(header.readUInt32LE(5)));
    return { id: header.readUInt32LE(0), op: header[4] & 0x3f, qos: header[4] >> 6, body };
  }

  /** Acknowledges an operation. */
  acknowledge(id, code = 1) {
    const bytes = Buffer.from([0xfe, 0, 0, 0, 0, code]);
    bytes.writeUInt32LE(id, 1);
    this.#socket.write(bytes);
  }

  /** Greets as a broker does, and takes the name. */
  async greet(one = false) {
    await this.say(GREETING, one);
    await this.hear(3);
    await this.say(OK);
    const length = (await this.hear(2)).readUInt16LE(0);
    this.name = (await this.hear(length)).toString();
    await this.say(OK);
  }

  /** Reads nothing more. */
  pause() {
    this.#socket.pause();
  }

  close() {
    this.#socket.destroy();
  }

  /** The client has gone. */
  async gone() {
    while (!this.#ended) {
      await within(new Promise((resolve) => (this.#wake = resolve)), 'the client to go');
    }
  }
}

export class FakeBroker {
  address;
  #server;
  #peers = [];
  #wake = () => undefined;

  /** With `allowHalfOpen`, it does not hang up when a client does. */
  static async start({ allowHalfOpen = false } = {}) {
    const broker = new FakeBroker();
    broker.address = join(folder(), 'fake.sock');
    broker.#server = createServer({ allowHalfOpen }, (socket) => {
      broker.#peers.push(new Peer(socket));
      broker.#wake();
    }).listen(broker.address);
    await event(broker.#server, 'listening');
    return broker;
  }

  /** The next connection, not greeted yet. */
  async accept() {
    while (this.#peers.length === 0) {
      await within(new Promise((resolve) => (this.#wake = resolve)), 'a connection');
    }
    return this.#peers.shift();
  }

  /** The next client, greeted. */
  async client() {
    const peer = await this.accept();
    await peer.greet();
    return peer;
  }

  stop() {
    this.#server.close();
  }
}

/** Whether a client asks for a sign of life: it subscribes to nothing, acknowledged. */
function isQuestion({ op, qos, body }) {
  return op === 2 && qos === 1 && body.length === 0;
}

/** The bytes of a frame from a broker. */
export function delivery(kind, sender, payload, { topic, realtime = false } = {}) {
  const address = topic === undefined ? `${sender}\0` : `${sender}\0${topic}\0`;
  const body = Buffer.concat([Buffer.from(address), Buffer.from(payload)]);
  const header = Buffer.from([kind, 0, 0, 0, 0, realtime ? 1 : 0]);
  header.writeUInt32LE(body.length, 1);
  return Buffer.concat([header, body]);
}
