/** Copies a text and says so. */
import { useSignal } from '@preact/signals';
import { t } from '../i18n/translate.ts';
import { Icon } from '../ui/icons.tsx';
import { announce, notify } from '../ui/notices.tsx';

const confirmMs = 1_600;

export function CopyButton({ text, label }: { text: string; label: string }) {
  const copied = useSignal(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // No clipboard on plain HTTP outside loopback, or it was refused.
      return notify(t('chat.copyFailed'), 'wrong');
    }
    copied.value = true;
    announce(t('chat.copied'));
    setTimeout(() => {
      copied.value = false;
    }, confirmMs);
  };
  return (
    <button type="button" class="icon-button small" aria-label={label} title={label} onClick={copy}>
      <Icon name={copied.value ? 'check' : 'copy'} size={16} />
    </button>
  );
}
