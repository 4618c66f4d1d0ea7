/** HTML that is safe by the way it is written: what is put into a template is text, unless a template made it. */

/** A piece of HTML. Made by {@link html} alone. */
export interface Markup {
  readonly markup: string
}

/** What may stand in a template; undefined leaves nothing. */
export type Inset = string | number | Markup | readonly Markup[] | undefined

/** A template whose insets are escaped, in text and in quoted attributes alike. */
export function html(parts: TemplateStringsArray, ...insets: readonly Inset[]): Markup {
  let markup = parts[0] ?? ''
  for (const [index, inset] of insets.entries()) markup += textOf(inset) + (parts[index + 1] ?? '')
  return { markup }
}

function textOf(inset: Inset): string {
  if (inset === undefined) return ''
  if (typeof inset !== 'object') return escaped(String(inset))
  return 'markup' in inset ? inset.markup : inset.map(({ markup }) => markup).join('')
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? '')
}
