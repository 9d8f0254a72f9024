/** Loads the native library, and says what to do when it does not load. Imported, it does nothing. */

import type * as Uws from 'uWebSockets.js';
import { createRequire } from 'node:module';

export type UwsModule = typeof Uws;

/**
 * The native uWebSockets.js.
 * @throws Error that says how to repair the installation when the binary of this platform does not load.
 */
export function loadUws(): UwsModule {
  const require = createRequire(import.meta.url);
  let uws: UwsModule;
  try {
    uws = require('uWebSockets.js');
  } catch (error) {
    const why = error instanceof Error ? (error.message.split('\n').at(-1) ?? error.message) : String(error);
    throw new Error(`uWebSockets.js does not load (${why}). Run \`npm run postinstall\` and start again.`);
  }
  // A package of that name which is not the native one would speak, but slowly and differently.
  const native = Object.keys(require.cache).some((path) => /[\\/]uws_\w+\.node$/.test(path));
  if (!native || typeof uws.App !== 'function')
    throw new Error('uWebSockets.js is not the native library. Install it again.');
  return uws;
}
