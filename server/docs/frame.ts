/** What every page of the documents has in common: its head, the bar with the links, the two columns. */
import { type Html, html } from './html.ts';

type Page = {
  title: string;
  links: readonly (readonly [href: string, text: string])[];
  navigation: Html;
  content: Html;
};

export function docsFrame({ title, links, navigation, content }: Page): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Tsumugi: ${title}</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/docs/style.css">
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header class="top"><p class="brand"><span lang="ja">紡ぎ</span> Tsumugi</p>
<p class="links">${links.map(([href, text]) => html`<a href="${href}">${text}</a> `)}</p></header>
<div class="columns">
${navigation}
<main id="content">
${content}
</main>
</div>
</body>
</html>`.text;
}
