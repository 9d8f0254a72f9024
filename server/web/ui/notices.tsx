/** Short notices at the edge of the page, and the voice for screen readers. */
import { signal } from '@preact/signals';

type Notice = { id: number; text: string; tone: 'plain' | 'wrong' };

const shownMs = 6_000;
const notices = signal<readonly Notice[]>([]);
const spoken = signal('');
let nextId = 0;

/** Shows `text` for some seconds. */
export function notify(text: string, tone: Notice['tone'] = 'plain'): void {
  const id = nextId++;
  notices.value = [...notices.value, { id, text, tone }].slice(-3);
  setTimeout(() => {
    notices.value = notices.value.filter((notice) => notice.id !== id);
  }, shownMs);
}

/** Says `text` to screen readers when they have finished what they are saying. */
export function announce(text: string): void {
  // The same text twice would be no change and so not be said.
  spoken.value = spoken.value === text ? `${text}\u00a0` : text;
}

export function Notices() {
  return (
    <>
      <div class="notices" role="status">
        {notices.value.map((notice) => (
          <p key={notice.id} class={`notice notice-${notice.tone}`}>
            {notice.text}
          </p>
        ))}
      </div>
      <div class="sr-only" aria-live="polite" aria-atomic="true">
        {spoken}
      </div>
    </>
  );
}
