/**
 * Every measurement of the server, in one place. Owns names, help texts and buckets; the hot paths only add to plain numbers,
 * which are read when somebody scrapes. Labels are closed lists: never a user, a text or a path as it was sent.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { Tally, TallyByLabel } from './tally.ts';

/** What is read at a scrape; main connects it once the parts are there. */
export type Gauges = {
  sockets(): number;
  slowSockets(): number;
  runningGenerations(): number;
  workerQueue(): number;
  passwordQueue(): number;
};

/** A client may ask with any word: what none of these is, is one. */
const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export class Metrics {
  readonly registry = new Registry();
  readonly #loopDelay = monitorEventLoopDelay({ resolution: 20 });

  readonly #connections = new Tally();
  readonly #closes = new TallyByLabel();
  readonly #refusals = new TallyByLabel();
  readonly #abandoned = new Tally();
  readonly #framesIn = new Tally();
  readonly #framesOut = new Tally();
  readonly #framesRefused = new TallyByLabel();
  readonly #bytesIn = new Tally();
  readonly #bytesOut = new Tally();
  readonly #commands = new TallyByLabel();
  readonly #backPressure = new Tally();
  readonly #snapshots = new Tally();
  readonly #requests = new TallyByLabel();
  readonly #tokensIn = new Tally();
  readonly #tokensOut = new Tally();
  readonly #generations = new TallyByLabel();
  readonly #logPieces = new Tally();
  readonly #logFailures = new Tally();
  readonly #logsRestored = new Tally();
  readonly #leasesLost = new Tally();
  readonly #newsMissed = new Tally();
  readonly #adopted = new TallyByLabel();
  readonly #settlementFailures = new TallyByLabel();
  readonly #tasks = new TallyByLabel();

  readonly #commandTime = this.#histogram('tsumugi_command_seconds', 'Time to answer a command of a client.');
  readonly #requestTime = this.#histogram('tsumugi_http_request_seconds', 'Time to answer an HTTP request.');
  readonly #firstToken = this.#histogram(
    'tsumugi_first_token_seconds',
    'From the start of a generation to its first token.',
  );
  readonly #logWrite = this.#histogram(
    'tsumugi_live_log_write_seconds',
    'Time to store a batch of pieces before they are sent.',
  );
  readonly #database = this.#histogram(
    'tsumugi_database_ping_seconds',
    'Round trip to the database, measured at readiness checks.',
  );
  readonly #taskWait = this.#histogram('tsumugi_worker_wait_seconds', 'Time that a CPU task waited for a thread.');
  readonly #taskRun = this.#histogram('tsumugi_worker_run_seconds', 'Time that a CPU task ran.');

  constructor() {
    this.#tally('tsumugi_connections_total', 'Sockets that were opened.', this.#connections);
    this.#labelled(
      'tsumugi_connection_closes_total',
      'Sockets that were closed, by close code and by who or what ended them.',
      ['code', 'ending'],
      this.#closes,
    );
    this.#labelled(
      'tsumugi_upgrades_refused_total',
      'Upgrades that were refused, by status.',
      ['status'],
      this.#refusals,
    );
    this.#tally(
      'tsumugi_upgrades_abandoned_total',
      'Clients that were gone before their credentials had been checked.',
      this.#abandoned,
    );
    this.#tally('tsumugi_frames_in_total', 'Frames of clients.', this.#framesIn);
    this.#tally('tsumugi_frames_out_total', 'Frames to clients.', this.#framesOut);
    this.#labelled(
      'tsumugi_frames_refused_total',
      'Frames of clients that did not become a command, by error code.',
      ['code'],
      this.#framesRefused,
    );
    this.#tally('tsumugi_frame_bytes_in_total', 'Bytes of frames of clients.', this.#bytesIn);
    this.#tally('tsumugi_frame_bytes_out_total', 'Bytes of frames to clients.', this.#bytesOut);
    this.#labelled('tsumugi_commands_total', 'Commands, by type and outcome.', ['type', 'outcome'], this.#commands);
    this.#tally('tsumugi_back_pressure_total', 'Times that a socket went over its soft limit.', this.#backPressure);
    this.#tally('tsumugi_snapshots_total', 'Snapshots that slow readers got in place of pieces.', this.#snapshots);
    this.#labelled(
      'tsumugi_http_requests_total',
      'HTTP requests, by route and status; 499: the client left before the reply.',
      ['method', 'route', 'status'],
      this.#requests,
    );
    this.#tally('tsumugi_tokens_in_total', 'Tokens of prompts that were settled.', this.#tokensIn);
    this.#tally('tsumugi_tokens_out_total', 'Tokens of answers that were settled.', this.#tokensOut);
    this.#labelled('tsumugi_generations_total', 'Generations that ended, by reason.', ['reason'], this.#generations);
    this.#tally('tsumugi_live_log_pieces_total', 'Pieces of generations that were stored.', this.#logPieces);
    this.#tally(
      'tsumugi_live_log_failures_total',
      'Writes of the live log that failed and were tried again.',
      this.#logFailures,
    );
    this.#tally(
      'tsumugi_live_logs_restored_total',
      'Logs that the live store had lost and that were written again.',
      this.#logsRestored,
    );
    this.#tally(
      'tsumugi_leases_lost_total',
      'Times that this gateway could not renew its lease in time.',
      this.#leasesLost,
    );
    this.#tally(
      'tsumugi_news_missed_total',
      'Times that the way to the live store was lost and what other gateways told may have been missed.',
      this.#newsMissed,
    );
    this.#labelled(
      'tsumugi_generations_adopted_total',
      'Generations of dead gateways that were taken over.',
      ['outcome'],
      this.#adopted,
    );
    this.#labelled(
      'tsumugi_settlement_failures_total',
      'Settlements that failed, by what follows.',
      ['outcome'],
      this.#settlementFailures,
    );
    this.#labelled('tsumugi_worker_tasks_total', 'CPU tasks, by outcome.', ['task', 'outcome'], this.#tasks);
    this.#watchLoop();
    this.#watchProcess();
  }

  /** Handed to the gateway. */
  readonly gateway = {
    connectionOpened: (): void => this.#connections.add(1),
    connectionClosed: (code: number, ending: string): void => this.#closes.add(1, closeLabel(code, ending), ending),
    upgradeAbandoned: (): void => this.#abandoned.add(1),
    upgradeRefused: (status: number): void => this.#refusals.add(1, String(status)),
    frameIn: (bytes: number): void => {
      this.#framesIn.add(1);
      this.#bytesIn.add(bytes);
    },
    frameOut: (bytes: number): void => {
      this.#framesOut.add(1);
      this.#bytesOut.add(bytes);
    },
    frameRefused: (code: string): void => this.#framesRefused.add(1, code),
    commandDone: (type: string, outcome: string, durationMs: number): void => {
      this.#commands.add(1, type, outcome);
      this.#commandTime.observe(durationMs / 1000);
    },
    backPressure: (): void => this.#backPressure.add(1),
    snapshotSent: (): void => this.#snapshots.add(1),
    requestDone: (method: string, route: string, status: number, durationMs: number): void => {
      this.#requests.add(1, methods.has(method) ? method : 'other', route, String(status));
      this.#requestTime.observe(durationMs / 1000);
    },
  };

  /** Handed to the chat engine. */
  readonly chat = {
    firstToken: (delayMs: number): void => this.#firstToken.observe(delayMs / 1000),
    tokens: (tokensIn: number, tokensOut: number): void => {
      this.#tokensIn.add(tokensIn);
      this.#tokensOut.add(tokensOut);
    },
    finished: (reason: string): void => this.#generations.add(1, reason),
    logWritten: (pieces: number, tookMs: number): void => {
      this.#logPieces.add(pieces);
      this.#logWrite.observe(tookMs / 1000);
    },
    logFailed: (): void => this.#logFailures.add(1),
    logRestored: (): void => this.#logsRestored.add(1),
    leaseLost: (): void => this.#leasesLost.add(1),
    newsMissed: (): void => this.#newsMissed.add(1),
    adopted: (outcome: string): void => this.#adopted.add(1, outcome),
    settlementFailed: (outcome: string): void => this.#settlementFailures.add(1, outcome),
  };

  /** Handed to the worker pool. */
  readonly workerTask = (task: string, waitMs: number, runMs: number, outcome: string): void => {
    this.#tasks.add(1, task, outcome);
    this.#taskWait.observe(waitMs / 1000);
    this.#taskRun.observe(runMs / 1000);
  };

  databasePing(tookMs: number): void {
    this.#database.observe(tookMs / 1000);
  }

  /** Connects what is read at a scrape. Once. */
  watch(gauges: Partial<Gauges>): void {
    const says: Record<keyof Gauges, readonly [name: string, help: string]> = {
      sockets: ['tsumugi_connections', 'Sockets that are open.'],
      slowSockets: ['tsumugi_slow_connections', 'Sockets whose client reads too slowly.'],
      runningGenerations: ['tsumugi_generations_running', 'Generations that are being written.'],
      workerQueue: ['tsumugi_worker_queue', 'CPU tasks that wait.'],
      passwordQueue: ['tsumugi_password_queue', 'Password hashes that wait or run.'],
    };
    for (const [key, [name, help]] of Object.entries(says)) {
      const read = gauges[key as keyof Gauges];
      if (read !== undefined)
        new Gauge({
          name,
          help,
          registers: [this.registry],
          collect() {
            this.set(read());
          },
        });
    }
  }

  /** The text that Prometheus reads. */
  async expose(): Promise<{ contentType: string; text: string }> {
    return { contentType: this.registry.contentType, text: await this.registry.metrics() };
  }

  /** The 99th percentile of the loop's delay since the last scrape, milliseconds. */
  get loopDelayMs(): number {
    return this.#loopDelay.percentile(99) / 1e6;
  }

  close(): void {
    this.#loopDelay.disable();
    this.registry.clear();
  }

  #watchLoop(): void {
    const delay = this.#loopDelay;
    delay.enable();
    new Gauge({
      name: 'tsumugi_loop_delay_seconds',
      help: 'Delay of the event loop since the last scrape.',
      labelNames: ['quantile'],
      registers: [this.registry],
      collect() {
        for (const quantile of [50, 99])
          this.set({ quantile: String(quantile / 100) }, delay.percentile(quantile) / 1e9);
        this.set({ quantile: '1' }, delay.max / 1e9);
        delay.reset();
      },
    });
  }

  #watchProcess(): void {
    new Counter({
      name: 'tsumugi_cpu_seconds_total',
      help: 'CPU time of the process, all threads.',
      registers: [this.registry],
      collect() {
        const { user, system } = process.cpuUsage();
        this.reset();
        this.inc((user + system) / 1e6);
      },
    });
    new Gauge({
      name: 'tsumugi_memory_bytes',
      help: 'Memory of the process.',
      labelNames: ['kind'],
      registers: [this.registry],
      collect() {
        const { rss, heapUsed, external } = process.memoryUsage();
        for (const [kind, bytes] of Object.entries({ rss, heap: heapUsed, external })) this.set({ kind }, bytes);
      },
    });
    const started = new Gauge({
      name: 'tsumugi_start_time_seconds',
      help: 'When the process started.',
      registers: [this.registry],
    });
    started.set(Math.round(performance.timeOrigin / 1000));
  }

  #histogram(name: string, help: string): Histogram {
    return new Histogram({ name, help, buckets: seconds, registers: [this.registry] });
  }

  #tally(name: string, help: string, tally: Tally): void {
    new Counter({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.inc(tally.take());
      },
    });
  }

  #labelled(name: string, help: string, labelNames: string[], tally: TallyByLabel): void {
    new Counter({
      name,
      help,
      labelNames,
      registers: [this.registry],
      collect() {
        for (const [labels, amount] of tally.take())
          this.inc(Object.fromEntries(labelNames.map((label, i) => [label, labels[i] ?? ''])), amount);
      },
    });
  }
}

/** Codes of clients may be any: those that no specification names are one. */
function closeLabel(code: number, ending: string): string {
  return ending === 'server' || code < 1016 ? String(code) : 'other';
}
