/** How the page is connected, for everything that shows it. */
import { effect, signal } from '@preact/signals';
import { currentClient } from '../session/store.ts';

export type ConnectionState = 'connected' | 'reconnecting' | 'offline';

export const connection = signal<ConnectionState>('connected');

/** Follows the client of whoever is signed in. Call once. */
export function startConnectionState(): void {
  let unfollow: (() => void) | undefined;
  effect(() => {
    const client = currentClient.value;
    unfollow?.();
    unfollow = undefined;
    if (client === undefined) {
      connection.value = 'connected';
      return;
    }
    const read = () => {
      if (client.state === 'connected') connection.value = 'connected';
      else connection.value = navigator.onLine ? 'reconnecting' : 'offline';
    };
    const unstate = client.onState(read);
    addEventListener('online', read);
    addEventListener('offline', read);
    unfollow = () => {
      unstate();
      removeEventListener('online', read);
      removeEventListener('offline', read);
    };
  });
}
