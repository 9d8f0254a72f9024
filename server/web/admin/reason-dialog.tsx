/** Asks an operator why, before something that is entered for ever. */
import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { t } from '../i18n/translate.ts';
import { errorText } from '../session/error-text.ts';
import { Dialog } from '../ui/dialog.tsx';
import { TextArea } from '../ui/field.tsx';

type ReasonDialogProps = {
  title: string;
  action: string;
  danger?: boolean;
  /** What else is asked. */
  children?: ComponentChildren;
  /** False: something else in the dialog is wrong, which says so itself. What is refused is said; the dialog stays open. */
  onConfirm: (reason: string) => Promise<unknown>;
  onClose: () => void;
};

const leastLength = 3;

export function ReasonDialog({ title, action, danger = false, children, onConfirm, onClose }: ReasonDialogProps) {
  const reason = useSignal('');
  const failure = useSignal<string | undefined>(undefined);
  const busy = useSignal(false);
  const confirm = async () => {
    if (reason.value.trim().length < leastLength) {
      failure.value = t('admin.reasonNeeded');
      return;
    }
    busy.value = true;
    failure.value = undefined;
    try {
      if ((await onConfirm(reason.value.trim())) !== false) onClose();
    } catch (error) {
      failure.value = errorText(error);
    } finally {
      busy.value = false;
    }
  };
  return (
    <Dialog kind="dialog" title={title} onClose={onClose}>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (!busy.value) void confirm();
        }}
      >
        {children}
        <TextArea
          label={t('admin.reason')}
          hint={t('admin.reasonHint')}
          rows={3}
          maxLength={500}
          value={reason.value}
          error={failure.value}
          onValue={(value) => {
            reason.value = value;
            failure.value = undefined;
          }}
        />
        <div class="button-row end">
          <button type="button" class="button quiet" onClick={onClose}>
            {t('cancel')}
          </button>
          <button
            type="submit"
            class={danger ? 'button danger' : 'button primary'}
            aria-busy={busy.value}
            disabled={busy.value}
          >
            {action}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
