/** One run: starts the stack and the people, breaks things, heals them, lets everything end, and checks every promise. */
import { setTimeout as delay } from 'node:timers/promises';
import { breakThings } from './breaker.ts';
import { checkLedgerChains } from './checks/chains.ts';
import { checkDevices } from './checks/devices.ts';
import { checkMoney } from './checks/money.ts';
import { countRunning, readStored } from './checks/stored.ts';
import { checkTexts } from './checks/texts.ts';
import { checkTree } from './checks/tree.ts';
import type { Violation } from './checks/violation.ts';
import type { ChaosOptions } from './options.ts';
import { Stack } from './parts/stack.ts';
import { makeCrowd } from './people/crowd.ts';
import type { Person, Proof } from './people/person.ts';
import { ClientRecord } from './people/record.ts';
import { Tally } from './people/tally.ts';
import { Random } from './random.ts';
import { table } from './report.ts';
import { makeSchedule } from './schedule.ts';

export type Outcome = { violations: Violation[]; tables: string[] };

const conversationsPerUser = 2;
/** After the last part is back: the longest answer, a lease that has to end, and a take-over. */
const settleMs = 40_000;

export async function runChaos(
  options: ChaosOptions,
  logFolder: string,
  say: (line: string) => void,
): Promise<Outcome> {
  const record = new ClientRecord();
  const tally = new Tally();
  const { gateways, tokensPerSecond, failover } = options;
  const onUnexpectedEnd = (name: string, how: string) =>
    record.violate('no part ends by itself', name, `it ended with ${how}; its log is in ${logFolder}`);
  say('starting PostgreSQL, Redis, the model server and the gateways …');
  const stack = await Stack.start({ gateways, tokensPerSecond, failover, logFolder, onUnexpectedEnd });
  try {
    const place = { users: options.users, devicesPerUser: options.devicesPerUser, conversationsPerUser };
    const people = await makeCrowd({ ...place, origins: stack.origins }, new Random(options.seed), record, tally);
    say(`${people.length} people with ${people.length * options.devicesPerUser} devices talk now`);
    await live(stack, people, options, say);
    await rest(stack, people, record, say);
    const violations = await judge(stack, people, record, say);
    return { violations, tables: describe(people, record, tally) };
  } finally {
    await stack.stop();
  }
}

async function live(
  stack: Stack,
  people: readonly Person[],
  options: ChaosOptions,
  say: (line: string) => void,
): Promise<void> {
  const durationMs = options.seconds * 1000;
  const schedule = makeSchedule({
    seed: options.seed,
    durationMs,
    gateways: stack.gateways.length,
    only: options.only,
  });
  const endAt = performance.now() + durationMs;
  const lives = people.map((person) => person.live());
  await breakThings(
    stack,
    people.flatMap(({ devices }) => devices),
    schedule,
    durationMs,
    say,
  );
  await delay(Math.max(0, endAt - performance.now()));
  for (const person of people) person.stop();
  await Promise.all(lives);
}

/** Lets everything end, and shows that everybody can go on talking. */
async function rest(
  stack: Stack,
  people: readonly Person[],
  record: ClientRecord,
  say: (line: string) => void,
): Promise<void> {
  say('everything is back; waiting for the answers to end …');
  await untilNothingRuns(stack, record);
  await Promise.all(people.map((person) => proveAlive(person, record)));
  await untilNothingRuns(stack, record);
}

async function untilNothingRuns(stack: Stack, record: ClientRecord): Promise<void> {
  const until = performance.now() + settleMs;
  for (;;) {
    const running = await countRunning(stack.postgres.url);
    if (running === 0) return;
    if (performance.now() > until) {
      record.violate(
        'every answer ends in time',
        'all',
        `${running} answers still run ${settleMs} ms after everything is back`,
      );
      return;
    }
    await delay(100);
  }
}

/** Everybody gets a whole answer again, and each of his devices reads along, whichever gateway it is at. */
async function proveAlive(person: Person, record: ClientRecord): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Proof[]>((resolve) => {
    timer = setTimeout(() => resolve([{ conversationId: 'any', outcome: `nothing within ${settleMs} ms` }]), settleMs);
  });
  const proofs = await Promise.race([person.proveAlive(), late]).finally(() => clearTimeout(timer));
  for (const { conversationId, outcome, generationId = '' } of proofs) {
    if (outcome !== 'stop')
      record.violate('it works again afterwards', conversationId, `${person.name} got no whole answer: ${outcome}`);
    const blind = person.devices.filter(({ name }) => record.readAlong.get(generationId)?.has(name) !== true);
    if (outcome === 'stop' && blind.length > 0) {
      const names = blind.map(({ name, route }) => `${name} at ${route.origin}`).join(', ');
      record.violate('all devices read along', generationId, `not a piece came to ${names}`);
    }
  }
}

async function judge(
  stack: Stack,
  people: readonly Person[],
  record: ClientRecord,
  say: (line: string) => void,
): Promise<Violation[]> {
  say('comparing what the clients were told with what is stored …');
  const deviceViolations = await checkDevices(people, await readStored(stack.postgres.url));
  for (const person of people) for (const device of person.devices) device.leave();
  for (const gateway of stack.gateways) {
    const how = await gateway.end('SIGTERM');
    if (how !== '0') record.violate('no part ends by itself', gateway.name, `told to stop, it ended with ${how}`);
  }
  for (const { name, owner, untilMs } of await stack.redis.leases())
    if (untilMs > Date.now())
      record.violate('no lease is left over', name, `${owner} holds it for another ${untilMs - Date.now()} ms`);
  for (const key of await stack.redis.endlessLogs()) record.violate('every log has an end', key, 'it never expires');
  const stored = await readStored(stack.postgres.url);
  const chains = await checkLedgerChains(stack.postgres.url);
  return [
    ...record.violations,
    ...deviceViolations,
    ...checkTexts(record, stored),
    ...checkTree(record, stored),
    ...checkMoney(stored),
    ...chains.violations,
  ];
}

function describe(people: readonly Person[], record: ClientRecord, tally: Tally): string[] {
  const devices = people.flatMap((person) => person.devices);
  const sum = (of: (device: (typeof devices)[number]) => number) =>
    devices.reduce((total, device) => total + of(device), 0);
  return [
    table('the clients’ record', [
      ['answers that were shown', record.shown.size],
      ['answers whose end was told', record.ends.size],
      ['messages', record.messages.size],
      ['commands that begin an answer', record.asked.size],
      ['frames read', record.frames],
      ['deltas among them', record.deltas],
      ['sockets opened', sum(({ route }) => route.sockets)],
      ['sign-ins', sum(({ signIns }) => signIns)],
    ]),
    table('what people did', tally.list('did ')),
    table('how answers ended for those who watched', tally.list('end ')),
    table('stops', tally.list('stop ')),
    table('the same message from two devices', tally.list('twin ')),
    table('what people were refused', tally.list('error ')),
  ];
}
