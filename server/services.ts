/** Puts the domains together: each gets what it needs of those to its left, as narrow interfaces. Wiring only, no rules. */
import { join } from 'node:path';
import { findOrganizationStanding } from '../db/billing/plans/standing.ts';
import { ColumnKeys, openMasterKeys } from '../db/keys/column-keys.ts';
import type { Push } from '../protocol/down.ts';
import { WorkerPool } from '../workers/pool.ts';
import { policyOf } from './billing/payouts/policy.ts';
import { PayoutService } from './billing/payouts/service.ts';
import { openPlans } from './billing/plans/open-plans.ts';
import { openProofs } from './billing/proofs/open-proofs.ts';
import { BillingService } from './billing/service.ts';
import { openMoney } from './billing/stripe/open-money.ts';
import { hearOfPayouts, payoutProvider } from './billing/stripe/payout-provider.ts';
import type { Presence, TokenMeter } from './chat/needs.ts';
import { type ChatOptions, createChat } from './chat/start-chat.ts';
import type { Clock } from './clock.ts';
import { seedSamples } from './companion/samples.ts';
import { CompanionService } from './companion/service.ts';
import type { Config } from './config.ts';
import { Creators } from './identity/creators.ts';
import { Organizations } from './identity/organizations.ts';
import { Passwords } from './identity/passwords.ts';
import { IdentityService } from './identity/service.ts';
import type { Lifecycle } from './lifecycle.ts';
import { openModel } from './llm/open-model.ts';
import type { Log } from './log.ts';
import { openMemory } from './memory/open-memory.ts';
import type { Metrics } from './ops/metrics.ts';
import type { Storage } from './storage.ts';

/** What the domains ask of the gateway, which is made after them. */
export type Edge = Presence & { endSession(userId: string, sessionId: string): void };

type Parts = {
  config: Config;
  log: Log;
  clock: Clock;
  metrics: Metrics;
  storage: Storage;
  edge: Edge;
  lifecycle: Lifecycle;
};
export type Services = Awaited<ReturnType<typeof startServices>>;

const AVATAR_CHANNEL = 'companion.avatars';
const FORGOTTEN_CHANNEL = 'memory.forgotten';

