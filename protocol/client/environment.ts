/** What the client takes from the machine it runs on: time, chance, the socket's constructor, the browser's events. */

/** Time; the server's `Clock` fits, so that tests move it instead of waiting. */
export interface ClientClock {
  /** Milliseconds since the epoch. */
  now(): number;
  after(delayMs: number, task: () => void): { cancel(): void };
}

export const systemClientClock: ClientClock = {
  now: () => Date.now(),
  after(delayMs, task) {
    const handle = setTimeout(task, delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
};

/** The part of the standard WebSocket that is used; the `ws` package fits too. */
export interface WebSocketLike {
  binaryType: string;
  readonly readyState: number;
  onopen: ((event: never) => unknown) | null;
  onmessage: ((event: never) => unknown) | null;
  onclose: ((event: never) => unknown) | null;
  onerror: ((event: never) => unknown) | null;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
}
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

/** True where a page runs: there heartbeats are needed, since a page cannot see the server's pings. */
export const inBrowser = (): boolean => typeof document !== 'undefined' && typeof window !== 'undefined';

/**
 * Tells when it is worth trying again at once: the network came back or the page became visible. And when the network went away,
 * which says nothing of a server on the same machine.
 * @returns ends the listening; does nothing outside of browsers.
 */
export function onNetwork(tasks: { back: () => void; away: () => void }): () => void {
  if (!inBrowser()) return () => {};
  const visible = () => {
    if (document.visibilityState === 'visible') tasks.back();
  };
  window.addEventListener('online', tasks.back);
  window.addEventListener('offline', tasks.away);
  document.addEventListener('visibilitychange', visible);
  return () => {
    window.removeEventListener('online', tasks.back);
    window.removeEventListener('offline', tasks.away);
    document.removeEventListener('visibilitychange', visible);
  };
}

/** 128 random bits in hexadecimal. Works on plain HTTP too, where `crypto.randomUUID` does not exist. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
