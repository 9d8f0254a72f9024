/** What the gateway counts. Whoever exposes metrics implements it; every method must be cheap and must not throw. */
import type { ErrorCode } from '../../protocol/error-code.ts';
import type { Ending } from './ending.ts';

export interface GatewayMetrics {
  connectionOpened(): void;
  /** @param code as sent or received, e.g. 1000, 4000; 1006 when there was none */
  connectionClosed(code: number, ending: Ending): void;
  upgradeRefused(status: number): void;
  /** The client left, or its line broke, while its credentials were being checked. */
  upgradeAbandoned(): void;
  frameIn(bytes: number): void;
  frameOut(bytes: number): void;
  /** A frame did not become a command: malformed, unknown, too many. */
  frameRefused(code: ErrorCode): void;
  commandDone(type: string, outcome: 'ok' | ErrorCode, durationMs: number): void;
  /** A socket went over its soft limit. */
  backPressure(): void;
  /** A reader got a snapshot in place of pieces. */
  snapshotSent(): void;
  /** @param route the pattern, never the path itself. */
  requestDone(method: string, route: string, status: number, durationMs: number): void;
}

export const noMetrics: GatewayMetrics = {
  connectionOpened() {},
  connectionClosed() {},
  upgradeRefused() {},
  upgradeAbandoned() {},
  frameIn() {},
  frameOut() {},
  frameRefused() {},
  commandDone() {},
  backPressure() {},
  snapshotSent() {},
  requestDone() {},
};
