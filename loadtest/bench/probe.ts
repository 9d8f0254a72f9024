/**
 * Preloaded (`--import`) into every measured process, the peers like the server: says what the process has used, on request.
 * It does nothing between requests, so that it costs nothing in a measurement.
 */
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';
import { answerCommands } from './ipc.ts';

/** `cpuUs`: user and system time of all threads since the start. `loopP99Ms`: since the last `watch-loop`. */
export type ProbeReading = { cpuUs: number; rssBytes: number; heapBytes: number; loopP99Ms: number };
/** `profile` begins a CPU profile, and writes it when it comes again with a file. */
export type ProbeCommand = 'read' | 'collect' | 'watch-loop' | { profile: 'begin' | `${string}.cpuprofile` };

const loop = monitorEventLoopDelay({ resolution: 10 });

function read(): ProbeReading {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  return { cpuUs: user + system, rssBytes: rss, heapBytes: heapUsed, loopP99Ms: loop.percentile(99) / 1e6 };
}

let profiling: Session | undefined;

async function profile(file: 'begin' | `${string}.cpuprofile`): Promise<void> {
  if (file === 'begin') {
    profiling = new Session();
    profiling.connect();
    await profiling.post('Profiler.enable');
    await profiling.post('Profiler.setSamplingInterval', { interval: 250 });
    await profiling.post('Profiler.start');
    return;
  }
  const ended = await profiling?.post('Profiler.stop');
  profiling?.disconnect();
  profiling = undefined;
  if (ended) writeFileSync(file, JSON.stringify(ended.profile));
}

async function handle(command: ProbeCommand): Promise<ProbeReading> {
  if (typeof command === 'object') await profile(command.profile);
  if (command === 'watch-loop') {
    loop.reset();
    loop.enable();
  }
  // Down to the last page, or growth would first fill what earlier garbage had made the heap take. Several times, because
  // finalizers of one round free what the next can collect.
  if (command === 'collect')
    for (let round = 0; round < 4; round++)
      globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  const reading = read();
  if (command === 'read') loop.disable();
  return reading;
}

// Worker threads inherit the preload; only the main thread has the channel. The channel must not keep the process alive.
if (isMainThread && process.send) {
  answerCommands(handle);
  process.channel?.unref();
  // A harness that was killed leaves nothing behind.
  process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
}
