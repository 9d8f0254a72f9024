/**
 * `/docs/promises`: what a client may rely on, what it must do for it, and the numbers. Told by hand; every number comes from the
 * limits that the server really has.
 */

import { closeCodes } from '../../protocol/close-code.ts';
import { MAX_BRANCHES, PAGE_CHARACTERS } from '../../protocol/primitives.ts';
import { docsFrame } from './frame.ts';
import { type Html, html } from './html.ts';
import { closeSection } from './page.ts';
import { type Step, sequence } from './sequence.ts';

/** The limits of the running server. */
export type PromiseFacts = {
  softBufferBytes: number;
  hardQueueBytes: number;
  /** Of the soft limit, how much the transport holds before the outbox waits, bytes. */
  fullAtBytes: number;
  snapshotBehindUnits: number;
  stallMs: number;
  idleTimeoutS: number;
  rollUpMs: number;
  /** How long a finished answer can be resumed. */
  keepMs: number;
  drainTimeoutMs: number;
  drainDelayMs: number;
  /** Idle sockets are closed within it. */
  drainOverMs: number;
  maxHintMs: number;
  failover: 'continue' | 'interrupt';
};

export function promisesPage(facts: PromiseFacts): string {
  return docsFrame({
    title: 'the promises',
    links: [
      ['/docs', 'The protocol'],
      ['/', 'The app'],
    ],
    navigation: html`<nav aria-label="Contents"><h2>The promises</h2><ul>${sections.map(([id, title]) => html`<li><a href="#${id}">${title}</a></li>`)}</ul></nav>`,
    content: html`<h1>The promises</h1>
<p class="lead">What a client may rely on while connections break, devices come and go, and servers are replaced or die. The numbers are those
of the server that shows you this page.</p>
${kept(facts)}${duties()}${picture()}${slowReaders(facts)}${goingDown(facts)}${dying(facts)}${closeSection()}`,
  });
}

const sections = [
  ['kept', 'What is promised'],
  ['duties', 'What a client does for it'],
  ['picture', 'One answer, two servers'],
  ['slow', 'Clients that read slowly'],
  ['drain', 'A server goes down on purpose'],
  ['failover', 'Something dies'],
  ['close-codes', 'Close codes'],
] as const;
type SectionId = (typeof sections)[number][0];

function title(id: SectionId): Html {
  const text = sections.find(([one]) => one === id)?.[1] ?? '';
  return html`<h2 id="${id}"><a href="#${id}">${text}</a></h2>`;
}

function kept({ rollUpMs, keepMs }: PromiseFacts): Html {
  return html`<section>${title('kept')}
<dl class="promises">
<dt>Nothing shown is lost.</dt><dd>A piece of an answer is in the live log before any client gets it. Whatever dies afterwards, that text stands in the message in the end.</dd>
<dt>The first token never waits.</dt><dd>It leaves at once; what follows is gathered for up to ${duration(rollUpMs)}.</dd>
<dt>Deltas are idempotent.</dt><dd>Each says at which <code>offset</code> it begins, so applying it twice changes nothing and a hole is seen at once.</dd>
<dt>A disconnect stops nothing.</dt><dd>An answer belongs to the server. Come back, attach with what you have, and the rest follows as deltas, without a repeated or a missing
unit; a finished answer can be resumed like that for ${duration(keepMs)}, and is in the history for ever.</dd>
<dt>Stop means stop, from anywhere.</dt><dd><code>chat.stop</code> works from any device and through any server, may be sent twice, keeps the text so far, and only what was written is paid.
When it meets the end of the answer, one of the two happened, and every device learns which.</dd>
<dt>All devices see the same.</dt><dd>What one does, the others are told, whichever server they are on. The same <code>clientMessageId</code> is one message, however often and from however many devices it is sent.</dd>
<dt>Bought once.</dt><dd>The same <code>requestKey</code> is one checkout. What was bought is there when <code>billing.purchase</code> says so, never before the payment provider has confirmed it.</dd>
<dt>Charged once.</dt><dd><code>chat.done</code> comes after message, usage and ledger entry have been committed together.</dd>
</dl></section>`;
}

