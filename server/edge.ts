/** Puts the gateway together: every handler, every route, the page; and how all of it ends. Wiring only. */
import { billingFrames } from './billing/frames.ts';
import { payoutFrames } from './billing/payouts/frames.ts';
import { planFrames } from './billing/plans/frames.ts';
import { proofFrames } from './billing/proofs/frames.ts';
import { purchaseFrames } from './billing/purchases/frames.ts';
import { chatFrames } from './chat/frames.ts';
import type { Clock } from './clock.ts';
import { companionFrames } from './companion/frames.ts';
import type { Config } from './config.ts';
import type { PromiseFacts } from './docs/promises.ts';
import type { Connection } from './gateway/connection.ts';
import { drainLimits } from './gateway/drain.ts';
import { gatewayFrames } from './gateway/frames.ts';
import { Gateway } from './gateway/gateway.ts';
import { defaultLimits, fullAtBytes } from './gateway/limits.ts';
import { StaticFiles } from './gateway/static-files.ts';
import type { AllHandlers } from './handlers.ts';
import { startChores } from './housekeeping.ts';
import { identityFrames } from './identity/frames.ts';
import { UserPresence } from './identity/presence.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Log } from './log.ts';
import type { Metrics } from './ops/metrics.ts';
import { allRoutes } from './routes.ts';
import type { Services } from './services.ts';
import type { Storage } from './storage.ts';

type Parts = {
  config: Config;
  log: Log;
  clock: Clock;
  metrics: Metrics;
  storage: Storage;
  services: Services;
  lifecycle: Lifecycle;
  /** Folder of the built page. */
  page: string;
  /** The process shall end; somebody with the right to say so has said so. */
  onDrained: () => void;
};
export type OpenEdge = { gateway: Gateway; drain: () => Promise<void> };

const MINUTE_MS = 60_000;

export async function openEdge(parts: Parts): Promise<OpenEdge> {
  const { config, log, clock, metrics, services, lifecycle, page, onDrained } = parts;
  let draining: Promise<void> | undefined;
  const drain = (): Promise<void> => {
    draining ??= drainEdge(parts, gateway);
    return draining;
  };
  const routes = allRoutes({
    ...parts,
    gateway: () => gateway,
    isDraining: () => draining !== undefined,
    drain: () => void drain().then(onDrained),
    promises: promiseFacts(config),
  });
  const presence = openPresence(parts, () => gateway);
  const gateway: Gateway = new Gateway({
    handlers: allHandlers(services, presence, clock),
    authenticator: services.identity.authenticator,
    routes,
    clock,
    log,
    metrics: metrics.gateway,
    files: await StaticFiles.load(page),
    limits: gatewayLimits(config),
    tls: tlsFiles(config),
    allowedOrigins: config.publicOrigins,
    users: {
      joined: (userId) => services.news.join(userId),
      left: (userId) => services.news.leave(userId),
      changed: (userId, how) => presence.changed(userId, how),
    },
    trustedHops: config.trustProxy ? 1 : 0,
  });
  metrics.watch({
    sockets: () => gateway.connections.count,
    slowSockets: () => gateway.blockedCount,
    runningGenerations: () => services.hub.runningCount,
    workerQueue: () => services.pool.queueLength,
    passwordQueue: () => services.identity.passwords.queueLength,
  });
  lifecycle.add('presence', presence, (running) => running.stop());
  lifecycle.add('gateway', gateway, (running) => running.close());
  lifecycle.add('chores', startChores(chores(services, gateway), clock, log), (stop) => stop());
  return { gateway, drain };
}

/**
 * Takes nobody in; after the time that a load balancer needs, refuses new answers and sends the clients elsewhere. Who reads
 * an answer of this server stays until it has ended, at most for the grace time.
 */
async function drainEdge({ config, clock, services }: Parts, gateway: Gateway): Promise<void> {
  const { hub, turns } = services;
  const pause = (ms: number) => new Promise<void>((resolve) => void clock.after(ms, resolve));
  gateway.refuseUpgrades();
  if (config.drainDelayMs > 0) await pause(config.drainDelayMs);
  turns.drain();
  const graceIsOver = pause(config.drainTimeoutMs);
  await Promise.all([
    gateway.drain({ busy: () => busyNow(hub), until: graceIsOver }),
    // Answers that nobody reads are finished all the same.
    Promise.race([hub.idle(), graceIsOver]),
  ]);
}

