/**
 * From a message of a client to exactly one answer: limits, decoding, envelope, body, handler. It is the only place that
 * catches what handlers throw, and knows commands only as a table.
 */
import { performance } from 'node:perf_hooks';
import type { RequestId } from '../../protocol/envelope.ts';
import { errorCodes } from '../../protocol/error-code.ts';
import { MalformedFrame } from '../../protocol/msgpack-reader.ts';
import { upFrames } from '../../protocol/up.ts';
import type { Clock } from '../clock.ts';
import { AppError } from '../errors.ts';
import type { AllHandlers } from '../handlers.ts';
import type { Caller } from '../peer.ts';
import { type BodyCheck, compileCheck } from './check-body.ts';
import type { Connection } from './connection.ts';
import type { GatewayLimits } from './limits.ts';
import type { GatewayLog } from './log.ts';
import type { GatewayMetrics } from './metrics.ts';
import { describeAppError, toPublicError } from './public-error.ts';
import { isFlooded, takeFromBucket } from './rate.ts';

export type DispatchOptions = {
  handlers: AllHandlers;
  limits: GatewayLimits;
  clock: Clock;
  log: GatewayLog;
  metrics: GatewayMetrics;
};

/** One row of the table. The body has passed `check` when `run` gets it; that is what makes the cast in `buildTable` true. */
type Command = { check: BodyCheck; run: (caller: Caller, body: unknown) => unknown };

export class Dispatcher {
  readonly #table: ReadonlyMap<string, Command>;
  readonly #options: DispatchOptions;

  constructor(options: DispatchOptions) {
    this.#options = options;
    this.#table = buildTable(options.handlers);
  }

  /** Answers one message. `data` is read before this returns: uWS empties it afterwards. */
  receive(connection: Connection, data: ArrayBuffer, isBinary: boolean): void {
    const { limits, metrics } = this.#options;
    metrics.frameIn(data.byteLength);
    if (data.byteLength > limits.maxFrameBytes) {
      connection.close('too_large');
    } else if (isBinary !== connection.host.codec.binary) {
      connection.close('unsupported');
    } else {
      const retryAfterMs = this.#spend(connection, data.byteLength);
      if (!connection.closed) this.#read(connection, data, retryAfterMs);
    }
  }

  /** A ping of the WebSocket itself. uWS has answered it, and buffers what is not read: so it costs what a command costs. */
  pinged(connection: Connection, bytes: number): void {
    this.#spend(connection, bytes);
  }

  #read(connection: Connection, data: ArrayBuffer, retryAfterMs: number): void {
    let frame: unknown;
    try {
      frame = connection.host.codec.decode(new Uint8Array(data));
    } catch (error) {
      this.#malformed(connection, error instanceof MalformedFrame ? error.message : 'it cannot be read');
      return;
    }
    if (!isRecord(frame)) {
      this.#malformed(connection, 'a frame is an object {type, id, body}');
      return;
    }
    const { type, id, body } = frame;
    if (!isRequestId(id)) {
      this.#malformed(connection, 'id must be a string of 1 to 64 characters or an integer from 0');
    } else if (retryAfterMs > 0) {
      this.#refuse(connection, id, new AppError('protocol.rate_limited', { retryAfterMs }));
    } else if (typeof type !== 'string') {
      this.#refuse(connection, id, AppError.invalid('type', 'a string'));
    } else {
      this.#run(connection, type, id, body);
    }
  }

  /** @returns 0, or how long to wait. Closes a connection that keeps sending although it is refused. */
  #spend(connection: Connection, bytes: number): number {
    const { limits, clock } = this.#options;
    const cost = 1 + Math.floor(bytes / limits.bytesPerToken);
    const nowMs = clock.now();
    const ownMs = takeFromBucket(connection, limits.framesPerConnection, cost, nowMs);
    const userMs = takeFromBucket(connection.user, limits.framesPerUser, cost, nowMs);
    const flooded =
      isFlooded(connection, limits.framesPerConnection) || isFlooded(connection.user, limits.framesPerUser);
    if (flooded) connection.close('rate_limited');
    return Math.max(ownMs, userMs);
  }

  #malformed(connection: Connection, why: string): void {
    connection.malformed += 1;
    const error = new AppError('protocol.malformed', {}, `${errorCodes['protocol.malformed'].says} (${why})`);
    this.#refuse(connection, null, error);
    if (connection.malformed >= this.#options.limits.maxMalformed) connection.close('malformed');
  }

  #run(connection: Connection, type: string, id: RequestId, body: unknown): void {
    const command = this.#table.get(type);
    const obstacle = this.#obstacle(connection, command, id);
    if (command === undefined || obstacle !== undefined) {
      this.#refuse(connection, id, obstacle ?? new AppError('protocol.unknown_type'));
      return;
    }
    const startedMs = performance.now();
    try {
      command.check(body);
      const reply = command.run(connection, body);
      if (reply instanceof Promise) {
        reply.then(
          (value) => this.#succeed(connection, type, id, startedMs, value),
          (error: unknown) => this.#fail(connection, type, id, startedMs, error),
        );
      } else {
        this.#succeed(connection, type, id, startedMs, reply);
      }
    } catch (error) {
      this.#fail(connection, type, id, startedMs, error);
    }
  }

  /** Marks `id` as running; or says why the command cannot run. */
  #obstacle(connection: Connection, command: Command | undefined, id: RequestId): AppError | undefined {
    // The name is the client's, so it goes neither into the log nor into a label of the metrics.
    if (command === undefined) return new AppError('protocol.unknown_type');
    if (connection.inFlight >= this.#options.limits.maxInFlight) {
      return new AppError('busy', {}, 'Too many commands of this connection are unanswered.');
    }
    return connection.begin(id) ? undefined : AppError.invalid('id', 'an id that no unanswered command has');
  }

  #succeed(connection: Connection, type: string, id: RequestId, startedMs: number, body: unknown): void {
    try {
      connection.answer({ type: 'reply', id, body });
    } catch (error) {
      // A reply that cannot be encoded is our fault, and still needs its one answer.
      this.#fail(connection, type, id, startedMs, error);
      return;
    }
    connection.finish(id);
    this.#options.metrics.commandDone(type, 'ok', performance.now() - startedMs);
  }

  #fail(connection: Connection, type: string, id: RequestId, startedMs: number, error: unknown): void {
    const { connectionId, userId } = connection;
    const told = toPublicError(error, this.#options.log, { connectionId, userId, command: type });
    connection.finish(id);
    connection.answer({ type: 'error', id, ...told });
    this.#options.metrics.commandDone(type, told.code, performance.now() - startedMs);
  }

  /** Refuses what never became a command. Not logged one by one: a flood must not fill the log as well. */
  #refuse(connection: Connection, id: RequestId | null, error: AppError): void {
    this.#options.metrics.frameRefused(error.code);
    connection.answer({ type: 'error', id, ...describeAppError(error) });
  }
}

function buildTable(handlers: AllHandlers): Map<string, Command> {
  const table = new Map<string, Command>();
  for (const frame of upFrames) {
    const run = handlers[frame.type];
    table.set(frame.type, { check: compileCheck(frame.body), run: run as Command['run'] });
  }
  return table;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

function isRequestId(id: unknown): id is RequestId {
  if (typeof id === 'string') return id.length >= 1 && id.length <= 64;
  return typeof id === 'number' && Number.isSafeInteger(id) && id >= 0;
}
