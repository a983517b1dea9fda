/** One connection: greets, writes what the outbox holds, and decodes what comes, until it ends. */
import { connect, type Socket } from 'node:net';
import type { Address } from './address.js';
import { Decoder, type FrameSink } from './codec.js';
import { ConnectError, Disconnect } from './errors.js';
import { Greeting } from './greeting.js';
import type { Payload } from './operation.js';
import { Outbox, SLAB } from './outbox.js';

/** Whoever has the link. @internal */
export interface LinkOwner extends FrameSink {
  /** The client is registered. */
  opened(link: Link): void;
  /** A chunk of so many bytes is decoded. */
  chunkDone(bytes: number): void;
  /** The system has taken a batch. */
  wrote(): void;
  /** The connection is gone. */
  ended(link: Link, why: Disconnect): void;
}

/** What a link needs to know. @internal */
export interface LinkSettings {
  readonly address: Address;
  readonly name: string;
  readonly timeout: number;
  readonly frameLimit: number;
}

/** A connection on which the client is registered. @internal */
export class Link {
  readonly #socket: Socket;
  readonly #owner: LinkOwner;
  readonly #decoder: Decoder;
  readonly #outbox = new Outbox();
  readonly #untaken: { position: number; done: (taken: boolean) => void }[] = [];
  #flushScheduled = false;
  #ended = false;
  /** The other end, or whoever destroyed the link, said why it ends. */
  #why: Disconnect | undefined;

  private constructor(socket: Socket, owner: LinkOwner, frameLimit: number) {
    this.#socket = socket;
    this.#owner = owner;
    this.#decoder = new Decoder(owner, frameLimit);
  }

  /** Connects and greets within the time-out; `cancelled` ends that early. */
  static dial(settings: LinkSettings, owner: LinkOwner, cancelled: AbortSignal): Promise<Link> {
    return new Promise((resolve, reject) => {
      const socket = connect(settings.address);
      socket.setNoDelay(true);
      const greeting = new Greeting(settings.name);
      let phase: 'unreachable' | 'lost' = 'unreachable';
      const stop = (): void => {
        clearTimeout(timer);
        cancelled.removeEventListener('abort', cancel);
        socket.off('connect', connected).off('data', heard).off('error', failed).off('close', closed);
      };
      const fail = (error: ConnectError): void => {
        stop();
        socket.on('error', () => undefined);
        socket.destroy();
        reject(error);
      };
      const cancel = (): void => {
        fail(new ConnectError('closed', 'the client was closed'));
      };
      const connected = (): void => {
        phase = 'lost';
      };
      const failed = (cause: Error): void => {
        fail(new ConnectError(phase, `${where(settings)} is ${phase}: ${cause.message}`, { cause }));
      };
      const closed = (): void => {
        fail(
          new ConnectError(
            'lost',
            `${where(settings)} closed the connection before the client was registered`,
          ),
        );
      };
      const heard = (bytes: Buffer): void => {
        let step = greeting.push(bytes);
        while (step !== undefined && 'send' in step) {
          socket.write(step.send);
          step = greeting.push(Buffer.alloc(0));
        }
        if (step !== undefined && 'error' in step) {
          fail(step.error);
        } else if (step !== undefined) {
          stop();
          const link = new Link(socket, owner, settings.frameLimit);
          link.#open(step.rest);
          resolve(link);
        }
      };
      const timer = setTimeout(() => {
        fail(
          new ConnectError('timedOut', `not registered at ${where(settings)} within ${settings.timeout} ms`),
        );
      }, settings.timeout);
      cancelled.addEventListener('abort', cancel);
      socket.on('connect', connected).on('data', heard).on('error', failed).on('close', closed);
    });
  }

  /** Bytes that the system has not taken yet. */
  get queued(): number {
    return this.#outbox.staged + this.#socket.writableLength;
  }

  /** Bytes of all frames so far. */
  get appended(): number {
    return this.#outbox.appended;
  }

