/** A link inside the page: an ordinary anchor, so that a new tab and a reader work, without a reload on a plain click. */
import type { ComponentChildren } from 'preact';
import { currentPath, navigate } from '../router.ts';

type LinkProps = { to: string; class?: string; label?: string; onFollow?: () => void; children: ComponentChildren };

export function Link({ to, label, onFollow, children, ...rest }: LinkProps) {
  return (
    <a
      {...rest}
      href={to}
      aria-label={label}
      title={label}
      aria-current={currentPath.value === to ? 'page' : undefined}
      onClick={(event) => {
        if (
          event.defaultPrevented ||
          event.button !== 0 ||
          event.metaKey ||
          event.ctrlKey ||
          event.shiftKey ||
          event.altKey
        )
          return;
        event.preventDefault();
        onFollow?.();
        navigate(to);
      }}
    >
      {children}
    </a>
  );
}
