/** The frame of a screen: its heading takes the focus when one arrives, so that readers say where one is. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { isolate } from '../i18n/isolate.ts';

type ScreenProps = {
  title: string;
  documentTitle?: string;
  class?: string;
  aside?: ComponentChildren;
  children: ComponentChildren;
};

export function Screen({ title, documentTitle = title, aside, children, ...rest }: ScreenProps) {
  const heading = useArrivalFocus(documentTitle);
  return (
    <main class={`screen ${rest.class ?? ''}`}>
      <header class="screen-head">
        <h1 ref={heading} tabIndex={-1} dir="auto">
          {title}
        </h1>
        {aside}
      </header>
      {children}
    </main>
  );
}

/** Names the tab and focuses the heading once, when the screen appears. */
export function useArrivalFocus(documentTitle: string) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = documentTitle === 'Tsumugi' ? documentTitle : `${isolate(documentTitle)} · Tsumugi`;
  }, [documentTitle]);
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  return heading;
}
