/** How a client is asked for something, and what it tells. */
import type { Qos } from './constants.js';
import type { ConnectError, Disconnect } from './errors.js';
import type { Frame } from './frame.js';

/** How something is sent. */
export interface SendOptions {
  /** Default `Qos.Processed`: the promise tells the broker's verdict. */
  readonly qos?: Qos;
  /** Milliseconds, from the call to the verdict. Default: the client's `timeout` from the time it is handed over. */
  readonly timeout?: number;
  /** Gives up waiting; what was sent already cannot be taken back. */
  readonly signal?: AbortSignal;
}

/** How something is published. */
export interface PublishOptions extends SendOptions {
  /** Only this client and its secondaries receive it, those that are subscribed. Brokers of elbus 0.2 do not know that. */
  readonly onlyFor?: string;
}

/** How the next frame is waited for. */
export interface ReceiveOptions {
  /** Milliseconds. Default: without end. */
  readonly timeout?: number;
  /** Ends the wait. */
  readonly signal?: AbortSignal;
}

/** What a client tells its listeners. */
export interface ClientEvents {
  /** A frame came. As long as somebody listens, frames are not kept for iteration. */
  frame: [frame: Frame];
  /** It is on the bus, with everything subscribed and excluded; also after each reconnect. */
  connected: [];
  /** The connection is gone. */
  disconnected: [why: Disconnect];
  /** The broker refuses this client: it does not try to come back any more. */
  gaveUp: [why: ConnectError];
  /** The broker takes nothing for an eighth of `timeout` or longer, as a rule because receivers are slow. */
  heldBack: [];
  /** It takes frames again. */
  released: [];
  /** Unread frames have reached `inboxLimit`: nothing more is read from the broker for now. */
  inboxLagging: [bytes: number];
}

/** Handles frames one after the other: if it returns a promise, the next one waits for that. */
export type FrameHandler = (frame: Frame) => unknown;
