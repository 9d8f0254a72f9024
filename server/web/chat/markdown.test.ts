import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Block, type Inline, parseInline, parseMarkdown, safeHref } from './markdown.ts';

describe('parseMarkdown', () => {
  it('reads paragraphs, headings, rules and quotes', () => {
    expect(parseMarkdown('# One\n\nfirst\nsecond\n\n---\n> said')).toEqual([
      { kind: 'heading', level: 1, children: [{ kind: 'text', text: 'One' }] },
      {
        kind: 'paragraph',
        children: [{ kind: 'text', text: 'first' }, { kind: 'break' }, { kind: 'text', text: 'second' }],
      },
      { kind: 'rule' },
      { kind: 'quote', children: [{ kind: 'text', text: 'said' }] },
    ]);
  });

  it('reads lists, Japanese bullets and a start number', () => {
    expect(parseMarkdown('- a\n- b')).toMatchObject([
      { kind: 'list', ordered: false, items: [[{ text: 'a' }], [{ text: 'b' }]] },
    ]);
    expect(parseMarkdown('3. c\n4. d')).toMatchObject([{ kind: 'list', ordered: true, start: 3 }]);
    expect(parseMarkdown('・ 糸\n・ 布')).toMatchObject([
      { kind: 'list', items: [[{ text: '糸' }], [{ text: '布' }]] },
    ]);
  });

  it('keeps code as it is, closed or not', () => {
    expect(parseMarkdown('```ts\n**a**\n\n<b>\n```\nafter')).toEqual([
      { kind: 'code', lang: 'ts', text: '**a**\n\n<b>' },
      { kind: 'paragraph', children: [{ kind: 'text', text: 'after' }] },
    ]);
    expect(parseMarkdown('```\nstill open')).toEqual([{ kind: 'code', lang: '', text: 'still open' }]);
  });
});

describe('parseInline', () => {
  it('reads emphasis, code and links', () => {
    expect(parseInline('**糸**と*布*と`code`')).toEqual([
      { kind: 'strong', children: [{ kind: 'text', text: '糸' }] },
      { kind: 'text', text: 'と' },
      { kind: 'em', children: [{ kind: 'text', text: '布' }] },
      { kind: 'text', text: 'と' },
      { kind: 'code', text: 'code' },
    ]);
    expect(parseInline('[site](https://example.org/a)')).toEqual([
      { kind: 'link', href: 'https://example.org/a', children: [{ kind: 'text', text: 'site' }] },
    ]);
  });

  it('leaves lone stars, snake_case and HTML alone', () => {
    for (const text of ['2 * 3 * 4', 'snake_case_name', '<img src=x onerror=alert(1)>', '** no **']) {
      expect(parseInline(text)).toEqual([{ kind: 'text', text }]);
    }
  });

  it('refuses links that are not http, https or mail', () => {
    for (const target of ['javascript:alert(1)', 'JAVASCRIPT:alert(1)', 'data:text/html,x', '//evil', 'vbscript:x']) {
      expect(safeHref(target)).toBeUndefined();
      expect(parseInline(`[x](${target})`).some((part) => part.kind === 'link')).toBe(false);
    }
  });
});

describe('any text', () => {
  const letters = (blocks: readonly Block[]): string =>
    blocks
      .map((block) => {
        if (block.kind === 'code') return block.text;
        if (block.kind === 'list') return block.items.map(inlineLetters).join('');
        return block.kind === 'rule' ? '' : inlineLetters(block.children);
      })
      .join('');
  const inlineLetters = (parts: readonly Inline[]): string =>
    parts
      .map((part) => {
        if (part.kind === 'break') return '';
        return 'children' in part ? inlineLetters(part.children) : part.text;
      })
      .join('');

  it('loses no letter outside of the marks', () => {
    const markdownish = fc.string({
      unit: fc.constantFrom('a', '糸', ' ', '\n', '*', '`', '[', ']', '(', ')', '<', '😀'),
      maxLength: 80,
    });
    fc.assert(
      fc.property(markdownish, (text) => {
        const kept = letters(parseMarkdown(text));
        // The word after a fence names its language and is kept there.
        if (text.includes('```')) return;
        for (const letter of ['a', '糸', '😀', '<']) expect(kept.split(letter).length).toBe(text.split(letter).length);
      }),
      { numRuns: 400 },
    );
  });

  it('is read in time that grows with its length only', () => {
    for (const hostile of [
      '*'.repeat(20_000),
      '['.repeat(20_000),
      '**a'.repeat(6_000),
      '`'.repeat(20_000),
      '> '.repeat(9_000),
      '_a_'.repeat(6_000),
    ]) {
      // Of this thread's own time: on a busy machine others take most of what passes on the clock.
      const before = process.threadCpuUsage();
      parseMarkdown(hostile);
      const { user, system } = process.threadCpuUsage(before);
      expect((user + system) / 1_000).toBeLessThan(1_500);
    }
  });
});
