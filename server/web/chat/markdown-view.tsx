/** Draws parsed Markdown as elements. Text stays text: nothing here can become HTML. */
import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import { t } from '../i18n/translate.ts';
import { CopyButton } from './copy-button.tsx';
import { type Block, type Inline, parseMarkdown } from './markdown.ts';

export function MarkdownView({ text }: { text: string }) {
  const blocks = useMemo(() => parseMarkdown(text), [text]);
  return (
    <>
      {blocks.map((block, i) => (
        <BlockView key={i} block={block} />
      ))}
    </>
  );
}

function BlockView({ block }: { block: Block }) {
  switch (block.kind) {
    case 'paragraph':
      return <p dir="auto">{inlines(block.children)}</p>;
    case 'quote':
      return (
        <blockquote dir="auto">
          <p dir="auto">{inlines(block.children)}</p>
        </blockquote>
      );
    case 'heading':
      // Messages stand under the screen's headings and must not compete with them.
      return block.level <= 2 ? (
        <h4 dir="auto">{inlines(block.children)}</h4>
      ) : (
        <h5 dir="auto">{inlines(block.children)}</h5>
      );
    case 'rule':
      return <hr />;
    case 'code':
      return (
        <figure class="code">
          <figcaption>
            <bdi>{block.lang}</bdi>
            <CopyButton text={block.text} label={t('chat.copyCode')} />
          </figcaption>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
          <pre tabIndex={0} dir="auto">
            <code>{block.text}</code>
          </pre>
        </figure>
      );
    case 'list': {
      const items = block.items.map((item, i) => (
        <li key={i} dir="auto">
          {inlines(item)}
        </li>
      ));
      return block.ordered ? <ol start={block.start}>{items}</ol> : <ul>{items}</ul>;
    }
  }
}

const inlines = (parts: readonly Inline[]): ComponentChildren =>
  parts.map((part, i) => <InlineView key={i} part={part} />);

function InlineView({ part }: { part: Inline }) {
  switch (part.kind) {
    case 'text':
      return <>{part.text}</>;
    case 'break':
      return <br />;
    case 'code':
      return <code dir="auto">{part.text}</code>;
    case 'strong':
      return <strong>{inlines(part.children)}</strong>;
    case 'em':
      return <em>{inlines(part.children)}</em>;
    case 'del':
      return <del>{inlines(part.children)}</del>;
    case 'link':
      return (
        <a href={part.href} target="_blank" rel="noopener noreferrer nofollow ugc">
          {inlines(part.children)}
        </a>
      );
  }
}