export async function startServices(parts: Parts) {
  const { config, log, clock, metrics, storage, edge, lifecycle } = parts;
  const { db, live } = storage;
  const pool = lifecycle.add('workers', new WorkerPool(poolOptions(config, metrics)), (running) => running.close());
  await pool.warmUp();
  const model = await openModel(config, log, lifecycle);
  const keys = new ColumnKeys(openMasterKeys(config.masterKeys, join(config.dataDir, 'master-keys')));
  const billing = new BillingService(
    db,
    pool,
    clock,
    { signUpGrantTokens: config.signUpGrantTokens, mode: config.billingMode },
    {
      side: storage.side,
      log,
      news: config.redisUrl === undefined ? undefined : live,
    },
  );
  await billing.start();
  lifecycle.add('billing', billing, (running) => running.stop());
  const { proofs, signer } = await openProofs({
    config,
    db: storage.side,
    runner: pool,
    clock,
    log,
    ledger: billing.ledger,
  });
  signer.start();
  lifecycle.add('ledger checkpoints', signer, (running) => running.stop());
  // Those who are told are known by the chat engine, which is made later.
  const told: { tell(userId: string, push: Push): void } = { tell() {} };
  const money = await openMoney({
    config,
    db,
    ledger: billing.ledger,
    clock,
    log,
    lifecycle,
    tell: (userId, push) => told.tell(userId, push),
  });
  const plans = openPlans({
    db,
    billing,
    money,
    atCap: config.atCap,
    log,
    tell: (userId, push) => told.tell(userId, push),
  });
  lifecycle.add('plans', plans, (running) => running.close());
  const identity = new IdentityService({
    db,
    live,
    keys,
    clock,
    passwords: new Passwords(passwordCost(config)),
    limits: identityLimits(config),
    onSignedUp: async (tx, userId) => {
      const grant = await billing.grantSignUp(tx, userId);
      await plans.service.begin(tx, userId);
      // The person is answered when he can spend it.
      return async () => {
        await billing.ledger.outcomesOf(grant);
      };
    },
    onSessionEnded: (userId, sessionId) => edge.endSession(userId, sessionId),
  });
  await identity.start();
  lifecycle.add('identity', identity, (running) => running.close());

  const payouts = new PayoutService({
    ...{ db, clock, log, live },
    runner: pool,
    cells: keys.cells,
    creators: new Creators(),
    policy: policyOf(config),
    ledger: billing.ledger,
    provider: money.stripe && payoutProvider(money.stripe),
  });
  money.products.sales = payouts.earnings;
  if (money.stripe !== undefined) hearOfPayouts(money.stripe.inbox, payouts);
  const organizations = new Organizations(db, {
    setCap: (tx, organizationId, change) => billing.setOrganizationAllowance(tx, organizationId, change),
    setSpender: (tx, userId, organizationId) => billing.setAllowance(tx, userId, { organizationId }),
    find: (tx, organizationId) => findOrganizationStanding(tx, organizationId),
  });

  const memory = lifecycle.add(
    'memory',
    await openMemory({ config, db: storage.side, pool, clock, log, model }),
    (running) => running.close(),
  );
  memory.onForgotten((userId) => {
    live
      .publish(FORGOTTEN_CHANNEL, userId)
      .catch((error: unknown) => log.warn({ error }, 'other gateways did not hear of erased memories'));
  });
  lifecycle.add('memory news', await live.subscribe(FORGOTTEN_CHANNEL, (userId) => memory.forgetUser(userId)), (end) =>
    end(),
  );
  const maxAvatars = async (userId: string) =>
    Math.min(config.maxAvatarsPerUser, await plans.service.maxAvatars(userId));
  const companion = new CompanionService(db, { maxAvatars }, (avatarId) => {
    live
      .publish(AVATAR_CHANNEL, avatarId)
      .catch((error: unknown) => log.warn({ error }, 'other gateways did not hear of a changed avatar'));
  });
  lifecycle.add(
    'avatar news',
    await live.subscribe(AVATAR_CHANNEL, (avatarId) => companion.forgetActive(avatarId)),
    (end) => end(),
  );
  // What was told while the live store was away was not heard.
  const endGap = live.onGap(() => {
    memory.forgetUsers();
    companion.forgetActive();
  });
  lifecycle.add('missed news', endGap, (end) => end());
  await seedSamples(db, (avatarId, texts) => memory.teachAvatar(avatarId, texts));

  const meter: TokenMeter = { count: (name, texts) => pool.run('billing/meter-tokens', { model: name, texts }) };
  const chat = createChat(
    { db, live, model, meter, billing, memory, partners: companion, presence: edge, clock, log, metrics: metrics.chat },
    chatOptions(config, storage),
  );
  told.tell = (userId, push) => chat.audience.tell(userId, push);
  await chat.start();
  lifecycle.add('chat', chat, (running) => running.stop());
  // Those whom no server with plans has seen yet; the chores go on with it.
  plans.start();
  return {
    pool,
    model,
    keys,
    identity,
    organizations,
    billing,
    plans,
    proofs,
    money,
    payouts,
    memory,
    companion,
    ...chat,
  };
}

function chatOptions(config: Config, storage: Storage): ChatOptions {
  const { rollUpMs, liveLogKeepMs: keepMs, maxRunningGenerationsPerUser: maxRunningPerUser, failover } = config;
  const { billingMode, maxOutputTokens, historyTokens, memoryTokens, redisUrl } = config;
  const { alone } = storage;
  const manyGateways = redisUrl !== undefined;
  return {
    rollUpMs,
    keepMs,
    maxRunningPerUser,
    billingMode,
    maxOutputTokens,
    historyTokens,
    memoryTokens,
    manyGateways,
    alone,
    failover,
  };
}

function poolOptions(config: Config, metrics: Metrics) {
  return { threads: config.workerThreads || 2, maxQueue: config.workerQueueLimit, onTask: metrics.workerTask };
}

function passwordCost(config: Config) {
  const {
    argonMemoryKib: memoryKib,
    argonPasses: passes,
    argonConcurrency: concurrency,
    argonQueueLimit: queueLimit,
  } = config;
  return { memoryKib, passes, concurrency, queueLimit };
}

function identityLimits(config: Config) {
  return {
    signUpPerAddress: { burst: config.signUpBurst, perSecond: config.signUpPerMinute / 60 },
    signInPerAddress: { burst: config.signInBurst, perSecond: config.signInPerMinute / 60 },
    failuresPerAccountAndNetwork: { burst: config.signInFailureBurst, perSecond: config.signInFailurePerMinute / 60 },
  };
}
