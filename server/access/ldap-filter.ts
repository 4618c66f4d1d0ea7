/** Search filters (RFC 4515) made from an administrator's template and somebody's input. */

/**
 * What stands for itself in a filter, whatever it holds: with it no input can change what a filter means (RFC 4515 §3). Only ASCII is escaped: the client
 * library takes escaped bytes beyond it for characters.
 */
export function escapeFilterValue(value: string): string {
  // oxlint-disable-next-line no-control-regex -- NUL and its kin are what must be escaped
  return value.replaceAll(/[*()\\\0-\x1f\x7f]/gu, (character) => `\\${(character.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}`)
}

/** The template with `{name}` replaced by each value, escaped. Placeholders that no value is for stay as they are. */
export function fillFilter(template: string, values: Readonly<Record<string, string>>): string {
  return template.replaceAll(/\{(\w+)\}/g, (whole, name: string) =>
    Object.hasOwn(values, name) ? escapeFilterValue(values[name] ?? '') : whole,
  )
}

/** The template for whoever it may find: each `{input}` matches anything. */
export function filterForAnybody(template: string): string {
  return template.replaceAll('{input}', '*').replaceAll(/\*{2,}/g, '*')
}

/**
 * What is wrong with a template, as the end of a sentence; undefined when nothing is. `parse` is the client library's: it throws for what is no filter.
 * Extensible matches take no `*`, so a placeholder in one could not be asked for anybody.
 */
export function templateFault(template: string, placeholders: readonly string[], parse: (filter: string) => unknown): string | undefined {
  const used = [...template.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '')
  const unknown = used.find((name) => !placeholders.includes(name))
  if (unknown !== undefined) return `{${unknown}} means nothing here: use ${placeholders.map((name) => `{${name}}`).join(' or ')}`
  if (used.length === 0) return `it must have ${placeholders.map((name) => `{${name}}`).join(' or ')} in it`
  if (/:=[^()]*\{input\}/.test(template)) return '{input} cannot stand in an extensible match (:=): compare it with = to an attribute'
  if (!template.startsWith('(') || !template.endsWith(')')) return 'it must stand in parentheses'
  try {
    parse(fillFilter(template, Object.fromEntries(placeholders.map((name) => [name, 'x']))))
    parse(filterForAnybody(fillFilter(template, { dn: 'x', name: 'x' })))
    return undefined
  } catch {
    return 'it is no LDAP filter: see RFC 4515'
  }
}