function duties(): Html {
  return html`<section>${title('duties')}
<ol>
<li>Keep the text of each running answer and its last <code>epoch</code> and <code>seq</code>. A delta with <code>offset ≤ length</code> adds what lies behind; one with
<code>offset &gt; length</code> is a hole: attach again.</li>
<li>Ignore deltas of a lower <code>epoch</code>. A <a href="/docs#push.chat.snapshot"><code>chat.snapshot</code></a> replaces the text.</li>
<li>When the socket closes, do what the <a href="#close-codes">range of its code</a> says, with full jitter. After <code>gateway.draining</code> wait
<code>reconnectInMs</code> from the close on.</li>
<li>Then attach to what is on the screen: <a href="/docs#chat.attach"><code>chat.attach</code></a> with <code>after: {generationId, epoch, seq}</code>. With <code>resumed: true</code> go on
from your text, else take <code>generation.text</code>.</li>
<li>Send again what is unanswered if it reads only, or carries a <code>clientMessageId</code> or a <code>requestKey</code>. What was refused with <code>draining</code> did not happen: send it on the next connection.</li>
<li>After <a href="/docs#push.chat.selected"><code>chat.selected</code></a> attach again, unless what you have is of that <code>revision</code>: something changed that no other push has told you of.</li>
<li>Answer WebSocket pings, and read what comes.</li>
</ol>
<p><code>protocol/client.ts</code> does all of this.</p></section>`;
}

type Actor = 'client' | 'a' | 'log' | 'b';
const story: readonly Step<Actor>[] = [
  { from: 'client', to: 'a', says: 'chat.send' },
  { from: 'a', to: 'client', says: 'reply: generationId' },
  { from: 'a', to: 'log', says: 'seq 0 “Good”' },
  { from: 'a', to: 'client', says: 'chat.delta seq 0' },
  { from: 'a', to: 'log', says: 'seq 1, 2' },
  { from: 'a', to: 'client', says: 'chat.delta seq 2' },
  { at: 'client', says: 'the connection breaks' },
  { from: 'a', to: 'log', says: 'seq 3 … 5' },
  { from: 'client', to: 'b', says: 'chat.attach after seq 2' },
  { from: 'log', to: 'b', says: 'seq 3 … 5' },
  { from: 'b', to: 'client', says: 'reply: resumed, then delta seq 5' },
  { from: 'a', to: 'b', says: 'further pieces' },
  { from: 'b', to: 'client', says: 'chat.delta seq 6' },
  { at: 'a', says: 'committed and settled' },
  { from: 'a', to: 'b', says: 'the end' },
  { from: 'b', to: 'client', says: 'chat.done' },
];

function picture(): Html {
  const actors = { client: 'Your client', a: 'Server A', log: 'Live log', b: 'Server B' };
  const says = 'A client loses its connection to server A in the middle of an answer and reads on through server B.';
  return html`<section>${title('picture')}
<p>${says} Text is stored first and sent second, on every way.</p>${sequence('story', says, actors, story)}</section>`;
}

function slowReaders(facts: PromiseFacts): Html {
  const rungs: [string, string, string][] = [
    ['keeps up', `less than ${bytes(facts.fullAtBytes)} unsent`, 'Every piece is sent as it comes.'],
    [
      'falls behind',
      'more than that',
      'Nothing further is sent. When there is room again, merged deltas carry what it missed.',
    ],
    ['far behind', `more than ${count(facts.snapshotBehindUnits)} UTF-16 units missed`, 'One chat.snapshot instead.'],
    [
      'does not read',
      `pushes and replies of ${bytes(facts.hardQueueBytes)} wait, or nothing was taken for ${duration(facts.stallMs)}`,
      `Closed with ${closeCodes.resume.code}: come back and attach.`,
    ],
  ];
  return html`<section>${title('slow')}
<p>A client that stops reading costs the server at most about ${bytes(facts.softBufferBytes)}, and the other clients nothing; the text it misses exists once, in the answer itself. There are no holes on any rung.</p>
<div class="scroll" tabindex="0"><table><thead><tr><th scope="col">The client</th><th scope="col">From</th><th scope="col">What it gets</th></tr></thead><tbody>
${rungs.map(([who, from, gets]) => html`<tr><th scope="row">${who}</th><td>${from}</td><td>${gets}</td></tr>`)}</tbody></table></div>
<p>A page of messages (<code>chat.attach</code>, <code>chat.history</code>, <code>chat.select</code>) has fewer than <code>limit</code> where they are long: it ends with the one that brings it to ${count(PAGE_CHARACTERS)} characters; each further branch beside a message (<code>siblings</code>) counts as 36. So has a page of avatars (<code>companion.list_avatars</code>) or of the versions of a prompt (<code>companion.list_prompts</code>). <code>nextBefore</code> says whether there is more.</p>
<p>At most ${MAX_BRANCHES} branches stand beside each other: answers to one message, messages below one answer, first messages of one conversation. One more is refused with <code>chat.too_many_branches</code>, which names the field and the limit; nothing is held or charged for it, and one can go on from each branch that is there.</p>
<p>Who has just attached always goes on from its place by deltas, however far behind. A client that answers no ping is given up after ${facts.idleTimeoutS} s.</p></section>`;
}