/** Busy is who waits for the answer of a command, or reads an answer that is written here, up to its `chat.done`. */
function busyNow(hub: Services['hub']): (connection: Connection) => boolean {
  const byUser = Map.groupBy(hub.running(), ({ facts }) => facts.userId);
  return (connection) => {
    if (connection.inFlight > 0) return true;
    const running = byUser.get(connection.userId) ?? [];
    // Between its last piece and `chat.done` an answer is nobody's stream any more, and still awaited.
    return running.some((generation) => generation.ended || connection.follows(generation.key));
  };
}

function allHandlers(
  { identity, billing, plans, proofs, money, payouts, companion, chat, turns, traces }: Services,
  presence: UserPresence,
  clock: Clock,
): AllHandlers {
  return {
    ...gatewayFrames(clock),
    ...identityFrames(identity, presence),
    ...billingFrames(billing),
    ...proofFrames(proofs),
    ...planFrames(plans.service),
    ...purchaseFrames(money),
    ...payoutFrames(payouts),
    ...companionFrames(companion),
    ...chatFrames(chat, turns, traces),
  };
}

function openPresence({ config, storage, services, clock, log }: Parts, gateway: () => Gateway): UserPresence {
  const { audience, owner } = services;
  return new UserPresence({
    live: config.redisUrl === undefined ? undefined : storage.live,
    gateway: owner,
    countHere: (userId) => gateway().connections.ofUser(userId).length,
    usersHere: () => [...gateway().connections].map(({ userId }) => userId),
    tellHere: (userId, push) => audience.tellHere(userId, push),
    tellEverywhere: (userId, push) => audience.tell(userId, push),
    clock,
    log,
  });
}

function chores({ identity, billing, plans, hub, money, payouts }: Services, gateway: Gateway) {
  return [
    ...money.chores(),
    ...plans.chores(),
    {
      // Far more often than a hold lives: an answer that runs keeps its tokens, one that nobody runs gives them back.
      name: 'holds',
      everyMs: MINUTE_MS,
      work: async () => {
        await billing.extendHolds([...hub.running()].map(({ key }) => key));
        await billing.releaseExpiredHolds();
      },
    },
    { name: 'payouts', everyMs: 10 * MINUTE_MS, work: () => payouts.work() },
    { name: 'answers to requests', everyMs: 60 * MINUTE_MS, work: async () => void (await billing.once.dropExpired()) },
    { name: 'expired sessions', everyMs: 60 * MINUTE_MS, work: () => identity.sweep() },
    {
      // News of an ended session may be lost between gateways; its sockets must not outlive it for long.
      name: 'sockets of ended sessions',
      everyMs: MINUTE_MS,
      work: async () => {
        const bySession = new Map([...gateway.connections].map(({ sessionId, userId }) => [sessionId, userId]));
        for (const sessionId of await identity.findEndedSessions([...bySession.keys()])) {
          gateway.closeSession(bySession.get(sessionId) ?? '', sessionId, 'signed_out');
        }
      },
    },
  ];
}

function tlsFiles({ tlsKeyFile: keyFile, tlsCertFile: certFile }: Config) {
  return keyFile === undefined || certFile === undefined ? undefined : { keyFile, certFile };
}

/** What the page of the promises says, as this server has it. */
function promiseFacts(config: Config): PromiseFacts {
  const limits = { ...defaultLimits, ...gatewayLimits(config) };
  const { softBufferBytes, hardQueueBytes, snapshotBehindUnits, stallMs, idleTimeoutS } = limits;
  const { rollUpMs, liveLogKeepMs: keepMs, drainTimeoutMs, drainDelayMs, failover } = config;
  const { overMs: drainOverMs, maxHintMs } = drainLimits;
  const ladder = { softBufferBytes, fullAtBytes: fullAtBytes(limits), hardQueueBytes, snapshotBehindUnits, stallMs };
  const drain = { drainTimeoutMs, drainDelayMs, drainOverMs, maxHintMs };
  return { ...ladder, ...drain, idleTimeoutS, rollUpMs, keepMs, failover };
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
