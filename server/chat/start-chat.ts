/** Puts the chat engine of one gateway together, and joins it to the other gateways. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { GenerationRow } from '../../db/chat/rows.ts';
import type { Database } from '../../db/client.ts';
import type { LiveStore } from '../../db/live/live-store.ts';
import type { Clock } from '../clock.ts';
import type { ChatModel } from '../llm/model.ts';
import { Audience } from './audience.ts';
import { Continuation } from './continuation.ts';
import { Elsewhere } from './elsewhere.ts';
import { Followers } from './followers.ts';
import { type GatewayAnswer, type GatewayCall, GatewayCalls } from './gateway-calls.ts';
import { GenerationHub } from './hub.ts';
import { MissedNews } from './missed-news.ts';
import type { Billing, ChatLog, ChatMetrics, MemoryAccess, Partners, Presence, TokenMeter } from './needs.ts';
import { Recovery } from './recovery.ts';
import { RemoteGenerations } from './remote-generations.ts';
import { ChatService } from './service.ts';
import { Settler } from './settler.ts';
import { TraceReader } from './trace.ts';
import { defaultContextLimits, TurnContexts } from './turn-contexts.ts';
import { TurnMaterials } from './turn-materials.ts';
import { Turns } from './turns.ts';
import { UserNews } from './user-news.ts';

export type ChatParts = {
  db: Database;
  live: LiveStore;
  model: ChatModel;
  meter: TokenMeter;
  billing: Billing;
  memory: MemoryAccess;
  partners: Partners;
  presence: Presence;
  clock: Clock;
  log: ChatLog;
  metrics: ChatMetrics;
};
export type ChatOptions = {
  rollUpMs: number;
  keepMs: number;
  maxRunningPerUser: number;
  /** Whether what an answer may cost is held before the model is asked. */
  billingMode: 'metered' | 'free';
  maxOutputTokens: number;
  historyTokens: number;
  memoryTokens: number;
  /** False where this is the only gateway. */
  manyGateways: boolean;
  /** True where nothing else can use the same data: leftovers are closed without waiting for a lease to end. */
  alone: boolean;
  /** Whether an answer that a dead gateway left is written on by the model, or closed as interrupted. */
  failover: 'continue' | 'interrupt';
  /** For tests; otherwise made up, unique for each start. */
  owner?: string;
};
export type Chat = ReturnType<typeof createChat>;

export function createChat(parts: ChatParts, options: ChatOptions) {
  const { db, live, model, meter, billing, memory, partners, clock, log, metrics } = parts;
  const owner = options.owner ?? `${hostname()}:${process.pid}:${randomBytes(4).toString('hex')}`;
  const news = new UserNews(options.manyGateways ? live : undefined, owner, log, clock);
  const calls = new GatewayCalls({ live, clock, log }, owner);
  const audience = new Audience(parts.presence, news);
  const remote = new RemoteGenerations({ db, live, billing, calls, audience, clock, log }, owner);
  const followers = new Followers(calls, log);
  const materials = new TurnMaterials({ partners, memory, meter, log, model: model.defaultModel });
  const { historyTokens, memoryTokens, billingMode } = options;
  const contexts = new TurnContexts({ ...defaultContextLimits, historyTokens, maxTurns: MAX_TURNS }, clock);
  const hub = new GenerationHub(
    { model, textLog: live, audience, remote, followers, clock, log, metrics },
    { ...options, owner },
  );
  const settler = new Settler({
    db,
    billing,
    meter,
    clock,
    log,
    metrics,
    events: {
      settled: (generation, done, balance) => {
        // Before the end is told: the next message may come at once.
        contexts.ended(generation, done, balance);
        hub.finish(generation, done, balance);
      },
      superseded: (generation) =>
        void elsewhere.announceSuperseded(generation).catch((error: unknown) => {
          log.warn({ error }, 'the end of an answer could not be announced');
          hub.lose(generation);
        }),
      abandoned: (generation) => hub.abandon(generation),
    },
  });
  hub.onEnded((generation) => settler.add(generation));
  const elsewhere = new Elsewhere({ db, live, billing, hub, remote, audience, contexts, clock, log });
  hub.onLost((generation) => elsewhere.tellMissedEnd(generation));
  const missed = new MissedNews({ db, audience, contexts, clock, log, metrics });
  let endGap: (() => void) | undefined;
  const turns = new Turns(
    { db, hub, audience, model, partners, memory, meter, billing, clock, log, materials, contexts, elsewhere },
    {
      owner,
      billingMode,
      defaultMaxOutputTokens: options.maxOutputTokens,
      historyTokens,
      maxTurns: MAX_TURNS,
      memoryTokens,
    },
  );
  const chat = new ChatService({
    db,
    live,
    billing,
    hub,
    remote,
    calls,
    news,
    audience,
    materials,
    contexts,
    memory,
    clock,
  });
  const continuation = options.failover === 'continue' ? new Continuation({ db, partners, memory }) : undefined;
  const tellStanding = (row: GenerationRow) => elsewhere.tellStanding(row.userId, row.conversationId);
  const recovery = new Recovery(
    { db, live, hub, meter, continuation, tellStanding, clock, log, metrics },
    owner,
    options.alone,
  );

  return {
    chat,
    turns,
    hub,
    /** Name of this gateway among all. */
    owner,
    audience,
    /** What is known of conversations from their last turns here. */
    contexts,
    news,
    settler,
    recovery,
    traces: new TraceReader(db, partners, memory),
    /** Listens to the other gateways, takes this one's lease, closes what dead ones left. */
    async start(): Promise<void> {
      news.onNews(
        (userId, push) =>
          void elsewhere
            .passOn(userId, push)
            .catch((error: unknown) => log.warn({ error }, 'news of another gateway were lost')),
      );
      if (options.manyGateways) endGap = live.onGap(() => missed.catchUp());
      remote.onMissedEnd((userId, push) => elsewhere.passOn(userId, push));
      await calls.start({
        answer: (call, from) => answerCall({ hub, followers, recovery }, call, from),
        hear: (pieces) => remote.hear(pieces),
      });
      await recovery.start();
    },
    /** Refuses new answers, leaves the running ones to another gateway or ends them as interrupted, gives the lease back. */
    async stop(): Promise<void> {
      turns.drain();
      const timeIsUp = new Promise<void>((resolve) => void clock.after(STOP_TIMEOUT_MS, resolve));
      const handsOver = options.manyGateways && options.failover === 'continue';
      await Promise.race([handsOver ? hub.handOver() : hub.interruptAll(), timeIsUp]);
      endGap?.();
      await recovery.stop();
      await calls.stop();
    },
  };
}

/** Without a database nothing can be settled; what was shown is in the live log, and the next start closes it. */
const STOP_TIMEOUT_MS = 10_000;

/** The walk up the branch costs a look-up for each: enough for any budget of usual turns. */
const MAX_TURNS = 100;

function answerCall(
  { hub, followers, recovery }: { hub: GenerationHub; followers: Followers; recovery: Recovery },
  call: GatewayCall,
  from: string,
): GatewayAnswer {
  if (call.kind === 'unfollow') {
    followers.remove(call.generationId, from);
    return true;
  }
  const generation = hub.find(call.generationId);
  if (generation === undefined && call.kind === 'follow' && recovery.isAdopting(call.generationId)) {
    // Its old owner may be fenced, and ask, before this gateway has read what it left.
    followers.expect(call.generationId, from);
    return true;
  }
  if (generation === undefined) return false;
  if (call.kind === 'stop') return hub.stop(generation) || 'ended';
  followers.add(generation, from);
  return true;
}
