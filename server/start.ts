/** Starts everything in order: storage, services, page, gateway. `Lifecycle` holds how to stop each. */
import { systemClock } from './clock.ts';
import type { Config } from './config.ts';
import { type OpenEdge, openEdge } from './edge.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Log } from './log.ts';
import { Metrics } from './ops/metrics.ts';
import { type Edge, startServices } from './services.ts';
import { openStorage } from './storage.ts';
import { buildPageIfNeeded } from './web/build.ts';

export type RunningServer = {
  /** For people: where to go. */
  url: string;
  /** Refuses new work, lets running answers end within the grace time, closes the sockets with a code that says why. */
  drain(): Promise<void>;
  /** Reads the master keys again. */
  reloadKeys(): void;
};

/** Why the process shall end, as seen from inside. */
export type EndHooks = {
  /** The server cannot go on: a part that everything needs has ended. */
  onFatal(reason: string): void;
  /** An operator has drained it. */
  onDrained(): void;
};

export async function startServer(
  config: Config,
  log: Log,
  lifecycle: Lifecycle,
  { onFatal, onDrained }: EndHooks,
): Promise<RunningServer> {
  const clock = systemClock;
  const metrics = lifecycle.add('metrics', new Metrics(), (running) => running.close());
  const storage = await openStorage(config, log, clock, lifecycle, onFatal);
  // The gateway is made last and asked first by everybody else: until then nobody is connected.
  let gateway: OpenEdge['gateway'] | undefined;
  const edge: Edge = {
    peersOf: (userId) => gateway?.connections.ofUser(userId) ?? [],
    endSession: (userId, sessionId) =>
      void gateway?.closeSession(userId, sessionId, 'signed_out', { type: 'identity.signed_out', body: { sessionId } }),
  };
  const services = await startServices({ config, log, clock, metrics, storage, edge, lifecycle });
  const page = await buildPageIfNeeded({ log: { info: (line) => log.info({}, line) } });
  const opened = await openEdge({ config, log, clock, metrics, storage, services, lifecycle, page, onDrained });
  gateway = opened.gateway;
  const { port } = await opened.gateway.listen(config.port, config.host);
  const url = `${config.tls ? 'https' : 'http'}://${shownHost(config.host)}:${port}`;
  services.money.listening(url);
  storage.announce(url);
  log.info({ url, storage: storage.describe, model: services.model.defaultModel }, 'ready');
  const drain = (): Promise<void> => {
    storage.leave();
    return opened.drain();
  };
  return { url, drain, reloadKeys: () => services.keys.ring.reload() };
}

function shownHost(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}
