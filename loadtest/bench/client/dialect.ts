/** What the load client asks of a connection, whatever the server behind it speaks. */

/** Called synchronously as frames arrive. */
export type LineEvents = {
  /** The next piece of the answer. */
  onText(text: string): void;
  /** The answer is complete. `length` is what the server says it has, where it says so. */
  onDone(length?: number): void;
  /** The answer failed or the connection is gone; `reason` is for people. */
  onFailed(reason: string): void;
  /** The pieces do not fit together: what was lost or repeated. */
  onProblem(problem: string): void;
};

/** One connection that carries one answer at a time. */
export interface Line {
  ask(text: string): void;
  close(): void;
}

export const dialectNames = ['tsumugi', 'socket.io', 'json-relay'] as const;
export type DialectName = (typeof dialectNames)[number];

/** Where to connect and as whom. */
export type LineOptions = {
  dialect: DialectName;
  port: number;
  localAddress?: string;
  /** Tsumugi only. Without `avatarId` the connection stays idle: no conversation is opened. */
  accessToken?: string;
  avatarId?: string;
  codec?: 'json' | 'msgpack';
};
