/**
 * Preloaded (`--import`) into every measured process, the peers like the server: says what the process has used, on request.
 * It does nothing between requests, so that it costs nothing in a measurement.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';
import { answerCommands } from './ipc.ts';

/** `cpuUs`: user and system time of all threads since the start. `loopP99Ms`: since the last `watch-loop`. */
export type ProbeReading = { cpuUs: number; rssBytes: number; heapBytes: number; loopP99Ms: number };
export type ProbeCommand = 'read' | 'collect' | 'watch-loop';

const loop = monitorEventLoopDelay({ resolution: 10 });

function read(): ProbeReading {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  return { cpuUs: user + system, rssBytes: rss, heapBytes: heapUsed, loopP99Ms: loop.percentile(99) / 1e6 };
}

function handle(command: ProbeCommand): ProbeReading {
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
}
