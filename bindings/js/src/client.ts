/** A client of the bus. */
import { EventEmitter } from 'node:events';
import type {
  ClientEvents,
  FrameHandler,
  PublishOptions,
  ReceiveOptions,
  SendOptions,
} from './client-types.js';
import { OP_BROADCAST, OP_MESSAGE, OP_NOP, OP_PUBLISH, OP_PUBLISH_FOR, Qos } from './constants.js';
import { OP_EXCLUDE, OP_SUBSCRIBE, OP_UNEXCLUDE, OP_UNSUBSCRIBE } from './constants.js';
import { Core } from './core.js';
import { BusError, ConnectError, type Disconnect } from './errors.js';
import { Frame } from './frame.js';
import { rethrow, type Handler } from './inbox.js';
import { nameFault, primaryName } from './names.js';
import type { Payload } from './operation.js';
import { settle, type ClientOptions } from './options.js';
import { Sender } from './sender.js';
import type { SentFrame } from './sent-frame.js';

const NOTHING = Buffer.alloc(0);

/**
 * A client of the bus: sends, publishes, subscribes and receives. It connects again when the connection is lost.
 *
 * ```js
 * import { Client } from 'elbus';
 *
 * const client = await Client.connect('plant.panel');
 * await client.subscribe('temperature/#');
 * await client.send('plant.pump', 'start');
 * for await (const frame of client) {
 *   console.log(frame.topic, frame.sender, frame.text());
 * }
 * ```
 *
 * Frames go to `onFrame` and to listeners of the event `frame`, if there are any; else they wait to be iterated over or
 * asked for with `receive`.
 */
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging
export class Client extends EventEmitter implements AsyncIterable<Frame> {
  /** The name on the bus. */
  readonly name: string;
  /** Whether a promise that `onFrame` returns is waited for before the next frame is handled. */
  autopause = true;
  readonly #core: Core;
  readonly #sender: Sender;
  readonly #options: ClientOptions;
  #onFrame: FrameHandler | undefined;
  #connecting: Promise<void> | undefined;
  #lastSuffix = 0;

  /**
   * @param name - the name on the bus: `group.subgroup.client`.
   * @param options - settings; a `RangeError` names what is out of range.
   */
  constructor(name: string, options?: ClientOptions);
  /** A secondary. @internal */
  constructor(name: string, options: ClientOptions, primary: Core);
  constructor(name: string, options: ClientOptions = {}, primary?: Core) {
    super();
    const settings = settle(options);
    const fault = name.startsWith('.')
      ? 'names with a dot in front are the broker’s'
      : nameFault(name, settings.nameLimits);
    if (fault !== undefined) {
      throw new BusError('name', `${JSON.stringify(name)} is no name for a client: ${fault}`);
    }
    this.name = name;
    this.#options = options;
    const events = {
      connected: () => {
        this.#tell('connected');
      },
      disconnected: (why: Disconnect) => {
        this.#tell('disconnected', why);
      },
      gaveUp: (why: ConnectError) => {
        this.#tell('gaveUp', why);
      },
      heldBack: () => {
        this.#tell('heldBack');
      },
      released: () => {
        this.#tell('released');
      },
      inboxLagging: (bytes: number) => {
        this.#tell('inboxLagging', bytes);
      },
    };
    this.#core = new Core(name, settings, events, (frame) => this.#handler(frame), primary);
    this.#sender = new Sender(this.#core);
    super.on('newListener', (event: string | symbol) => {
      if (event === 'frame') {
        this.#core.intake.inbox.kick();
      }
    });
  }

  /** A client that is on the bus. Rejected with `ConnectError` if that cannot be. */
  static async connect(name: string, options: ClientOptions = {}): Promise<Client> {
    const client = new this(name, options);
    await client.connect();
    return client;
  }

  /**
   * Gets on the bus; while the client comes back on its own, waits for that.
   *
   * @param address - in place of the one in the options.
   */
  async connect(address?: string): Promise<void> {
    const core = this.#core;
    if (core.phase === 'idle') {
      this.#connecting = core.connect(address);
    }
    await this.#connecting;
    while (core.phase !== 'connected') {
      if (core.phase === 'closed' || core.phase === 'closing') {
        throw new ConnectError('closed', 'the client is closed');
      }
      await core.nextPhase();
    }
  }