function goingDown(facts: PromiseFacts): Html {
  const { drainDelayMs, drainTimeoutMs, drainOverMs, maxHintMs } = facts;
  const delay =
    drainDelayMs > 0 &&
    html`<li>For ${duration(drainDelayMs)} everything else goes on, so that load balancers notice.</li>`;
  return html`<section>${title('drain')}
<ol><li><code>/readyz</code> answers 503 and new sockets are refused with 503, <code>draining</code> and <code>Retry-After</code>. HTTP is served to the end.</li>
${delay}
<li>New answers are refused with <code>draining</code>, before anything has happened. Every socket gets <code>gateway.draining</code> with a random <code>reconnectInMs</code> of at most ${duration(maxHintMs)}.</li>
<li>Idle sockets are closed with ${closeCodes.going_away.code}, spread over ${duration(drainOverMs)}. Who reads a running answer stays connected until its <code>chat.done</code>, at most for ${duration(drainTimeoutMs)}; then it is closed like the others.</li>
<li>An answer that takes longer is ended as <code>interrupted</code>, with its text so far, or taken over by another server.</li></ol></section>`;
}

function dying({ failover }: PromiseFacts): Html {
  const goesOn =
    failover === 'continue'
      ? 'Another server takes the answer over within seconds and lets the model write on behind the stored text, under a higher epoch.'
      : 'Another server takes the answer over within seconds and closes it as interrupted, with everything that was shown.';
  // Shown line by line by: resume.e2e, survival.e2e, takeover.{pg,redis}, process.e2e, survival.redis, survival.e2e twice.
  const rows: [string, string][] = [
    ['Your connection', 'Nothing happens to the answer. Come back and resume.'],
    ['A server, in the middle of an answer', `${goesOn} What the dead one may still write is refused.`],
    [
      'A server’s way to the live store, for seconds',
      'The same as if it had died. Who reads through it gets a snapshot of what the other server writes, and the end behind the whole text, as soon as there is a way again.',
    ],
    ['The only server', 'The same, when it is started again.'],
    [
      'The live store',
      'Nothing new is shown while it is away. If it lost its data, the answer ends as interrupted or goes on from what the server still has. When it is back, every reader gets chat.selected with the revision of his conversation: who has an older one attaches again, and so sees what other devices did meanwhile.',
    ],
    [
      'The database',
      'Commands are answered with busy; the end of an answer waits until it can be committed. Without Redis it is the live store as well.',
    ],
    ['The model', 'chat.done with finishReason error and the text so far.'],
  ];
  return html`<section>${title('failover')}
<div class="scroll" tabindex="0"><table><thead><tr><th scope="col">What dies</th><th scope="col">What a client sees</th></tr></thead><tbody>
${rows.map(([what, sees]) => html`<tr><th scope="row">${what}</th><td>${sees}</td></tr>`)}</tbody></table></div></section>`;
}

const units = [
  [60_000, 'minutes', 'minute'],
  [1000, 's', 's'],
] as const;

function duration(ms: number): string {
  for (const [size, many, one] of units)
    if (ms >= size && ms % size === 0) return `${ms / size} ${ms === size ? one : many}`;
  return `${ms} ms`;
}

const bytes = (value: number): string => (value >= 1024 ? `${Math.round(value / 102.4) / 10} KiB` : `${value} bytes`);
const count = (value: number): string => value.toLocaleString('en');
