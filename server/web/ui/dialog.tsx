/** Modal dialogs and drawers over the native `<dialog>`: the browser keeps the focus inside and gives it back. */
import type { ComponentChildren, TargetedEvent } from 'preact';
import { useId, useLayoutEffect, useRef } from 'preact/hooks';
import { t } from '../i18n/translate.ts';
import { Icon } from './icons.tsx';

type DialogProps = {
  title: string;
  kind: 'dialog' | 'drawer-start' | 'drawer-end';
  onClose: () => void;
  children: ComponentChildren;
};

/** Rendered while it is open; unmounting it closes it. */
export function Dialog({ title, kind, onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  // At once, not after the next paint: the focus must never be nowhere.
  useLayoutEffect(() => {
    const element = dialog.current;
    const opener = document.activeElement;
    element?.showModal();
    return () => {
      element?.close();
      if (opener instanceof HTMLElement) opener.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      class={kind}
      aria-labelledby={titleId}
      onCancel={(event: TargetedEvent<HTMLDialogElement>) => {
        event.preventDefault();
        onClose();
      }}
      onPointerDown={(event) => {
        if (event.target === dialog.current) onClose();
      }}
    >
      <div class="dialog-body">
        <header class="dialog-head">
          <h2 id={titleId}>{title}</h2>
          <button type="button" class="icon-button" aria-label={t('close')} onClick={onClose}>
            <Icon name="close" />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

type ConfirmProps = {
  title: string;
  text: string;
  action: string;
  busy?: boolean;
  onConfirm: () => void;
  onClose: () => void;
};

/** Asks before something that cannot be taken back. */
export function Confirm({ title, text, action, busy = false, onConfirm, onClose }: ConfirmProps) {
  return (
    <Dialog kind="dialog" title={title} onClose={onClose}>
      <p>{text}</p>
      <div class="button-row end">
        <button type="button" class="button quiet" onClick={onClose}>
          {t('cancel')}
        </button>
        <button type="button" class="button danger" aria-busy={busy} disabled={busy} onClick={onConfirm}>
          {action}
        </button>
      </div>
    </Dialog>
  );
}
