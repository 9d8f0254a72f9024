/** Takes up the session when the page opens; a server that cannot be reached is told, not taken for a sign-out. */
import { signal } from '@preact/signals';
import { resumeSession, sessionState } from './session/store.ts';

export const startFailure = signal<unknown>(undefined);

export async function start(): Promise<void> {
  startFailure.value = undefined;
  try {
    await resumeSession();
  } catch (error) {
    // `signed_out` when the server said that the session is over: then there is nothing to retry.
    if (sessionState.value === 'starting') startFailure.value = error;
  }
}
