/** The limits of the gateway, as data; config may override each. */
export type RateLimit = { readonly perSecond: number; readonly burst: number };

export type GatewayLimits = {
  /** Largest frame of a client, bytes; larger ones close the socket with `too_large`. */
  maxFrameBytes: number;
  /** What a client that stops reading may cost, bytes; from `fullAtBytes` on it gets no further pieces until it reads. */
  softBufferBytes: number;
  /** Pushes and replies that may wait behind an unsent buffer, bytes; beyond, the socket is closed with `resume`. */
  hardQueueBytes: number;
  /** A reader further behind its stream than this gets a snapshot instead of the merged piece, UTF-16 units. */
  snapshotBehindUnits: number;
  /** A client that takes nothing for so long while something waits is closed with `resume`. */
  stallMs: number;
  /** Seconds without a sign of life until a socket is given up; uWS pings within it. 8 to 960. */
  idleTimeoutS: number;
  framesPerConnection: RateLimit;
  framesPerUser: RateLimit;
  /** A frame costs one token, and one more for each of this many bytes. */
  bytesPerToken: number;
  maxInFlight: number;
  /** Malformed frames until the socket is closed. */
  maxMalformed: number;
  maxConnections: number;
  maxConnectionsPerUser: number;
  maxConnectionsPerAddress: number;
  maxBodyBytes: number;
  /** An HTTP request that has not been answered by then gets `busy`. */
  requestTimeoutMs: number;
};

export const defaultLimits: GatewayLimits = {
  // The longest text that a command takes, with every unit escaped, fits in.
  maxFrameBytes: 128 * 1024,
  softBufferBytes: 64 * 1024,
  hardQueueBytes: 512 * 1024,
  // Beyond any answer of a usual length, so that only who really stopped reading loses the single pieces.
  snapshotBehindUnits: 64 * 1024,
  stallMs: 60_000,
  idleTimeoutS: 120,
  framesPerConnection: { perSecond: 50, burst: 200 },
  framesPerUser: { perSecond: 200, burst: 1000 },
  bytesPerToken: 8 * 1024,
  maxInFlight: 32,
  maxMalformed: 10,
  maxConnections: 100_000,
  maxConnectionsPerUser: 2000,
  maxConnectionsPerAddress: 20_000,
  maxBodyBytes: 64 * 1024,
  requestTimeoutMs: 30_000,
};

/**
 * What uWS may buffer for one socket before it drops silently. Out of reach: this code stops at the soft limit, and only one
 * message can go beyond it.
 */
export const NATIVE_BACK_PRESSURE_BYTES = 64 * 1024 * 1024;

/**
 * Bytes that the transport may hold of one socket before its outbox waits. The transport's buffer grows by doubling, and what it
 * has outgrown stays with the allocator: filled to a quarter, it costs what the soft limit says.
 */
export function fullAtBytes({ softBufferBytes }: Pick<GatewayLimits, 'softBufferBytes'>): number {
  return softBufferBytes / 4;
}

/**
 * Most that one merged piece of a stream carries, UTF-16 units: in UTF-8 no more than what fills the transport, so that both
 * together stay within half of the soft limit, whatever was missed.
 */
export function mergedUnits(limits: Pick<GatewayLimits, 'softBufferBytes'>): number {
  return Math.floor(fullAtBytes(limits) / 3);
}

/** @throws Error when the native library would abort the process or the limits contradict each other. */
export function checkLimits(limits: GatewayLimits): GatewayLimits {
  if (limits.idleTimeoutS < 8 || limits.idleTimeoutS > 960) throw new Error('idleTimeoutS must be from 8 to 960.');
  if (limits.hardQueueBytes < limits.softBufferBytes) throw new Error('hardQueueBytes is below softBufferBytes.');
  if (limits.hardQueueBytes > NATIVE_BACK_PRESSURE_BYTES / 4) throw new Error('hardQueueBytes is above 16 MiB.');
  return limits;
}