  /** Whether it is on the bus now. */
  isConnected(): boolean {
    return this.#core.phase === 'connected';
  }

  /** Sends to one client. Resolves when the broker has placed the frame with it, else rejects with `BusError`. */
  send(target: string, payload: Payload, options?: SendOptions): Promise<void>;
  /**
   * Sends a frame as the published package does: its type says whether the target is a client, a mask or a topic.
   * Resolves as soon as it is handed over; what is answered then tells its verdict.
   */
  send(target: string | null | undefined, frame: Frame): Promise<SentFrame>;
  send(target: string | null | undefined, payload: Payload | Frame, options?: SendOptions): Promise<unknown> {
    if (Frame.isFrame(payload)) {
      return this.#sender.sendFrame(target, payload);
    }
    try {
      return this.#sender.perform(OP_MESSAGE, this.#sender.addresses.target(target!), payload, options);
    } catch (error) {
      return rejected(error);
    }
  }

  /** Sends to every client whose name matches: `?` is any one part, a final `*` one or more. */
  broadcast(mask: string, payload: Payload, options?: SendOptions): Promise<void> {
    try {
      return this.#sender.perform(OP_BROADCAST, this.#sender.addresses.mask(mask), payload, options);
    } catch (error) {
      return rejected(error);
    }
  }

