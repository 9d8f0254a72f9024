/** On how many devices and tabs the account is connected, this one included. */
import { computed, effect, signal } from '@preact/signals';
import { currentClient } from '../session/store.ts';

const connections = signal(1);
/** Connections of the account beside this page's own. */
export const elsewhere = computed(() => Math.max(0, connections.value - 1));

/** Follows the client of whoever is signed in. Call once. */
export function startPresence(): void {
  let unfollow: (() => void) | undefined;
  effect(() => {
    const client = currentClient.value;
    unfollow?.();
    unfollow = undefined;
    connections.value = 1;
    if (client === undefined) return;
    const ask = () => {
      // Nothing waits for it: the next change is told anyway.
      client.request('identity.presence', {}).then(
        (presence) => {
          if (currentClient.peek() === client) connections.value = presence.connections;
        },
        () => undefined,
      );
    };
    const unpush = client.on('identity.presence', (presence) => {
      connections.value = presence.connections;
    });
    // While this page was away nobody told it.
    const unstate = client.onState((state) => {
      if (state === 'connected') ask();
    });
    unfollow = () => {
      unpush();
      unstate();
    };
  });
}
