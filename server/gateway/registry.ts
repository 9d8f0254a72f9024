/** Who is connected: by connection, by user, by address. It keeps the counts that the limits are about; it closes nothing. */
import type { Connection } from './connection.ts';
import type { Bucket } from './rate.ts';

/** What the connections of one user share. */
export class UserEntry implements Bucket {
  readonly userId: string;
  readonly connections: Connection[] = [];
  milliTokens: number;
  refilledAtMs: number;

  constructor(userId: string, burst: number, nowMs: number) {
    this.userId = userId;
    this.milliTokens = burst * 1000;
    this.refilledAtMs = nowMs;
  }
}

export class ConnectionRegistry implements Iterable<Connection> {
  readonly #byId = new Map<string, Connection>();
  readonly #byUser = new Map<string, UserEntry>();
  readonly #byAddress = new Map<string, number>();
  readonly #userBurst: number;

  /** @param userBurst tokens that a user begins with */
  constructor(userBurst: number) {
    this.#userBurst = userBurst;
  }

  get count(): number {
    return this.#byId.size;
  }

  get userCount(): number {
    return this.#byUser.size;
  }

  find(connectionId: string): Connection | undefined {
    return this.#byId.get(connectionId);
  }

  has(connection: Connection): boolean {
    return this.#byId.has(connection.connectionId);
  }

  /** A copy, so that closing while iterating is safe. */
  ofUser(userId: string): Connection[] {
    return [...(this.#byUser.get(userId)?.connections ?? [])];
  }

  countOfAddress(address: string): number {
    return this.#byAddress.get(address) ?? 0;
  }

  /** The entry that connections of this user share; kept only once one of them is added. */
  userEntry(userId: string, nowMs: number): UserEntry {
    return this.#byUser.get(userId) ?? new UserEntry(userId, this.#userBurst, nowMs);
  }

  /** @returns true for the first connection of its user */
  add(connection: Connection): boolean {
    this.#byId.set(connection.connectionId, connection);
    this.#byUser.set(connection.userId, connection.user);
    connection.user.connections.push(connection);
    this.#byAddress.set(connection.address, this.countOfAddress(connection.address) + 1);
    return connection.user.connections.length === 1;
  }

  /** @returns true for the last connection of its user */
  remove(connection: Connection): boolean {
    if (!this.#byId.delete(connection.connectionId)) return false;
    const { connections } = connection.user;
    connections.splice(connections.indexOf(connection), 1);
    if (connections.length === 0) this.#byUser.delete(connection.userId);
    const left = this.countOfAddress(connection.address) - 1;
    if (left > 0) this.#byAddress.set(connection.address, left);
    else this.#byAddress.delete(connection.address);
    return connections.length === 0;
  }

  [Symbol.iterator](): Iterator<Connection> {
    return this.#byId.values();
  }
}
