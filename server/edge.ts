/** Puts the gateway together: every handler, every route, the page. Wiring only. */

import { billingFrames } from './billing/frames.ts';
import { chatFrames } from './chat/frames.ts';
import type { Clock } from './clock.ts';
import { companionFrames } from './companion/frames.ts';
import { type Config, isLoopback } from './config.ts';
import { gatewayFrames } from './gateway/frames.ts';
import { Gateway } from './gateway/gateway.ts';
import { StaticFiles } from './gateway/static-files.ts';
import type { AllHandlers } from './handlers.ts';
import { identityFrames } from './identity/frames.ts';
import { authRoutes } from './identity/http.ts';
import type { Log } from './log.ts';
import type { Metrics } from './ops/metrics.ts';
import type { Services } from './services.ts';
import type { Storage } from './storage.ts';

type Parts = {
  config: Config;
  log: Log;
  clock: Clock;
  metrics: Metrics;
  storage: Storage;
  services: Services;
  page: string;
};

export async function openEdge({ config, log, clock, metrics, services, page }: Parts) {
  const { identity, billing, companion, chat, turns, traces, hub, pool } = services;
  const handlers: AllHandlers = {
    ...gatewayFrames(clock),
    ...identityFrames(identity),
    ...billingFrames(billing),
    ...companionFrames(companion),
    ...chatFrames(chat, turns, traces),
  };
  const gateway = new Gateway({
    handlers,
    authenticator: identity.authenticator,
    routes: authRoutes(identity, {
      secureCookies: config.tls || !isLoopback(config.host),
      trustedOrigins: config.publicOrigins,
    }),
    clock,
    log,
    metrics: metrics.gateway,
    files: await StaticFiles.load(page),
    limits: gatewayLimits(config),
    tls:
      config.tlsKeyFile === undefined || config.tlsCertFile === undefined
        ? undefined
        : { keyFile: config.tlsKeyFile, certFile: config.tlsCertFile },
    allowedOrigins: config.publicOrigins,
    trustedHops: config.trustProxy ? 1 : 0,
  });
  metrics.watch({
    sockets: () => gateway.connections.count,
    slowSockets: () => gateway.blockedCount,
    runningGenerations: () => hub.runningCount,
    workerQueue: () => pool.queueLength,
  });
  let draining: Promise<void> | undefined;
  const drain = (): Promise<void> => {
    draining ??= drainNow();
    return draining;
  };
  const drainNow = async (): Promise<void> => {
    turns.drain();
    await Promise.race([hub.idle(), new Promise<void>((resolve) => clock.after(config.drainTimeoutMs, resolve))]);
    await gateway.drain();
  };
  return { gateway, drain };
}

function gatewayLimits(config: Config) {
  return {
    maxFrameBytes: config.maxFrameBytes,
    softBufferBytes: config.softBufferBytes,
    hardQueueBytes: config.hardBufferBytes,
    framesPerConnection: { perSecond: config.framesPerSecond, burst: config.framesBurst },
    framesPerUser: { perSecond: config.userFramesPerSecond, burst: config.userFramesBurst },
    maxConnections: config.maxConnections,
    maxConnectionsPerUser: config.maxConnectionsPerUser,
    maxConnectionsPerAddress: config.maxConnectionsPerAddress,
  };
}