  /** Bytes that were handed to the system: what stands behind them was certainly not sent. */
  get handed(): number {
    return this.#outbox.appended - this.#outbox.staged;
  }

  /** The system did not take everything that was handed to it. */
  get isBlocked(): boolean {
    return this.#socket.writableLength > 0;
  }

  /** Encodes a frame, to be written when the turn of the event loop is over, or when much has been gathered. */
  append(id: number, opAndQos: number, address: Buffer, front: Buffer | undefined, payload: Payload): void {
    this.#outbox.append(id, opAndQos, address, front, payload);
    if (this.#outbox.staged >= SLAB) {
      this.flush();
    } else if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      // Behind all promises that are settled in this turn: so what they send goes out together.
      process.nextTick(this.#flushInTurn);
    }
  }

  /** Writes what was gathered, as far as the system takes it; the rest follows when it does. */
  flush(): void {
    const socket = this.#socket;
    while (this.#outbox.staged > 0 && socket.writableLength === 0 && !this.#ended) {
      const batch = this.#outbox.take();
      const last = batch.length - 1;
      if (last > 0) {
        socket.cork();
      }
      for (let at = 0; at < last; at += 1) {
        socket.write(batch[at]!);
      }
      socket.write(batch[last]!, this.#batchTaken);
      if (last > 0) {
        socket.uncork();
      }
      if (!this.isBlocked) {
        this.#outbox.recycle();
      }
    }
  }

  /** Tells when everything appended so far was taken by the system, or never will be. */
  whenTaken(done: (taken: boolean) => void): void {
    if (this.#ended || this.queued === 0) {
      done(!this.#ended);
    } else {
      this.#untaken.push({ position: this.appended, done });
    }
  }

  /** Stops reading; what the broker sends stays with it. */
  pause(): void {
    this.#socket.pause();
  }

  /** Reads again. */
  resume(): void {
    this.#socket.resume();
  }

  /** Tells the broker that nothing more comes; it then closes the connection. */
  end(): void {
    this.#why ??= new Disconnect('closed', 'closed by this client');
    this.#socket.end();
  }

  /** Ends the connection at once. */
  destroy(why: Disconnect): void {
    this.#why ??= why;
    this.#socket.destroy();
  }

  readonly #flushInTurn = (): void => {
    this.#flushScheduled = false;
    this.flush();
  };

  readonly #batchTaken = (error?: Error | null): void => {
    if (this.#ended || error) {
      return;
    }
    this.flush();
    const taken = this.appended - this.queued;
    while (this.#untaken.length > 0 && this.#untaken[0]!.position <= taken) {
      this.#untaken.shift()!.done(true);
    }
    this.#owner.wrote();
  };

  /** From here on the connection is the owner's; frames may have come with the last byte of the greeting. */
  #open(rest: Buffer): void {
    const socket = this.#socket;
    socket.on('data', (chunk: Buffer) => {
      this.#decode(chunk);
    });
    socket.on('error', (cause: Error) => {
      this.#why ??= new Disconnect('io', `the connection is broken: ${cause.message}`, cause);
    });
    socket.on('close', () => {
      this.#ended = true;
      this.#owner.ended(this, this.#why ?? new Disconnect('byBroker', 'the broker closed the connection'));
      for (const { done } of this.#untaken.splice(0)) {
        done(false);
      }
    });
    this.#owner.opened(this);
    if (rest.length > 0) {
      this.#decode(rest);
    }
  }

  #decode(chunk: Buffer): void {
    if (this.#ended || this.#socket.destroyed) {
      return;
    }
    try {
      this.#decoder.push(chunk);
    } catch (error) {
      if (!(error instanceof Disconnect)) {
        throw error;
      }
      this.destroy(error);
    }
    this.#owner.chunkDone(chunk.length);
  }
}

function where(settings: LinkSettings): string {
  return 'path' in settings.address
    ? settings.address.path
    : `${settings.address.host}:${settings.address.port}`;
}