  /** Publishes to the subscribers of a topic. */
  publish(topic: string, payload: Payload, options?: PublishOptions): Promise<void> {
    try {
      const address = this.#sender.addresses.topic(topic);
      const receiver = options?.onlyFor;
      return receiver === undefined
        ? this.#sender.perform(OP_PUBLISH, address, payload, options)
        : this.#sender.perform(
            OP_PUBLISH_FOR,
            Buffer.concat([address, this.#sender.addresses.target(receiver)]),
            payload,
            options,
          );
    } catch (error) {
      return rejected(error);
    }
  }

  /** Subscribes: `+` is any one level, a final `#` one or more. What is subscribed outlives the connection. */
  subscribe(filters: string | readonly string[], options?: SendOptions | Qos): Promise<SentFrame> {
    return this.#sender.filter(OP_SUBSCRIBE, filters, options);
  }

  /** Takes subscriptions back. */
  unsubscribe(filters: string | readonly string[], options?: SendOptions | Qos): Promise<SentFrame> {
    return this.#sender.filter(OP_UNSUBSCRIBE, filters, options);
  }

  /** Keeps publications away, whatever is subscribed. Brokers of elbus 0.2 do not know that. */
  exclude(filters: string | readonly string[], options?: SendOptions | Qos): Promise<SentFrame> {
    return this.#sender.filter(OP_EXCLUDE, filters, options);
  }

  /** Takes exclusions back. */
  unexclude(filters: string | readonly string[], options?: SendOptions | Qos): Promise<SentFrame> {
    return this.#sender.filter(OP_UNEXCLUDE, filters, options);
  }

  /** Pings the broker, which does not answer. The client pings by itself. */
  ping(): Promise<void> {
    return this.#sender.perform(OP_NOP, NOTHING, NOTHING, { qos: Qos.No });
  }

  /** Resolves when the system has taken everything that was sent before; rejects if it never will. */
  flush(): Promise<void> {
    const { link, phase } = this.#core;
    if (link === undefined || phase === 'closed') {
      return rejected(BusError.notConnected());
    }
    return new Promise((resolve, reject) => {
      link.flush();
      link.whenTaken((taken) => {
        if (taken) {
          resolve();
        } else {
          reject(BusError.connectionLost());
        }
      });
    });
  }

  /** Another connection of this client, with the same options, named `NAME%%1` and so on. It leaves with this one. */
  async secondary(): Promise<Client> {
    const core = this.#core;
    while (core.phase === 'disconnected' || core.phase === 'restoring') {
      await core.nextPhase();
    }
    if (core.phase !== 'connected') {
      throw new ConnectError('closed', 'a secondary needs a client that is on the bus');
    }
    this.#lastSuffix += 1;
    const secondary = new Client(`${primaryName(this.name)}%%${this.#lastSuffix}`, this.#options, core);
    core.secondaries.add(secondary.#core);
    try {
      const { address } = core;
      await secondary.connect(
        address === undefined || 'path' in address ? address?.path : `${address.host}:${address.port}`,
      );
    } catch (error) {
      core.secondaries.delete(secondary.#core);
      throw error;
    }
    return secondary;
  }

  /**
   * Leaves the bus: nothing more can be sent, what was sent before is written and answered, and the name is free.
   * Rejects with `BusError` if that takes longer than `timeout` or the connection is lost.
   */
  close(): Promise<void> {
    return this.#core.close();
  }

  /** As `close`, without telling what could not be sent. */
  async disconnect(): Promise<void> {
    await this.close().catch(() => undefined);
  }

  /** The next frame; `undefined` when the client is closed, or when the wait is over. */
  async receive(options: ReceiveOptions = {}): Promise<Frame | undefined> {
    this.#core.intake.isIterated = true;
    const { frame, forget } = this.#core.intake.inbox.ask();
    const { timeout, signal } = options;
    if (timeout === undefined && signal === undefined) {
      return frame;
    }
    const timer = timeout === undefined ? undefined : setTimeout(forget, timeout);
    signal?.addEventListener('abort', forget);
    if (signal?.aborted === true) {
      forget();
    }
    try {
      return await frame;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', forget);
    }
  }

  /** The frames as they come, until the client is closed. */
  [Symbol.asyncIterator](): AsyncIterator<Frame, undefined> {
    this.#core.intake.isIterated = true;
    return {
      next: async () => {
        const value = await this.#core.intake.inbox.ask().frame;
        return value === undefined ? { done: true, value } : { done: false, value };
      },
      return: () => Promise.resolve({ done: true, value: undefined }),
    };
  }

  /** Handles frames one after the other, in place of iteration. */
  get onFrame(): FrameHandler | undefined {
    return this.#onFrame;
  }

  set onFrame(handler: FrameHandler | null | undefined) {
    this.#onFrame = handler ?? undefined;
    this.#core.intake.inbox.kick();
  }

  /** The same as `onFrame`. */
  get on_frame(): FrameHandler | undefined {
    return this.#onFrame;
  }

  set on_frame(handler: FrameHandler | null | undefined) {
    this.onFrame = handler;
  }

  /** The same as `isConnected`. */
  is_connected(): boolean {
    return this.isConnected();
  }

  /** Whether the connection is there: what `isConnected()` answers. */
  get connected(): boolean {
    return this.isConnected();
  }

  /** What the RPC layer needs. @internal */
  get core(): Core {
    return this.#core;
  }

  /** What the RPC layer sends with. @internal */
  get sender(): Sender {
    return this.#sender;
  }

  /** Whether somebody takes frames in place of iteration. @internal */
  get handlesFrames(): boolean {
    return this.#onFrame !== undefined || this.listenerCount('frame') > 0;
  }

  /** Tells listeners what happens; what they throw is not to keep the client from going on. */
  #tell<Name extends keyof ClientEvents>(event: Name, ...args: ClientEvents[Name]): void {
    try {
      this.emit(event, ...args);
    } catch (error) {
      rethrow(error);
    }
  }

  #handler(frame: Frame): Handler | undefined {
    return this.#core.intake.taker?.handler(frame) ?? (this.handlesFrames ? this.#handle : undefined);
  }

  readonly #handle = (frame: Frame): unknown => {
    this.emit('frame', frame);
    const handled = this.#onFrame?.(frame);
    return this.autopause ? handled : undefined;
  };
}

// What listeners get, whichever version of Node's types the program uses.
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging
export interface Client {
  /** Adds a listener. */
  on<Name extends keyof ClientEvents>(event: Name, listener: (...args: ClientEvents[Name]) => void): this;
  /** Adds a listener that hears one event. */
  once<Name extends keyof ClientEvents>(event: Name, listener: (...args: ClientEvents[Name]) => void): this;
  /** Takes a listener back. */
  off<Name extends keyof ClientEvents>(event: Name, listener: (...args: ClientEvents[Name]) => void): this;
  /** Tells listeners. */
  emit<Name extends keyof ClientEvents>(event: Name, ...args: ClientEvents[Name]): boolean;
}

function rejected(error: unknown): Promise<never> {
  return Promise.reject(error);
}
