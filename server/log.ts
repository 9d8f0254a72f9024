/**
 * The log: one JSON object a line, readable lines on a terminal. Owns what may be written: secrets, personal data and texts of
 * people never are, whatever a caller passes (see `log-scrub.ts`).
 */
import { pino } from 'pino';
import { toReadableLine } from './log-readable.ts';
import { scrub, scrubText } from './log-scrub.ts';

export type LogLevel = 'silent' | 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace';

/** Facts first, then what happened. Errors go under `error` or `err`. */
export interface Log {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
  fatal(facts: object, message: string): void;
}

export type LogOptions = {
  level: LogLevel;
  /** Where lines go; default is the standard output. */
  write?: (line: string) => void;
  /** Lines for people instead of JSON; default: when the standard output is a terminal. */
  readable?: boolean;
};

export function createLog(options: LogOptions): Log {
  const readable = options.readable ?? (options.write === undefined && process.stdout.isTTY);
  const write = options.write ?? ((line: string) => void process.stdout.write(line));
  const log = pino(
    {
      level: options.level,
      // Process and machine are known to whoever collects the lines.
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: (facts) => scrub(facts) as Record<string, unknown> },
      // Our scrubbing makes errors plain; pino's own serializers would write their extra fields.
      serializers: { err: (value: unknown) => value, error: (value: unknown) => value },
    },
    { write: (line: string) => write(readable ? toReadableLine(line) : line) },
  );
  return {
    debug: (facts, message) => log.debug(facts, scrubText(message)),
    info: (facts, message) => log.info(facts, scrubText(message)),
    warn: (facts, message) => log.warn(facts, scrubText(message)),
    error: (facts, message) => log.error(facts, scrubText(message)),
    fatal: (facts, message) => log.fatal(facts, scrubText(message)),
  };
}
